//! Strings: chunks that are named by their own text.

use crate::alloc;
use crate::chunk::{Chunk, MAX_SIZE};
use core::ffi::c_char;
use core::ptr::null;

/// A chunk for a text of `length` bytes and its end, which is written, named
/// by that text.
pub fn blank(ctx: Option<Chunk>, length: usize) -> Option<Chunk> {
    if length >= MAX_SIZE {
        return None;
    }
    let c = alloc::named(ctx, length + 1, null())?;
    let text: *mut c_char = c.user().cast();
    // SAFETY: the chunk has length + 1 bytes.
    unsafe { text.add(length).write(0) };
    c.set_name(text);
    Some(c)
}

/// A copy of `length` bytes at `text`.
///
/// # Safety
/// They can be read.
pub unsafe fn copy(ctx: Option<Chunk>, text: *const c_char, length: usize) -> Option<Chunk> {
    let c = blank(ctx, length)?;
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
