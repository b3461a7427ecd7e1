//! The functions of `talloc.h`: argument checks and nothing else.
//!
//! The doc comments are the documentation of the generated header. Every
//! function here takes what C gives it, so one rule stands for all `# Safety`
//! sections: a chunk or context is NULL, or a pointer in front of which
//! [`header::HEADER`] bytes can be read; a text is NULL or a C string; a
//! `location` or `name` stays readable as long as the chunk has it; and a tree
//! is used by one thread at a time.
//!
//! [`header::HEADER`]: crate::header::HEADER

#![allow(clippy::missing_safety_doc)]

use crate::header::{Chunk, MAX_SIZE, user_of};
use crate::root::or_null_context;
use crate::string::At;
use crate::{
    alloc, cache, fault, free, global, limit, mac, name, pool, realloc, refs, report, steal,
    string, walk,
};
use core::ffi::{c_char, c_int, c_uint, c_void};
use core::ptr::{null, null_mut};
use libc::FILE;

/// The chunk of a user's pointer. If there is none, the fault is reported, and
/// should the abort function return, so does the caller, with `$fail`.
macro_rules! chunk {
    ($ptr:expr $(, $fail:expr)?) => {
        // SAFETY: the module's rule.
        match unsafe { Chunk::checked($ptr.cast()) } {
            Some(c) => c,
            None => return $($fail)?,
        }
    };
}

/// The same for a pointer that may be NULL.
macro_rules! context {
    ($ptr:expr $(, $fail:expr)?) => {
        if $ptr.is_null() {
            None
        } else {
            Some(chunk!($ptr $(, $fail)?))
        }
    };
}

/// `count` elements of `size` bytes, unless that is refused.
fn array_size(size: usize, count: c_uint) -> Option<usize> {
    // As much again as one more element is refused; neither factor is large.
    if size > MAX_SIZE {
        return None;
    }
    let bytes = size as u64 * u64::from(count);
    if bytes + size as u64 > MAX_SIZE as u64 {
        return None;
    }
    Some(bytes as usize)
}

/// Writes zeros over the user memory from `from` on.
fn zero(c: Chunk, from: usize) {
    if let Some(length) = c.size().checked_sub(from) {
        // SAFETY: within the chunk's size bytes.
        unsafe { c.user().cast::<u8>().add(from).write_bytes(0, length) };
    }
}

/// The major version of the library that runs.
///
/// @return 2
#[unsafe(no_mangle)]
pub extern "C" fn talloc_version_major() -> c_int {
    2
}

/// The minor version of the library that runs.
///
/// @return 5
#[unsafe(no_mangle)]
pub extern "C" fn talloc_version_minor() -> c_int {
    5
}

/// The magic number that marks chunks in this process, for tests of the
/// protection it gives. Another process has another one.
#[unsafe(no_mangle)]
pub extern "C" fn talloc_test_get_magic() -> c_int {
    mac::public() as c_int
}

/// Allocates memory without a name.
///
/// @param ctx   the parent, or NULL
/// @param size  bytes; 0 is allowed
/// @return      memory aligned as that of malloc, NULL without memory or for 256 MiB and more
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _talloc(ctx: *const c_void, size: usize) -> *mut c_void {
    // SAFETY: the module's rule.
    unsafe { alloc::new_user(ctx, size, null()) }
}

/// Makes a top-level context with a formatted name.
///
/// @param fmt  the name, as for printf
/// @return     the context, NULL without memory
///
/// cbindgen:postfix=PRINTF_ATTRIBUTE(1,2)
#[cfg(cbindgen)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_init(fmt: *const c_char, args: ...) -> *mut c_void {}

/// Frees a chunk and all below it. Call it as talloc_free(ptr).
///
/// The destructor runs first and may refuse. A chunk with more than one parent
/// is not freed, unless it is clear which parent is meant; talloc_unlink() can
/// tell. Children that refuse to go find a new parent.
///
/// @param ptr       the chunk; NULL does nothing
/// @param location  where the call is, for messages
/// @return          0 if the chunk is gone, -1 if it is not, or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _talloc_free(ptr: *mut c_void, location: *const c_char) -> c_int {
    // SAFETY: the module's rule.
    unsafe { free::user(ptr, location) }
}

/// Frees the children of a chunk, not the chunk itself, nor the child that
/// holds its name.
///
/// @param ptr  the chunk; NULL does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_free_children(ptr: *mut c_void) {
    if !ptr.is_null() {
        free::children(chunk!(ptr), c"talloc_free_children".as_ptr());
    }
}

/// Sets the function that runs before a chunk is freed. Call it as
/// talloc_set_destructor(ptr, function), which checks the types.
///
/// It gets the chunk, and may do anything to it and others. If it returns -1,
/// the chunk stays.
///
/// @param ptr         the chunk
/// @param destructor  the function, NULL for none
///
/// @code
/// static int close_file(struct file *f)
/// {
///         return close(f->fd);
/// }
///
/// struct file *f = talloc(ctx, struct file);
/// talloc_set_destructor(f, close_file);
/// @endcode
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _talloc_set_destructor(
    ptr: *const c_void,
    destructor: Option<unsafe extern "C" fn(ptr: *mut c_void) -> c_int>,
) {
    // SAFETY: the module's rule.
    unsafe { refs::set_destructor(ptr, destructor) };
}

/// Gives a chunk another parent. Call it as talloc_steal(new_ctx, ptr).
///
/// A chunk with references keeps them; the log gets a warning, since it may not
/// be the parent you mean that is replaced. talloc_reparent() can tell.
///
/// @param new_ctx   the new parent, NULL for none
/// @param ptr       the chunk; NULL does nothing
/// @param location  where the call is, for messages
/// @return          ptr
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _talloc_steal_loc(
    new_ctx: *const c_void,
    ptr: *const c_void,
    location: *const c_char,
) -> *mut c_void {
    // SAFETY: the module's rule.
    unsafe { steal::user(new_ctx, ptr, location) }
}

/// Gives a chunk a formatted name. The text becomes a child of the chunk; that
/// of an earlier call stays until the chunk goes.
///
/// @param ptr  the chunk
/// @param fmt  the name, as for printf
/// @return     the name, NULL without memory; then the chunk has no name
///
/// cbindgen:postfix=PRINTF_ATTRIBUTE(2,3)
#[cfg(cbindgen)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_set_name(
    ptr: *const c_void,
    fmt: *const c_char,
    args: ...
) -> *const c_char {
}

/// Gives a chunk another parent and clears the variable that pointed to it.
/// Call it as talloc_move(new_ctx, &ptr).
///
/// @param new_ctx  the new parent, NULL for none
/// @param pptr     where the pointer to the chunk is; becomes NULL
/// @return         the pointer that was there
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _talloc_move(new_ctx: *const c_void, pptr: *const c_void) -> *mut c_void {
    let place: *mut *mut c_void = pptr.cast_mut().cast();
    // SAFETY: the address of a pointer variable, as talloc_move() gives it.
    let ptr = unsafe { place.read() };
    // SAFETY: the module's rule, for the pointer that was there.
    let moved = unsafe { _talloc_steal_loc(new_ctx, ptr, c"talloc_move".as_ptr()) };
    // SAFETY: as above.
    unsafe { place.write(null_mut()) };
    moved
}

/// Gives a chunk a name whose text is not copied.
///
/// @param ptr   the chunk
/// @param name  the name, to stay valid as long as the chunk has it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_set_name_const(ptr: *const c_void, name: *const c_char) {
    chunk!(ptr).set_name(name);
}

/// Allocates memory with a formatted name.
///
/// @param ctx   the parent, or NULL
/// @param size  bytes
/// @param fmt   the name, as for printf
/// @return      the memory, NULL without
///
/// cbindgen:postfix=PRINTF_ATTRIBUTE(3,4)
#[cfg(cbindgen)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_named(
    ctx: *const c_void,
    size: usize,
    fmt: *const c_char,
    args: ...
) -> *mut c_void {
}

/// Allocates memory with a name whose text is not copied.
///
/// @param ctx   the parent, or NULL
/// @param size  bytes
/// @param name  the name, to stay valid as long as the chunk has it
/// @return      the memory, NULL without
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_named_const(
    ctx: *const c_void,
    size: usize,
    name: *const c_char,
) -> *mut c_void {
    // SAFETY: the module's rule.
    unsafe { alloc::new_user(ctx, size, name) }
}

/// Allocates memory filled with zeros. Call it as talloc_zero(ctx, type) or
/// talloc_zero_size(ctx, size).
///
/// @param ctx   the parent, or NULL
/// @param size  bytes
/// @param name  the name, to stay valid as long as the chunk has it
/// @return      the memory, NULL without
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _talloc_zero(
    ctx: *const c_void,
    size: usize,
    name: *const c_char,
) -> *mut c_void {
    // SAFETY: the module's rule.
    unsafe {
        match alloc::spot(ctx, size) {
            Ok(spot) => {
                let user = spot.fill(size, 0, name).user();
                user.cast::<u8>().write_bytes(0, size);
                user
            }
            Err(t) => zero_slow(ctx, size, name, t),
        }
    }
}

#[inline(never)]
unsafe fn zero_slow(ctx: *const c_void, size: usize, name: *const c_char, t: u64) -> *mut c_void {
    // SAFETY: the module's rule; a fresh chunk of that size.
    unsafe {
        let user = alloc::slow(ctx, size, name, t);
        if !user.is_null() {
            user.cast::<u8>().write_bytes(0, size);
        }
        user
    }
}

#[inline(never)]
unsafe fn memdup_of_nothing(ctx: *const c_void, size: usize, name: *const c_char) -> *mut c_void {
    if size > 0 {
        return null_mut();
    }
    // SAFETY: the module's rule.
    unsafe { alloc::new_user(ctx, 0, name) }
}

#[inline(never)]
unsafe fn memdup_slow(
    ctx: *const c_void,
    p: *const c_void,
    size: usize,
    name: *const c_char,
    t: u64,
) -> *mut c_void {
    // SAFETY: the module's rule; size bytes at p, says the caller, and a fresh chunk.
    unsafe {
        let user = alloc::slow(ctx, size, name, t);
        if !user.is_null() {
            user.copy_from_nonoverlapping(p, size);
        }
        user
    }
}

/// The name of a chunk.
///
/// @param ptr  the chunk
/// @return     its name, "UNNAMED" if it has none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_get_name(ptr: *const c_void) -> *const c_char {
    name::of(chunk!(ptr, null()))
}

/// Checks that a chunk has a certain name. talloc_get_type() does so with the
/// name of a type.
///
/// @param ptr   the chunk, or NULL
/// @param name  the name
/// @return      ptr if the names are the same text, else NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_check_name(ptr: *const c_void, name: *const c_char) -> *mut c_void {
    // SAFETY: the module's rule.
    unsafe {
        match name::comparable(ptr, name) {
            Some(c) if c.name() == name => ptr.cast_mut(),
            Some(_) => if_named_so(ptr, name),
            None => if_named(ptr, name),
        }
    }
}

/// The same where the texts are to be compared.
#[inline(never)]
unsafe fn if_named_so(ptr: *const c_void, name: *const c_char) -> *mut c_void {
    // SAFETY: the module's rule.
    if unsafe { name::is(Chunk::before(ptr), name) } {
        ptr.cast_mut()
    } else {
        null_mut()
    }
}

#[inline(never)]
unsafe fn if_named(ptr: *const c_void, name: *const c_char) -> *mut c_void {
    if ptr.is_null() {
        return null_mut();
    }
    let c = chunk!(ptr, null_mut());
    // SAFETY: the module's rule.
    if unsafe { name::is(c, name) } {
        c.user()
    } else {
        null_mut()
    }
}

/// The parent of a chunk.
///
/// @param ptr  the chunk, or NULL
/// @return     its parent, NULL for a top-level chunk or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_parent(ptr: *const c_void) -> *mut c_void {
    // SAFETY: the module's rule.
    unsafe { walk::user_parent(ptr) }
}

/// The name of a chunk's parent.
///
/// @param ptr  the chunk, or NULL
/// @return     the name, NULL if there is no parent or it has no name
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_parent_name(ptr: *const c_void) -> *const c_char {
    if ptr.is_null() {
        return null();
    }
    walk::parent(chunk!(ptr, null())).map_or(null(), Chunk::name)
}

/// The user bytes of a chunk and all below it.
///
/// @param ptr  the chunk; NULL means all top-level chunks made while null
///             tracking is on
/// @return     the sum; 0 for NULL without null tracking
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_total_size(ptr: *const c_void) -> usize {
    // SAFETY: the module's rule.
    unsafe { report::user_totals(ptr) }.size
}

/// The number of chunks in a subtree, with references and the chunk itself.
///
/// @param ptr  the chunk; NULL means all top-level chunks made while null
///             tracking is on
/// @return     the number; 0 for NULL without null tracking
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_total_blocks(ptr: *const c_void) -> usize {
    // SAFETY: the module's rule.
    unsafe { report::user_totals(ptr) }.blocks
}

/// Copies memory. Call it as talloc_memdup(ctx, p, size).
///
/// @param ctx   the parent, or NULL
/// @param p     what to copy
/// @param size  how many bytes
/// @param name  the name, to stay valid as long as the chunk has it
/// @return      the copy; NULL without memory, or if p is NULL and size is not 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _talloc_memdup(
    ctx: *const c_void,
    p: *const c_void,
    size: usize,
    name: *const c_char,
) -> *mut c_void {
    // SAFETY: the module's rule.
    unsafe {
        if p.is_null() {
            return memdup_of_nothing(ctx, size, name);
        }
        match alloc::spot(ctx, size) {
            Ok(spot) => {
                let user = spot.fill(size, 0, name).user();
                user.copy_from_nonoverlapping(p, size);
                user
            }
            Err(t) => memdup_slow(ctx, p, size, name, t),
        }
    }
}

/// Checks that a chunk has a certain name, and aborts if it has not. Call it as
/// talloc_get_type_abort(ptr, type).
///
/// @param ptr       the chunk
/// @param name      the name it must have
/// @param location  where the call is, for the message
/// @return          ptr; NULL if the names differ and the abort function returns
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _talloc_get_type_abort(
    ptr: *const c_void,
    name: *const c_char,
    location: *const c_char,
) -> *mut c_void {
    // SAFETY: the module's rule.
    unsafe {
        match name::comparable(ptr, name) {
            Some(c) if c.name() == name => ptr.cast_mut(),
            Some(_) => type_so_or_abort(ptr, name, location),
            None => type_or_abort(ptr, name, location),
        }
    }
}

/// The same where the texts are to be compared.
#[inline(never)]
unsafe fn type_so_or_abort(
    ptr: *const c_void,
    name: *const c_char,
    location: *const c_char,
) -> *mut c_void {
    // SAFETY: the module's rule.
    unsafe {
        if name::is(Chunk::before(ptr), name) {
            return ptr.cast_mut();
        }
        type_or_abort(ptr, name, location)
    }
}

#[inline(never)]
unsafe fn type_or_abort(
    ptr: *const c_void,
    name: *const c_char,
    location: *const c_char,
) -> *mut c_void {
    let c = context!(ptr, null_mut());
    // SAFETY: the module's rule.
    match c.filter(|&c| unsafe { name::is(c, name) }) {
        Some(c) => c.user(),
        None => {
            // SAFETY: the module's rule.
            unsafe { name::mismatch(c, name, location) };
            null_mut()
        }
    }
}

/// Finds the nearest chunk of a name, beginning with the chunk itself.
///
/// @param ctx   where to begin, or NULL
/// @param name  the name
/// @return      the chunk, NULL if there is none up to the top
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_find_parent_byname(
    ctx: *const c_void,
    name: *const c_char,
) -> *mut c_void {
    if ctx.is_null() {
        return null_mut();
    }
    let c = chunk!(ctx, null_mut());
    // SAFETY: the module's rule.
    user_of(unsafe { name::find_above(c, name) })
}

/// Allocates a pool: a context below which memory comes from one block, as long
/// as there is room, and goes back to malloc when all of it is freed.
///
/// @param ctx   the parent, or NULL
/// @param size  bytes for the chunks below, headers included
/// @return      the pool, a chunk of size 0; NULL without memory
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_pool(ctx: *const c_void, size: usize) -> *mut c_void {
    // SAFETY: the module's rule.
    unsafe { pool::pool(ctx, size) }
}

/// Allocates an object that is a pool for what comes below it. Call it as
/// talloc_pooled_object(ctx, type, count, total).
///
/// @param ctx                    the parent, or NULL
/// @param type_size              bytes of the object
/// @param type_name              its name
/// @param num_subobjects         how many chunks there is to be room for
/// @param total_subobjects_size  how many user bytes they have together
/// @return                       the object, NULL without memory
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _talloc_pooled_object(
    ctx: *const c_void,
    type_size: usize,
    type_name: *const c_char,
    num_subobjects: c_uint,
    total_subobjects_size: usize,
) -> *mut c_void {
    let (count, total) = (num_subobjects, total_subobjects_size);
    // SAFETY: the module's rule.
    unsafe { pool::pooled_object(ctx, type_size, type_name, count, total) }
}

/// Allocates a static pool cache: a block for objects of one size, which
/// talloc_cache() hands out and talloc_free() takes back.
///
/// @param ctx      the parent, or NULL
/// @param size     user bytes of all objects together
/// @param objsize  user bytes of one object; there is room for size / objsize
///                 of them, rounded up
/// @return         the cache, a chunk of size 0; NULL without memory, if one
///                 of the sizes is 0, objsize is larger than size, or the block
///                 would reach 256 MiB
///
/// @code
/// void *cache = talloc_pool_cache(ctx, 1000 * sizeof(struct req), sizeof(struct req));
/// struct req *r = talloc_cache_zero(cache);
/// if (r == NULL)
///         return ERROR_ALL_1000_IN_USE;
/// talloc_free(r);
/// @endcode
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_pool_cache(
    ctx: *const c_void,
    size: usize,
    objsize: usize,
) -> *mut c_void {
    let ctx = context!(ctx, null_mut());
    user_of(cache::pool_cache(ctx, size, objsize))
}

/// Takes an object from a static pool cache, as a child of it. It is a chunk in
/// every way; talloc_free() gives it back for the next call.
///
/// @param cache  from talloc_pool_cache()
/// @return       the object, not initialised; NULL if cache is NULL, not a
///               cache, or has no object left
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_cache(cache: *const c_void) -> *mut c_void {
    // SAFETY: the module's rule.
    unsafe {
        match cache::object_fast(cache) {
            Some(c) => c.user(),
            None => cache::object_slow(cache),
        }
    }
}

/// Takes an object from a static pool cache and fills it with zeros.
///
/// @param cache  from talloc_pool_cache()
/// @return       the object; NULL as for talloc_cache()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_cache_zero(cache: *const c_void) -> *mut c_void {
    // SAFETY: the module's rule.
    let object = unsafe { talloc_cache(cache) };
    if !object.is_null() {
        zero(Chunk::before(object), 0);
    }
    object
}

/// Adds a reference that belongs to no context: talloc_reference(NULL, ptr).
///
/// @param ptr  the chunk, or NULL
/// @return     0, or -1 for NULL or without memory
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_increase_ref_count(ptr: *const c_void) -> c_int {
    if ptr.is_null() {
        return -1;
    }
    let c = chunk!(ptr, -1);
    if refs::make(None, c, c"talloc_increase_ref_count".as_ptr()) {
        0
    } else {
        -1
    }
}

/// How many references a chunk has, its parent not counted.
///
/// @param ptr  the chunk
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_reference_count(ptr: *const c_void) -> usize {
    refs::count(chunk!(ptr, 0))
}

/// Makes a context an additional parent of a chunk. Call it as
/// talloc_reference(ctx, ptr).
///
/// The chunk goes when the last of its parents does. talloc_unlink() removes
/// one of them.
///
/// @param ctx       the additional parent, NULL for none
/// @param ptr       the chunk; NULL does nothing
/// @param location  where the call is, for messages
/// @return          ptr, NULL without memory
///
/// @code
/// user = talloc(db, struct user);
/// talloc_reference(session, user);
/// talloc_unlink(db, user);
/// @endcode
/// Now the session alone keeps the user alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _talloc_reference_loc(
    ctx: *const c_void,
    ptr: *const c_void,
    location: *const c_char,
) -> *mut c_void {
    // SAFETY: the module's rule.
    unsafe { refs::reference(ctx, ptr, location) }
}

/// Removes one parent of a chunk, a reference's owner or the parent proper. The
/// last one to be removed frees the chunk.
///
/// @param ctx  the parent to remove; NULL for a top-level chunk
/// @param ptr  the chunk, or NULL
/// @return     0; -1 if ptr is NULL, ctx is no parent of it, or it refuses to go
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_unlink(ctx: *const c_void, ptr: *mut c_void) -> c_int {
    // SAFETY: the module's rule.
    unsafe {
        match refs::unlink_fast(ctx, ptr, c"talloc_unlink".as_ptr()) {
            Some(done) => done,
            None => unlink_slow(ctx, ptr),
        }
    }
}

#[inline(never)]
unsafe fn unlink_slow(ctx: *const c_void, ptr: *mut c_void) -> c_int {
    let location = c"talloc_unlink".as_ptr();
    // SAFETY: the module's rule.
    unsafe {
        if let Some(done) = free::unlink_last(ctx, ptr, location) {
            return done;
        }
        if refs::unlink_newest(ctx, ptr, location) {
            return 0;
        }
    }
    if ptr.is_null() {
        return -1;
    }
    let c = chunk!(ptr, -1);
    free::unlink(context!(ctx, -1), c, location)
}

/// A context that is freed when the process exits, before leaks are reported.
///
/// @return the same context each time, NULL without memory
///
/// cbindgen:postfix=_DEPRECATED_
#[unsafe(no_mangle)]
pub extern "C" fn talloc_autofree_context() -> *mut c_void {
    user_of(global::autofree_context())
}

/// The user bytes of one chunk.
///
/// @param ctx  the chunk, or NULL
/// @return     the size it was allocated with; 0 for NULL and for pools
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_get_size(ctx: *const c_void) -> usize {
    context!(ctx, 0).map_or(0, Chunk::size)
}

/// Prints the names of a chunk and all above it.
///
/// @param ctx   the chunk, or NULL
/// @param file  where to print
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_show_parents(ctx: *const c_void, file: *mut FILE) {
    let c = context!(ctx);
    if !file.is_null() {
        // SAFETY: a stream, as the caller gave it.
        unsafe { report::print_parents(c, file) };
    }
}

/// Is a chunk above a context?
///
/// @param ctx  where to begin
/// @param ptr  what to look for, from ctx itself upwards
/// @return     1 if ptr is ctx or above it, else 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_is_parent(ctx: *const c_void, ptr: *const c_void) -> c_int {
    // SAFETY: the module's rule.
    match unsafe { walk::is_near(ctx, ptr) } {
        Some(is_above) => is_above.into(),
        None => is_far_parent(ctx, ptr),
    }
}

#[inline(never)]
fn is_far_parent(ctx: *const c_void, ptr: *const c_void) -> c_int {
    if ctx.is_null() {
        return 0;
    }
    walk::ancestors(chunk!(ctx, 0))
        .any(|a| a.user().cast_const() == ptr)
        .into()
}

/// Replaces one certain parent of a chunk, the parent proper or the owner of a
/// reference.
///
/// @param old_parent  the parent to replace, NULL for that of a top-level chunk
/// @param new_parent  the new one, or NULL
/// @param ptr         the chunk, or NULL
/// @return            ptr; NULL if old_parent is no parent of it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_reparent(
    old_parent: *const c_void,
    new_parent: *const c_void,
    ptr: *const c_void,
) -> *mut c_void {
    // SAFETY: the module's rule.
    if unsafe { steal::reparent_fast(old_parent, new_parent, ptr) } {
        return ptr.cast_mut();
    }
    // SAFETY: as above.
    unsafe { reparent_slow(old_parent, new_parent, ptr) }
}

#[inline(never)]
unsafe fn reparent_slow(
    old_parent: *const c_void,
    new_parent: *const c_void,
    ptr: *const c_void,
) -> *mut c_void {
    if ptr.is_null() {
        return null_mut();
    }
    let c = chunk!(ptr, null_mut());
    let old = context!(old_parent, null_mut());
    if steal::reparent(old, context!(new_parent, null_mut()), c) {
        c.user()
    } else {
        null_mut()
    }
}

/// Allocates an array. Call it as talloc_array(ctx, type, count) or
/// talloc_array_size(ctx, size, count).
///
/// @param ctx      the parent, or NULL
/// @param el_size  bytes of an element
/// @param count    how many
/// @param name     the name, to stay valid as long as the chunk has it
/// @return         the array, NULL without memory or for 256 MiB and more
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _talloc_array(
    ctx: *const c_void,
    el_size: usize,
    count: c_uint,
    name: *const c_char,
) -> *mut c_void {
    match array_size(el_size, count) {
        // SAFETY: the module's rule.
        Some(size) => unsafe { alloc::new_user(ctx, size, name) },
        None => null_mut(),
    }
}

/// Allocates an array filled with zeros. Call it as
/// talloc_zero_array(ctx, type, count).
///
/// @param ctx      the parent, or NULL
/// @param el_size  bytes of an element
/// @param count    how many
/// @param name     the name, to stay valid as long as the chunk has it
/// @return         the array, NULL without memory or for 256 MiB and more
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _talloc_zero_array(
    ctx: *const c_void,
    el_size: usize,
    count: c_uint,
    name: *const c_char,
) -> *mut c_void {
    match array_size(el_size, count) {
        // SAFETY: the module's rule.
        Some(size) => unsafe { _talloc_zero(ctx, size, name) },
        None => null_mut(),
    }
}

/// Changes the size of an array. Call it as
/// talloc_realloc(ctx, ptr, type, count).
///
/// @param ctx      the parent, if ptr is NULL
/// @param ptr      the array, or NULL to allocate one
/// @param el_size  bytes of an element
/// @param count    how many; 0 frees the array
/// @param name     the name of the result
/// @return         the array, perhaps elsewhere; NULL if it was freed or could
///                 not be changed, see _talloc_realloc()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _talloc_realloc_array(
    ctx: *const c_void,
    ptr: *mut c_void,
    el_size: usize,
    count: c_uint,
    name: *const c_char,
) -> *mut c_void {
    match array_size(el_size, count) {
        // SAFETY: the module's rule.
        Some(size) => unsafe { resized(ctx, ptr, size, name) },
        None => null_mut(),
    }
}

/// Changes the size of an array and fills what is new with zeros. Call it as
/// talloc_realloc_zero(ctx, ptr, type, count).
///
/// @param ctx      the parent, if ptr is NULL
/// @param ptr      the array, or NULL to allocate one
/// @param el_size  bytes of an element
/// @param count    how many; 0 frees the array
/// @param name     the name of the result
/// @return         as for talloc_realloc()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _talloc_realloc_array_zero(
    ctx: *const c_void,
    ptr: *mut c_void,
    el_size: usize,
    count: c_uint,
    name: *const c_char,
) -> *mut c_void {
    let old = context!(ptr, null_mut()).map_or(0, Chunk::size);
    // SAFETY: the module's rule.
    let new = unsafe { _talloc_realloc_array(ctx, ptr, el_size, count, name) };
    if !new.is_null() {
        zero(chunk!(new, null_mut()), old);
    }
    new
}

/// Changes the size of a chunk. Call it as
/// talloc_realloc_size(ctx, ptr, size).
///
/// @param ctx   the parent, if ptr is NULL; the parent to unlink, if size is 0
/// @param ptr   the chunk, or NULL to allocate one
/// @param size  bytes; 0 frees the chunk
/// @param name  the name of the result
/// @return      the chunk, perhaps elsewhere. NULL if size is 0; also without
///              memory, for 256 MiB and more, for a pool and for a chunk with
///              references: then ptr is as it was
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _talloc_realloc(
    ctx: *const c_void,
    ptr: *mut c_void,
    size: usize,
    name: *const c_char,
) -> *mut c_void {
    // SAFETY: the module's rule.
    unsafe { resized(ctx, ptr, size, name) }
}

#[inline(always)]
unsafe fn resized(
    ctx: *const c_void,
    ptr: *mut c_void,
    size: usize,
    name: *const c_char,
) -> *mut c_void {
    // SAFETY: the module's rule.
    match unsafe { realloc::grow_fast(ptr, |_| size) } {
        Some((c, _)) => {
            c.set_name(name);
            ptr
        }
        // SAFETY: as above.
        None => unsafe { realloc_slow(ctx, ptr, size, name) },
    }
}

#[inline(never)]
unsafe fn realloc_slow(
    ctx: *const c_void,
    ptr: *mut c_void,
    size: usize,
    name: *const c_char,
) -> *mut c_void {
    if size == 0 {
        // SAFETY: the module's rule.
        unsafe { talloc_unlink(ctx, ptr) };
        return null_mut();
    }
    if ptr.is_null() {
        // SAFETY: the module's rule.
        return unsafe { talloc_named_const(ctx, size, name) };
    }
    // SAFETY: the module's rule.
    unsafe { realloc::resize(ctx, ptr, size, name) }
}

/// talloc_realloc_size() as a function, for those who want a pointer to one.
/// The result has no name.
///
/// @param ctx   the parent, if ptr is NULL
/// @param ptr   the chunk, or NULL to allocate one
/// @param size  bytes; 0 frees the chunk
/// @return      as for talloc_realloc_size()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_realloc_fn(
    ctx: *const c_void,
    ptr: *mut c_void,
    size: usize,
) -> *mut c_void {
    // SAFETY: the module's rule.
    unsafe { _talloc_realloc(ctx, ptr, size, null()) }
}

/// Copies a text, `length` bytes of it.
#[inline(always)]
unsafe fn copy_text(ctx: *const c_void, text: *const c_char, length: usize) -> *mut c_char {
    // SAFETY: the text has that many bytes, says the caller.
    unsafe { string::copy(ctx, text, length) }
}

/// Copies a text.
///
/// @param ctx  the parent, or NULL
/// @param p    the text, or NULL
/// @return     the copy, named by its own text; NULL without memory or text
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_strdup(ctx: *const c_void, p: *const c_char) -> *mut c_char {
    if p.is_null() {
        return null_mut();
    }
    // SAFETY: the module's rule.
    unsafe { copy_text(ctx, p, libc::strlen(p)) }
}

/// Appends a text to another, behind its last character.
///
/// @param s  the text to append to; NULL makes a new one without a parent
/// @param a  what to append; NULL is nothing
/// @return   the longer text, perhaps elsewhere, named by its own text; NULL
///           without memory, and then s is as it was
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_strdup_append(s: *mut c_char, a: *const c_char) -> *mut c_char {
    if a.is_null() {
        return s;
    }
    // SAFETY: the module's rule.
    unsafe { string::append_user(s, At::EndOfText, a, libc::strlen(a)) }
}

/// Appends a text to another, at the last byte of its chunk: without looking
/// for the end, and behind any NUL that is in it.
///
/// @param s  the text to append to; NULL makes a new one without a parent
/// @param a  what to append; NULL is nothing
/// @return   as for talloc_strdup_append()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_strdup_append_buffer(
    s: *mut c_char,
    a: *const c_char,
) -> *mut c_char {
    if a.is_null() {
        return s;
    }
    // SAFETY: the module's rule.
    unsafe { string::append_user(s, At::EndOfBuffer, a, libc::strlen(a)) }
}

/// Copies a text, or the beginning of it.
///
/// @param ctx  the parent, or NULL
/// @param p    the text, or NULL
/// @param n    how many bytes at most
/// @return     the copy, named by its own text; NULL without memory or text
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_strndup(
    ctx: *const c_void,
    p: *const c_char,
    n: usize,
) -> *mut c_char {
    if p.is_null() {
        return null_mut();
    }
    // SAFETY: the module's rule; a text of n bytes needs no NUL.
    unsafe { copy_text(ctx, p, libc::strnlen(p, n)) }
}

/// Appends a text, or the beginning of it, behind the last character of
/// another.
///
/// @param s  the text to append to; NULL makes a new one without a parent
/// @param a  what to append; NULL is nothing
/// @param n  how many bytes at most
/// @return   as for talloc_strdup_append()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_strndup_append(
    s: *mut c_char,
    a: *const c_char,
    n: usize,
) -> *mut c_char {
    if a.is_null() {
        return s;
    }
    // SAFETY: the module's rule; a text of n bytes needs no NUL.
    unsafe { string::append_user(s, At::EndOfText, a, libc::strnlen(a, n)) }
}

/// Appends a text, or the beginning of it, at the last byte of another's chunk.
///
/// @param s  the text to append to; NULL makes a new one without a parent
/// @param a  what to append; NULL is nothing
/// @param n  how many bytes at most
/// @return   as for talloc_strdup_append()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_strndup_append_buffer(
    s: *mut c_char,
    a: *const c_char,
    n: usize,
) -> *mut c_char {
    if a.is_null() {
        return s;
    }
    // SAFETY: the module's rule; a text of n bytes needs no NUL.
    unsafe { string::append_user(s, At::EndOfBuffer, a, libc::strnlen(a, n)) }
}

/// Formats a text.
///
/// @param ctx  the parent, or NULL
/// @param fmt  as for vprintf
/// @param ap   the arguments
/// @return     the text, named by itself; NULL without memory or on a format
///             error
///
/// cbindgen:postfix=PRINTF_ATTRIBUTE(2,0)
#[cfg(cbindgen)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_vasprintf(
    ctx: *const c_void,
    fmt: *const c_char,
    ap: va_list,
) -> *mut c_char {
}

/// Formats a text and appends it to another, behind its last character.
///
/// @param s    the text to append to; NULL makes a new one without a parent
/// @param fmt  as for vprintf
/// @param ap   the arguments
/// @return     the longer text, perhaps elsewhere, named by its own text; s as
///             it was if there is nothing to add or the format is wrong; NULL
///             without memory
///
/// cbindgen:postfix=PRINTF_ATTRIBUTE(2,0)
#[cfg(cbindgen)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_vasprintf_append(
    s: *mut c_char,
    fmt: *const c_char,
    ap: va_list,
) -> *mut c_char {
}

/// Formats a text and appends it to another, at the last byte of its chunk.
///
/// @param s    the text to append to; NULL makes a new one without a parent
/// @param fmt  as for vprintf
/// @param ap   the arguments
/// @return     as for talloc_vasprintf_append()
///
/// cbindgen:postfix=PRINTF_ATTRIBUTE(2,0)
#[cfg(cbindgen)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_vasprintf_append_buffer(
    s: *mut c_char,
    fmt: *const c_char,
    ap: va_list,
) -> *mut c_char {
}

/// Appends to a text that is built in steps, so that one check at the end is
/// enough.
///
/// @param ps   where the text is. If it is NULL, nothing is done; without
///             memory it is freed and becomes NULL
/// @param fmt  what to append, as for printf
///
/// @code
/// char *text = talloc_strdup(ctx, "");
/// for (i = 0; i < n; i++)
///         talloc_asprintf_addbuf(&text, "%d;", numbers[i]);
/// if (text == NULL)
///         return NULL;
/// @endcode
///
/// cbindgen:postfix=PRINTF_ATTRIBUTE(2,3)
#[cfg(cbindgen)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_asprintf_addbuf(
    ps: *mut *mut c_char,
    fmt: *const c_char,
    args: ...
) {
}

/// Appends to a text that is built in steps, with a separator before each but
/// the first.
///
/// @param ps   as for talloc_asprintf_addbuf()
/// @param sep  goes first, if there is a text already
/// @param fmt  what to append, as for printf
///
/// cbindgen:postfix=PRINTF_ATTRIBUTE(3,4)
#[cfg(cbindgen)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_asprintf_addsep(
    ps: *mut *mut c_char,
    sep: *const c_char,
    fmt: *const c_char,
    args: ...
) {
}

/// Formats a text.
///
/// @param ctx  the parent, or NULL
/// @param fmt  as for printf
/// @return     as for talloc_vasprintf()
///
/// cbindgen:postfix=PRINTF_ATTRIBUTE(2,3)
#[cfg(cbindgen)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_asprintf(
    ctx: *const c_void,
    fmt: *const c_char,
    args: ...
) -> *mut c_char {
}

/// Formats a text and appends it to another, behind its last character.
///
/// @param s    the text to append to; NULL makes a new one without a parent
/// @param fmt  as for printf
/// @return     as for talloc_vasprintf_append()
///
/// cbindgen:postfix=PRINTF_ATTRIBUTE(2,3)
#[cfg(cbindgen)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_asprintf_append(
    s: *mut c_char,
    fmt: *const c_char,
    args: ...
) -> *mut c_char {
}

/// Formats a text and appends it to another, at the last byte of its chunk.
///
/// @param s    the text to append to; NULL makes a new one without a parent
/// @param fmt  as for printf
/// @return     as for talloc_vasprintf_append()
///
/// cbindgen:postfix=PRINTF_ATTRIBUTE(2,3)
#[cfg(cbindgen)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_asprintf_append_buffer(
    s: *mut c_char,
    fmt: *const c_char,
    args: ...
) -> *mut c_char {
}

/// Calls a function for a chunk and each below it, a parent before its
/// children, the newest child first. A reference is shown as the chunk it
/// refers to, and what is below that is not.
///
/// @param ptr           the chunk; NULL means all top-level chunks made while
///                      null tracking is on
/// @param depth         what the function gets as the depth of ptr
/// @param max_depth     the last depth that is shown, -1 for all
/// @param callback      the function; it may not free what it is shown
/// @param private_data  goes to the function
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_report_depth_cb(
    ptr: *const c_void,
    depth: c_int,
    max_depth: c_int,
    callback: Option<
        unsafe extern "C" fn(
            ptr: *const c_void,
            depth: c_int,
            max_depth: c_int,
            is_ref: c_int,
            private_data: *mut c_void,
        ),
    >,
    private_data: *mut c_void,
) {
    let root = or_null_context(context!(ptr));
    if let (Some(root), Some(show)) = (root, callback) {
        report::walk(root, depth, max_depth, |seen| {
            let (ptr, is_ref) = (seen.chunk.user(), seen.is_ref.into());
            // SAFETY: the caller's function, called as its type says.
            unsafe { show(ptr, seen.depth, max_depth, is_ref, private_data) };
        });
    }
}

/// Prints a report: a line for each chunk with its name, the bytes and chunks
/// of its subtree, and its references.
///
/// @param ptr        the chunk; NULL means all top-level chunks made while null
///                   tracking is on
/// @param depth      how far to indent; 0 also prints a heading
/// @param max_depth  the last depth that is shown, -1 for all
/// @param file       where to print
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_report_depth_file(
    ptr: *const c_void,
    depth: c_int,
    max_depth: c_int,
    file: *mut FILE,
) {
    let root = or_null_context(context!(ptr));
    if let Some(root) = root.filter(|_| !file.is_null()) {
        // SAFETY: a stream, as the caller gave it.
        unsafe { report::print(root, depth, max_depth, file) };
    }
}

/// Prints a report of a chunk and all below it.
///
/// @param ptr   the chunk; NULL means all top-level chunks made while null
///              tracking is on
/// @param file  where to print
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_report_full(ptr: *const c_void, file: *mut FILE) {
    // SAFETY: the module's rule.
    unsafe { talloc_report_depth_file(ptr, 0, -1, file) };
}

/// Prints a report of a chunk and its children.
///
/// @param ptr   the chunk; NULL means all top-level chunks made while null
///              tracking is on
/// @param file  where to print
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_report(ptr: *const c_void, file: *mut FILE) {
    // SAFETY: the module's rule.
    unsafe { talloc_report_depth_file(ptr, 0, 1, file) };
}

/// Keeps track of top-level chunks made from now on, as children of a "null
/// context", and moves the autofree context there.
#[unsafe(no_mangle)]
pub extern "C" fn talloc_enable_null_tracking() {
    global::enable_null_tracking(true);
}

/// The same, but leaves the autofree context where it is.
#[unsafe(no_mangle)]
pub extern "C" fn talloc_enable_null_tracking_no_autofree() {
    global::enable_null_tracking(false);
}

/// Ends that. The top-level chunks live on without a parent.
#[unsafe(no_mangle)]
pub extern "C" fn talloc_disable_null_tracking() {
    global::disable_null_tracking();
}

/// Turns null tracking on, and prints talloc_report(NULL, stderr) when the
/// process exits, if there is anything left then.
#[unsafe(no_mangle)]
pub extern "C" fn talloc_enable_leak_report() {
    global::enable_leak_report(false);
}

/// Turns null tracking on, and prints talloc_report_full(NULL, stderr) when the
/// process exits, if there is anything left then.
#[unsafe(no_mangle)]
pub extern "C" fn talloc_enable_leak_report_full() {
    global::enable_leak_report(true);
}

/// Sets the function that is called instead of abort() when a chunk turns out
/// to be none, or of the wrong type. If it returns, the call that found out
/// fails and has done nothing.
///
/// @param abort_fn  gets the reason; NULL for abort()
#[unsafe(no_mangle)]
pub extern "C" fn talloc_set_abort_fn(
    abort_fn: Option<unsafe extern "C" fn(reason: *const c_char)>,
) {
    fault::set_abort_fn(abort_fn);
}

/// Sets the function that gets warnings and errors, line by line.
///
/// @param log_fn  gets the line, with its newline; NULL for none
#[unsafe(no_mangle)]
pub extern "C" fn talloc_set_log_fn(log_fn: Option<unsafe extern "C" fn(message: *const c_char)>) {
    fault::set_log_fn(log_fn);
}

/// Sends warnings and errors to stderr.
#[unsafe(no_mangle)]
pub extern "C" fn talloc_set_log_stderr() {
    fault::log_to_stderr();
}

/// Limits the memory of a context and all below it, headers included. Limits
/// may be nested; all of them count.
///
/// @param ctx       the context
/// @param max_size  bytes, 0 for no limit. What would go beyond is refused:
///                  NULL, and errno is ENOMEM
/// @return          0; 1 without memory, -1 for NULL
///
/// cbindgen:postfix=_DEPRECATED_
#[unsafe(no_mangle)]
pub unsafe extern "C" fn talloc_set_memlimit(ctx: *const c_void, max_size: usize) -> c_int {
    match context!(ctx, -1) {
        Some(c) if limit::set(c, max_size) => 0,
        Some(_) => 1,
        None => -1,
    }
}
