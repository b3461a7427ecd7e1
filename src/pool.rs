//! Pools: `talloc_pool` and pooled objects. What happens in their room is told in
//! `arena`.

use crate::alloc::{self, Plan};
use crate::arena;
use crate::chunk::{ALIGN, Chunk, HEADER, MAX_SIZE, POOL, round};
use core::ffi::c_char;

/// `talloc_pool`: a chunk of size 0 with `size` bytes of room behind it.
pub fn pool(ctx: Option<Chunk>, size: usize) -> Option<Chunk> {
    if size >= MAX_SIZE {
        return None;
    }
    with_room(ctx, 0, size)
}

/// `talloc_pooled_object`: a named object of `size` bytes with room for
/// `count` chunks of `total` bytes together.
pub fn pooled_object(
    ctx: Option<Chunk>,
    size: usize,
    name: *const c_char,
    count: u32,
    total: usize,
) -> Option<Chunk> {
    // Each may lose up to 15 bytes to rounding.
    let headers = (count as usize).checked_mul(HEADER + ALIGN - 1)?;
    let room = headers.checked_add(total)?;
    if size >= MAX_SIZE || room >= MAX_SIZE || round(size) + room >= MAX_SIZE {
        return None;
    }
    let c = with_room(ctx, size, room)?;
    c.set_name(name);
    Some(c)
}

fn with_room(ctx: Option<Chunk>, size: usize, room: usize) -> Option<Chunk> {
    let plan = Plan {
        size,
        front: arena::POOL_FRONT,
        behind: arena::pool_room(size, room),
        flags: POOL,
    };
    let c = alloc::planned(ctx, plan)?;
    arena::open_pool(c, room);
    Some(c)
}
