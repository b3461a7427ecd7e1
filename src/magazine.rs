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
//! its lower half goes to the depot, from where [`Magazines::refill`] takes it back.  What all of
//! that may hold is bounded (`allowance`).  Room is taken from classes that have gone cold; each
//! that is in use has room for a few blocks in any case.  All of it goes back when the thread
//! ends, the library goes, or memory is short.

use crate::allowance::{Allowance, FETCHED, FEW, LARGE_TOLL, is_listed, toll};
use crate::depot::{Depot, HALF};
use crate::header::HEADER;
use crate::platform::{WORD, ask_for};
use crate::records::{self, Record};
use crate::size_class::{
    CLASSES, FIRST_LARGE, RECORDS, SMALL, SMALL_MAX, class_of, cost, large_class, small_bytes,
    small_class,
};
use crate::{root, sysmem};
use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr::{NonNull, null_mut};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Places of a magazine, one of which is the sentinel.
pub const PLACES: usize = 64;
const ROOM: usize = PLACES - 1;
const BYTES: usize = size_of::<Array>();
const LARGE: usize = CLASSES - FIRST_LARGE;

const _: () = assert!(HALF == ROOM / 2);

type Block = *mut u8;

/// The places of a magazine, of which `ROOM` at most are in use.
#[repr(C)]
#[cfg_attr(target_pointer_width = "64", repr(align(512)))]
#[cfg_attr(target_pointer_width = "32", repr(align(256)))]
struct Array([Block; PLACES]);

const _: () = assert!(align_of::<Array>() == size_of::<Array>());

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
    allowance: Allowance,
    /// All threads', under the lock of `root`.
    older: *mut Magazines,
    newer: *mut Magazines,
    arrays: [Array; FIRST_LARGE],
    depot: Depot,
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

    pub use super::PLACES;
    pub use crate::depot::HALF;
    pub use crate::size_class::{CLASSES, FIRST_LARGE, SMALL};
    pub const TOP: usize = offset_of!(Magazines, top);
    pub const DEPOT: usize = offset_of!(Magazines, depot.newest);
    pub const LOADS: usize = offset_of!(Magazines, depot.loads);
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

/// The magazines of this thread, where a chunk without `EXACT` was seen.
pub struct OfThread(NonNull<Magazines>);

impl OfThread {
    #[inline(always)]
    pub fn now() -> OfThread {
        OfThread(now_known())
    }

    /// Room for the block of a chunk of so many user bytes, at most [`SMALL_MAX`].
    #[inline(always)]
    pub fn room(&self, size: usize) -> Option<Room> {
        room_at(top_in(self.0, small_class(size)))
    }

    /// The same for a larger one.
    #[inline(always)]
    pub fn room_large(&self, size: usize) -> Option<Room> {
        room_at(self.top_large(size)?)
    }

    /// The same for a block of so many bytes, header included.
    #[inline(always)]
    pub fn room_for_block(&self, bytes: usize) -> Option<Room> {
        room_at(self.top_of_block(bytes)?)
    }

    /// Room for a record.
    #[inline(always)]
    pub fn room_for_record(&self) -> Option<Room> {
        room_at(top_in(self.0, RECORDS))
    }

    /// A kept block for a chunk of so many user bytes, at most [`SMALL_MAX`].
    #[inline(always)]
    pub fn pop(&self, size: usize) -> Option<NonNull<u8>> {
        pop_at(top_in(self.0, small_class(size)))
    }

    /// The same for a larger one.
    #[inline(always)]
    pub fn pop_large(&self, size: usize) -> Option<NonNull<u8>> {
        pop_at(self.top_large(size)?)
    }

    /// One of so many bytes, header included.
    #[inline(always)]
    pub fn pop_block(&self, bytes: usize) -> Option<NonNull<u8>> {
        pop_at(self.top_of_block(bytes)?)
    }

    /// A kept record.
    #[inline(always)]
    pub fn pop_record(&self) -> Option<NonNull<Record>> {
        pop_at(top_in(self.0, RECORDS)).map(NonNull::cast)
    }

    /// The top of the class of a chunk of so many user bytes, more than [`SMALL_MAX`].
    #[inline(always)]
    fn top_large(&self, size: usize) -> Option<*mut *mut Block> {
        let (class, _) = large_class(HEADER + size);
        let m = self.0.as_ptr();
        if class >= CLASSES || is_none(m) {
            return None;
        }
        top_in_large(m, class)
    }

    #[inline(always)]
    fn top_of_block(&self, bytes: usize) -> Option<*mut *mut Block> {
        let size = bytes - HEADER;
        if size <= SMALL_MAX {
            Some(top_in(self.0, small_class(size)))
        } else {
            self.top_large(size)
        }
    }
}

/// Keeps the block of a chunk of so many user bytes, at most [`SMALL_MAX`], or gives it back.
///
/// # Safety
/// The block of a chunk without `EXACT`, not used any more.
#[inline(always)]
pub unsafe fn put_small(size: usize, block: Block) {
    match OfThread::now().room(size) {
        Some(room) => room.keep(block),
        // SAFETY: the caller's promise.
        None => unsafe { put_small_slow(small_class(size), block) },
    }
}

/// The same for one whose chunk has moved to a block from malloc.  The next that grows may need
/// another from there, so malloc has the old one back, but for a few.
///
/// # Safety
/// As for [`put_small`].
#[inline(never)]
pub unsafe fn put_replaced(size: usize, block: Block) {
    let kept = OfThread::now();
    if let Some(room) = kept.room(size) {
        return room.keep(block);
    }
    let (m, class) = (kept.0.as_ptr(), small_class(size));
    if !is_none(m) {
        // SAFETY: this thread's.
        let m = unsafe { &mut *m };
        if usize::from(*of!(m.room[class])) >= FEW {
            m.allowance.went_back(class, 1);
            // SAFETY: the caller's promise.
            return unsafe { sysmem::free(block) };
        }
    }
    // SAFETY: the caller's promise.
    unsafe { put_small_slow(class, block) };
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
            put_slow(class, block);
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

/// A small block for a chunk of so many user bytes where the magazine is empty, and where a chunk
/// without `EXACT` was seen.
#[inline(always)]
pub fn fresh_small(size: usize) -> Option<NonNull<u8>> {
    let m = now_known().as_ptr();
    if !is_none(m) {
        // SAFETY: this thread's.
        let m = unsafe { &mut *m };
        let class = small_class(size);
        let has_others = m.has_many(class) && (is_listed(class) || m.depot.loads(class) != 0);
        if has_others || !m.allowance.comes(class) {
            return get(HEADER + size);
        }
    }
    match sysmem::malloc_once(small_bytes(small_class(size))) {
        None => none_came(size),
        block => block,
    }
}

/// malloc has had none: once more, if this thread had anything to give back.
#[cold]
#[inline(never)]
fn none_came(size: usize) -> Option<NonNull<u8>> {
    if let Some(m) = mine() {
        // SAFETY: this thread's.
        unsafe { (*m).allowance.went_back(small_class(size), 1) };
    }
    if give_all_back() {
        get(HEADER + size)
    } else {
        None
    }
}

/// A block for a chunk of so many user bytes, more than [`SMALL_MAX`], where the magazine is empty,
/// and where a chunk without `EXACT` was seen.
pub fn fresh_large(size: usize) -> Option<NonNull<u8>> {
    let (class, whole) = large_class(HEADER + size);
    let m = now_known().as_ptr();
    if class < CLASSES && !is_none(m) {
        // SAFETY: this thread's.
        let m = unsafe { &mut *m };
        if m.depot.loads(class) != 0 {
            return m.refill(class);
        }
    }
    sysmem::malloc(whole)
}

/// The same for a block of so many bytes, header included, of any size.
#[inline]
pub fn fresh_block(bytes: usize) -> Option<NonNull<u8>> {
    let size = bytes - HEADER;
    if size <= SMALL_MAX {
        fresh_small(size)
    } else {
        fresh_large(size)
    }
}

/// A block that stays where it is was of one class, or of none, and is of another from now on, or
/// of none.
#[inline(always)]
pub fn reclassify(old: Option<usize>, new: Option<usize>) {
    let Some(m) = mine() else { return };
    // SAFETY: this thread's.
    let allowance = unsafe { &mut (*m).allowance };
    if let Some(class) = old {
        allowance.went_back(class, 1);
    }
    if let Some(class) = new.filter(|&class| class < SMALL) {
        allowance.came(class, 1);
    }
}

/// A block of so many bytes, header included, kept or fresh, where a chunk without `EXACT` was seen.
#[inline]
pub fn block(bytes: usize) -> Option<NonNull<u8>> {
    match OfThread::now().pop_block(bytes) {
        None => fresh_block(bytes),
        kept => kept,
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
        if class < CLASSES && m.depot.loads(class) != 0 {
            return m.refill(class);
        }
    }
    let block = sysmem::malloc(if sysmem::every() == 0 { whole } else { bytes });
    if let (Some(m), Some(block), true) = (m, block, class < SMALL) {
        // SAFETY: as above.
        let m = unsafe { &mut *m };
        if m.allowance.came(class, 1) {
            m.rise();
        }
        if m.has_many(class) && is_listed(class) {
            return Some(sysmem::keep_errno(|| m.fetch(class, block)));
        }
    }
    block
}

/// Gives back the block of a chunk of so many user bytes, more than [`SMALL_MAX`].
///
/// # Safety
/// The block of a chunk without `EXACT`, not used any more.
#[inline(always)]
pub unsafe fn put_large(size: usize, block: Block) {
    match OfThread::now().room_large(size) {
        Some(room) => room.keep(block),
        // SAFETY: the caller's promise.
        None => unsafe { put_large_slow(size, block) },
    }
}

#[inline(never)]
unsafe fn put_large_slow(size: usize, block: Block) {
    let (class, cost) = large_class(HEADER + size);
    // SAFETY: the caller's promise.
    unsafe {
        if class >= CLASSES || goes_directly(class, cost, LARGE_TOLL) {
            sysmem::free(block);
        } else {
            put_slow(class, block);
        }
    }
}

/// The block of a chunk without `EXACT`, of a small class, for which there is no place.
///
/// # Safety
/// It is not used any more.
#[inline(never)]
unsafe fn put_small_slow(class: usize, block: Block) {
    let cost = small_bytes(class);
    // SAFETY: the caller's promise.
    unsafe {
        if goes_directly(class, cost, cost) {
            sysmem::free(block);
        } else {
            put_slow(class, block);
        }
    }
}

/// Does a block of that class, for which there is no place, go back without another look?  Then
/// it is counted.
#[inline(always)]
fn goes_directly(class: usize, cost: usize, toll: usize) -> bool {
    let m = now_known().as_ptr();
    // SAFETY: this thread's.
    !is_none(m) && unsafe { (*m).goes_directly(class, cost, toll) }
}

/// Any block or record for which there is no place, but may be found one.
///
/// # Safety
/// It is not used any more.
#[cold]
#[inline(never)]
unsafe fn put_slow(class: usize, block: Block) {
    if let Some(m) = mine().or_else(open) {
        // SAFETY: this thread's.
        let m = unsafe { &mut *m };
        if !m.goes_directly(class, cost(class), toll(class)) {
            if m.make_room(class, block) && push_class(class, block) {
                return;
            }
            m.allowance.went_back(class, 1);
        }
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

/// A kept record, if there is one.
pub fn take_record() -> Option<NonNull<Record>> {
    pop_class(RECORDS).map(NonNull::cast)
}

/// One from the depot, where there is none.
pub fn refill_records() -> Option<NonNull<Record>> {
    // SAFETY: this thread's.
    let m = unsafe { &mut *mine()? };
    if m.depot.loads(RECORDS) == 0 {
        return None;
    }
    m.refill(RECORDS).map(NonNull::cast)
}

/// Keeps a record.
#[inline(always)]
pub fn put_record(record: *mut Record) {
    if !push_class(RECORDS, record.cast()) {
        // SAFETY: a record that nobody uses.
        unsafe { put_slow(RECORDS, record.cast()) };
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

    /// Bytes of small blocks that are kept.
    fn kept(&mut self) -> usize {
        let mut kept = 0;
        for class in 0..SMALL {
            kept += cost(class) * (self.held(class) + self.depot.loads(class) * HALF);
        }
        kept
    }

    /// As [`goes_directly`]: it does if the class has all the room that it may have in any case.
    #[inline(always)]
    fn goes_directly(&mut self, class: usize, cost: usize, toll: usize) -> bool {
        let has_all = usize::from(*of!(self.room[class])) >= FEW || self.allowance.is_beyond(cost);
        let goes = self.allowance.is_direct(toll) && has_all;
        if goes {
            self.allowance.goes_directly(toll);
            self.allowance.went_back(class, 1);
        }
        goes
    }

    /// A large tree may be built: what it has emptied stays small.
    #[cold]
    #[inline(never)]
    fn rise(&mut self) {
        let kept = self.kept();
        if !self.allowance.rises(kept) {
            return;
        }
        for class in 0..SMALL {
            if self.held(class) == 0 && self.depot.loads(class) == 0 {
                let few = self.allowance.few(class);
                while self.take_room(class, few) {}
            }
        }
    }

    /// Room for one more block of `class`, as that one is, if it may have any.
    fn make_room(&mut self, class: usize, block: Block) -> bool {
        let (cost, has) = (cost(class), usize::from(*of!(self.room[class])));
        let more = match has {
            ROOM => HALF,
            _ => has.max(FEW).min(ROOM - has),
        };
        if self.allowance.has(class, more) {
            return self.grow(class, more);
        }
        let bound = self.allowance.bound;
        if has < FEW && !self.allowance.is_costly(cost) {
            return self.grow(class, FEW - has); // in any case
        }
        if cost > bound {
            return false;
        }
        if !self.allowance.is_direct(toll(class)) {
            if self.allowance.sample(class, block) {
                let kept = self.kept();
                self.allowance.look(kept);
                let bound = self.allowance.bound;
                self.shrink_to(bound.saturating_sub(more * cost), class);
            }
            if self.allowance.has(class, more) {
                return self.grow(class, more);
            }
            let few = self.allowance.few(class);
            if FEW <= has && has < few {
                return self.grow(class, few - has); // to fetch more of it
            }
        }
        if has < FEW && self.allowance.reserved + cost <= self.allowance.bound {
            return self.grow(class, 1);
        }
        if self.allowance.is_direct(toll(class)) {
            self.allowance.goes_directly(toll(class));
        }
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
        self.allowance.reserved += more * cost(class);
        true
    }

    /// The lower half of a full magazine goes to the depot.
    fn unload(&mut self, class: usize) -> bool {
        let lowest = self.sentinel(class).wrapping_add(1);
        // SAFETY: the array is full: it holds twice that.
        unsafe {
            if !self.depot.keep(class, lowest) {
                return false;
            }
            lowest.copy_from(lowest.add(HALF), ROOM - HALF);
            let top = self.top_of(class);
            *top = (*top).sub(HALF);
        }
        self.allowance.reserved += HALF * cost(class);
        true
    }

    /// A load of a class that has one.
    fn load(&mut self, class: usize) -> [Block; HALF] {
        self.allowance.reserved -= HALF * cost(class);
        self.depot.take(class)
    }

    /// Half a magazine comes back from the depot, into an empty one; one block of it.
    #[cold]
    #[inline(never)]
    fn refill(&mut self, class: usize) -> Option<NonNull<u8>> {
        let blocks = self.load(class);
        let lowest = self.sentinel(class).wrapping_add(1);
        // SAFETY: the array of a class with loads has all its room.
        unsafe {
            lowest.cast::<[Block; HALF]>().write(blocks);
            *self.top_of(class) = lowest.add(HALF - 1);
        }
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
        let held = self.held(class);
        if self.allowance.came(class, held) {
            self.rise();
        }
        first
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
            while is_cold && self.allowance.reserved > bytes && self.take_room(at, 0) {}
        }
        while self.allowance.is_too_much() && self.depot.loads(class) != 0 {
            self.take_room(class, 0);
        }
        let (mut at, mut left) = (class, CLASSES);
        while self.allowance.is_too_much() && left > 0 {
            at = after(at);
            while self.allowance.is_too_much() && self.take_room(at, FEW) {}
            left -= 1;
        }
    }

    /// A class gives a load back, or half of its room, but for `few` places. False if there
    /// is nothing to give.
    fn take_room(&mut self, class: usize, few: usize) -> bool {
        if self.depot.loads(class) != 0 {
            let blocks = self.load(class);
            for block in blocks {
                ask_for(block.wrapping_sub(WORD));
            }
            for block in blocks {
                // SAFETY: a block of a load, which is nobody's.
                unsafe { give_back(class, block) };
            }
            self.allowance.went_back(class, HALF);
            return true;
        }
        let has = usize::from(*of!(self.room[class]));
        let few = if few * cost(class) > self.allowance.bound / 16 {
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
        self.allowance.went_back(class, gone);
        *of!(self.room[class]) -= less as u8;
        self.allowance.reserved -= less * cost(class);
        true
    }

    /// Gives everything back.
    fn empty(&mut self) {
        for class in 0..CLASSES {
            while self.take_room(class, 0) {}
        }
        self.depot.end();
    }
}

/// The next class, or the first one.
fn after(class: usize) -> usize {
    if class + 1 < CLASSES { class + 1 } else { 0 }
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
        fresh.allowance.bound = bound.saturating_sub(size_of::<Magazines>() - CLASSES * BYTES);
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
    let had = m.allowance.reserved;
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
        let kept = (*m).kept();
        (*m).allowance.end(kept);
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
