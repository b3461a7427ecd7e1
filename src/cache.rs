//! Static pool caches: objects of one size, handed out and taken back. What
//! happens in their room is told in `arena`.

use crate::alloc::{self, Plan};
use crate::arena;
use crate::chunk::{Chunk, MAX_SIZE, MEMBER, POOL};
use crate::tree::{self, Among};
use core::ffi::c_void;
use core::ptr::null;

/// `talloc_pool_cache`: a chunk of size 0 with room for `size / objsize`
/// objects, rounded up.
pub fn pool_cache(ctx: Option<Chunk>, size: usize, objsize: usize) -> Option<Chunk> {
    if size == 0 || objsize == 0 || objsize > size || objsize >= MAX_SIZE {
        return None;
    }
    let count = size.div_ceil(objsize);
    // The slots alone first, so that nothing overflows.
    if count.checked_mul(arena::slot_bytes(objsize))? >= MAX_SIZE {
        return None;
    }
    let behind = arena::cache_room(objsize, count);
    if behind >= MAX_SIZE {
        return None;
    }
    let plan = Plan {
        size: 0,
        front: arena::CACHE_FRONT,
        behind,
        flags: POOL,
    };
    let c = alloc::planned(ctx, plan)?;
    arena::open_cache(c, objsize, count);
    Some(c)
}

/// `talloc_cache`: a new object as the newest child of its cache; `None` if
/// this is not a cache or all slots are taken.
pub fn object(cache: Chunk) -> Option<Chunk> {
    let (place, size, home) = arena::take_slot(cache)?;
    // SAFETY: a slot for that size, taken for this chunk.
    Some(unsafe { alloc::in_place(Some(cache), place, Plan::of(size), home) })
}

/// The straight way: a cache without another flag, and the slot given back last.
/// Else `None`, and nothing is done.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn object_straight(cache: *const c_void) -> Option<Chunk> {
    if cache.is_null() {
        return None;
    }
    let parent = Chunk::before(cache);
    if !parent.is_just(POOL) {
        return None;
    }
    let links = tree::first_below(parent, Among::Common)?;
    let (place, size, home) = arena::take_spare_slot(parent)?;
    // SAFETY: a slot for that size, taken for this chunk, and there is a parent.
    Some(unsafe { alloc::below(parent, place, size, null(), MEMBER, home, links) })
}
