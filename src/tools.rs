//! Memory tools (valgrind, AddressSanitizer) that watch the process, told by
//! `tools.c` what happens inside a pool or cache.  Without one, a call here is a
//! look at one byte.
//!
//! With one, members lie further apart, so that an overrun is seen before it
//! reaches a neighbour's header.

use crate::chunk::{ALIGN, Chunk, HEADER, POOL};
use crate::heap;
use core::ffi::c_void;

unsafe extern "C" {
    fn talloc_impl_open(
        arena: *mut c_void,
        header: *mut c_void,
        user: *mut c_void,
        end: *mut c_void,
        room: usize,
    );
    fn talloc_impl_open_gone(
        arena: *mut c_void,
        header: *mut c_void,
        user: *mut c_void,
        end: *mut c_void,
    );
    fn talloc_impl_close(arena: *mut c_void);
    fn talloc_impl_hide(place: *mut c_void, size: usize);
    fn talloc_impl_show(place: *mut c_void, size: usize);
    fn talloc_impl_member(arena: *mut c_void, header: *mut c_void, end: *mut c_void);
    fn talloc_impl_gone(
        arena: *mut c_void,
        header: *mut c_void,
        user: *mut c_void,
        end: *mut c_void,
    );
    fn talloc_impl_resized(
        arena: *mut c_void,
        header: *mut c_void,
        old_end: *mut c_void,
        end: *mut c_void,
    );
}

/// Is a tool watching?
#[inline]
pub fn watch() -> bool {
    heap::is_watched()
}

/// May a tool be watching? Nobody may have asked yet.
#[inline(always)]
pub fn may_watch() -> bool {
    heap::may_be_watched()
}

/// Bytes to leave free behind a member.
#[inline]
pub fn gap() -> usize {
    if watch() { ALIGN } else { 0 }
}

/// A pool or cache has been made: nobody may touch what lies behind its user's
/// memory, up to `room_end`.
pub fn opened(arena: *mut c_void, c: Chunk, room_end: *mut u8) {
    if watch() {
        let end = end(c, c.size());
        let room = room_end.addr() - end.addr();
        // SAFETY: a fresh block.
        unsafe { talloc_impl_open(arena, c.start().cast(), c.user(), end, room) };
    }
}

/// A pool or cache is freed, while its block may stay.
pub fn left(arena: *mut c_void, c: Chunk) {
    if watch() {
        let end = end(c, c.size());
        // SAFETY: the arena of an earlier `opened`.
        unsafe { talloc_impl_open_gone(arena, c.start().cast(), c.user(), end) };
    }
}

/// The part of that room that is ours alone can be used: the bitmap of a cache.
pub fn ours(place: *mut u8, size: usize) {
    if watch() {
        // SAFETY: room of a fresh block.
        unsafe { talloc_impl_show(place.cast(), size) };
    }
}

/// The block of a pool or cache is given back.
pub fn closed(arena: *mut c_void) {
    if watch() {
        // SAFETY: the arena of an earlier `opened`.
        unsafe { talloc_impl_close(arena) };
    }
}

/// A member is to come at `place`: `front` bytes, a header, and `size` bytes.
pub fn member(arena: *mut c_void, place: *mut u8, front: usize, size: usize) {
    if watch() {
        let bytes = front + HEADER + size;
        // SAFETY: room that has just been carved from the arena.
        unsafe {
            if front == 0 {
                talloc_impl_member(arena, place.cast(), place.add(bytes).cast());
            } else {
                // A pool in a pool: its own members are told of, and no tool
                // likes blocks in blocks.
                talloc_impl_show(place.cast(), bytes);
            }
        }
    }
}

/// A member is freed, with its `size` bytes. Its header can still be looked at.
pub fn gone(arena: *mut c_void, c: Chunk, size: usize) {
    if watch() {
        let (header, user) = (c.start().cast(), c.user());
        // SAFETY: `size` bytes were told to `member` or `resized`.
        unsafe {
            if c.has(POOL) {
                talloc_impl_hide(user, size);
            } else {
                talloc_impl_gone(arena, header, user, end(c, size));
            }
        }
    }
}

/// A member has another size at the same place.
pub fn resized(arena: *mut c_void, c: Chunk, size: usize) {
    if watch() {
        let header = c.start().cast();
        // SAFETY: the chunk's present size was told to `member` or `resized`.
        unsafe { talloc_impl_resized(arena, header, end(c, c.size()), end(c, size)) };
    }
}

fn end(c: Chunk, size: usize) -> *mut c_void {
    c.user().wrapping_byte_add(size)
}
