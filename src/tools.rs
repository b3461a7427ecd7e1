//! Memory tools (valgrind, AddressSanitizer) that watch the process, told by
//! `tools.c` what happens inside a pool or cache.  Without one, a call here is a
//! look at one byte.
//!
//! With one, members lie further apart, so that an overrun is seen before it
//! reaches a neighbour's header.

use crate::header::{Chunk, HEADER};
use crate::records::Record;
use crate::sysmem;
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
    sysmem::is_watched()
}

/// May a tool be watching, or has freed memory to be filled?
#[inline(always)]
pub fn may_watch() -> bool {
    sysmem::every() != 0
}

/// What `tools.c` counts on.
const GAP: usize = 16;

/// Bytes to leave free behind a member.
#[inline(always)]
pub fn gap() -> usize {
    if may_watch() && watch() { GAP } else { 0 }
}

/// A pool or cache has been made, `bytes` bytes from its header on: nobody may touch what
/// lies behind its user's memory.
pub fn opened(r: *mut Record, c: Chunk, size: usize, bytes: usize) {
    if watch() {
        let room = bytes - HEADER - size;
        // SAFETY: a fresh block.
        unsafe { talloc_impl_open(r.cast(), c.start().cast(), c.user(), end(c, size), room) };
    }
}

/// A pool or cache of `size` user bytes is freed, while its block may stay.
pub fn left(r: *mut Record, c: Chunk, size: usize) {
    if watch() {
        // SAFETY: the record of an earlier `opened`.
        unsafe { talloc_impl_open_gone(r.cast(), c.start().cast(), c.user(), end(c, size)) };
    }
}

/// The block of a pool or cache is given back.
pub fn closed(r: *mut Record) {
    if watch() {
        // SAFETY: the record of an earlier `opened`.
        unsafe { talloc_impl_close(r.cast()) };
    }
}

/// A pool in a pool is to come at `place`: its own members are told of, and no tool likes
/// blocks in blocks.
pub fn inner(place: *mut u8, bytes: usize) {
    if watch() {
        // SAFETY: room that has just been carved from the pool.
        unsafe { talloc_impl_show(place.cast(), bytes) };
    }
}

/// It is freed. Its header can still be looked at.
pub fn inner_gone(c: Chunk, size: usize) {
    if watch() {
        // SAFETY: as above.
        unsafe { talloc_impl_hide(c.user(), size) };
    }
}

/// A member is to come at `place`: `bytes` bytes with its header.
pub fn member(r: *mut Record, place: *mut u8, bytes: usize) {
    if watch() {
        // SAFETY: room that has just been carved from the pool.
        unsafe { talloc_impl_member(r.cast(), place.cast(), place.add(bytes).cast()) };
    }
}

/// A member is freed, with its `size` bytes. Its header can still be looked at.
pub fn gone(r: *mut Record, c: Chunk, size: usize) {
    if watch() {
        let (header, user) = (c.start().cast(), c.user());
        // SAFETY: `size` bytes were told to `member` or `resized`.
        unsafe { talloc_impl_gone(r.cast(), header, user, end(c, size)) };
    }
}

/// A member of `old` bytes has another size at the same place.
pub fn resized(r: *mut Record, c: Chunk, old: usize, size: usize) {
    if watch() {
        let header = c.start().cast();
        // SAFETY: the old size was told to `member` or `resized`.
        unsafe { talloc_impl_resized(r.cast(), header, end(c, old), end(c, size)) };
    }
}

fn end(c: Chunk, size: usize) -> *mut c_void {
    c.user().wrapping_byte_add(size)
}
