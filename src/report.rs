//! Looking: totals, walks with a callback, and the text of reports.
//!
//! A report names the total of each chunk before what is below it. The totals
//! of all lines are summed up in one walk before the first is printed, so a
//! report costs the same per chunk whatever the shape of the tree.

use crate::header::{Chunk, DYING, HANDLE};
use crate::sysmem::{self, Scratch};
use crate::{limit, name, refs, walk as walks};
use core::ffi::{c_int, c_ulong};
use libc::FILE;

/// User bytes and chunks of a subtree.
#[derive(Clone, Copy, Default)]
pub struct Totals {
    /// User bytes; references add nothing.
    pub size: usize,
    /// Chunks, references included.
    pub blocks: usize,
}

impl Totals {
    fn add(&mut self, other: Totals) {
        self.size += other.size;
        self.blocks += other.blocks;
    }

    fn of_one(c: Chunk) -> Totals {
        let size = if c.has(HANDLE) { 0 } else { c.size() };
        Totals { size, blocks: 1 }
    }
}

/// The totals of `c` and all below it; nothing once it is dying.
pub fn totals(c: Chunk) -> Totals {
    let mut sum = Totals::default();
    if !c.has(DYING) {
        walks::in_any_order(c, |x| sum.add(Totals::of_one(x)));
    }
    sum
}

/// What a walk shows at one place.
pub struct Seen {
    /// The chunk, or what the reference refers to.
    pub chunk: Chunk,
    /// As given for the root, plus the levels below it.
    pub depth: c_int,
    /// A reference, not descended.
    pub is_ref: bool,
}

/// Shows `root` and what is below it, newest child first, down to `max_depth`
/// (negative: all).
pub fn walk(root: Chunk, depth: c_int, max_depth: c_int, mut show: impl FnMut(Seen)) {
    if root.has(DYING) {
        return;
    }
    let mut below = walks::subtree(root);
    while let Some(c) = below.next() {
        let depth = depth.saturating_add(below.depth() as c_int);
        if c.has(HANDLE) {
            if let Some(chunk) = refs::target(c) {
                show(Seen {
                    chunk,
                    depth,
                    is_ref: true,
                });
            }
            continue;
        }
        show(Seen {
            chunk: c,
            depth,
            is_ref: false,
        });
        if max_depth >= 0 && depth >= max_depth {
            below.skip_children();
        }
    }
}

/// A line's total, and the line of its parent.
struct Sum {
    totals: Totals,
    above: usize,
}

/// The totals of all lines of a report, in their order; `None` without memory.
fn sums(root: Chunk, depth: c_int, max_depth: c_int) -> Option<Scratch<Sum>> {
    let levels = match max_depth {
        ..0 => usize::MAX,
        max => usize::try_from(max.saturating_sub(depth)).unwrap_or(0),
    };
    let mut lines = 0;
    walk(root, depth, max_depth, |_| lines += 1);
    let sums = sysmem::scratch::<Sum>(lines)?;
    let line = |i: usize| sums.start().wrapping_add(i);
    let (mut n, mut at, mut at_depth) = (0_usize, 0_usize, 0);
    let mut below = walks::subtree(root);
    while let Some(c) = below.next() {
        let totals = Totals::of_one(c);
        // SAFETY: lines 0 to n - 1 are written, n is at most `lines`, as the
        // walk before has counted, and `at` is the line written last.
        unsafe {
            if below.depth() > levels {
                (*line(at)).totals.add(totals); // below the last level shown
                continue;
            }
            let mut above = at;
            for _ in below.depth()..=at_depth {
                if n > 0 {
                    above = (*line(above)).above;
                }
            }
            line(n).write(Sum { totals, above });
            (at, at_depth) = (n, below.depth());
            n += 1;
        }
    }
    for i in (1..n).rev() {
        // SAFETY: written above; `above` is an earlier line.
        unsafe {
            let Sum { totals, above } = line(i).read();
            (*line(above)).totals.add(totals);
        }
    }
    Some(sums)
}

/// `talloc_report_depth_file`.
///
/// # Safety
/// `file` is a stream.
pub unsafe fn print(root: Chunk, depth: c_int, max_depth: c_int, file: *mut FILE) {
    let sums = sums(root, depth, max_depth);
    let mut next = 0;
    walk(root, depth, max_depth, |seen| {
        let c = seen.chunk;
        let total = match &sums {
            _ if seen.is_ref => Totals::default(),
            // SAFETY: one sum for each line, in the same order.
            Some(sums) => unsafe { (*sums.start().add(next)).totals },
            None => totals(c),
        };
        next += 1;
        // SAFETY: the stream is the caller's promise; names are C strings.
        unsafe { print_line(&seen, total, max_depth, file) };
    });
    // SAFETY: a stream, says the caller.
    unsafe { libc::fflush(file) };
}

/// # Safety
/// `file` is a stream.
unsafe fn print_line(seen: &Seen, total: Totals, max_depth: c_int, file: *mut FILE) {
    let c = seen.chunk;
    let name = name::of(c);
    let indent = seen.depth.wrapping_mul(4);
    let size = total.size as c_ulong;
    let blocks = total.blocks as c_ulong;
    let empty = c"".as_ptr();
    // SAFETY: the arguments fit their formats: int, C strings, unsigned longs
    // and a pointer.
    unsafe {
        if seen.is_ref {
            libc::fprintf(file, c"%*sreference to: %s\n".as_ptr(), indent, empty, name);
            return;
        }
        if let Some((max, used)) = limit::figures(c) {
            libc::fprintf(
                file,
                c"%*s%-30s is a memlimit context (max_size = %lu bytes, cur_size = %lu bytes)\n"
                    .as_ptr(),
                indent,
                empty,
                name,
                max as c_ulong,
                used as c_ulong,
            );
        }
        if seen.depth == 0 {
            let full = if max_depth < 0 { c"full " } else { c"" };
            libc::fprintf(
                file,
                c"%stalloc report on '%s' (total %6lu bytes in %3lu blocks)\n".as_ptr(),
                full.as_ptr(),
                name,
                size,
                blocks,
            );
            return;
        }
        libc::fprintf(
            file,
            c"%*s%-30s contains %6lu bytes in %3lu blocks (ref %d) %p\n".as_ptr(),
            indent,
            empty,
            name,
            size,
            blocks,
            refs::count(c) as c_int,
            c.user(),
        );
    }
}

/// `talloc_show_parents`.
///
/// # Safety
/// `file` is a stream.
pub unsafe fn print_parents(c: Option<Chunk>, file: *mut FILE) {
    // SAFETY: C strings and, says the caller, a stream.
    unsafe {
        match c {
            None => {
                libc::fprintf(file, c"talloc no parents for NULL\n".as_ptr());
            }
            Some(c) => {
                libc::fprintf(file, c"talloc parents of '%s'\n".as_ptr(), name::of(c));
                for a in walks::ancestors(c) {
                    libc::fprintf(file, c"\t'%s'\n".as_ptr(), name::of(a));
                }
            }
        }
        libc::fflush(file);
    }
}
