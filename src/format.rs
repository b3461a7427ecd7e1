//! What `format.c` calls back for: variadic functions cannot be written in Rust,
//! but their memory is made here.

#![allow(clippy::missing_safety_doc)]

use crate::header::{Chunk, MAX_SIZE};
use crate::name;
use crate::string::{self, At};
use crate::sysmem;
use core::ffi::{c_char, c_int, c_void};
use core::ptr::{null, null_mut};

/// A blank text of `length` bytes below `ctx`; the caller fills it.
#[unsafe(no_mangle)]
unsafe extern "C" fn talloc_impl_blank(ctx: *const c_void, length: usize) -> *mut c_char {
    // SAFETY: a pointer that a caller of talloc.h gave.
    unsafe { string::blank(ctx, length) }
}

/// Appends `length` bytes of `text` to `s`, which is not NULL.
#[unsafe(no_mangle)]
unsafe extern "C" fn talloc_impl_append(
    s: *mut c_char,
    at_end_of_buffer: c_int,
    text: *const c_char,
    length: usize,
) -> *mut c_char {
    let at = if at_end_of_buffer != 0 {
        At::EndOfBuffer
    } else {
        At::EndOfText
    };
    // SAFETY: s is a C string, and format.c has made a text of that length.
    unsafe { string::append_user(s, at, text, length) }
}

/// 1 if `ptr` is a live chunk; 0 after the fault that it is none.
#[unsafe(no_mangle)]
unsafe extern "C" fn talloc_impl_is_chunk(ptr: *const c_void) -> c_int {
    // SAFETY: a pointer that a caller of talloc.h gave.
    unsafe { Chunk::checked(ptr) }.is_some().into()
}

/// Names the chunk `ptr` by `text`, a child of it made by `talloc_impl_blank`,
/// or, without memory for one, NULL.
#[unsafe(no_mangle)]
unsafe extern "C" fn talloc_impl_name(ptr: *const c_void, text: *mut c_char) -> *const c_char {
    // SAFETY: a live chunk, as talloc_impl_is_chunk has found.
    let Some(c) = (unsafe { Chunk::checked(ptr) }) else {
        return null();
    };
    let text = if text.is_null() {
        None
    } else {
        // SAFETY: a live chunk, just made.
        unsafe { Chunk::checked(text.cast()) }
    };
    name::adopt(c, text)
}

/// A buffer of `size` bytes that is not a chunk; NULL without memory, or if no
/// chunk could hold as much.
#[unsafe(no_mangle)]
unsafe extern "C" fn talloc_impl_buffer(size: usize) -> *mut c_char {
    if size > MAX_SIZE {
        return null_mut();
    }
    sysmem::malloc(size).map_or(null_mut(), |buffer| buffer.as_ptr().cast())
}

/// Gives it back.
#[unsafe(no_mangle)]
unsafe extern "C" fn talloc_impl_buffer_free(buffer: *mut c_char) {
    // SAFETY: from talloc_impl_buffer, says format.c.
    unsafe { sysmem::free(buffer.cast()) };
}
