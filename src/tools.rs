//! Memory tools (valgrind, AddressSanitizer) that watch the process, told by
//! `tools.c` what happens inside a pool or cache.  Without one, a call here is a
//! look at one byte.
//!
//! With one, members lie further apart, so that an overrun is seen before it
//! reaches a neighbour's header.

use crate::chunk::{ALIGN, Chunk, HEADER};
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

unsafe extern "C" {
    fn talloc_impl_tool() -> c_int;
    fn talloc_impl_open(arena: *mut c_void, room: *mut c_void, size: usize);
    fn talloc_impl_close(arena: *mut c_void);
    fn talloc_impl_show(place: *mut c_void, size: usize);
    fn talloc_impl_member(arena: *mut c_void, place: *mut c_void, size: usize);
    fn talloc_impl_gone(arena: *mut c_void, place: *mut c_void, size: usize);
    fn talloc_impl_resized(arena: *mut c_void, place: *mut c_void, old: usize, size: usize);
}

const UNKNOWN: u8 = 0;
const NONE: u8 = 1;
const SOME: u8 = 2;
static WATCHED: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Is a tool watching?
#[inline]
pub fn watch() -> bool {
    match WATCHED.load(Relaxed) {
        NONE => false,
        UNKNOWN => ask(),
        _ => true,
    }
}

#[cold]
fn ask() -> bool {
    // SAFETY: it only asks.
    let watched = unsafe { talloc_impl_tool() } != 0;
    WATCHED.store(if watched { SOME } else { NONE }, Relaxed);
    watched
}

/// Bytes to leave free behind a member.
#[inline]
pub fn gap() -> usize {
    if watch() { ALIGN } else { 0 }
}

/// A pool or cache has been made: nobody may touch its `size` bytes of room.
pub fn opened(arena: *mut c_void, room: *mut u8, size: usize) {
    if watch() {
        // SAFETY: room of a fresh block.
        unsafe { talloc_impl_open(arena, room.cast(), size) };
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

/// `bytes` bytes at `place` are to become a member with `front` bytes before its
/// header, whose user may use `size` bytes.
pub fn member(arena: *mut c_void, place: *mut u8, front: usize, size: usize) {
    if watch() {
        // SAFETY: room that has just been carved from the arena.
        unsafe {
            talloc_impl_member(arena, place.add(front + HEADER).cast(), size);
            // Last, since the tool hides what lies around a member.
            talloc_impl_show(place.cast(), front + HEADER);
        }
    }
}

/// A member is freed. Its header can still be looked at.
pub fn gone(arena: *mut c_void, c: Chunk, size: usize) {
    if watch() {
        // SAFETY: `size` bytes were told to `member` or `resized`.
        unsafe { talloc_impl_gone(arena, c.user(), size) };
    }
}

/// A member has another size at the same place.
pub fn resized(arena: *mut c_void, c: Chunk, size: usize) {
    if watch() {
        // SAFETY: the chunk's present size was told to `member` or `resized`.
        unsafe { talloc_impl_resized(arena, c.user(), c.size(), size) };
    }
}
