//! Blocks: the only file that calls malloc, realloc and free.

use core::ptr::NonNull;

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

/// Gives a block another size, perhaps elsewhere. `None` leaves it as it was.
///
/// # Safety
/// `block` came from [`malloc`]; if it moves, the old one is not used any more.
pub unsafe fn realloc(block: *mut u8, bytes: usize) -> Option<NonNull<u8>> {
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
