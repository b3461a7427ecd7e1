//! Looking: totals, walks with a callback, and the text of reports.
//!
//! A report names the total of each chunk before what is below it. One walk notes
//! all lines and sums up their totals before the first is printed: a report costs the
//! same per chunk whatever the shape of the tree, and what a stream's write function
//! does to the tree meanwhile does not disturb it.

use crate::header::{Chunk, DYING, HANDLE, Payload, size_of_payload};
use crate::text::{Out, Text};
use crate::{limit, name, refs, root, sysmem, walk as walks};
use core::ffi::{c_char, c_int, c_void};
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
        *self = self.and(other);
    }

    #[inline(always)]
    fn and(self, other: Totals) -> Totals {
        Totals {
            size: self.size + other.size,
            blocks: self.blocks + other.blocks,
        }
    }

    #[inline(always)]
    fn of_one(t: Payload) -> Totals {
        let size = if t & HANDLE == 0 {
            size_of_payload(t)
        } else {
            0
        };
        Totals { size, blocks: 1 }
    }
}

/// The totals of `c` and all below it; nothing once it is dying.
#[inline]
pub fn totals(c: Chunk) -> Totals {
    let t = c.payload();
    if t & DYING != 0 {
        return Totals::default();
    }
    if c.child().is_none() && !root::is_shared(c) {
        return Totals::of_one(t);
    }
    totals_of_tree(c)
}

#[inline(never)]
fn totals_of_tree(c: Chunk) -> Totals {
    let _still = root::keep_still(c);
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

/// A line of a report, or two if there is a limit to tell of.
struct Line {
    /// Of the chunk and all below it.
    totals: Totals,
    name: *const c_char,
    user: *const c_void,
    /// The most, and what is used of it.
    limit: Option<(usize, usize)>,
    references: usize,
    is_ref: bool,
    /// As far below the root.
    level: usize,
    /// The line of the parent, while totals are summed up.
    above: *mut Line,
    next: *mut Line,
}

impl Line {
    fn of(c: Chunk, level: usize, totals: Totals) -> Line {
        Line {
            totals,
            name: name::of(c),
            user: c.user(),
            limit: limit::figures(c),
            references: refs::count(c),
            is_ref: false,
            level,
            above: null_mut(),
            next: null_mut(),
        }
    }

    fn of_reference_to(c: Chunk, level: usize) -> Line {
        Line {
            totals: Totals { size: 0, blocks: 1 },
            name: name::of(c),
            user: c.user(),
            limit: None,
            references: 0,
            is_ref: true,
            level,
            above: null_mut(),
            next: null_mut(),
        }
    }

    /// Is the name the text that `c` holds?
    fn is_named_by(&self, c: Chunk) -> bool {
        self.name.cast::<c_void>() == c.user().cast_const()
    }
}

/// All lines of a report as they were when it began. A name that lies in the tree is
/// copied; others are looked at when they are printed.
///
/// They lie in blocks from the kernel, not from malloc: a report may be wanted where
/// malloc cannot be called, or has nothing left to give.
struct Lines {
    first: *mut Block,
    last: *mut Block,
    first_line: *mut Line,
    last_line: *mut Line,
}

/// Lines and names lie behind it.
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
        Lines {
            first,
            last: first,
            first_line: null_mut(),
            last_line: null_mut(),
        }
    }

    /// Room for so many bytes, aligned for a line; `None` without memory.
    fn room(&mut self, bytes: usize) -> Option<*mut u8> {
        let bytes = bytes.next_multiple_of(align_of::<Line>());
        // SAFETY: the last block is ours; fresh pages are nobody's.
        unsafe {
            if (*self.last).size - (*self.last).used < bytes {
                let usual = ((*self.last).size * 2).clamp(BLOCK, LARGEST_BLOCK);
                let size = usual.max((bytes + size_of::<Block>()).next_multiple_of(BLOCK));
                let block = sysmem::pages(size)?.as_ptr().cast::<Block>();
                block.write(Block {
                    next: null_mut(),
                    size,
                    used: size_of::<Block>(),
                });
                (*self.last).next = block;
                self.last = block;
            }
            let place = self.last.byte_add((*self.last).used).cast();
            (*self.last).used += bytes;
            Some(place)
        }
    }

    /// Adds a line; `None` without memory.
    fn add(&mut self, line: Line) -> Option<*mut Line> {
        let place = self.room(size_of::<Line>())?.cast::<Line>();
        // SAFETY: room for a line; the last one is ours.
        unsafe {
            place.write(line);
            if self.last_line.is_null() {
                self.first_line = place;
            } else {
                (*self.last_line).next = place;
            }
        }
        self.last_line = place;
        Some(place)
    }

    /// Copies the name of a line, which a chunk that is alive holds.
    fn copy_name(&mut self, line: *mut Line) -> Option<()> {
        // SAFETY: a line of these; a name is a C string.
        unsafe {
            let name = (*line).name;
            let bytes = libc::strlen(name) + 1;
            let copy = self.room(bytes)?.cast::<c_char>();
            name.copy_to_nonoverlapping(copy, bytes);
            (*line).name = copy;
        }
        Some(())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // SAFETY: all blocks but the first are from the kernel, and nobody has a line.
        unsafe {
            let mut block = (*self.first).next;
            while !block.is_null() {
                let Block { next, size, .. } = *block;
                sysmem::unmap(block.cast(), size);
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
            let (totals, above) = ((*at).totals, (*at).above);
            if !above.is_null() {
                (*above).totals.add(totals);
            }
            at = above;
        }
    }
    at
}

/// Does `c` or one of its newest children hold the name of the line about it?
fn holds_name(c: Chunk, line: &Line) -> bool {
    let mut child = walks::newest_child(c);
    for _ in 0..16 {
        match child {
            Some(c) if line.is_named_by(c) => return true,
            Some(c) => child = walks::older_sibling(c),
            None => break,
        }
    }
    line.is_named_by(c)
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
    let _still = root::keep_still(root);
    let mut below = walks::subtree(root);
    while let Some(c) = below.next() {
        let level = below.depth();
        let own = Totals::of_one(c.payload());
        let mut to_show = None;
        if level <= levels {
            // SAFETY: a line written before, or NULL.
            at = unsafe { up_to_above(at, level) };
            to_show = if !c.has(HANDLE) {
                let line = Line::of(c, level, own);
                let own_name = line.is_named_by(c);
                Some((line, own_name))
            } else if let Some(target) = refs::target(c) {
                let line = Line::of_reference_to(target, level);
                let own_name = holds_name(target, &line);
                Some((line, own_name))
            } else {
                None
            };
        }
        // SAFETY: a line written before, or NULL.
        if let Some(above) = unsafe { at.as_mut() } {
            if above.is_named_by(c) {
                lines.copy_name(above)?;
            }
            if to_show.is_none() {
                // Below the last level shown, or a handle that leads nowhere.
                above.totals.add(own);
            }
        }
        if let Some((mut line, own_name)) = to_show {
            line.above = at;
            at = lines.add(line)?;
            if own_name {
                lines.copy_name(at)?;
            }
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
    let mut place: ShortReport = [const { MaybeUninit::uninit() }; SHORT_REPORT];
    if root.has(DYING) {
        // Nothing of it is shown.
    } else if let Some(lines) = lines(root, depth, max_depth, &mut place) {
        let mut at = lines.first_line;
        // SAFETY: a line, or NULL.
        while let Some(line) = unsafe { at.as_ref() } {
            print(line);
            at = line.next;
        }
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
    // SAFETY: C strings and, says the caller, a stream.
    unsafe {
        match c {
            None => {
                libc::fprintf(
                    file,
                    c"talloc no parents for %s\n".as_ptr(),
                    c"NULL".as_ptr(),
                );
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
