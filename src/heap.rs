//! Blocks: the only file that calls malloc, realloc and free.
//!
//! In front of malloc stands a cache: each thread keeps small blocks that it has
//! freed, by size class, up to a bound in bytes, and hands them out again.  It is
//! given back when the thread ends.  There is none while a memory tool watches,
//! nor with `TALLOC_FREE_FILL` or `TALLOC_THREAD_CACHE=0` in the environment; the
//! latter sets the bound.
//!
//! A kept block is a dead header: its first word and its name stay as they are,
//! so that a use after the free is still seen; the list goes through the second
//! word.

use core::ffi::c_void;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};

// ---- memory tools -----------------------------------------------------------

unsafe extern "C" {
    fn talloc_impl_tool() -> core::ffi::c_int;
}

/// Is a memory tool watching?
#[inline]
pub fn is_watched() -> bool {
    const UNKNOWN: u8 = 0;
    const NO: u8 = 1;
    const YES: u8 = 2;
    static WATCHED: AtomicU8 = AtomicU8::new(UNKNOWN);

    #[cold]
    fn ask() -> bool {
        // SAFETY: it only asks.
        let watched = unsafe { talloc_impl_tool() } != 0;
        WATCHED.store(if watched { YES } else { NO }, Relaxed);
        watched
    }

    match WATCHED.load(Relaxed) {
        NO => false,
        UNKNOWN => ask(),
        _ => true,
    }
}

// ---- the cache of a thread --------------------------------------------------

/// Class k has blocks of 16 k + 8 bytes, which is what malloc makes of a request
/// without waste. The largest class still has room for a chunk of 1,000 bytes.
const CLASSES: usize = 68;

const fn class_of(bytes: usize) -> usize {
    (bytes + 7) / 16
}

const fn bytes_of(class: usize) -> usize {
    16 * class + 8
}

/// What a block of a class takes, with what malloc adds to it.
const fn cost_of(class: usize) -> usize {
    bytes_of(class) + 8
}

/// What to ask malloc for, so that the block fits its class.
const fn request(bytes: usize) -> usize {
    match class_of(bytes) {
        class if class < CLASSES => bytes_of(class),
        _ => bytes,
    }
}

/// Bytes that a thread keeps at most, with what malloc adds to each block.
const DEFAULT_BOUND: usize = 256 * 1024 - size_of::<Cache>() - 64;

#[repr(C)]
struct Cache {
    /// Bytes that may still be kept.
    left: usize,
    first: [*mut u8; CLASSES],
}

unsafe extern "C" {
    #[cfg(not(target_arch = "x86_64"))]
    fn talloc_impl_cache_slot() -> *mut *mut Cache;
    fn talloc_impl_cache_keep(cache: *mut Cache) -> core::ffi::c_int;
}

/// Where the kept block `block` has the next one of its class.
fn next_of(block: *mut u8) -> *mut *mut u8 {
    block.wrapping_add(size_of::<usize>()).cast()
}

/// The cache of this thread, if it has one.
#[inline]
fn cache() -> Option<&'static mut Cache> {
    // SAFETY: the slot is this thread's; in it is NULL, or the cache until the
    // thread ends. Nobody else has a reference: none outlives a function here.
    unsafe { (*slot()).as_mut() }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn slot() -> *mut *mut Cache {
    let place;
    // SAFETY: the address of a thread-local variable of tools.c, which is of the
    // initial-exec model: its offset is in the GOT, the thread's base at fs:0.
    unsafe {
        core::arch::asm!(
            "mov {0}, qword ptr [rip + talloc_impl_cache@GOTTPOFF]",
            "add {0}, qword ptr fs:[0]",
            out(reg) place,
            options(pure, nomem, nostack),
        );
    }
    place
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn slot() -> *mut *mut Cache {
    // SAFETY: it only answers the address.
    unsafe { talloc_impl_cache_slot() }
}

/// A block for a chunk of `bytes` bytes, kept or from malloc.
#[inline(always)]
pub fn take(bytes: usize) -> Option<NonNull<u8>> {
    take_kept(bytes).or_else(|| malloc(request(bytes)))
}

/// A block for a chunk of `bytes` bytes, if this thread keeps one.
#[inline(always)]
fn take_kept(bytes: usize) -> Option<NonNull<u8>> {
    let class = class_of(bytes);
    if class >= CLASSES {
        return None;
    }
    let cache = cache()?;
    // SAFETY: class is below CLASSES.
    let first = unsafe { cache.first.get_unchecked_mut(class) };
    let block = NonNull::new(*first)?;
    // SAFETY: a kept block, which has the next one in its second word.
    *first = unsafe { *next_of(block.as_ptr()) };
    cache.left += cost_of(class);
    Some(block)
}

/// Gives the block of a chunk of `bytes` bytes back: its header is stamped, its
/// memory is nobody's.
///
/// # Safety
/// `block` came from [`take`] for as many bytes or more, and is not used any
/// more.
#[inline(always)]
pub unsafe fn give(block: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if !keep(block, bytes) {
            give_slowly(block, bytes);
        }
    }
}

/// The same if this thread has a cache with room for it; else false.
///
/// # Safety
/// As for [`give`], if it is true.
#[inline(always)]
unsafe fn keep(block: *mut u8, bytes: usize) -> bool {
    let class = class_of(bytes);
    if class >= CLASSES {
        return false;
    }
    let Some(cache) = cache() else { return false };
    let Some(left) = cache.left.checked_sub(cost_of(class)) else {
        return false;
    };
    cache.left = left;
    // SAFETY: class is below CLASSES; the block has at least two words, and is
    // ours now.
    unsafe {
        let first = cache.first.get_unchecked_mut(class);
        *next_of(block) = *first;
        *first = block;
    }
    true
}

/// # Safety
/// As for [`give`].
#[cold]
#[inline(never)]
unsafe fn give_slowly(block: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if class_of(bytes) < CLASSES && cache().is_none() && open() {
            give(block, bytes);
        } else {
            free(block);
        }
    }
}

/// Makes the cache of this thread; false if there is to be none.
fn open() -> bool {
    let Some(bound) = bound() else { return false };
    let made = record(Cache {
        left: bound,
        first: [null_mut(); CLASSES],
    });
    let Some(cache) = made else { return false };
    // SAFETY: tools.c stores it for this thread, or says no.
    if unsafe { talloc_impl_cache_keep(cache.as_ptr()) } != 0 {
        return true;
    }
    // SAFETY: just made, and kept by nobody.
    unsafe { free_record(cache) };
    false
}

/// How many bytes a thread may keep; `None` for no cache at all.
fn bound() -> Option<usize> {
    const UNREAD: usize = usize::MAX;
    static BOUND: AtomicUsize = AtomicUsize::new(UNREAD);

    if BOUND.load(Relaxed) == UNREAD {
        // SAFETY: C strings; the environment is read as getenv allows.
        let bound = unsafe {
            let text = libc::getenv(c"TALLOC_THREAD_CACHE".as_ptr());
            let fill = libc::getenv(c"TALLOC_FREE_FILL".as_ptr());
            if is_watched() || !fill.is_null() {
                0
            } else if text.is_null() {
                DEFAULT_BOUND
            } else {
                (libc::strtoul(text, null_mut(), 0) as usize).min(UNREAD - 1)
            }
        };
        BOUND.store(bound, Relaxed);
    }
    match BOUND.load(Relaxed) {
        0 => None,
        bound => Some(bound),
    }
}

/// Called by `tools.c` when a thread ends, or the library goes: gives all blocks
/// of its cache back.
#[unsafe(no_mangle)]
unsafe extern "C" fn talloc_impl_cache_close(cache: *mut c_void) {
    let Some(place) = NonNull::new(cache.cast::<Cache>()) else {
        return;
    };
    // SAFETY: made by `open`; the thread has no other way to it any more.
    unsafe {
        for first in (*place.as_ptr()).first {
            let mut block = first;
            while !block.is_null() {
                let next = *next_of(block);
                free(block);
                block = next;
            }
        }
        free_record(place);
    }
}

// ---- malloc -----------------------------------------------------------------

/// A block of so many bytes, aligned to 16.
pub fn malloc(bytes: usize) -> Option<NonNull<u8>> {
    // SAFETY: malloc takes any size.
    NonNull::new(unsafe { libc::malloc(bytes) }.cast())
}

/// Gives a block back.
///
/// # Safety
/// `block` came from [`malloc`] and is not used any more.
pub unsafe fn free(block: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { libc::free(block.cast()) };
}

/// Gives the block of a chunk another size, perhaps elsewhere. `None` leaves it as it was.
///
/// # Safety
/// `block` came from [`take`]; if it moves, the old one is not used any more.
pub unsafe fn realloc(block: *mut u8, bytes: usize) -> Option<NonNull<u8>> {
    let bytes = request(bytes);
    // SAFETY: the caller's promise.
    NonNull::new(unsafe { libc::realloc(block.cast(), bytes) }.cast())
}

/// Memory for the length of one function; given back when dropped.
pub struct Scratch<T> {
    place: NonNull<T>,
    len: usize,
}

/// Room for `len` items, or `None` without memory.
pub fn scratch<T>(len: usize) -> Option<Scratch<T>> {
    let place = malloc(len.checked_mul(size_of::<T>())?)?.cast();
    Some(Scratch { place, len })
}

impl<T> Scratch<T> {
    /// The first item.
    pub fn start(&self) -> *mut T {
        self.place.as_ptr()
    }

    /// How many there is room for.
    pub fn len(&self) -> usize {
        self.len
    }
}

impl<T> Drop for Scratch<T> {
    fn drop(&mut self) {
        // SAFETY: it came from malloc, and the borrow checker ends its uses.
        unsafe { free(self.start().cast()) };
    }
}

/// A bare block for a record that is not a chunk.
pub fn record<T>(value: T) -> Option<NonNull<T>> {
    const { assert!(align_of::<T>() <= 16) };
    let place: NonNull<T> = malloc(size_of::<T>())?.cast();
    // SAFETY: fresh, large enough and aligned.
    unsafe { place.write(value) };
    Some(place)
}

/// Gives the block of a record back.
///
/// # Safety
/// `place` came from [`record`] and is not used any more.
pub unsafe fn free_record<T>(place: NonNull<T>) {
    // SAFETY: the caller's promise.
    unsafe { free(place.as_ptr().cast()) };
}
