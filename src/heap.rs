//! Blocks: the only file that calls malloc, realloc and free.
//!
//! In front of malloc stands a cache: each thread keeps blocks that it has freed, by
//! size class, up to a bound in bytes, and hands them out again.  It is given back
//! when the thread ends.  The bound is 256 KiB, or a quarter of what is alive where that
//! is more: a program that frees much and goes on with much is going to want it
//! again, and when it has freed everything it keeps no more than 256 KiB.  There is none
//! while a memory tool watches, nor with `TALLOC_FREE_FILL` or `TALLOC_THREAD_CACHE=0`
//! in the environment; the latter sets the bound. Unless it does, there is none either
//! under a tool that looks on (a profiler, a leak checker).
//!
//! A kept block is a dead header: its first word and its name stay as they are,
//! so that a use after the free is still seen; the list goes through the second
//! word.

use crate::key::{self, Mark};
use core::ffi::c_void;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};

// ---- memory tools -----------------------------------------------------------

unsafe extern "C" {
    fn talloc_impl_tool() -> core::ffi::c_int;
}

/// What it answers: a tool that looks at the calls of malloc and free, and may be misled
/// by a cache, or one that counts what is executed.
const LOOKS_ON: core::ffi::c_int = 1;
/// A tool that watches accesses, and wants to be told what may be accessed.
const WATCHES: core::ffi::c_int = 2;

const UNKNOWN: u8 = 0;
const NO: u8 = 1;
const YES: u8 = 2;
static WATCHED: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Is a memory tool watching accesses?
#[inline]
pub fn is_watched() -> bool {
    #[cold]
    #[inline(never)]
    fn ask() -> bool {
        // SAFETY: it only asks.
        let watched = unsafe { talloc_impl_tool() } == WATCHES;
        WATCHED.store(if watched { YES } else { NO }, Relaxed);
        watched
    }

    match WATCHED.load(Relaxed) {
        NO => false,
        UNKNOWN => ask(),
        _ => true,
    }
}

/// The same, or has nobody asked yet?
#[inline(always)]
pub fn may_be_watched() -> bool {
    WATCHED.load(Relaxed) != NO
}

// ---- the cache of a thread --------------------------------------------------

/// Class k has blocks of 16 k + 8 bytes, which is what malloc makes of a request
/// without waste. The largest class still has room for a chunk of 1,000 bytes.
/// Larger blocks are kept as they are, eight classes for each power of two.
const SMALL: usize = 68;
const LARGE_STEPS: usize = 8;
const FIRST_LARGE: usize = 1024;
const CLASSES: usize = SMALL + 8 * LARGE_STEPS;

const fn class_of(bytes: usize) -> usize {
    (bytes + 7) / 16
}

/// The class that a block of so many bytes is large enough for.
const fn class_in(room: usize) -> usize {
    room.saturating_sub(8) / 16
}

const fn bytes_of(class: usize) -> usize {
    16 * class + 8
}

/// The largest of the small blocks.
pub const SMALL_BYTES: usize = bytes_of(SMALL - 1);

/// The class of large blocks that a block of so many bytes is kept in; beyond
/// `CLASSES` for none.
fn large_class_of(bytes: usize) -> usize {
    let power = (bytes / FIRST_LARGE).max(1).ilog2() as usize;
    let step = (bytes >> power) / (FIRST_LARGE / LARGE_STEPS) - LARGE_STEPS;
    SMALL + power * LARGE_STEPS + step
}

/// What follows is counted in units of so many bytes.
const UNIT: usize = 16;

/// What a large block takes, with what malloc adds to it, at most.
const fn large_cost(class: usize) -> usize {
    let (power, step) = ((class - SMALL) / LARGE_STEPS, (class - SMALL) % LARGE_STEPS);
    let end = ((LARGE_STEPS + step + 1) * (FIRST_LARGE / LARGE_STEPS)) << power;
    end / UNIT
}

/// What a small one takes.
#[inline(always)]
const fn small_cost(class: usize) -> usize {
    class + 1
}

const _: () = assert!(small_cost(SMALL) * UNIT == bytes_of(SMALL) + 8);

/// What to ask malloc for, so that the block fits its class.
fn request(bytes: usize) -> usize {
    match class_of(bytes) {
        class if class < SMALL && !is_watched() => bytes_of(class),
        _ => bytes,
    }
}

/// What a thread may keep whatever is alive, with what malloc adds to each block, in bytes.
const USUAL: usize = 256 * 1024;

/// The same in units, without the record of the cache itself.
const FLOOR: usize = (USUAL - size_of::<Cache>() - 64) / UNIT;

/// No more than this comes to what is kept between two looks.
const STEP: usize = 64 * 1024 / UNIT;

/// One may be kept for so many that are alive.
const SHARE: usize = 4;

/// The blocks that a thread keeps. Counted in units are:
#[repr(C)]
pub struct Cache {
    /// What may come to what is kept until the next look.
    room: usize,
    /// When there is none: what goes back to malloc until then.
    direct: usize,
    /// What is kept, and the room.
    granted: usize,
    /// How much may be kept, as of the last look.
    bound: usize,
    /// Small blocks that malloc gave and did not get back, here. What another
    /// thread gave back is not known here, but in `LIVE`.
    from_malloc: usize,
    /// What is alive here, as it was added to `LIVE`.
    told: usize,
    first: [*mut u8; CLASSES],
}

/// The small blocks that are alive, of all threads, in units; as of their last looks.
static LIVE: Alone = Alone(AtomicUsize::new(0));

/// Has a line of the processor's cache to itself: threads write to it.
#[repr(align(128))]
struct Alone(AtomicUsize);

impl Cache {
    const fn empty(bound: usize) -> Cache {
        let room = if bound < STEP { bound } else { STEP };
        Cache {
            room,
            direct: 0,
            granted: room,
            bound,
            from_malloc: 0,
            told: 0,
            first: [null_mut(); CLASSES],
        }
    }

    /// What is kept.
    fn kept(&self) -> usize {
        self.granted.wrapping_sub(self.room)
    }

    /// Looks at what is alive: how much is to be kept from now on? Gives back what is
    /// too much, those of `class` first, which were freed last.
    fn look(&mut self, class: usize) {
        let live = self.from_malloc.wrapping_sub(self.kept());
        let by = live.wrapping_sub(self.told);
        let all = LIVE.0.fetch_add(by, Relaxed).wrapping_add(by);
        self.told = live;
        let floor = bound().unwrap_or(0);
        // A thread whose blocks others free has no right to more, nor one that frees
        // those of others, for which the sum is below zero.
        let share = if floor == FLOOR && live as isize > 0 && all as isize > 0 {
            live.min(all) / SHARE
        } else {
            0
        };
        self.bound = floor.max(share);
        self.shrink(class);
        for class in (0..SMALL).rev() {
            self.shrink(class);
        }
        let kept = self.kept();
        self.room = self.bound.saturating_sub(kept).min(STEP);
        self.granted = kept.wrapping_add(self.room);
        self.direct = STEP - self.room;
    }

    /// Keeps a large block, if there is a class for it, and room.
    ///
    /// # Safety
    /// As for [`give`].
    unsafe fn put_large_or_free(&mut self, block: *mut u8, bytes: usize) {
        let class = large_class_of(bytes);
        let cost = large_cost(class);
        let kept = self.kept().wrapping_add(cost);
        // SAFETY: the caller's promise; it has at least two words.
        unsafe {
            match self.first.get_mut(class) {
                Some(first) if kept <= self.bound => {
                    self.granted = self.granted.wrapping_add(cost);
                    *next_of(block) = *first;
                    *first = block;
                }
                _ => free(block),
            }
        }
    }

    fn shrink(&mut self, class: usize) {
        let mut kept = self.kept();
        let Some(first) = self.first.get_mut(class).filter(|_| class < SMALL) else {
            return;
        };
        let cost = small_cost(class);
        let mut gone = 0_usize;
        while kept > self.bound
            && let Some(block) = NonNull::new(*first)
        {
            if !is_as_left(block) {
                *first = null_mut(); // it was written over, and leads nowhere
                break;
            }
            // SAFETY: a kept block, which has the next one in its second word.
            unsafe {
                *first = *next_of(block.as_ptr());
                free(block.as_ptr());
            }
            kept = kept.wrapping_sub(cost);
            gone += cost;
        }
        self.granted = self.granted.wrapping_sub(gone);
        self.from_malloc = self.from_malloc.wrapping_sub(gone);
    }
}

/// Where the cache of a thread is that has none: nothing in it, no room.
#[unsafe(no_mangle)]
static mut talloc_impl_no_cache: Cache = Cache::empty(0);

unsafe extern "C" {
    #[cfg(not(target_arch = "x86_64"))]
    fn talloc_impl_cache_now() -> *mut Cache;
    fn talloc_impl_cache_keep(cache: *mut Cache) -> core::ffi::c_int;
}

/// Is a block that has been kept as it was left: has nobody written over the header of
/// the chunk that it was?
#[inline(always)]
fn is_as_left(block: NonNull<u8>) -> bool {
    mark_of_kept(block).is_some()
}

/// The mark of the place, if it is.
#[inline(always)]
fn mark_of_kept(block: NonNull<u8>) -> Option<Mark> {
    // SAFETY: a kept block has at least a header.
    key::mark_of_dead(block.addr().get(), unsafe { block.cast().read() })
}

/// Where the kept block `block` has the next one of its class.
fn next_of(block: *mut u8) -> *mut *mut u8 {
    block.wrapping_add(size_of::<usize>()).cast()
}

/// The cache of this thread.
#[inline(always)]
fn cache() -> &'static mut Cache {
    // SAFETY: it is this thread's until it ends, or the empty one, which nobody
    // writes to: nothing is in it, and no room. No reference outlives a function
    // here.
    unsafe { &mut *cache_now() }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn cache_now() -> *mut Cache {
    let cache;
    // SAFETY: reads a thread-local variable of tools.c, which is of the
    // initial-exec model: its offset from the thread's base is in the GOT.
    unsafe {
        core::arch::asm!(
            "mov {0}, qword ptr [rip + talloc_impl_cache@GOTTPOFF]",
            "mov {0}, qword ptr fs:[{0}]",
            out(reg) cache,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    cache
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn cache_now() -> *mut Cache {
    // SAFETY: it only answers the address.
    unsafe { talloc_impl_cache_now() }
}

/// A kept block, on top of its class.
pub struct Kept {
    cache: &'static mut Cache,
    class: usize,
    block: NonNull<u8>,
}

/// A small block for a chunk of `bytes` bytes, if this thread keeps one.
#[inline(always)]
pub fn kept(bytes: usize) -> Option<Kept> {
    let class = class_of(bytes);
    if class >= SMALL {
        return None;
    }
    let cache = cache();
    // SAFETY: class is below CLASSES.
    let block = NonNull::new(unsafe { *cache.first.get_unchecked(class) })?;
    Some(Kept {
        cache,
        class,
        block,
    })
}

impl Kept {
    /// Where it is.
    #[inline(always)]
    pub fn block(&self) -> NonNull<u8> {
        self.block
    }

    /// The mark for a header there, if nobody wrote to the one that was there.
    #[inline(always)]
    pub fn mark(&self) -> Option<Mark> {
        mark_of_kept(self.block)
    }

    /// Takes it. What lay in it has been nobody's: the caller has seen to it that
    /// there is a mark, so nobody wrote where the next one is remembered.
    #[inline(always)]
    pub fn take(self) {
        // SAFETY: class is below CLASSES; a kept block.
        unsafe {
            *self.cache.first.get_unchecked_mut(self.class) = *next_of(self.block.as_ptr());
        }
        self.cache.room = self.cache.room.wrapping_add(small_cost(self.class));
    }

    /// It turned out not to be what it was: it and those behind it are lost.
    #[cold]
    pub fn forget(self) {
        self.cache.first[self.class] = null_mut();
    }
}

/// The same for a large block, which is taken.
#[inline(never)]
pub fn take_large(bytes: usize) -> Option<NonNull<u8>> {
    if class_of(bytes) < SMALL {
        return None;
    }
    let cache = cache();
    // Of its own class, if it is large enough; else any of the next.
    let own = large_class_of(bytes);
    for class in [own, own + 1] {
        let first = cache.first.get_mut(class)?;
        let Some(block) = NonNull::new(*first) else {
            continue;
        };
        if !is_as_left(block) {
            *first = null_mut();
            return None;
        }
        // SAFETY: a kept block.
        let room = unsafe { usable(block.as_ptr()) };
        if room >= bytes {
            // SAFETY: as above: it has the next one in its second word.
            *first = unsafe { *next_of(block.as_ptr()) };
            cache.granted = cache.granted.wrapping_sub(large_cost(class));
            return Some(block);
        }
    }
    None
}

/// A place in the cache of this thread.
pub struct Shelf {
    cache: &'static mut Cache,
    class: usize,
    room: usize,
}

/// A place for the small block of a chunk of `bytes` bytes, if there is room.
#[inline(always)]
pub fn shelf(bytes: usize) -> Option<Shelf> {
    let class = class_of(bytes);
    if class >= SMALL {
        return None;
    }
    let cache = cache();
    let room = cache.room.checked_sub(small_cost(class))?;
    Some(Shelf { cache, class, room })
}

impl Shelf {
    /// Keeps the block there. Its header is stamped, its memory is nobody's.
    ///
    /// # Safety
    /// `block` is that of a chunk of so many bytes as the shelf is for, and is not
    /// used any more.
    #[inline(always)]
    pub unsafe fn keep(self, block: *mut u8) {
        self.cache.room = self.room;
        // SAFETY: class is below CLASSES; the block has at least two words, and is
        // ours now.
        unsafe {
            let first = self.cache.first.get_unchecked_mut(self.class);
            *next_of(block) = *first;
            *first = block;
        }
    }
}

/// Gives the block of a chunk of `bytes` bytes back: its header is stamped, its
/// memory is nobody's.
///
/// # Safety
/// `block` came from here for as many bytes or more, and is not used any more.
#[inline(always)]
pub unsafe fn give(block: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match shelf(bytes) {
            Some(shelf) => shelf.keep(block),
            None => give_slowly(block, bytes),
        }
    }
}

/// The same for a block that may be larger than its chunk needs.
///
/// # Safety
/// As for [`give`].
pub unsafe fn give_roomy(block: *mut u8) {
    // It may serve for any class that it is large enough for.
    // SAFETY: the caller's promise.
    unsafe { give_slowly(block, room(block)) };
}

/// # Safety
/// As for [`give`].
#[inline(never)]
unsafe fn give_slowly(block: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if !has_cache() && !open() {
            return free(block);
        }
        let cache = cache();
        let class = class_of(bytes);
        if class >= SMALL {
            return cache.put_large_or_free(block, bytes);
        }
        let cost = small_cost(class);
        if cache.room < cost && cache.direct < cost {
            cache.look(class);
        }
        match shelf(bytes) {
            Some(shelf) => shelf.keep(block),
            None => {
                cache.direct = cache.direct.saturating_sub(cost);
                cache.from_malloc = cache.from_malloc.wrapping_sub(cost);
                free(block);
            }
        }
    }
}

fn has_cache() -> bool {
    cache_now() != &raw mut talloc_impl_no_cache
}

/// The largest chunk that a block has room for, in bytes as for [`give`].
///
/// # Safety
/// It came from malloc.
pub unsafe fn room(block: *mut u8) -> usize {
    // SAFETY: the caller's promise.
    let room = unsafe { usable(block) };
    match class_in(room) {
        class if class < SMALL => bytes_of(class),
        _ => room,
    }
}

/// Bytes that can be used of a block.
///
/// # Safety
/// It came from malloc.
unsafe fn usable(block: *mut u8) -> usize {
    // SAFETY: the caller's promise.
    unsafe { libc::malloc_usable_size(block.cast()) }
}

/// Makes the cache of this thread; false if there is to be none.
fn open() -> bool {
    let Some(bound) = bound() else { return false };
    let made = record(Cache::empty(bound));
    let Some(cache) = made else { return false };
    // SAFETY: tools.c stores it for this thread, or says no.
    if unsafe { talloc_impl_cache_keep(cache.as_ptr()) } != 0 {
        return true;
    }
    // SAFETY: just made, and kept by nobody.
    unsafe { free_record(cache) };
    false
}

/// How much a thread may keep; `None` for no cache at all.
fn bound() -> Option<usize> {
    const UNREAD: usize = usize::MAX;
    static BOUND: AtomicUsize = AtomicUsize::new(UNREAD);

    if BOUND.load(Relaxed) == UNREAD {
        BOUND.store(bound_wanted(), Relaxed);
    }
    match BOUND.load(Relaxed) {
        0 => None,
        bound => Some(bound),
    }
}

/// What the environment and the tools say to that, in units.
#[cold]
#[inline(never)]
fn bound_wanted() -> usize {
    // SAFETY: it only asks.
    let tool = unsafe { talloc_impl_tool() };
    // SAFETY: C strings; the environment is read as getenv allows.
    unsafe {
        let text = libc::getenv(c"TALLOC_THREAD_CACHE".as_ptr());
        let fill = libc::getenv(c"TALLOC_FREE_FILL".as_ptr());
        if tool == WATCHES || !fill.is_null() {
            0
        } else if text.is_null() {
            // To a tool that looks on, a block that is kept is still that of the
            // function that first asked for it.
            if tool == LOOKS_ON { 0 } else { FLOOR }
        } else {
            match libc::strtoul(text, null_mut(), 0) as usize {
                USUAL => FLOOR, // the usual way, even under a tool that looks on
                bytes => bytes / UNIT,
            }
        }
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
        let Cache {
            from_malloc,
            told,
            first,
            ..
        } = *place.as_ptr();
        let kept = (*place.as_ptr()).kept();
        // What it leaves alive, others may free.
        LIVE.0
            .fetch_add(from_malloc.wrapping_sub(kept).wrapping_sub(told), Relaxed);
        for first in first {
            let mut block = NonNull::new(first);
            // One that was written over leads nowhere: those behind it are lost.
            while let Some(b) = block.filter(|&b| is_as_left(b)) {
                block = NonNull::new(*next_of(b.as_ptr()));
                free(b.as_ptr());
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

/// A fresh block for a chunk of `bytes` bytes.
pub fn malloc_for(bytes: usize) -> Option<NonNull<u8>> {
    let block = malloc(request(bytes))?;
    let class = class_of(bytes);
    if class < SMALL && (has_cache() || open()) {
        cache().from_malloc = cache().from_malloc.wrapping_add(small_cost(class));
    }
    Some(block)
}

/// What a block adds to what is alive in small ones.
fn share_of(class: usize) -> usize {
    if class < SMALL { small_cost(class) } else { 0 }
}

/// A block that was one for `before` bytes is given back as one for `after`.
pub fn counts_as(before: usize, after: usize) {
    if has_cache() {
        let by = share_of(class_of(after)).wrapping_sub(share_of(class_of(before)));
        cache().from_malloc = cache().from_malloc.wrapping_add(by);
    }
}

/// Gives the block of a chunk another size, perhaps elsewhere. `None` leaves it as it was.
///
/// # Safety
/// `block` came from here; if it moves, the old one is not used any more.
pub unsafe fn realloc(block: *mut u8, bytes: usize) -> Option<NonNull<u8>> {
    // SAFETY: the caller's promise.
    let before = unsafe { usable(block) };
    // SAFETY: as above.
    let new = NonNull::new(unsafe { libc::realloc(block.cast(), request(bytes)) }.cast::<u8>())?;
    if has_cache() {
        // SAFETY: a block of malloc.
        let after = unsafe { usable(new.as_ptr()) };
        let by = share_of(class_in(after)).wrapping_sub(share_of(class_in(before)));
        cache().from_malloc = cache().from_malloc.wrapping_add(by);
    }
    Some(new)
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
