//! Looking: totals, walks with a callback, and the text of reports.
//!
//! A report names the total of each chunk before what is below it.  So all lines are noted
//! before the first is printed (`lines`): a report costs the same per chunk whatever the
//! shape of the tree.

use crate::header::{Chunk, DYING, HANDLE, Payload, SPECIAL, size_of_payload};
use crate::lines::{Line, Lines, ShortReport};
use crate::text::{Out, Text};
use crate::{name, refs, root, walk as walks};
use core::ffi::{c_int, c_void};
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
    #[inline(always)]
    fn and(self, other: Totals) -> Totals {
        Totals {
            size: self.size + other.size,
            blocks: self.blocks + other.blocks,
        }
    }

    /// Those of a chunk alone.
    #[inline(always)]
    pub fn of_one(t: Payload) -> Totals {
        let size = if t & HANDLE == 0 {
            size_of_payload(t)
        } else {
            0
        };
        Totals { size, blocks: 1 }
    }
}

/// What a payload has where it is not that of a chunk which is alive and in sight, or where the
/// chunk is the null context or the autofree context; and that of a reference.
const SPECIAL_OR_HIDDEN: Payload = !(SPECIAL - 1) | DYING | HANDLE;

/// The totals of a chunk of a user's, of the null context for NULL; nothing if there is none, or
/// after a fault.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn user_totals(ptr: *const c_void) -> Totals {
    if !ptr.is_null() {
        let c = Chunk::before(ptr);
        let t = c.payload();
        if t & SPECIAL_OR_HIDDEN == 0 {
            return match c.child() {
                None => Totals::of_one(t),
                Some(_) => totals_of_tree(c),
            };
        }
    }
    // SAFETY: the caller's promise.
    unsafe { user_totals_slow(ptr) }
}

#[inline(never)]
unsafe fn user_totals_slow(ptr: *const c_void) -> Totals {
    let c = if ptr.is_null() {
        root::or_null_context(None)
    } else {
        // SAFETY: the caller's promise.
        unsafe { Chunk::checked(ptr) }
    };
    c.map_or_else(Totals::default, totals)
}

/// The totals of `c` and all below it; nothing once it is dying.
#[inline]
pub fn totals(c: Chunk) -> Totals {
    if c.has(DYING) {
        return Totals::default();
    }
    if root::is_shared(c) {
        return totals_of_all(c);
    }
    totals_of_tree(c)
}

#[inline(never)]
fn totals_of_all(null_context: Chunk) -> Totals {
    let _still = root::keep_still(null_context);
    totals_of_tree(null_context)
}

#[inline(never)]
fn totals_of_tree(c: Chunk) -> Totals {
    walks::add_up(c, Totals::default(), |sum, t| sum.and(Totals::of_one(t)))
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
        let (chunk, is_ref) = if c.has(HANDLE) {
            let Some(target) = refs::target(c) else {
                continue;
            };
            (target, true)
        } else {
            (c, false)
        };
        show(Seen {
            chunk,
            depth,
            is_ref,
        });
        if max_depth >= 0 && depth >= max_depth {
            below.skip_children();
        }
    }
}

/// `talloc_report_depth_file`.
///
/// # Safety
/// `file` is a stream.
pub unsafe fn print(root: Chunk, depth: c_int, max_depth: c_int, file: *mut FILE) {
    // SAFETY: the caller's promise.
    unsafe { print_to(root, depth, max_depth, Out::Stream(file)) };
}

/// The same to a stream or a file.
///
/// # Safety
/// A stream is one.
pub unsafe fn print_to(root: Chunk, depth: c_int, max_depth: c_int, out: Out) {
    // SAFETY: the stream is the caller's promise.
    let mut text = unsafe { Text::new(out) };
    let mut print = |line: &Line| {
        // SAFETY: names are C strings.
        unsafe { print_line(line, depth, max_depth, &mut text) };
    };
    let mut place = ShortReport::new();
    if root.has(DYING) {
        // Nothing of it is shown.
    } else if let Some(lines) = Lines::of(root, depth, max_depth, &mut place) {
        lines.each(print);
    } else {
        // As the tree is when each line is printed; the totals are summed up each time.
        walk(root, depth, max_depth, |seen| {
            let (c, level) = (seen.chunk, seen.depth.saturating_sub(depth) as usize);
            if seen.is_ref {
                print(&Line::of_reference_to(c, level));
            } else {
                print(&Line::of(c, level, totals(c)));
            }
        });
    }
}

/// # Safety
/// The name is a C string.
unsafe fn print_line(line: &Line, depth: c_int, max_depth: c_int, text: &mut Text) {
    let depth = depth.saturating_add(line.level as c_int);
    let indent = depth.wrapping_mul(4).unsigned_abs() as usize;
    let Totals { size, blocks } = line.totals;
    if line.is_ref {
        text.blanks(indent);
        text.put(b"reference to: ");
        // SAFETY: the caller's promise.
        unsafe { text.put_padded(line.name, 0) };
        return text.end_line();
    }
    if let Some((max, used)) = line.limit {
        text.blanks(indent);
        // SAFETY: as above.
        unsafe { text.put_padded(line.name, 30) };
        text.put(b" is a memlimit context (max_size = ");
        text.number(max, 0);
        text.put(b" bytes, cur_size = ");
        text.number(used, 0);
        text.put(b" bytes)");
        text.end_line();
    }
    if depth == 0 {
        if max_depth < 0 {
            text.put(b"full ");
        }
        text.put(b"talloc report on '");
        // SAFETY: as above.
        unsafe { text.put_padded(line.name, 0) };
        text.put(b"' (total ");
    } else {
        text.blanks(indent);
        // SAFETY: as above.
        unsafe { text.put_padded(line.name, 30) };
        text.put(b" contains ");
    }
    text.number(size, 6);
    text.put(b" bytes in ");
    text.number(blocks, 3);
    if depth == 0 {
        text.put(b" blocks)");
    } else {
        text.put(b" blocks (ref ");
        text.number(line.references, 0);
        text.put(b") ");
        text.address(line.user);
    }
    text.end_line();
}

/// `talloc_show_parents`.
///
/// # Safety
/// `file` is a stream.
pub unsafe fn print_parents(c: Option<Chunk>, file: *mut FILE) {
    // SAFETY: the stream is the caller's promise; names are C strings.
    unsafe {
        let mut text = Text::new(Out::Stream(file));
        let Some(c) = c else {
            text.put(b"talloc no parents for NULL");
            return text.end_line();
        };
        text.put(b"talloc parents of '");
        text.put_padded(name::of(c), 0);
        text.put(b"'");
        text.end_line();
        for a in walks::ancestors(c) {
            text.put(b"\t'");
            text.put_padded(name::of(a), 0);
            text.put(b"'");
            text.end_line();
        }
    }
}
