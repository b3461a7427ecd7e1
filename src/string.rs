//! Strings: chunks that are named by their own text.

use crate::header::{Chunk, MAX_SIZE, user_of};
use crate::{alloc, realloc};
use core::ffi::{c_char, c_void};
use core::ptr::{null, null_mut};

/// A chunk for a text of `length` bytes and its end, which is written, named by that text;
/// NULL for none.
///
/// # Safety
/// As for [`alloc::new_user`].
pub unsafe fn blank(ctx: *const c_void, length: usize) -> *mut c_char {
    if length >= MAX_SIZE {
        return null_mut();
    }
    // SAFETY: the caller's promise; the chunk has length + 1 bytes.
    unsafe {
        let user = alloc::new_user(ctx, length + 1, null());
        if user.is_null() {
            return null_mut();
        }
        Chunk::before(user).set_name(user.cast());
        user.cast::<c_char>().add(length).write(0);
        user.cast()
    }
}

/// A copy of `length` bytes at `text`; NULL for none.
///
/// # Safety
/// They can be read; and as for [`alloc::new_user`].
#[inline(always)]
pub unsafe fn copy(ctx: *const c_void, text: *const c_char, length: usize) -> *mut c_char {
    // SAFETY: the caller's promise.
    match unsafe { alloc::spot(ctx, length.wrapping_add(1)) } {
        Ok(spot) => {
            let name = spot.chunk().user();
            let user: *mut c_char = spot.fill(length + 1, 0, name.cast()).user().cast();
            // SAFETY: the chunk has length + 1 bytes.
            unsafe {
                user.add(length).write(0);
                user.copy_from_nonoverlapping(text, length);
            }
            user
        }
        // SAFETY: the caller's promise.
        Err(t) => unsafe { copy_slow(ctx, text, length, t) },
    }
}

#[inline(never)]
unsafe fn copy_slow(ctx: *const c_void, text: *const c_char, length: usize, t: u64) -> *mut c_char {
    if length >= MAX_SIZE {
        return null_mut();
    }
    // SAFETY: the caller's promise; the chunk has length + 1 bytes.
    unsafe {
        let user = alloc::slow(ctx, length + 1, null(), t);
        if user.is_null() {
            return null_mut();
        }
        Chunk::before(user).set_name(user.cast());
        let user: *mut c_char = user.cast();
        user.add(length).write(0);
        user.copy_from_nonoverlapping(text, length);
        user
    }
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

/// Appends `length` bytes of `text` to the user's `s`; NULL makes a new one without a parent.
///
/// # Safety
/// As for [`Chunk::checked`]; the bytes can be read, and for [`At::EndOfText`] `s` is a C
/// string.
#[inline(always)]
pub unsafe fn append_user(
    s: *mut c_char,
    at: At,
    text: *const c_char,
    length: usize,
) -> *mut c_char {
    // SAFETY: the caller's promise.
    unsafe {
        if at == At::EndOfBuffer && append_fast(s, text, length) {
            return s;
        }
        append_slow(s, at, text, length)
    }
}

#[inline(never)]
unsafe fn append_slow(s: *mut c_char, at: At, text: *const c_char, length: usize) -> *mut c_char {
    // SAFETY: the caller's promise.
    unsafe {
        if s.is_null() {
            return copy(null(), text, length);
        }
        let c = Chunk::checked(s.cast());
        user_of(c.and_then(|c| append(c, at.of(c), text, length))).cast()
    }
}

/// The fast way at the end of the buffer: the block of `s` has room for more.  False, and
/// nothing is done, if it has not.
///
/// # Safety
/// As for [`append_user`].
#[inline(always)]
unsafe fn append_fast(s: *mut c_char, text: *const c_char, length: usize) -> bool {
    if length >= MAX_SIZE {
        return false;
    }
    // SAFETY: the caller's promise; the chunk has room for what is written.
    unsafe {
        // An empty chunk has no last byte: that is for `append`.
        let grown = realloc::grow_fast(s.cast(), |old| if old == 0 { 0 } else { old + length });
        let Some((c, size)) = grown else {
            return false;
        };
        c.set_name(s);
        let end = s.add(size - 1);
        end.write(0);
        // `text` may lie in `s`, and reach to where the new text begins.
        end.sub(length).copy_from(text, length);
        true
    }
}

/// `c` with `length` bytes of `text` written at `at`.  `text` may lie in `c`.
///
/// # Safety
/// The bytes can be read.
unsafe fn append(c: Chunk, at: usize, text: *const c_char, length: usize) -> Option<Chunk> {
    if length >= MAX_SIZE {
        return None;
    }
    let offset = text.addr().wrapping_sub(c.user().addr());
    let inside = offset < c.size();
    let size = at + length + 1;
    // SAFETY: a chunk that is alive.
    let start: *mut c_char = unsafe { realloc::resize(null(), c.user(), size, c.name()).cast() };
    if start.is_null() {
        return None;
    }
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
    let new = Chunk::before(start.cast());
    new.set_name(start);
    Some(new)
}
