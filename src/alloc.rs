//! How a chunk comes to be, grows, shrinks and goes.
//!
//! A block is `[front] header user-memory [behind]`; front and room behind only
//! for pools and caches, see `arena`.

use crate::chunk::{
    Chunk, FREE, Flag, HANDLE, HEADER, HELD, MAX_SIZE, MEMBER, OWNER, POOL, REFERENCED, SHRUNK,
    SPECIAL,
};
use crate::{arena, heap, memlimit, root, tree};
use core::ffi::{c_char, c_int, c_void};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

// ---- coming to be ---------------------------------------------------------

/// What a new chunk is to be.
#[derive(Clone, Copy)]
pub struct Plan {
    /// User bytes.
    pub size: usize,
    /// Bytes of the block before the header.
    pub front: usize,
    /// Bytes of the block behind the user's memory.
    pub behind: usize,
    /// Flags of the header.
    pub flags: Flag,
}

impl Plan {
    /// An ordinary chunk.
    pub const fn of(size: usize) -> Plan {
        Plan {
            size,
            front: 0,
            behind: 0,
            flags: 0,
        }
    }

    fn bytes(self) -> usize {
        self.front + HEADER + self.size + self.behind
    }
}

/// A chunk without a name, newest child of `ctx` or of the null context.
/// `None` when the size is refused, memory is short or a limit is reached.
#[inline]
pub fn chunk(ctx: Option<Chunk>, size: usize) -> Option<Chunk> {
    if size >= MAX_SIZE {
        return None;
    }
    planned(ctx, Plan::of(size))
}

/// The same with a name, whose text stays the caller's.
#[inline(never)]
pub fn named(ctx: Option<Chunk>, size: usize, name: *const c_char) -> Option<Chunk> {
    let Some(parent) = ctx.filter(|_| size < MAX_SIZE) else {
        return named_with_care(ctx, size, name);
    };
    // The straight way: a parent without a flag and under no limit; or a parent
    // in a pool, and room in it.  Such a parent is not the null context, so its
    // list is not shared.
    let (place, flags, home) = if parent.is_just(0) && parent.home().is_null() {
        (heap::take(HEADER + size)?, 0, null_mut())
    } else if let Some((place, home)) = arena::carve_quickly(parent, size) {
        (place, MEMBER, home)
    } else {
        return named_with_care(ctx, size, name);
    };
    let links = tree::first_below(parent);
    // SAFETY: a block, or room, for that size.
    let c = unsafe { Chunk::emplace_quickly(place, size, name, flags, home, links) };
    tree::now_first_below(parent, c);
    Some(c)
}

#[inline(never)]
fn named_with_care(ctx: Option<Chunk>, size: usize, name: *const c_char) -> Option<Chunk> {
    let c = chunk(ctx, size)?;
    c.set_name(name);
    Some(c)
}

/// As [`chunk`], for the plans of pools, caches and handles. The caller has
/// checked that the plan is below [`MAX_SIZE`] or little above it.
#[inline]
pub fn planned(ctx: Option<Chunk>, plan: Plan) -> Option<Chunk> {
    let parent = root::or_null_context(ctx);
    let account = match parent {
        None => None,
        Some(p) => {
            if let Some((place, home)) = arena::carve(p, plan.front, plan.size + plan.behind) {
                // SAFETY: carve gave a place of that many bytes.
                return Some(unsafe { in_room(parent, place, plan, home) });
            }
            memlimit::account_of(p)
        }
    };
    let c = from_malloc(plan, account)?;
    tree::link(parent, c);
    Some(c)
}

#[inline]
fn from_malloc(plan: Plan, account: memlimit::Nearest) -> Option<Chunk> {
    let find = if plan.front == 0 {
        heap::take
    } else {
        heap::malloc
    };
    let block = charged(account, plan.bytes(), find)?;
    // SAFETY: malloc's blocks are aligned to 16, and this one is large enough.
    Some(unsafe { emplace(block, plan, 0, memlimit::as_home(account)) })
}

/// A block that is charged to `account`.
#[inline]
fn charged(
    account: memlimit::Nearest,
    bytes: usize,
    find: impl FnOnce(usize) -> Option<NonNull<u8>>,
) -> Option<NonNull<u8>> {
    if !memlimit::charge(account, bytes) {
        return None;
    }
    let block = find(bytes);
    if block.is_none() {
        memlimit::uncharge(account, bytes);
    }
    block
}

/// # Safety
/// `block` is aligned, has `plan.bytes()` bytes and is nobody's.
#[inline]
unsafe fn emplace(block: NonNull<u8>, plan: Plan, flags: Flag, home: *mut c_void) -> Chunk {
    // SAFETY: `front` lies within the block.
    unsafe { Chunk::emplace(block.add(plan.front), plan.size, plan.flags | flags, home) }
}

/// A chunk in a place that is room of an arena already, below `parent`.
///
/// # Safety
/// `place` has `plan.bytes()` bytes, taken for this chunk; `home` is the arena.
pub unsafe fn in_room(
    parent: Option<Chunk>,
    place: NonNull<u8>,
    plan: Plan,
    home: *mut c_void,
) -> Chunk {
    // SAFETY: the caller's promise.
    let c = unsafe { emplace(place, plan, MEMBER, home) };
    tree::link(parent, c);
    c
}

// ---- growing and shrinking ------------------------------------------------

/// Shrinking by less than this keeps a malloc'd block as it is.
const KEPT: usize = 1024;

/// Gives `c` the size `size`.  A chunk that grew or moved also gets the name
/// `name`; one that stayed in its place in a pool does not, nor one that shrank
/// a little without a limit.  `None` leaves everything as it was: too large, referenced, a pool,
/// no memory, a limit, or a move that a running free does not allow.
pub fn resize(c: Chunk, size: usize, name: *const c_char) -> Option<Chunk> {
    if size >= MAX_SIZE || c.has(REFERENCED | POOL | HANDLE) {
        return None;
    }
    let old = c.size();
    if size == old {
        return Some(c);
    }
    let (new, renamed) = if c.has(MEMBER) {
        match arena::resize(c, size) {
            Some((new, place)) => (new, place == arena::Place::New),
            None => (move_member(c, size)?, true),
        }
    } else if size < old && old - size < KEPT {
        let account = memlimit::account_of(c);
        memlimit::uncharge(account, old - size);
        c.set(SHRUNK);
        (c, account.is_some())
    } else {
        (reallocate(c, size)?, true)
    };
    new.set_size(size);
    if renamed {
        new.set_name(name);
    }
    Some(new)
}

#[inline(never)]
fn reallocate(c: Chunk, size: usize) -> Option<Chunk> {
    let old = c.size();
    let account = memlimit::account_of(c);
    if size > old && !memlimit::charge(account, size - old) {
        return None;
    }
    let new = if c.is_pinned() {
        // It may not move, and realloc cannot promise that: a smaller size
        // keeps the block.
        (size < old).then(|| {
            c.set(SHRUNK);
            c
        })
    } else if c.has(HELD) {
        elsewhere(c, size, heap::take)
    } else {
        tree::moving(c, || {
            // SAFETY: a malloc'd block without a front (not a POOL), owned by
            // this chunk; `moving` mends the links to it.
            let block = unsafe { heap::realloc(c.start(), HEADER + size) }?;
            // SAFETY: realloc copied the header.
            let new = unsafe { Chunk::moved_to(block) };
            new.clear(SHRUNK);
            Some(new)
        })
    };
    match new {
        None if size > old => memlimit::uncharge(account, size - old),
        Some(_) if size < old => memlimit::uncharge(account, old - size),
        _ => {}
    }
    let new = new?;
    root::moved(c, new);
    Some(new)
}

/// A pool member or cache object finds a new place: elsewhere in its pool, or
/// from malloc.
#[inline(never)]
fn move_member(c: Chunk, size: usize) -> Option<Chunk> {
    if c.is_pinned() {
        return None;
    }
    let account = memlimit::account_of(c);
    let mut in_pool = true;
    let new = elsewhere(c, size, |bytes| match arena::carve(c, 0, size) {
        Some((place, _)) => Some(place),
        None => {
            in_pool = false;
            charged(account, bytes, heap::take)
        }
    })?;
    if !in_pool {
        memlimit::leave_arena(new, account);
    }
    root::moved(c, new);
    Some(new)
}

/// Moves `c` to a place of `HEADER + size` bytes that `find` finds, and frees the
/// old one.
fn elsewhere(
    c: Chunk,
    size: usize,
    find: impl FnOnce(usize) -> Option<NonNull<u8>>,
) -> Option<Chunk> {
    let keep = HEADER + c.size().min(size);
    let arena = if c.has(MEMBER) { c.arena() } else { null_mut() };
    let new = tree::moving(c, || {
        let place = find(HEADER + size)?;
        // SAFETY: both places hold `keep` bytes, and do not overlap.
        unsafe {
            place.as_ptr().copy_from_nonoverlapping(c.start(), keep);
            Some(Chunk::moved_to(place))
        }
    })?;
    // Who holds it holds the old place, which owns nothing any more.
    new.clear(HELD | SHRUNK);
    c.clear(OWNER | SPECIAL);
    c.set_home(arena);
    release(c, c"talloc_realloc".as_ptr());
    Some(new)
}

// ---- going ----------------------------------------------------------------

/// Frees a chunk: links, account and references have been taken care of.  The
/// header says where, as far as it can still be read afterwards.  The memory of
/// a held chunk goes when it is held no more.
pub fn release(c: Chunk, location: *const c_char) {
    if !location.is_null() {
        c.set_name(location);
    }
    c.set(FREE);
    if !c.has(HELD) {
        give_back(c);
    }
}

/// The straight way to free a chunk that `unlink` takes out of its list: one
/// without a flag and under no limit, or one that is just a member of a pool that
/// stays.  Otherwise false, and nothing is done.
#[inline(always)]
pub fn release_quickly(c: Chunk, location: *const c_char, unlink: impl FnOnce()) -> bool {
    if FILL.load(Relaxed) != FILL_OFF {
        return false;
    }
    let is_block = c.is_just(0);
    if is_block {
        if !c.home().is_null() {
            return false;
        }
    } else if !c.is_just(MEMBER) || !arena::vacate_quickly(c) {
        return false;
    }
    unlink();
    if !location.is_null() {
        c.set_name(location);
    }
    c.set(FREE);
    if is_block {
        // SAFETY: the block of a chunk that is gone.
        unsafe { heap::give(c.start(), HEADER + c.size()) };
    }
    true
}

/// Gives the memory of a freed chunk back.
pub fn give_back(c: Chunk) {
    if let Some(byte) = free_fill() {
        // SAFETY: the user memory of a chunk that is going.
        unsafe { libc::memset(c.user(), byte, c.size()) };
    }
    if c.has(SHRUNK) {
        // SAFETY: the block of a chunk that is gone, of no known class.
        unsafe { heap::free(c.start()) };
    } else if !c.has(POOL | MEMBER) {
        // SAFETY: the block of a chunk that is gone.
        unsafe { heap::give(c.start(), HEADER + c.size()) };
    } else if let Some(pool) = arena::vacate(c) {
        // A pool's block goes when nothing lies in it any more.
        // SAFETY: a malloc'd block, and nothing in it is alive.
        unsafe { heap::free(pool.start().sub(arena::front(pool))) };
    }
}

// ---- TALLOC_FREE_FILL -----------------------------------------------------

const FILL_UNREAD: u32 = u32::MAX;
const FILL_OFF: u32 = 256;
static FILL: AtomicU32 = AtomicU32::new(FILL_UNREAD);

/// The byte that freed user memory is filled with, if any.
#[inline]
pub fn free_fill() -> Option<c_int> {
    match FILL.load(Relaxed) {
        FILL_OFF => None,
        FILL_UNREAD => read_fill(),
        byte => Some(byte as c_int),
    }
}

#[cold]
#[inline(never)]
fn read_fill() -> Option<c_int> {
    // SAFETY: C strings; the environment is read as getenv allows.
    let fill = unsafe {
        let text = libc::getenv(c"TALLOC_FREE_FILL".as_ptr());
        if text.is_null() {
            FILL_OFF
        } else {
            libc::strtoul(text, null_mut(), 0) as u32 & 0xFF
        }
    };
    FILL.store(fill, Relaxed);
    if fill == FILL_OFF {
        None
    } else {
        Some(fill as c_int)
    }
}
