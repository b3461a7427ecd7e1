//! The magazines of a thread: blocks that it has freed, by size class, to hand out again.
//!
//! A magazine is an array of pointers; what lies in the blocks is neither trusted nor
//! written.  A zero below the lowest and the alignment above the highest place tell empty
//! and full, so that taking one and keeping one are five instructions:
//!
//! ```text
//!   | ...unused... | 0 | block | block | block |  ...room...  |  <- aligned
//!                    ^sentinel           ^top
//! ```
//!
//! A full magazine asks for more room, [`Magazines::grow`]; when it has all of its array,
//! its lower half goes to a *depot*, from where [`Magazines::refill`] takes it back.  What all of
//! that may hold is bounded, in bytes: 256 KiB, or a quarter of what was alive throughout
//! where that is more: a program that frees much and goes on with much is going to want it
//! again.  A tree that is larger than that goes back as a whole: malloc joins it to one piece,
//! and makes the next one of it in half the time that it takes between blocks that are kept.
//! Room is taken from classes that have gone cold; each that is in use has room for a few
//! blocks in any case.  All of it goes back when the thread ends, the library goes, or memory is
//! short.

use crate::header::HEADER;
use crate::platform::{WORD, ask_for};
use crate::records::{self, Record};
use crate::{root, sysmem};
use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr::{NonNull, null_mut};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::{AtomicBool, AtomicIsize, Ordering::Relaxed};

// ---- classes ------------------------------------------------------------------

/// Small class k has room for `16 k + REST` user bytes, which is what malloc makes of such
/// a request without waste, since it adds a word.
const REST: usize = 16 - WORD;
pub const SMALL_MAX: usize = 16 * (SMALL - 1) + REST;
pub const SMALL: usize = 65;
/// Large blocks: sixteen classes to each power of two, from 1 KiB to 8 MiB.
const STEPS: usize = 16;
const FIRST_POWER: u32 = 10;
const POWERS: usize = 13;
const LARGE: usize = STEPS * POWERS;
/// Records of pools.
const RECORDS: usize = SMALL;
/// The classes from here on are those of large blocks.
pub const FIRST_LARGE: usize = RECORDS + 1;
pub const CLASSES: usize = FIRST_LARGE + LARGE;

/// The class of a chunk of so many user bytes, at most [`SMALL_MAX`].
#[inline(always)]
const fn small_class(size: usize) -> usize {
    (size + (WORD - 1)) >> 4
}

/// What a block of that class is asked for with.
const fn small_bytes(class: usize) -> usize {
    HEADER + 16 * class + REST
}

/// The class of a block of so many bytes, beyond `CLASSES` for none; and what it is asked
/// for with.
#[inline]
const fn large_class(bytes: usize) -> (usize, usize) {
    let last = bytes - 1;
    let power = usize::BITS - 1 - last.leading_zeros();
    let shift = power - STEPS.trailing_zeros();
    let class = FIRST_LARGE + (power - FIRST_POWER) as usize * STEPS + (last >> shift) - STEPS;
    (class, ((last >> shift) + 1) << shift)
}

const _: () = assert!(large_class(HEADER + SMALL_MAX + 1).0 >= FIRST_LARGE);
const _: () = assert!(large_class(8 << 20).0 == CLASSES - 1);

/// What a block of a class takes, without what malloc adds to it.
const fn cost(class: usize) -> usize {
    if class < SMALL {
        small_bytes(class)
    } else if class >= FIRST_LARGE {
        let (power, step) = ((class - FIRST_LARGE) / STEPS, (class - FIRST_LARGE) % STEPS);
        (STEPS + step + 1) << (power + FIRST_POWER as usize - STEPS.trailing_zeros() as usize)
    } else {
        size_of::<Record>()
    }
}

/// Class, and bytes to ask for, of the block of a chunk; `bytes` with its header.
#[inline(always)]
const fn class_of(bytes: usize) -> (usize, usize) {
    if bytes <= HEADER + SMALL_MAX {
        let class = small_class(bytes - HEADER);
        (class, small_bytes(class))
    } else {
        large_class(bytes)
    }
}

/// Has the block of a chunk of `old` user bytes room for `new`?
#[inline(always)]
pub fn is_same_block(old: usize, new: usize) -> bool {
    if old <= SMALL_MAX {
        return new <= SMALL_MAX && small_class(old) == small_class(new);
    }
    new > SMALL_MAX && is_same_large_block(old, new)
}

/// The same for more than [`SMALL_MAX`].
#[inline(always)]
pub const fn is_same_large_block(old: usize, new: usize) -> bool {
    // One power, one step: what differs, times the steps, has a lower highest bit.
    let (old, new) = ((HEADER + old - 1) as u64, (HEADER + new - 1) as u64);
    let differs = (old ^ new) * STEPS as u64;
    differs < old & !differs
}

/// How many user bytes the block of a chunk of so many has room for, at most [`SMALL_MAX`].
#[inline(always)]
pub const fn small_room(size: usize) -> usize {
    ((size + WORD - 1) | 15) - (WORD - 1)
}

/// Does malloc keep blocks of that class in lists of their own when they go back, last in first
/// out, and not joined with what lies beside them?
#[inline(always)]
const fn is_listed(class: usize) -> bool {
    class < SMALL && cost(class) + WORD <= 16 * WORD
}

// ---- the magazines of a thread --------------------------------------------------

/// Places of a magazine, one of which is the sentinel.
pub const PLACES: usize = 64;
const ROOM: usize = PLACES - 1;
const BYTES: usize = size_of::<Array>();
/// What each class that is in use may keep whatever the bound is.
const FEW: usize = 4;
/// What moves between a magazine and the depot.
pub const HALF: usize = ROOM / 2;
/// How many blocks come from malloc at a time in a class that has room for twice that.
const FETCHED: usize = 8;
/// What goes back to malloc between two looks at what is alive.
const LOOK: usize = 64 * 1024;
/// What goes back between two samples of it, and how many of them there are to a look.
const SAMPLE: usize = 16 * 1024;
const SAMPLES_OF_LOOK: u8 = (LOOK / SAMPLE) as u8;
/// How many samples there are to the next time that malloc joins what it lists.
const SAMPLES: u8 = 32;
/// What goes back in the order it lies in goes not so far from one of them to the next.
const NEAR: usize = 16 * LOOK;

type Block = *mut u8;

/// The places of a magazine, of which `ROOM` at most are in use.
#[repr(C)]
#[cfg_attr(target_pointer_width = "64", repr(align(512)))]
#[cfg_attr(target_pointer_width = "32", repr(align(256)))]
struct Array([Block; PLACES]);

const _: () = assert!(align_of::<Array>() == size_of::<Array>());

/// Half a magazine in the depot.
#[repr(C)]
struct Load {
    next: *mut Load,
    blocks: [Block; HALF],
}

/// Loads come in shelves of so many bytes, aligned to that.
const SHELF: usize = 64 * 1024;

#[repr(C)]
struct Shelf {
    /// Loads in use.
    used: usize,
    /// Loads that have ever been used.
    begun: usize,
}

/// What lies on a shelf, in whose first place it is itself.
const ON_SHELF: usize = SHELF / size_of::<Load>() - 1;

/// All zeros but `top`.  What every thread needs comes first, so that one with few sizes
/// touches few pages.
#[repr(C)]
struct Magazines {
    /// The highest block of each class that is not large.
    top: [*mut Block; FIRST_LARGE],
    // Only in those of a thread, not in `NO_MAGAZINES`:
    /// How many blocks the array of a class may hold.
    room: [u8; CLASSES],
    /// The class that may lose room next.
    hand: usize,
    /// What full magazines and the depot would hold, in bytes.
    reserved: usize,
    bound: usize,
    /// What goes back to malloc without another look, in bytes.
    direct: usize,
    /// When so much is out of malloc it is time to see whether a large tree is built; and how
    /// much is left until then. Small blocks, in bytes.
    mark: isize,
    below_mark: isize,
    /// What is alive here, as it was added to `ALIVE`.
    told: isize,
    /// What was alive at the last look, as far as the threads have it together.
    last: isize,
    /// The least that was at the looks since it last did not fall, and at those between that and
    /// the time before that it did not.
    least: isize,
    least_before: isize,
    /// Is there a large tree: more than the least, by more than may be kept?
    is_high: bool,
    /// Samples since malloc may have joined what it lists; how many of them were blocks that it
    /// lists, and how many lay near the sample before; and where the last one lay.
    samples: u8,
    listed: u8,
    near: u8,
    last_sample: usize,
    /// Was malloc seen to list all of them?
    are_listed: bool,
    free_loads: *mut Load,
    /// The newest shelf, if it has loads that were never used.
    shelf: *mut Shelf,
    /// How many there are; the last one stays until all is given back.
    shelves: usize,
    /// All threads', under the lock of `root`.
    older: *mut Magazines,
    newer: *mut Magazines,
    arrays: [Array; FIRST_LARGE],
    depot: [*mut Load; CLASSES],
    loads: [u32; CLASSES],
    /// The lower bits of the top when the hand came by.
    seen: [u16; CLASSES],
    /// As `top`, of large classes; NULL before there was room.
    large_top: [*mut Block; LARGE],
    large_arrays: [Array; LARGE],
}

/// Those of the first thread that has any.  They lie behind the library's other data, in
/// whose last page the first few classes are.
struct First(UnsafeCell<MaybeUninit<Magazines>>);

// SAFETY: used by the one thread that finds `FIRST_IS_TAKEN` clear.
unsafe impl Sync for First {}

static FIRST: First = First(UnsafeCell::new(MaybeUninit::zeroed()));
static FIRST_IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// What the note says of them.
#[cfg(all(
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    ),
    not(test)
))]
pub mod layout {
    use super::Magazines;
    use core::mem::offset_of;

    pub use super::{CLASSES, FIRST_LARGE, HALF, PLACES, SMALL};
    pub const TOP: usize = offset_of!(Magazines, top);
    pub const DEPOT: usize = offset_of!(Magazines, depot);
    pub const LOADS: usize = offset_of!(Magazines, loads);
    pub const ROOM: usize = offset_of!(Magazines, room);
    pub const OLDER: usize = offset_of!(Magazines, older);
    pub const ARRAYS: usize = offset_of!(Magazines, arrays);
    pub const LARGE_TOP: usize = offset_of!(Magazines, large_top);
    pub const LARGE_ARRAYS: usize = offset_of!(Magazines, large_arrays);
}

/// A field of one class.
macro_rules! of {
    ($magazines:ident.$field:ident[$class:expr]) => {{
        debug_assert!($class < CLASSES);
        // SAFETY: every class here comes from `class_of`, or from a loop over all.
        unsafe { $magazines.$field.get_unchecked_mut($class) }
    }};
}

/// Where a thread's pointer leads before it has magazines, and once it ends: nothing to
/// take, no room.  There are no large classes there.
#[repr(C)]
struct NoMagazines {
    top: [*const Block; FIRST_LARGE],
}

#[repr(C)]
struct Nothing(Array);

// SAFETY: never written to: their only way in has no room.
unsafe impl Sync for NoMagazines {}
// SAFETY: as above.
unsafe impl Sync for Nothing {}

static NOTHING: Nothing = Nothing(Array([null_mut(); PLACES]));

#[unsafe(no_mangle)]
static talloc_impl_no_magazines: NoMagazines = NoMagazines {
    top: [(&raw const NOTHING.0.0[ROOM]); FIRST_LARGE],
};

/// The small blocks that are alive, of all threads, in bytes; as of their last looks.
static ALIVE: Alone = Alone(AtomicIsize::new(0));

/// Has a line of the processor's cache to itself: threads write to it.
#[repr(align(64))]
struct Alone(AtomicIsize);

unsafe extern "C" {
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn talloc_impl_magazines_now() -> *mut Magazines;
    fn talloc_impl_magazines_keep(magazines: *mut c_void) -> c_int;
}

/// How far a thread's pointer is from its thread pointer, 0 before that is known and where
/// no thread has one.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static DISTANCE: AtomicUsize = AtomicUsize::new(0);

/// `tools.c` finds out.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[unsafe(no_mangle)]
extern "C" fn talloc_impl_magazines_at(distance: usize) {
    DISTANCE.store(distance, Relaxed);
}

/// Those of this thread, or those in which there is nothing; `None` while it is not known
/// where a thread's pointer is.
#[inline(always)]
fn now() -> Option<NonNull<Magazines>> {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if DISTANCE.load(Relaxed) == 0 {
        return None;
    }
    Some(now_known())
}

/// The same where a chunk without `EXACT` was seen, so that it is known: every chunk would
/// have that flag, see `sysmem::every`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn now_known() -> NonNull<Magazines> {
    let magazines: *mut Magazines;
    // SAFETY: reads the thread-local variable of tools.c, which is static, and never NULL.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        core::arch::asm!(
            "mov {0}, qword ptr fs:[{1}]",
            out(reg) magazines,
            in(reg) DISTANCE.load(Relaxed),
            options(pure, readonly, nostack, preserves_flags),
        );
        #[cfg(target_arch = "aarch64")]
        core::arch::asm!(
            "mrs {0}, tpidr_el0",
            "ldr {0}, [{0}, {1}]",
            out(reg) magazines,
            in(reg) DISTANCE.load(Relaxed),
            options(pure, readonly, nostack, preserves_flags),
        );
        NonNull::new_unchecked(magazines)
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline(always)]
fn now_known() -> NonNull<Magazines> {
    // SAFETY: it only answers the address, which is never NULL.
    unsafe { NonNull::new_unchecked(talloc_impl_magazines_now()) }
}

/// Can a thread have magazines?
pub fn can_be() -> bool {
    now().is_some()
}

/// Those of this thread; `None` if it has none.
#[inline]
fn mine() -> Option<*mut Magazines> {
    let m = now()?.as_ptr();
    (!is_none(m)).then_some(m)
}

/// Are these those in which there is nothing?
#[inline(always)]
fn is_none(m: *mut Magazines) -> bool {
    m.cast_const() == (&raw const talloc_impl_no_magazines).cast()
}

/// The top of a class that is not large.
#[inline(always)]
fn top_in(m: NonNull<Magazines>, class: usize) -> *mut *mut Block {
    debug_assert!(class < FIRST_LARGE);
    // SAFETY: a field of what is there.
    unsafe { (&raw mut (*m.as_ptr()).top).cast::<*mut Block>().add(class) }
}

/// The top of a large class, in magazines of a thread; `None` if there is nothing in it, and
/// no room.
#[inline(always)]
fn top_in_large(m: *mut Magazines, class: usize) -> Option<*mut *mut Block> {
    debug_assert!((FIRST_LARGE..CLASSES).contains(&class));
    // SAFETY: a field of what is there.
    unsafe {
        let tops = (&raw mut (*m).large_top).cast::<*mut Block>();
        let top = tops.add(class - FIRST_LARGE);
        (!(*top).is_null()).then_some(top)
    }
}

/// The top of any class, or of none; `None` if there is nothing in it, and no room.
#[inline]
fn top_of_any(class: usize) -> Option<*mut *mut Block> {
    if class < FIRST_LARGE {
        return Some(top_in(now()?, class));
    }
    if class >= CLASSES {
        return None;
    }
    top_in_large(mine()?, class)
}

#[inline(always)]
fn pop_at(top: *mut *mut Block) -> Option<NonNull<u8>> {
    // SAFETY: the top of each class leads to a place of its array: the sentinel, or above.
    unsafe {
        let place = *top;
        let block = NonNull::new(*place)?;
        *top = place.sub(1);
        Some(block)
    }
}

#[inline]
fn pop_class(class: usize) -> Option<NonNull<u8>> {
    pop_at(top_of_any(class)?)
}

/// A free place of a magazine.
pub struct Room {
    top: *mut *mut Block,
    place: *mut Block,
}

impl Room {
    /// Keeps a block there.
    #[inline(always)]
    pub fn keep(self, block: Block) {
        // SAFETY: `room_in` has found it in the array, and nothing came in between.
        unsafe {
            *self.place = block;
            *self.top = self.place;
        }
    }
}

#[inline(always)]
fn room_at(top: *mut *mut Block) -> Option<Room> {
    // SAFETY: as above; the place behind it is one of the array unless it is aligned as
    // the array is.
    let place = unsafe { (*top).add(1) };
    (place.addr() % BYTES != 0).then_some(Room { top, place })
}

#[inline]
fn push_class(class: usize, block: Block) -> bool {
    let room = top_of_any(class).and_then(room_at);
    room.map(|room| room.keep(block)).is_some()
}

/// Room for the block of a chunk of so many user bytes, at most [`SMALL_MAX`], without
/// `EXACT`.
#[inline(always)]
pub fn room(size: usize) -> Option<Room> {
    OfThread::now().room(size)
}

/// The magazines of this thread.
pub struct OfThread(NonNull<Magazines>);

impl OfThread {
    /// To be used for chunks without `EXACT`, if there is one.
    #[inline(always)]
    pub fn now() -> OfThread {
        OfThread(now_known())
    }

    /// As [`room`].
    #[inline(always)]
    pub fn room(&self, size: usize) -> Option<Room> {
        room_at(top_in(self.0, small_class(size)))
    }
}

/// The top of the class of a chunk of so many user bytes, more than [`SMALL_MAX`]; a chunk
/// without `EXACT` was seen.
#[inline(always)]
fn top_large(size: usize) -> Option<*mut *mut Block> {
    let (class, _) = large_class(HEADER + size);
    let m = now_known().as_ptr();
    if class >= CLASSES || is_none(m) {
        return None;
    }
    top_in_large(m, class)
}

/// The same as [`room`] for a larger one.
#[inline(always)]
pub fn room_large(size: usize) -> Option<Room> {
    room_at(top_large(size)?)
}

/// The top of the class of a block of so many bytes, header included; a chunk without
/// `EXACT` was seen.
#[inline(always)]
fn top_of_block(bytes: usize) -> Option<*mut *mut Block> {
    let size = bytes - HEADER;
    if size <= SMALL_MAX {
        Some(top_in(now_known(), small_class(size)))
    } else {
        top_large(size)
    }
}

/// The same as [`room`] for a block of so many bytes.
#[inline(always)]
pub fn room_for_block(bytes: usize) -> Option<Room> {
    room_at(top_of_block(bytes)?)
}

/// The same as [`pop`] for a block of so many bytes.
#[inline(always)]
pub fn pop_block(bytes: usize) -> Option<NonNull<u8>> {
    pop_at(top_of_block(bytes)?)
}

/// The same as [`pop`] for a larger one.
#[inline(always)]
pub fn pop_large(size: usize) -> Option<NonNull<u8>> {
    pop_at(top_large(size)?)
}

/// A block for a chunk of so many user bytes, at most [`SMALL_MAX`], that this thread
/// keeps; a chunk without `EXACT` was seen.
#[inline(always)]
pub fn pop(size: usize) -> Option<NonNull<u8>> {
    pop_at(top_in(now_known(), small_class(size)))
}

/// Keeps the block of a chunk of so many user bytes, at most [`SMALL_MAX`], or gives it back.
///
/// # Safety
/// The block of a chunk without `EXACT`, not used any more.
#[inline(always)]
pub unsafe fn put_small(size: usize, block: Block) {
    match room(size) {
        Some(room) => room.keep(block),
        // SAFETY: the caller's promise.
        None => unsafe { put_slow(small_class(size), block) },
    }
}

/// Gives back a block of `bytes` bytes, header included.
///
/// # Safety
/// It came from [`get`] for as many bytes, and is not used any more.
pub unsafe fn put(bytes: usize, block: Block) {
    let (class, _) = class_of(bytes);
    // SAFETY: the caller's promise.
    unsafe {
        if class >= CLASSES {
            sysmem::free(block);
        } else if !push_class(class, block) {
            put_slower(class, block);
        }
    }
}

/// A block of `bytes` bytes, header included, kept or fresh.
pub fn get(bytes: usize) -> Option<NonNull<u8>> {
    let (class, whole) = class_of(bytes);
    match pop_class(class) {
        None => fresh(class, bytes, whole),
        kept => kept,
    }
}

/// A small block for a chunk of so many user bytes, where the magazine is empty, is going to
/// come from malloc; or false, and [`get`] has one.  A chunk without `EXACT` was seen.
#[inline(always)]
pub fn turn_to_malloc(size: usize) -> bool {
    let m = now_known().as_ptr();
    if !is_none(m) {
        // SAFETY: this thread's.
        let m = unsafe { &mut *m };
        let class = small_class(size);
        if m.has_many(class) && (is_listed(class) || *of!(m.loads[class]) != 0) {
            return false;
        }
        // Without signs this is one instruction.  `fresh` sees that it is below zero.
        let (left, is_passed) = (m.below_mark as usize).overflowing_sub(small_bytes(class));
        m.below_mark = left as isize;
        return !is_passed;
    }
    true
}

/// That block.
#[inline(always)]
pub fn get_from_malloc(size: usize) -> Option<NonNull<u8>> {
    sysmem::malloc_once(small_bytes(small_class(size)))
}

/// It did not come.
pub fn none_came(size: usize) {
    if let Some(m) = mine() {
        // SAFETY: this thread's.
        unsafe { (*m).went_back(small_class(size), 1) };
    }
}

/// A block of `class` from the depot or from malloc.  While somebody watches it is just
/// as large as it has to be.
#[inline]
fn fresh(class: usize, bytes: usize, whole: usize) -> Option<NonNull<u8>> {
    let m = mine();
    if let Some(m) = m {
        // SAFETY: this thread's.
        let m = unsafe { &mut *m };
        if class < CLASSES && *of!(m.loads[class]) != 0 {
            return m.refill(class);
        }
    }
    let block = sysmem::malloc(if sysmem::every() == 0 { whole } else { bytes });
    if let (Some(m), Some(block), true) = (m, block, class < SMALL) {
        // SAFETY: as above.
        let m = unsafe { &mut *m };
        // Else `turn_to_malloc` has counted it.
        if m.below_mark >= 0 {
            m.below_mark -= cost(class) as isize;
        }
        if m.below_mark < 0 {
            m.rise();
        }
        if m.has_many(class) && is_listed(class) {
            return Some(sysmem::keep_errno(|| m.fetch(class, block)));
        }
    }
    block
}

/// How large a block is to be made so that it is of the class of so many bytes.
pub fn whole(bytes: usize) -> usize {
    if sysmem::every() == 0 {
        class_of(bytes).1
    } else {
        bytes
    }
}

/// The block of a chunk without `EXACT`, of a small class, for which there is no place.
///
/// # Safety
/// It is not used any more.
#[inline(never)]
unsafe fn put_slow(class: usize, block: Block) {
    let m = now_known().as_ptr();
    if !is_none(m) {
        // SAFETY: this thread's.
        let m = unsafe { &mut *m };
        if m.goes_directly(class) {
            m.direct -= cost(class);
            m.below_mark += cost(class) as isize;
            // SAFETY: the caller's promise.
            return unsafe { sysmem::free(block) };
        }
    }
    // SAFETY: the caller's promise.
    unsafe { put_slower(class, block) };
}

/// Any block or record for which there is no place, but may be found one.
///
/// # Safety
/// It is not used any more.
#[cold]
#[inline(never)]
unsafe fn put_slower(class: usize, block: Block) {
    if let Some(m) = mine().or_else(open) {
        // SAFETY: this thread's.
        let m = unsafe { &mut *m };
        if m.goes_directly(class) {
            m.direct -= cost(class);
        } else if m.make_room(class, block) && push_class(class, block) {
            return;
        }
        m.went_back(class, 1);
    }
    // SAFETY: the caller's promise.
    unsafe { give_back(class, block) };
}

/// # Safety
/// A block or record of that class, not used any more.
unsafe fn give_back(class: usize, block: Block) {
    // SAFETY: the caller's promise.
    unsafe {
        if class == RECORDS {
            records::give_back(block.cast());
        } else {
            sysmem::free(block);
        }
    }
}

/// A record that this thread keeps; a chunk without `EXACT` was seen.
#[inline(always)]
pub fn pop_record() -> Option<NonNull<Record>> {
    pop_at(top_in(now_known(), RECORDS)).map(NonNull::cast)
}

/// The same in any case.
pub fn take_record() -> Option<NonNull<Record>> {
    pop_class(RECORDS).map(NonNull::cast)
}

/// Room for a record; a chunk without `EXACT` was seen.
#[inline(always)]
pub fn room_for_record() -> Option<Room> {
    room_at(top_in(now_known(), RECORDS))
}

/// One from the depot, where there is none.
pub fn refill_records() -> Option<NonNull<Record>> {
    // SAFETY: this thread's.
    let m = unsafe { &mut *mine()? };
    if *of!(m.loads[RECORDS]) == 0 {
        return None;
    }
    m.refill(RECORDS).map(NonNull::cast)
}

/// Keeps a record.
#[inline(always)]
pub fn put_record(record: *mut Record) {
    if !push_class(RECORDS, record.cast()) {
        // SAFETY: a record that nobody uses.
        unsafe { put_slower(RECORDS, record.cast()) };
    }
}

impl Magazines {
    fn array(&mut self, class: usize) -> *mut Block {
        if class < FIRST_LARGE {
            of!(self.arrays[class]).0.as_mut_ptr()
        } else {
            of!(self.large_arrays[class - FIRST_LARGE]).0.as_mut_ptr()
        }
    }

    #[inline(always)]
    fn top_of(&mut self, class: usize) -> &mut *mut Block {
        if class < FIRST_LARGE {
            of!(self.top[class])
        } else {
            of!(self.large_top[class - FIRST_LARGE])
        }
    }

    /// Where the sentinel of a class is.
    fn sentinel(&mut self, class: usize) -> *mut Block {
        self.array(class)
            .wrapping_add(ROOM - usize::from(*of!(self.room[class])))
    }

    /// How many blocks lie in the array of a class.
    fn held(&mut self, class: usize) -> usize {
        (self.top_of(class).addr() - self.sentinel(class).addr()) / size_of::<Block>()
    }

    /// Bytes of small blocks that malloc gave and did not get back. What another thread gave back
    /// is not known here, but in `ALIVE`.
    fn not_returned(&self) -> isize {
        self.mark - self.below_mark
    }

    /// Bytes of those that are alive here.
    fn alive(&mut self) -> isize {
        let mut kept = 0;
        for class in 0..SMALL {
            let blocks = self.held(class) + *of!(self.loads[class]) as usize * HALF;
            kept += cost(class) * blocks;
        }
        self.not_returned() - kept as isize
    }

    /// The same, at most what all threads have: others may have freed what this one made.  Below
    /// zero in one that frees what others made.
    fn alive_at_most(&mut self) -> isize {
        let alive = self.alive();
        let more = alive - self.told;
        self.told = alive;
        alive.min(ALIVE.0.fetch_add(more, Relaxed) + more)
    }

    /// Does a block of that class, for which there is no place, go back without another look?
    #[inline(always)]
    fn goes_directly(&mut self, class: usize) -> bool {
        self.direct >= cost(class) && usize::from(*of!(self.room[class])) >= FEW
    }

    /// So many blocks of a class went back to malloc.
    fn went_back(&mut self, class: usize, n: usize) {
        if class < SMALL {
            self.below_mark += (n * cost(class)) as isize;
        }
    }

    /// Finds out how much may be kept from now on.
    fn look(&mut self) {
        let alive = self.alive_at_most();
        let falls = alive < self.last - (LOOK / 2) as isize;
        if !falls {
            (self.least_before, self.least) = (self.least, alive);
        }
        self.least = self.least.min(alive);
        self.last = alive;
        if let Some((floor, may_be_more)) = sysmem::may_keep() {
            let throughout = self.level().max(0) as usize;
            let share = if may_be_more { throughout / 4 } else { 0 };
            self.bound = floor.max(share);
        }
        // One that falls is large to its end.
        self.is_high = self.is_above(alive) || self.is_high && falls;
    }

    /// The least that was alive at the last looks.
    fn level(&self) -> isize {
        self.least.min(self.least_before)
    }

    /// Is so much more than the least, by more than may be kept?  Sets the mark for the next time.
    fn is_above(&mut self, alive: isize) -> bool {
        let (level, bound) = (self.level(), self.bound as isize);
        let not_returned = self.not_returned();
        self.mark = not_returned.max(level) + bound.max(LOOK as isize);
        self.below_mark = self.mark - not_returned;
        alive > level + bound
    }

    /// A large tree may be built: what it has emptied stays small.
    #[cold]
    #[inline(never)]
    fn rise(&mut self) {
        let alive = self.alive_at_most();
        if !self.is_above(alive) {
            return;
        }
        self.is_high = true;
        for class in 0..SMALL {
            if self.held(class) == 0 && *of!(self.loads[class]) == 0 {
                let few = self.few(class);
                while self.take_room(class, few) {}
            }
        }
    }

    /// A block that goes back to malloc is one of those that tell what does.
    fn sample(&mut self, class: usize, block: Block) {
        self.samples += 1;
        self.listed += u8::from(is_listed(class));
        self.near += u8::from(block.addr().abs_diff(self.last_sample) < NEAR);
        self.last_sample = block.addr();
    }

    /// When a large tree has gone, and from time to time while one goes, malloc is to join what
    /// it lists if other blocks go back, too, in the order they lie in: those between stay apart
    /// until then, and what is made of them lies in no order.
    fn join_listed(&mut self) {
        let has_gone = self.is_high && self.last < self.level() + 2 * LOOK as isize;
        if !has_gone && self.samples < SAMPLES {
            return;
        }
        self.are_listed = self.listed == self.samples;
        if self.listed != 0 && !self.are_listed && self.near > self.samples / 2 {
            sysmem::join_listed();
        }
        (self.samples, self.listed, self.near) = (0, 0, 0);
    }

    /// What a class may keep while a large tree is built or goes.
    fn few(&self, class: usize) -> usize {
        if is_listed(class) && self.are_listed {
            2 * FETCHED
        } else {
            FEW
        }
    }

    /// May a class have room for so many more?
    fn may_hold(&mut self, class: usize, more: usize) -> bool {
        !(self.is_high && class < SMALL) && self.reserved + more * cost(class) <= self.bound
    }

    /// Room for one more block of `class`, as that one is, if it may have any.
    fn make_room(&mut self, class: usize, block: Block) -> bool {
        let (cost, has) = (cost(class), usize::from(*of!(self.room[class])));
        let more = match has {
            ROOM => HALF,
            _ => has.max(FEW).min(ROOM - has),
        };
        if self.may_hold(class, more) {
            return self.grow(class, more);
        }
        if has < FEW && FEW * cost <= self.bound / 16 {
            return self.grow(class, FEW - has); // in any case
        }
        if cost > self.bound {
            return false;
        }
        if self.direct < cost {
            self.direct = SAMPLE;
            self.sample(class, block);
            if self.samples % SAMPLES_OF_LOOK == 0 {
                self.look();
                self.join_listed();
                self.shrink_to(self.bound.saturating_sub(more * cost), class);
            }
            if self.may_hold(class, more) {
                return self.grow(class, more);
            }
            let few = self.few(class);
            if FEW <= has && has < few {
                return self.grow(class, few - has); // to fetch more of it
            }
        }
        if has < FEW && self.reserved + cost <= self.bound {
            return self.grow(class, 1);
        }
        self.direct = self.direct.saturating_sub(cost);
        false
    }

    /// Gives a class room for so many more.
    fn grow(&mut self, class: usize, more: usize) -> bool {
        if usize::from(*of!(self.room[class])) == ROOM {
            return self.unload(class);
        }
        let sentinel = self.sentinel(class);
        if *of!(self.room[class]) == 0 {
            *self.top_of(class) = sentinel;
        }
        let count = self.held(class) + 1;
        let top = self.top_of(class);
        // SAFETY: within the array, since there is room for `more`.
        unsafe {
            sentinel.sub(more).copy_from(sentinel, count);
            *top = (*top).sub(more);
        }
        *of!(self.room[class]) += more as u8;
        self.reserved += more * cost(class);
        true
    }

    /// The lower half of a full magazine goes to the depot.
    fn unload(&mut self, class: usize) -> bool {
        let Some(load) = self.new_load() else {
            return false;
        };
        let lowest = self.sentinel(class).wrapping_add(1);
        // SAFETY: the array is full: it holds twice that.
        unsafe {
            (&raw mut (*load).blocks)
                .cast::<Block>()
                .copy_from_nonoverlapping(lowest, HALF);
            (*load).next = *of!(self.depot[class]);
            lowest.copy_from(lowest.add(HALF), ROOM - HALF);
            let top = self.top_of(class);
            *top = (*top).sub(HALF);
        }
        *of!(self.depot[class]) = load;
        *of!(self.loads[class]) += 1;
        self.reserved += HALF * cost(class);
        true
    }

    /// Half a magazine comes back from the depot, into an empty one; one block of it.
    #[cold]
    #[inline(never)]
    fn refill(&mut self, class: usize) -> Option<NonNull<u8>> {
        let load = *of!(self.depot[class]);
        let lowest = self.sentinel(class).wrapping_add(1);
        // SAFETY: there is a load; the array of a class with one has all its room.
        unsafe {
            lowest.copy_from_nonoverlapping((&raw const (*load).blocks).cast::<Block>(), HALF);
            *self.top_of(class) = lowest.add(HALF - 1);
        }
        self.drop_load(class);
        pop_at(self.top_of(class))
    }

    /// Has a class room for many blocks?  It has, if it has loads.
    #[inline(always)]
    fn has_many(&mut self, class: usize) -> bool {
        usize::from(*of!(self.room[class])) >= 2 * FETCHED
    }

    /// More blocks come from malloc, where `first` did, into an empty magazine, to be handed out
    /// in the order they lie in; the first of all.  What malloc lists comes from it in groups,
    /// each in turn from its end, and what was built in no order is slow to free.  The caller
    /// keeps errno: those that do not come can be done without.
    #[cold]
    #[inline(never)]
    fn fetch(&mut self, class: usize, first: NonNull<u8>) -> NonNull<u8> {
        let bytes = small_bytes(class);
        let lowest = self.sentinel(class).wrapping_add(1);
        let (mut first, mut end) = (first, lowest);
        while end < lowest.wrapping_add(FETCHED - 1) {
            let Some(mut block) = sysmem::malloc_once(bytes) else {
                break;
            };
            if block < first {
                core::mem::swap(&mut block, &mut first);
            }
            let mut at = end;
            // SAFETY: places of the array, which is empty and has room for more than those.
            unsafe {
                while at > lowest && *at.sub(1) < block.as_ptr() {
                    *at = *at.sub(1);
                    at = at.sub(1);
                }
                *at = block.as_ptr();
                end = end.add(1);
            }
        }
        *self.top_of(class) = end.wrapping_sub(1);
        self.below_mark -= (self.held(class) * cost(class)) as isize;
        first
    }

    /// The topmost load of a class is empty.
    fn drop_load(&mut self, class: usize) {
        let load = *of!(self.depot[class]);
        // SAFETY: a load of ours; shelves are aligned to their size.
        unsafe {
            *of!(self.depot[class]) = (*load).next;
            *of!(self.loads[class]) -= 1;
            self.reserved -= HALF * cost(class);
            let shelf = shelf_of(load);
            (*load).next = self.free_loads;
            self.free_loads = load;
            (*shelf).used -= 1;
            if (*shelf).used == 0 && self.shelves > 1 {
                self.drop_shelf(shelf);
            }
        }
    }

    /// A shelf on which nothing lies goes, with all its free loads.
    ///
    /// # Safety
    /// It is one of ours.
    unsafe fn drop_shelf(&mut self, shelf: *mut Shelf) {
        // SAFETY: the caller's promise; free loads lie on shelves of ours.
        unsafe {
            let mut at = &raw mut self.free_loads;
            while !(*at).is_null() {
                if shelf_of(*at) == shelf {
                    *at = (**at).next;
                } else {
                    at = &raw mut (**at).next;
                }
            }
            if self.shelf == shelf {
                self.shelf = null_mut();
            }
            self.shelves -= 1;
            sysmem::unmap(shelf.cast(), SHELF);
        }
    }

    fn new_load(&mut self) -> Option<*mut Load> {
        let load = self.free_loads;
        // SAFETY: loads on shelves of ours, which are aligned to their size: one that is free,
        // or the next of the newest shelf.
        unsafe {
            if !load.is_null() {
                self.free_loads = (*load).next;
                (*shelf_of(load)).used += 1;
                return Some(load);
            }
            if self.shelf.is_null() {
                self.shelf = new_shelf()?;
                self.shelves += 1;
            }
            let shelf = self.shelf;
            (*shelf).used += 1;
            (*shelf).begun += 1;
            let load = shelf.cast::<Load>().add((*shelf).begun);
            if (*shelf).begun == ON_SHELF {
                self.shelf = null_mut();
            }
            Some(load)
        }
    }

    /// Takes room from classes that are cold, until so many bytes are left; `class` is spared,
    /// unless all together have more than they may.
    fn shrink_to(&mut self, bytes: usize, class: usize) {
        for _ in 0..CLASSES / 4 {
            let at = self.hand;
            self.hand = after(at);
            if *of!(self.room[at]) == 0 || at == class {
                continue;
            }
            let seen = self.top_of(at).addr() as u16;
            let is_cold = core::mem::replace(of!(self.seen[at]), seen) == seen;
            while is_cold && self.reserved > bytes && self.take_room(at, 0) {}
        }
        while self.reserved > self.bound && *of!(self.loads[class]) != 0 {
            self.take_room(class, 0);
        }
        let (mut at, mut left) = (class, CLASSES);
        while self.reserved > self.bound && left > 0 {
            at = after(at);
            while self.reserved > self.bound && self.take_room(at, FEW) {}
            left -= 1;
        }
    }

    /// A class gives a load back, or half of its room, but for `few` places. False if there
    /// is nothing to give.
    fn take_room(&mut self, class: usize, few: usize) -> bool {
        if *of!(self.loads[class]) != 0 {
            // SAFETY: the topmost load; its blocks are nobody's.
            unsafe {
                let blocks = (**of!(self.depot[class])).blocks;
                for block in blocks {
                    ask_for(block.wrapping_sub(WORD));
                }
                for block in blocks {
                    give_back(class, block);
                }
            }
            self.went_back(class, HALF);
            self.drop_load(class);
            return true;
        }
        let has = usize::from(*of!(self.room[class]));
        let few = if few * cost(class) > self.bound / 16 {
            0
        } else {
            few
        };
        if has <= few {
            return false;
        }
        let less = (has - few).div_ceil(2);
        let (held, sentinel) = (self.held(class), self.sentinel(class));
        let gone = held.saturating_sub(has - less);
        // SAFETY: the lowest blocks of the array, which are nobody's; what stays moves
        // up within it.
        unsafe {
            for i in 1..=gone {
                give_back(class, *sentinel.add(i));
            }
            let lowest = sentinel.add(1 + gone);
            let new = sentinel.add(less);
            new.add(1).copy_from(lowest, held - gone);
            *new = null_mut();
            *self.top_of(class) = new.add(held - gone);
        }
        self.went_back(class, gone);
        *of!(self.room[class]) -= less as u8;
        self.reserved -= less * cost(class);
        true
    }

    /// Gives everything back.
    fn empty(&mut self) {
        for class in 0..CLASSES {
            while self.take_room(class, 0) {}
        }
        if !self.free_loads.is_null() {
            // SAFETY: the last shelf, since no load is in use.
            unsafe { self.drop_shelf(shelf_of(self.free_loads)) };
        }
    }
}

/// The shelf on which a load lies.
fn shelf_of(load: *mut Load) -> *mut Shelf {
    load.map_addr(|at| at & !(SHELF - 1)).cast()
}

/// The next class, or the first one.
fn after(class: usize) -> usize {
    if class + 1 < CLASSES { class + 1 } else { 0 }
}

/// An empty shelf, whose pages are touched as loads are used.
fn new_shelf() -> Option<*mut Shelf> {
    let twice = sysmem::pages(2 * SHELF)?.as_ptr();
    let shelf = twice.map_addr(|at| (at + SHELF - 1) & !(SHELF - 1));
    let before = shelf.addr() - twice.addr();
    // SAFETY: the parts of a fresh mapping that are not the aligned one.
    unsafe {
        if before != 0 {
            sysmem::unmap(twice, before);
        }
        sysmem::unmap(shelf.add(SHELF), SHELF - before);
    }
    Some(shelf.cast())
}

/// Zeros for the magazines of a thread.
fn place() -> Option<*mut Magazines> {
    if !FIRST_IS_TAKEN.swap(true, Relaxed) {
        return Some(FIRST.0.get().cast());
    }
    Some(sysmem::pages(size_of::<Magazines>())?.as_ptr().cast())
}

/// Gives them back.  The first thread's are not used again: only their pages go.
///
/// # Safety
/// They came from [`place`], and nobody uses them any more.
unsafe fn give_place_back(m: *mut Magazines) {
    let (start, bytes) = (m.cast::<u8>(), size_of::<Magazines>());
    // SAFETY: the caller's promise.
    unsafe {
        if m == FIRST.0.get().cast() {
            sysmem::forget(start, bytes);
        } else {
            sysmem::unmap(start, bytes);
        }
    }
}

/// Makes the magazines of this thread; `None` if there are to be none.
#[cold]
#[inline(never)]
fn open() -> Option<*mut Magazines> {
    let (bound, _) = sysmem::may_keep()?;
    let m = place()?;
    // SAFETY: fresh zeros.
    unsafe {
        let fresh = &mut *m;
        for class in 0..FIRST_LARGE {
            *of!(fresh.top[class]) = fresh.array(class).add(ROOM);
        }
        fresh.bound = bound.saturating_sub(size_of::<Magazines>() - CLASSES * BYTES);
        // tools.c stores it for this thread, or says no.
        if talloc_impl_magazines_keep(m.cast()) == 0 {
            give_place_back(m);
            return None;
        }
    }
    root::with_threads_locked(|threads| {
        let newest = threads.cast::<Magazines>();
        if !newest.is_null() {
            root::survive_forks();
        }
        // SAFETY: those of other threads, whose links change under this lock only.
        unsafe {
            (*m).older = newest;
            if !newest.is_null() {
                (*newest).newer = m;
            }
        }
        m.cast()
    });
    Some(m)
}

/// Gives back all that this thread keeps; false if that was nothing.
#[cold]
pub fn give_all_back() -> bool {
    let Some(m) = mine() else { return false };
    // SAFETY: this thread's.
    let m = unsafe { &mut *m };
    let had = m.reserved;
    m.empty();
    had != 0
}

/// Those of this thread, alone in the list: in a child there is no other thread.
pub fn alone() -> *mut c_void {
    let mine = mine().unwrap_or(null_mut());
    if !mine.is_null() {
        // SAFETY: this thread's.
        unsafe { ((*mine).older, (*mine).newer) = (null_mut(), null_mut()) };
    }
    mine.cast()
}

/// Called by `tools.c` when a thread ends: all that it keeps goes.
#[unsafe(no_mangle)]
unsafe extern "C" fn talloc_impl_magazines_close(magazines: *mut c_void) {
    let m = magazines.cast::<Magazines>();
    root::with_threads_locked(|newest| {
        // SAFETY: made by `open`; the links change under this lock only.
        unsafe {
            let (older, newer) = ((*m).older, (*m).newer);
            if !older.is_null() {
                (*older).newer = newer;
            }
            if newer.is_null() {
                return older.cast();
            }
            (*newer).older = older;
        }
        newest
    });
    // SAFETY: nobody finds them any more.
    unsafe { close(m) };
}

/// # Safety
/// Nobody uses them any more.
unsafe fn close(m: *mut Magazines) {
    // SAFETY: the caller's promise.
    unsafe {
        let alive = (*m).alive();
        // What it leaves alive, others may free.
        ALIVE.0.fetch_add(alive - (*m).told, Relaxed);
        (*m).empty();
        give_place_back(m);
    }
}

/// Called by `tools.c` when the library is unloaded: nobody can call it any more, so what
/// all threads keep goes, and the table of records.
#[unsafe(no_mangle)]
unsafe extern "C" fn talloc_impl_unload() {
    let mut next = null_mut::<Magazines>();
    root::with_threads_locked(|newest| {
        next = newest.cast();
        null_mut()
    });
    while !next.is_null() {
        let m = next;
        // SAFETY: made by `open`, and out of reach for its thread.
        unsafe {
            next = (*m).older;
            close(m);
        }
    }
    // SAFETY: the library goes.
    unsafe { records::unload() };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_they_are_asked_for() {
        for bytes in (HEADER..200_000).chain((200_000..8 << 20).step_by(4097)) {
            let (class, whole) = class_of(bytes);
            assert!(class < CLASSES && whole >= bytes, "{bytes}");
            assert_eq!(class_of(whole).0, class, "{bytes}");
            assert!(cost(class) >= whole, "{bytes}");
            let size = bytes - HEADER;
            assert!(is_same_block(size, whole - HEADER), "{bytes}");
            assert!(!is_same_block(size, whole - HEADER + 1), "{bytes}");
            assert!(size > SMALL_MAX || small_room(size) == whole - HEADER);
        }
    }
}
