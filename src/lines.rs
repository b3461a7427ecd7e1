//! The lines of a report, noted before the first is printed.
//!
//! One walk notes them and sums up their totals, during which no function of a stream
//! runs: whatever such a function does to the tree later, they stay as they are.  A chunk
//! without children takes a third of the memory it has itself at least.

use crate::header::{Chunk, HANDLE};
use crate::report::Totals;
use crate::{limit, name, refs, root, sysmem, walk};
use core::ffi::{c_char, c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr::null_mut;

/// A line of a report, or two if there is a limit to tell of.
pub struct Line {
    /// Of the chunk and all below it.
    pub totals: Totals,
    /// A C string.
    pub name: *const c_char,
    /// What callers know the chunk by.
    pub user: *const c_void,
    /// The most, and what is used of it.
    pub limit: Option<(usize, usize)>,
    /// How many there are to it.
    pub references: usize,
    /// The line tells of a reference to it.
    pub is_ref: bool,
    /// As far below the root.
    pub level: usize,
}

impl Line {
    /// That of a chunk, for which the totals are known.
    pub fn of(c: Chunk, level: usize, totals: Totals) -> Line {
        Line {
            totals,
            name: name::of(c),
            user: c.user(),
            limit: limit::figures(c),
            references: refs::count(c),
            is_ref: false,
            level,
        }
    }

    /// That of a reference to `c`.
    pub fn of_reference_to(c: Chunk, level: usize) -> Line {
        Line {
            totals: Totals { size: 0, blocks: 1 },
            name: name::of(c),
            user: c.user(),
            limit: None,
            references: 0,
            is_ref: true,
            level,
        }
    }

    /// Does `c` or one of its newest children hold the name?
    fn is_named_near(&self, c: Chunk) -> bool {
        let mut child = walk::newest_child(c);
        for _ in 0..16 {
            match child {
                Some(c) if is_text_of(self.name, c) => return true,
                Some(c) => child = walk::older_sibling(c),
                None => break,
            }
        }
        is_text_of(self.name, c)
    }
}

/// Is that name the text that `c` holds?
fn is_text_of(name: *const c_char, c: Chunk) -> bool {
    name.cast::<c_void>() == c.user().cast_const()
}

/// What is noted of a line: all there is if the chunk has no children.
#[repr(C)]
struct Note {
    name: *const c_char,
    /// The low bits say what the note is the beginning of.
    user: *const c_void,
    size: usize,
    level: u32,
    /// Or [`IS_REF`].
    references: u32,
}

const LEAF: usize = 0;
const BRANCH: usize = 1;
const LIMITED: usize = 2;
const KIND: usize = 3;
const IS_REF: u32 = u32::MAX;

/// Of a chunk that has children.
#[repr(C)]
struct Branch {
    note: Note,
    blocks: usize,
    /// That of the parent, while totals are summed up.
    above: *mut Branch,
}

/// Of a chunk that has a limit.
#[repr(C)]
struct Limited {
    branch: Branch,
    max: usize,
    used: usize,
}

impl Note {
    fn kind(&self) -> usize {
        self.user.addr() & KIND
    }

    fn bytes(kind: usize) -> usize {
        match kind {
            LEAF => size_of::<Note>(),
            BRANCH => size_of::<Branch>(),
            _ => size_of::<Limited>(),
        }
    }

    /// # Safety
    /// `note` is the beginning of what its kind says.
    unsafe fn line(note: *const Note) -> Line {
        // SAFETY: the caller's promise.
        unsafe {
            let Note {
                name,
                user,
                size,
                level,
                references,
            } = note.read();
            let kind = user.addr() & KIND;
            let is_ref = references == IS_REF;
            let blocks = if kind == LEAF {
                1
            } else {
                (*note.cast::<Branch>()).blocks
            };
            Line {
                totals: Totals { size, blocks },
                name,
                user: user.map_addr(|user| user & !KIND),
                limit: (kind == LIMITED).then(|| {
                    let limited = note.cast::<Limited>();
                    ((*limited).max, (*limited).used)
                }),
                references: if is_ref { 0 } else { references as usize },
                is_ref,
                level: level as usize,
            }
        }
    }
}

impl Branch {
    fn add(&mut self, totals: Totals) {
        self.note.size += totals.size;
        self.blocks += totals.blocks;
    }
}

/// All lines of a report. A name that lies in the tree is copied; others are looked at when
/// they are printed.
///
/// They lie in blocks from the kernel, not from malloc: a report may be wanted where
/// malloc cannot be called, or has nothing left to give.
pub struct Lines {
    first: *mut Block,
    last: *mut Block,
}

/// Notes lie behind it, the names at its end.
#[repr(C)]
struct Block {
    next: *mut Block,
    /// Bytes, this header included.
    size: usize,
    /// Where the next note goes.
    used: usize,
    /// Where the names begin.
    names: usize,
}

/// The first block, in the frame of whoever makes the report. Short ones need no other.
pub struct ShortReport([MaybeUninit<Block>; SHORT]);

const SHORT: usize = 4096 / size_of::<Block>();

impl ShortReport {
    /// Nothing.
    pub fn new() -> ShortReport {
        ShortReport([const { MaybeUninit::uninit() }; SHORT])
    }
}

/// The second block has so many bytes, each of the next twice as many as the last.
const BLOCK: usize = 64 * 1024;
const LARGEST_BLOCK: usize = 4 * 1024 * 1024;

const _: () = assert!(align_of::<Limited>() <= align_of::<Block>());

impl Block {
    fn new(size: usize) -> Block {
        Block {
            next: null_mut(),
            size,
            used: size_of::<Block>(),
            names: size,
        }
    }

    fn at(&mut self, offset: usize) -> *mut u8 {
        (&raw mut *self).cast::<u8>().wrapping_add(offset)
    }
}

impl Lines {
    /// None yet; `place` stays where it is as long as there are any.
    fn new(place: &mut ShortReport) -> Lines {
        let first = place.0.as_mut_ptr().cast::<Block>();
        // SAFETY: there is room for it.
        unsafe { first.write(Block::new(size_of::<ShortReport>())) };
        Lines { first, last: first }
    }

    /// A block with room for so many bytes; `None` without memory.
    fn with_room(&mut self, bytes: usize) -> Option<&mut Block> {
        // SAFETY: the last block is ours; fresh pages are nobody's.
        unsafe {
            let Block {
                size, used, names, ..
            } = *self.last;
            if names - used < bytes {
                let usual = (size * 2).clamp(BLOCK, LARGEST_BLOCK);
                let size = usual.max((bytes + size_of::<Block>()).next_multiple_of(BLOCK));
                let block = sysmem::pages(size)?.as_ptr().cast::<Block>();
                block.write(Block::new(size));
                (*self.last).next = block;
                self.last = block;
            }
            Some(&mut *self.last)
        }
    }

    /// Notes a line of that kind, below `above`; `None` without memory.
    fn add(&mut self, line: &Line, kind: usize, above: *mut Branch) -> Option<*mut Note> {
        let block = self.with_room(Note::bytes(kind))?;
        let note = block.at(block.used).cast::<Note>();
        block.used += Note::bytes(kind);
        let references = line.references as u32;
        // SAFETY: there is room for what the kind says.
        unsafe {
            note.write(Note {
                name: line.name,
                user: line.user.map_addr(|user| user | kind),
                size: line.totals.size,
                level: line.level as u32,
                references: if line.is_ref { IS_REF } else { references },
            });
            if kind != LEAF {
                let branch = note.cast::<Branch>();
                (&raw mut (*branch).blocks).write(line.totals.blocks);
                (&raw mut (*branch).above).write(above);
            }
            if let (LIMITED, Some((max, used))) = (kind, line.limit) {
                let limited = note.cast::<Limited>();
                (&raw mut (*limited).max).write(max);
                (&raw mut (*limited).used).write(used);
            }
        }
        Some(note)
    }

    /// Copies the name of a note, which a chunk that is alive holds.
    fn copy_name(&mut self, note: *mut Note) -> Option<()> {
        // SAFETY: one of these; a name is a C string.
        unsafe {
            let name = (*note).name;
            let bytes = libc::strlen(name) + 1;
            let block = self.with_room(bytes)?;
            block.names -= bytes;
            let copy = block.at(block.names).cast::<c_char>();
            name.copy_to_nonoverlapping(copy, bytes);
            (*note).name = copy;
        }
        Some(())
    }

    /// Those of `root` and what is below it. `None` without memory.
    pub fn of(
        root: Chunk,
        depth: c_int,
        max_depth: c_int,
        place: &mut ShortReport,
    ) -> Option<Lines> {
        let levels = match max_depth {
            ..0 => usize::MAX,
            max => usize::try_from(max.saturating_sub(depth)).unwrap_or(0),
        };
        let mut lines = Lines::new(place);
        let mut at: *mut Branch = null_mut();
        let _still = root::keep_still(root);
        let mut below = walk::subtree(root);
        while let Some(c) = below.next() {
            let level = below.depth();
            let own = Totals::of_one(c.payload());
            let mut to_show = None;
            if level <= levels {
                // SAFETY: a branch noted before, or NULL.
                at = unsafe { up_to_above(at, level) };
                to_show = if !c.has(HANDLE) {
                    let line = Line::of(c, level, own);
                    let own_name = is_text_of(line.name, c);
                    Some((line, own_name))
                } else if let Some(target) = refs::target(c) {
                    let line = Line::of_reference_to(target, level);
                    let own_name = line.is_named_near(target);
                    Some((line, own_name))
                } else {
                    None
                };
            }
            let kind = match &to_show {
                Some((line, _)) if line.limit.is_some() => LIMITED,
                Some((line, _)) if !line.is_ref && c.child().is_some() => BRANCH,
                _ => LEAF,
            };
            // SAFETY: a branch noted before, or NULL.
            if let Some(above) = unsafe { at.as_mut() } {
                if is_text_of(above.note.name, c) {
                    lines.copy_name(&raw mut above.note)?;
                }
                if kind == LEAF {
                    // Also below the last level shown, or a handle that leads nowhere.
                    above.add(own);
                }
            }
            if let Some((line, own_name)) = to_show {
                let note = lines.add(&line, kind, at)?;
                if kind != LEAF {
                    at = note.cast();
                }
                if own_name {
                    lines.copy_name(note)?;
                }
            }
        }
        // SAFETY: as above.
        unsafe { up_to_above(at, 0) };
        Some(lines)
    }

    /// Shows each.
    pub fn each(&self, mut show: impl FnMut(&Line)) {
        let mut block = self.first;
        // SAFETY: the blocks are ours, and full of notes up to what is used.
        unsafe {
            while let Some(b) = block.as_mut() {
                let mut at = size_of::<Block>();
                while at < b.used {
                    let note = b.at(at).cast::<Note>();
                    at += Note::bytes((*note).kind());
                    show(&Note::line(note));
                }
                block = b.next;
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // SAFETY: all blocks but the first are from the kernel, and nobody has a note.
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

/// From the branch `at` up to the one that is to be above a line of that level; what lies
/// in between is complete, and is added to what is above it.
///
/// # Safety
/// `at` is a branch, or NULL.
unsafe fn up_to_above(mut at: *mut Branch, level: usize) -> *mut Branch {
    // SAFETY: the caller's promise; what is above a branch is one, or NULL.
    unsafe {
        while !at.is_null() && (*at).note.level as usize >= level {
            let totals = Totals {
                size: (*at).note.size,
                blocks: (*at).blocks,
            };
            at = (*at).above;
            if let Some(above) = at.as_mut() {
                above.add(totals);
            }
        }
    }
    at
}
