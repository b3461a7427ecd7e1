//! How a chunk comes to be, grows, shrinks and goes: the only file that calls
//! malloc, realloc and free.
//!
//! A block is `[Cache fields] [Arena] header user-memory`; the parts in brackets
//! only for a static pool cache, and for a pool or cache ([`front`]).

use crate::chunk::{
    Chunk, FREE, Flag, HANDLE, HEADER, HELD, MAX_SIZE, MEMBER, OWNER, POOL, REFERENCED, RUNNING,
    SPECIAL, round,
};
use crate::{cache, global, memlimit, pool, tree};
use core::ffi::{c_char, c_void};
use core::ptr::NonNull;

// ---- malloc ---------------------------------------------------------------

fn malloc(bytes: usize) -> Option<NonNull<u8>> {
    // SAFETY: malloc takes any size.
    NonNull::new(unsafe { libc::malloc(bytes) }.cast())
}

/// # Safety
/// `block` came from [`malloc`] and is not used any more.
unsafe fn free(block: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { libc::free(block.cast()) };
}

/// Memory for the length of one function; given back when dropped.
pub struct Scratch<T> {
    place: NonNull<T>,
    len: usize,
}

/// Room for `len` items, or `None` without memory.
pub fn scratch<T>(len: usize) -> Option<Scratch<T>> {
    let place = malloc(len.checked_mul(size_of::<T>())?)?.cast();
    Some(Scratch { place, len })
}

impl<T> Scratch<T> {
    /// The first item.
    pub fn start(&self) -> *mut T {
        self.place.as_ptr()
    }

    /// How many there is room for.
    pub fn len(&self) -> usize {
        self.len
    }
}

impl<T> Drop for Scratch<T> {
    fn drop(&mut self) {
        // SAFETY: it came from malloc, and the borrow checker ends its uses.
        unsafe { free(self.start().cast()) };
    }
}

/// A bare block for a record that is not a chunk.
pub fn record<T>(value: T) -> Option<NonNull<T>> {
    const { assert!(align_of::<T>() <= crate::chunk::ALIGN) };
    let place: NonNull<T> = malloc(size_of::<T>())?.cast();
    // SAFETY: fresh, large enough and aligned.
    unsafe { place.write(value) };
    Some(place)
}

/// # Safety
/// `place` came from [`record`] and is not used any more.
pub unsafe fn free_record<T>(place: NonNull<T>) {
    // SAFETY: the caller's promise.
    unsafe { free(place.as_ptr().cast()) };
}

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
#[inline]
pub fn named(ctx: Option<Chunk>, size: usize, name: *const c_char) -> Option<Chunk> {
    let c = chunk(ctx, size)?;
    c.set_name(name);
    Some(c)
}

/// As [`chunk`], for the plans of pools, caches and handles. The caller has
/// checked that the plan is below [`MAX_SIZE`] or little above it.
#[inline]
pub fn planned(ctx: Option<Chunk>, plan: Plan) -> Option<Chunk> {
    let parent = global::or_null_context(ctx);
    let c = match parent {
        None => from_malloc(plan, None)?,
        Some(p) => match pool::carve(p, plan.bytes()) {
            Some((place, arena)) => {
                // SAFETY: carve gave a place of that many bytes, aligned, ours.
                unsafe { emplace(place, plan, MEMBER, arena) }
            }
            None => from_malloc(plan, memlimit::account_of(p))?,
        },
    };
    tree::link(parent, c);
    Some(c)
}

#[inline]
fn from_malloc(plan: Plan, account: memlimit::Nearest) -> Option<Chunk> {
    let block = charged_malloc(account, plan.bytes())?;
    // SAFETY: malloc's blocks are aligned to 16, and this one is large enough.
    Some(unsafe { emplace(block, plan, 0, memlimit::as_home(account)) })
}

#[inline]
fn charged_malloc(account: memlimit::Nearest, bytes: usize) -> Option<NonNull<u8>> {
    if !memlimit::charge(account, bytes) {
        return None;
    }
    let block = malloc(bytes);
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

/// A slot of a cache as a new chunk under it.
///
/// # Safety
/// `place` is a slot for at least `size` user bytes, taken for this chunk.
pub unsafe fn in_slot(cache: Chunk, place: NonNull<u8>, size: usize, arena: *mut c_void) -> Chunk {
    // SAFETY: the caller's promise.
    let c = unsafe { Chunk::emplace(place, size, MEMBER, arena) };
    tree::link(Some(cache), c);
    c
}

/// Bytes of the block before the header.
pub fn front(c: Chunk) -> usize {
    if !c.has(POOL) {
        0
    } else if cache::is_cache(c) {
        size_of::<cache::Cache>()
    } else {
        size_of::<pool::Arena>()
    }
}

// ---- growing and shrinking ------------------------------------------------

/// Shrinking by less than this keeps a malloc'd block as it is.
const KEPT: usize = 1024;

/// Gives `c` the size `size`.  A chunk that grew or moved also gets the name
/// `name`; one that stayed in its place in a pool does not, nor one that shrank
/// a little.  `None` leaves everything as it was: too large, referenced, a pool,
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
        match pool::resize_in_place(c, size) {
            Some((new, place)) => (new, place == pool::Place::New),
            None => (move_member(c, size)?, true),
        }
    } else if size < old && old - size < KEPT {
        memlimit::uncharge(memlimit::account_of(c), old - size);
        (c, false)
    } else {
        (reallocate(c, size)?, true)
    };
    new.set_size(size);
    if renamed {
        new.set_name(name);
    }
    Some(new)
}

/// A chunk that a function further up the stack will come back to.
pub fn is_pinned(c: Chunk) -> bool {
    c.has(crate::chunk::DYING | RUNNING | HELD)
}

fn reallocate(c: Chunk, size: usize) -> Option<Chunk> {
    let old = c.size();
    let account = memlimit::account_of(c);
    if size > old && !memlimit::charge(account, size - old) {
        return None;
    }
    let new = if is_pinned(c) {
        // It may not move, and realloc cannot promise that: a smaller size
        // keeps the block.
        (size < old).then_some(c)
    } else {
        tree::moving(c, || {
            // SAFETY: a malloc'd block without a front (not a POOL), owned by
            // this chunk; `moving` mends the links, `adopt` the rest.
            let block = unsafe { libc::realloc(c.start().cast(), HEADER + size) };
            // SAFETY: realloc copied the header.
            NonNull::new(block.cast()).map(|b| unsafe { Chunk::moved_to(b) })
        })
    };
    match new {
        None if size > old => memlimit::uncharge(account, size - old),
        Some(_) if size < old => memlimit::uncharge(account, old - size),
        _ => {}
    }
    let new = new?;
    if new != c {
        adopt(c, new);
    }
    Some(new)
}

/// A pool member or cache object finds a new place: elsewhere in its pool, or
/// from malloc.
fn move_member(c: Chunk, size: usize) -> Option<Chunk> {
    if is_pinned(c) {
        return None;
    }
    let arena = memlimit::arena_of(c);
    let account = memlimit::account_of(c);
    let keep = HEADER + c.size().min(size);
    let new = tree::moving(c, || {
        let (place, in_pool) = match pool::carve(c, HEADER + size) {
            Some((place, _)) => (place, true),
            None => (charged_malloc(account, HEADER + size)?, false),
        };
        // SAFETY: both places hold `keep` bytes, and do not overlap.
        let new = unsafe {
            place.as_ptr().copy_from_nonoverlapping(c.start(), keep);
            Chunk::moved_to(place)
        };
        if !in_pool {
            memlimit::leave_arena(new, account);
        }
        Some(new)
    })?;
    adopt(c, new);
    // The old header owns nothing any more but its place.
    c.clear(OWNER | SPECIAL);
    c.set_home(arena);
    release(c, c"talloc_realloc".as_ptr());
    Some(new)
}

/// Tells `global`, if it points at this chunk, that it moved.
pub fn adopt(old: Chunk, new: Chunk) {
    if new.has(SPECIAL) {
        global::replace(old, Some(new));
    }
}

// ---- going ----------------------------------------------------------------

/// Marks `c` as freed at `location`.
pub fn stamp(c: Chunk, location: *const c_char) {
    if !location.is_null() {
        c.set_name(location);
    }
    c.set(FREE);
}

/// Gives the memory back and stamps the header, as far as it can still be read
/// afterwards, with the place of the free.  Links, account and references have
/// been taken care of.
pub fn release(c: Chunk, location: *const c_char) {
    stamp(c, location);
    if let Some(byte) = global::free_fill() {
        // SAFETY: the user memory of a chunk that is going.
        unsafe { libc::memset(c.user(), byte, c.size()) };
    }
    // A block from malloc goes when nothing lies in it any more.
    let whole = if c.has(POOL | MEMBER) {
        pool::vacate(c)
    } else {
        Some(c)
    };
    if let Some(c) = whole {
        // SAFETY: a malloc'd block, and nothing in it is alive.
        unsafe { free(c.start().sub(front(c))) };
    }
}

/// The bytes of a malloc'd block that a limit counts for this chunk.
pub fn weight(c: Chunk) -> usize {
    if c.has(MEMBER) {
        0
    } else if c.has(POOL) {
        front(c) + pool::span(c)
    } else {
        HEADER + c.size()
    }
}

/// Where the memory of `c` ends, rounded: its own, and a pool's members'.
pub fn end(c: Chunk) -> *mut u8 {
    if c.has(POOL) {
        c.start().wrapping_add(pool::span(c))
    } else {
        c.start().wrapping_add(round(HEADER + c.size()))
    }
}
