//! Names: pointers to text, compared by pointer and then by text.

use crate::header::Chunk;
use crate::{fault, sysmem, walk};
use core::ffi::{CStr, c_char, c_void};
use core::ptr::null_mut;

/// The name, `UNNAMED` for none.
pub fn of(c: Chunk) -> *const c_char {
    let name = c.name();
    if name.is_null() {
        c"UNNAMED".as_ptr()
    } else {
        name
    }
}

/// # Safety
/// Both are C strings or NULL, and nothing is equal to NULL.
unsafe fn same(own: *const c_char, name: *const c_char) -> bool {
    if own.is_null() || name.is_null() {
        return false;
    }
    // SAFETY: the caller's promise.
    own == name || unsafe { libc::strcmp(own, name) } == 0
}

/// Is `c` called `name`?  Without a name, it is called `UNNAMED`.
///
/// # Safety
/// `name` is NULL or a C string.
pub unsafe fn is(c: Chunk, name: *const c_char) -> bool {
    // SAFETY: a chunk's name is a C string as long as the chunk has it: the
    // promise that comes with every function that sets a name.
    unsafe { same(of(c), name) }
}

/// The chunk, if it is alive and `name` is a text, so that all that is left is to compare.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn comparable(ptr: *const c_void, name: *const c_char) -> Option<Chunk> {
    // SAFETY: the caller's promise.
    unsafe { Chunk::live(ptr) }.filter(|_| !name.is_null())
}

/// The nearest chunk of that name, from `c` upwards. As in the original, one
/// without a name is not found as `UNNAMED`.
///
/// # Safety
/// `name` is NULL or a C string.
pub unsafe fn find_above(c: Chunk, name: *const c_char) -> Option<Chunk> {
    // SAFETY: the caller's promise; names as in `is`.
    walk::nearest(c, |a| unsafe { same(a.name(), name) })
}

/// Aborts the contract's way because `c` is not called `expected`.
///
/// # Safety
/// `expected` and `location` are C strings or NULL.
#[cold]
pub unsafe fn mismatch(c: Option<Chunk>, expected: *const c_char, location: *const c_char) {
    let format = c"%s: Type mismatch: name[%s] expected[%s]".as_ptr();
    let or_null = |text: *const c_char| {
        if text.is_null() {
            c"(null)".as_ptr()
        } else {
            text
        }
    };
    let (location, expected) = (or_null(location), or_null(expected));
    let name = c.map_or(c"NULL".as_ptr(), of);
    // SAFETY: C strings, and a buffer of the size that the first call asks for.
    unsafe {
        let length = libc::snprintf(null_mut(), 0, format, location, name, expected);
        match sysmem::scratch::<c_char>(length as usize + 1) {
            Some(text) => {
                libc::snprintf(text.start(), text.len(), format, location, name, expected);
                fault::report(CStr::from_ptr(text.start()));
            }
            None => fault::report(c"Type mismatch"),
        }
    }
}

/// The `.name` child that holds a formatted name becomes one, and gives its
/// text to `c`.
pub fn adopt(c: Chunk, text: Option<Chunk>) -> *const c_char {
    let Some(text) = text else {
        c.set_name(null_mut());
        return null_mut();
    };
    text.set_name(c".name".as_ptr());
    c.set_name(text.user().cast::<c_void>().cast());
    c.name()
}
