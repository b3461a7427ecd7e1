//! Strings: chunks that are named by their own text.

use crate::alloc;
use crate::chunk::{Chunk, MAX_SIZE};
use core::ffi::{c_char, c_void};
use core::ptr::null;

/// A chunk for a text of `length` bytes and its end, which is written, named
/// by that text.
///
/// # Safety
/// As for [`alloc::new`].
#[inline(always)]
pub unsafe fn blank(ctx: *const c_void, length: usize) -> Option<Chunk> {
    if length >= MAX_SIZE {
        return None;
    }
    // SAFETY: the caller's promise.
    let c = unsafe { alloc::new(ctx, length + 1, null()) }?;
    let text: *mut c_char = c.user().cast();
    // SAFETY: the chunk has length + 1 bytes.
    unsafe { text.add(length).write(0) };
    c.set_name(text);
    Some(c)
}

/// A copy of `length` bytes at `text`.
///
/// # Safety
/// They can be read; and as for [`alloc::new`].
#[inline(always)]
pub unsafe fn copy(ctx: *const c_void, text: *const c_char, length: usize) -> Option<Chunk> {
    // SAFETY: the caller's promise.
    let c = unsafe { blank(ctx, length) }?;
    // SAFETY: the caller's promise, and a fresh chunk of that size.
    unsafe {
        c.user()
            .cast::<c_char>()
            .copy_from_nonoverlapping(text, length)
    };
    Some(c)
}

/// Where the append functions begin to write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// At the first NUL.
    EndOfText,
    /// At the last byte of the chunk.
    EndOfBuffer,
}

impl At {
    /// That place in `c`.
    ///
    /// # Safety
    /// For [`At::EndOfText`]: `c` holds a C string.
    pub unsafe fn of(self, c: Chunk) -> usize {
        match self {
            // SAFETY: the caller's promise.
            At::EndOfText => unsafe { libc::strlen(c.user().cast()) },
            At::EndOfBuffer => c.size().saturating_sub(1),
        }
    }
}

/// The straight way to append at the end of the buffer: the text `s` has room for
/// more, as texts have that were appended to. Else `None`, and nothing is done.
///
/// # Safety
/// As for [`append`] and [`alloc::new`].
#[inline(always)]
pub unsafe fn append_straight(s: *mut c_char, text: *const c_char, length: usize) -> Option<Chunk> {
    if length >= MAX_SIZE {
        return None;
    }
    // SAFETY: the caller's promise; the chunk has room for what is written.
    unsafe {
        // An empty chunk has no last byte: that is for `append`.
        let c = alloc::grow_straight(s.cast(), |old| if old == 0 { 0 } else { old + length })?;
        let end = c.user().cast::<c_char>().add(c.size() - 1);
        // `text` may lie in `s`, and reach to where the new text begins.
        end.sub(length).copy_from(text, length);
        end.write(0);
        c.set_name(c.user().cast());
        Some(c)
    }
}

/// `c` with `length` bytes of `text` written at `at`.  `text` may lie in `c`.
///
/// # Safety
/// The bytes can be read.
pub unsafe fn append(c: Chunk, at: usize, text: *const c_char, length: usize) -> Option<Chunk> {
    if length >= MAX_SIZE {
        return None;
    }
    let offset = text.addr().wrapping_sub(c.user().addr());
    let inside = offset < c.size();
    let new = alloc::resize(c, at + length + 1, c.name())?;
    let start: *mut c_char = new.user().cast();
    let text = if inside {
        start.wrapping_add(offset).cast_const()
    } else {
        text
    };
    // SAFETY: the chunk has at + length + 1 bytes, and what lay in it before
    // lies in it still; the two may overlap.
    unsafe {
        start.add(at).copy_from(text, length);
        start.add(at + length).write(0);
    }
    new.set_name(start);
    Some(new)
}
