//! Looking: totals, walks with a callback, and the text of reports.
//!
//! A report names the total of each chunk before what is below it. One walk notes
//! all lines and sums up their totals before the first is printed: a report costs the
//! same per chunk whatever the shape of the tree, and what a stream's write function
//! does to the tree meanwhile does not disturb it.

use crate::chunk::{Chunk, DYING, HANDLE};
use crate::{memlimit, name, reference, tree};
use core::ffi::{c_char, c_int, c_ulong, c_void};
use core::mem::MaybeUninit;
use core::ptr::null_mut;
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
        tree::in_any_order(c, |x| sum.add(Totals::of_one(x)));
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
    let mut below = tree::subtree(root);
    while let Some(c) = below.next() {
        let depth = depth.saturating_add(below.depth() as c_int);
        if c.has(HANDLE) {
            if let Some(chunk) = reference::target(c) {
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

/// What a line of a report is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// A chunk, with the totals of it and all below it.
    Chunk,
    /// The limit that it has, with the most and what is used of that for totals.
    Limit,
    /// A reference.
    Reference,
}

/// A line of a report.
#[derive(Clone, Copy)]
struct Line {
    totals: Totals,
    /// The line of the parent, while totals are summed up.
    above: *mut Line,
    user: *const c_void,
    /// As far below the root.
    level: usize,
    references: c_int,
    about: About,
}

impl Line {
    fn of(c: Chunk, about: About, level: usize, totals: Totals) -> Line {
        Line {
            totals,
            above: null_mut(),
            user: c.user(),
            level,
            references: match about {
                About::Chunk => reference::count(c) as c_int,
                _ => 0,
            },
            about,
        }
    }

    /// The line about the limit of `c`, if it has one.
    fn of_limit(c: Chunk, level: usize) -> Option<Line> {
        let (size, blocks) = memlimit::figures(c)?;
        Some(Line::of(c, About::Limit, level, Totals { size, blocks }))
    }
}

/// All lines of a report as they were when it began, each followed by a copy of the name.
///
/// They lie in blocks from the kernel, not from malloc: a report may be wanted where
/// malloc cannot be called, or has nothing left to give.
struct Lines {
    first: *mut Block,
    last: *mut Block,
}

/// Lines lie behind it.
#[repr(C)]
struct Block {
    next: *mut Block,
    /// Bytes, this header included.
    size: usize,
    used: usize,
}

/// The first block, in the frame of whoever makes the report. Short ones need no other.
type ShortReport = [MaybeUninit<Line>; SHORT_REPORT];
const SHORT_REPORT: usize = 4096 / size_of::<Line>();

/// The second block has so many bytes, each of the next twice as many as the last.
const BLOCK: usize = 64 * 1024;
const LARGEST_BLOCK: usize = 4 * 1024 * 1024;

/// The bytes of a line with its name.
fn bytes_with(name_length: usize) -> usize {
    (size_of::<Line>() + name_length + 1).next_multiple_of(align_of::<Line>())
}

impl Lines {
    /// No lines yet; `place` stays where it is as long as there are any.
    fn new(place: &mut ShortReport) -> Lines {
        const { assert!(align_of::<Line>() >= align_of::<Block>()) };
        const { assert!(size_of::<Block>() & (align_of::<Line>() - 1) == 0) };
        let size = size_of::<ShortReport>();
        let first = place.as_mut_ptr().cast::<Block>();
        // SAFETY: there is room for it, and it is aligned.
        unsafe {
            first.write(Block {
                next: null_mut(),
                size,
                used: size_of::<Block>(),
            });
        }
        Lines { first, last: first }
    }

    /// Adds a line; `None` without memory.
    fn add(&mut self, line: Line, name: *const c_char) -> Option<*mut Line> {
        // SAFETY: a name is a C string; the last block is ours, and what is written lies
        // within it.
        unsafe {
            let length = libc::strlen(name);
            let bytes = bytes_with(length);
            if (*self.last).size - (*self.last).used < bytes {
                self.another_block(bytes)?;
            }
            let block = self.last;
            let place = block.byte_add((*block).used).cast::<Line>();
            (*block).used += bytes;
            place.write(line);
            name.copy_to_nonoverlapping(place.add(1).cast(), length);
            place.add(1).cast::<c_char>().add(length).write(0);
            Some(place)
        }
    }

    /// Makes a block that has room for so many bytes.
    fn another_block(&mut self, bytes: usize) -> Option<()> {
        // SAFETY: the last block is ours; fresh pages are nobody's.
        unsafe {
            let usual = ((*self.last).size * 2).clamp(BLOCK, LARGEST_BLOCK);
            let size = usual.max((bytes + size_of::<Block>()).next_multiple_of(BLOCK));
            let block = libc::mmap(
                null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            if block == libc::MAP_FAILED {
                return None;
            }
            let block = block.cast::<Block>();
            block.write(Block {
                next: null_mut(),
                size,
                used: size_of::<Block>(),
            });
            (*self.last).next = block;
            self.last = block;
        }
        Some(())
    }

    /// Shows each line and its name, in their order.
    fn each(&self, mut show: impl FnMut(&Line, *const c_char)) {
        let mut block = self.first;
        while !block.is_null() {
            let mut at = size_of::<Block>();
            // SAFETY: lines with their names, up to the last that was written.
            unsafe {
                while at < (*block).used {
                    let line = block.byte_add(at).cast::<Line>();
                    let name = line.add(1).cast::<c_char>();
                    show(&*line, name);
                    at += bytes_with(libc::strlen(name));
                }
                block = (*block).next;
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // SAFETY: all blocks but the first are from the kernel, and nobody has a line.
        unsafe {
            let mut block = (*self.first).next;
            while !block.is_null() {
                let Block { next, size, .. } = *block;
                libc::munmap(block.cast(), size);
                block = next;
            }
        }
    }
}

/// From the line `at` up to the one that is to be above a line of that level; what lies
/// in between is complete, and is added to what is above it.
///
/// # Safety
/// `at` is a line, or NULL.
unsafe fn up_to_above(mut at: *mut Line, level: usize) -> *mut Line {
    // SAFETY: the caller's promise; what is above a line is one, or NULL.
    unsafe {
        while !at.is_null() && (*at).level >= level {
            let Line { totals, above, .. } = *at;
            if !above.is_null() {
                (*above).totals.add(totals);
            }
            at = above;
        }
    }
    at
}

/// All lines of a report, from one walk, during which no function of a stream runs:
/// whatever such a function does to the tree later, they stay as they are. `None`
/// without memory.
fn lines(root: Chunk, depth: c_int, max_depth: c_int, place: &mut ShortReport) -> Option<Lines> {
    let levels = match max_depth {
        ..0 => usize::MAX,
        max => usize::try_from(max.saturating_sub(depth)).unwrap_or(0),
    };
    let mut lines = Lines::new(place);
    let mut at: *mut Line = null_mut();
    let mut below = tree::subtree(root);
    while let Some(c) = below.next() {
        let level = below.depth();
        let own = Totals::of_one(c);
        if level <= levels {
            // SAFETY: a line written before, or NULL.
            at = unsafe { up_to_above(at, level) };
            let (about, shown, limit) = if c.has(HANDLE) {
                (About::Reference, reference::target(c), None)
            } else {
                (About::Chunk, Some(c), Line::of_limit(c, level))
            };
            if let Some(shown) = shown {
                let name = name::of(shown);
                if let Some(limit) = limit {
                    lines.add(limit, name)?;
                }
                let mut line = Line::of(shown, about, level, own);
                line.above = at;
                at = lines.add(line, name)?;
                continue;
            }
        }
        // Below the last level shown, or a handle that leads nowhere.
        if !at.is_null() {
            // SAFETY: a line written before.
            unsafe { (*at).totals.add(own) };
        }
    }
    // SAFETY: as above.
    unsafe { up_to_above(at, 0) };
    Some(lines)
}

/// `talloc_report_depth_file`.
///
/// # Safety
/// `file` is a stream.
pub unsafe fn print(root: Chunk, depth: c_int, max_depth: c_int, file: *mut FILE) {
    let print = |line: &Line, name: *const c_char| {
        // SAFETY: the stream is the caller's promise; names are C strings.
        unsafe { print_line(line, name, depth, max_depth, file) };
    };
    let mut place: ShortReport = [const { MaybeUninit::uninit() }; SHORT_REPORT];
    if root.has(DYING) {
        // Nothing of it is shown.
    } else if let Some(lines) = lines(root, depth, max_depth, &mut place) {
        lines.each(print);
    } else {
        // As the tree is when each line is printed; the totals are summed up each time.
        walk(root, depth, max_depth, |seen| {
            let (c, level) = (seen.chunk, seen.depth.saturating_sub(depth) as usize);
            if seen.is_ref {
                print(
                    &Line::of(c, About::Reference, level, Totals::default()),
                    name::of(c),
                );
                return;
            }
            if let Some(limit) = Line::of_limit(c, level) {
                print(&limit, name::of(c));
            }
            print(&Line::of(c, About::Chunk, level, totals(c)), name::of(c));
        });
    }
    // SAFETY: a stream, says the caller.
    unsafe { libc::fflush(file) };
}

/// # Safety
/// `file` is a stream, `name` a C string.
unsafe fn print_line(
    line: &Line,
    name: *const c_char,
    depth: c_int,
    max_depth: c_int,
    file: *mut FILE,
) {
    let depth = depth.saturating_add(line.level as c_int);
    let indent = depth.wrapping_mul(4);
    let size = line.totals.size as c_ulong;
    let blocks = line.totals.blocks as c_ulong;
    let empty = c"".as_ptr();
    // SAFETY: the arguments fit their formats: int, C strings, unsigned longs
    // and a pointer.
    unsafe {
        match line.about {
            About::Reference => {
                libc::fprintf(file, c"%*sreference to: %s\n".as_ptr(), indent, empty, name)
            }
            About::Limit => libc::fprintf(
                file,
                c"%*s%-30s is a memlimit context (max_size = %lu bytes, cur_size = %lu bytes)\n"
                    .as_ptr(),
                indent,
                empty,
                name,
                size,
                blocks,
            ),
            About::Chunk if depth == 0 => libc::fprintf(
                file,
                c"%stalloc report on '%s' (total %6lu bytes in %3lu blocks)\n".as_ptr(),
                if max_depth < 0 { c"full " } else { c"" }.as_ptr(),
                name,
                size,
                blocks,
            ),
            About::Chunk => libc::fprintf(
                file,
                c"%*s%-30s contains %6lu bytes in %3lu blocks (ref %d) %p\n".as_ptr(),
                indent,
                empty,
                name,
                size,
                blocks,
                line.references,
                line.user,
            ),
        };
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
                for a in tree::ancestors(c) {
                    libc::fprintf(file, c"\t'%s'\n".as_ptr(), name::of(a));
                }
            }
        }
        libc::fflush(file);
    }
}
