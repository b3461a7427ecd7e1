//! Records of pools, caches and memory limits, out of reach of what is written beyond the
//! end of a chunk: in a table of the library's own between pages that nobody can touch.
//!
//! The word `home` of a chunk leads to a record, but is not trusted: it is masked into the
//! table, and the record says whose it is: a pool's spans the addresses of its members, an
//! account is one.  Without a table, the mask leads to one empty record.
//!
//! The table is reserved when the first record is made, and its pages are used as they are
//! needed.  Where there is no address space for it, a smaller one does.  Where there is no
//! record to be had, a pool is a chunk without room, and there is no cache and no limit.

use crate::header::Chunk;
use crate::{magazine, root, sysmem};
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{
    AtomicPtr, AtomicUsize,
    Ordering::{Relaxed, Release},
};

/// What a record is about.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// Nothing: it is free.
    Free = 0,
    /// A pool.
    Pool,
    /// A static pool cache.
    Cache,
    /// A pool or cache that a tool watches, or whose freed memory is filled: nothing in it
    /// goes a fast way.
    Watched,
    /// A memory limit, with none above, that one thread uses.
    Account,
    /// Any other memory limit.
    Linked,
}

/// What `live` of a pool or cache counts for its own chunk, and for each member.
pub const OWN: u32 = 1;
/// See [`OWN`].
pub const ONE: u32 = 2;
/// The sign of `live` of a cache: a fast way of pools sees that nothing can go.
pub const CACHE: u32 = 1 << 31;

/// So much less than what they say are the addresses in a record: the exact address of a
/// live header would pass for a link to it, and be written, if a `pprev` led there.
pub const LESS: usize = 1;

/// What stands for a chunk in a record: the user's pointer, [`LESS`].
#[inline(always)]
pub fn stands_for(c: Chunk) -> *mut u8 {
    c.user().cast::<u8>().wrapping_sub(LESS)
}

/// A record.  Which fields there are depends on the kind; addresses in a block of chunks are
/// [`LESS`].
#[repr(C, align(64))]
pub struct Record {
    /// A pool: where the free room begins.  A cache: the slot given back last, which the bitmap
    /// still says is taken, or NULL.  An account: the one above.
    pub next: *mut u8,
    /// A pool: where the room ends, or where it begins while it is watched, so that a fast
    /// way sees none.  An account: the bytes used.
    pub end: *mut u8,
    /// The pool, the cache, the owner of the account: see [`stands_for`].
    pub base: *mut u8,
    /// So far, or [`LESS`] further, as the user's pointer of a member may be: the end of the
    /// block.  NULL for an account.
    pub top: *mut u8,
    /// What is alive of a pool or cache: see [`OWN`].  An account: 1 if threads share it.
    pub live: u32,
    /// What it is about.
    pub kind: Kind,
    /// A pool or cache: 1 if a member may count for another limit than it does.
    pub scattered: u16,
    /// A pool: where the room begins.  A cache: its slots.  An account: the limit, 0 for none.
    pub start: *mut u8,
    /// A pool: the pool it lies in.  An account: the record of its owner's pool.
    pub outer: *mut Record,
    /// A pool or cache with a block of its own: the account that counts it.
    pub account: *mut Record,
}

const _: () = assert!(size_of::<Record>() <= SIZE);

/// Bytes from one record to the next.
const SIZE: usize = 64;

const EMPTY: Record = Record {
    next: null_mut(),
    end: null_mut(),
    base: null_mut(),
    top: null_mut(),
    live: 0,
    kind: Kind::Free,
    scattered: 0,
    start: null_mut(),
    outer: null_mut(),
    account: null_mut(),
};

#[repr(C, align(64))]
struct Place(UnsafeCell<Record>);

// SAFETY: written by nobody.
unsafe impl Sync for Place {}

static NO_RECORD: Place = Place(UnsafeCell::new(EMPTY));

/// The first record of the table.
pub static TABLE: AtomicPtr<u8> = AtomicPtr::new((&raw const NO_RECORD) as *mut u8);
/// Which bits of a `home` tell the place in the table.
pub static MASK: AtomicUsize = AtomicUsize::new(0);

/// Bytes of address space for the table: for a million records, or fewer.
const LARGEST: usize = 1 << (if size_of::<usize>() == 8 { 26 } else { 24 });
const SMALLEST: usize = 1 << 16;
/// So much of it becomes usable at a time.
const STEP: usize = 1 << 16;

/// Under the lock of `root`.
struct Unused {
    /// Bytes of the table that have ever been used, and that can be.
    used: usize,
    usable: usize,
    free: *mut Record,
}

struct Shared(UnsafeCell<Unused>);

// SAFETY: only used under the lock.
unsafe impl Sync for Shared {}

static UNUSED: Shared = Shared(UnsafeCell::new(Unused {
    used: 0,
    usable: 0,
    free: null_mut(),
}));

/// The record that a `home` leads to; perhaps a free one.
#[inline(always)]
pub fn at(home: *mut c_void) -> *mut Record {
    let offset = home.addr() & MASK.load(Relaxed);
    TABLE.load(Relaxed).wrapping_add(offset).cast()
}

unsafe extern "C" {
    fn talloc_impl_notice_exit();
}

/// A fresh one; `None` if there is none to be had.
#[inline]
pub fn make() -> Option<NonNull<Record>> {
    match magazine::take_record() {
        None => make_slow(),
        record => record,
    }
}

#[cold]
#[inline(never)]
fn make_slow() -> Option<NonNull<Record>> {
    if let Some(record) = magazine::refill_records() {
        return Some(record);
    }
    root::survive_forks();
    // SAFETY: it only sees to it that the end of the process is told from that of the
    // library.
    unsafe { talloc_impl_notice_exit() };
    let _lock = root::lock_records();
    // SAFETY: under the lock; places in the table below `usable` can be used.
    unsafe {
        let unused = &mut *UNUSED.0.get();
        if let Some(record) = NonNull::new(unused.free) {
            unused.free = (*record.as_ptr()).outer;
            return Some(record);
        }
        if MASK.load(Relaxed) == 0 {
            reserve(unused)?;
        }
        let size = MASK.load(Relaxed) + SIZE;
        let table = TABLE.load(Relaxed);
        if unused.used == unused.usable {
            if unused.usable == size || !sysmem::commit(table.add(unused.usable), STEP) {
                return None;
            }
            unused.usable += STEP;
        }
        let record = table.add(unused.used).cast();
        unused.used += SIZE;
        NonNull::new(record)
    }
}

/// Reserves the table; or, where there is no address space at all, takes a small one from
/// malloc.
fn reserve(unused: &mut Unused) -> Option<()> {
    let (table, size) = match sysmem::reserve_aligned(LARGEST, SMALLEST) {
        Some(reserved) => reserved,
        None => {
            let mut size = SMALLEST << 4;
            let block = loop {
                match sysmem::malloc(2 * size) {
                    Some(block) => break block,
                    None if size > SMALLEST => size /= 2,
                    None => return None,
                }
            };
            let table = block.as_ptr().map_addr(|at| (at + size - 1) & !(size - 1));
            // SAFETY: within the block.
            unsafe { table.write_bytes(0, size) };
            unused.usable = size;
            (NonNull::new(table)?, size)
        }
    };
    TABLE.store(table.as_ptr(), Release);
    MASK.store(size - SIZE, Release);
    Some(())
}

/// Gives the table back.
///
/// # Safety
/// Nobody uses the library any more.
pub unsafe fn unload() {
    let size = MASK.load(Relaxed) + SIZE;
    if size > SMALLEST << 4 {
        // SAFETY: what `reserve_aligned` reserved, with a page before and one behind.
        unsafe {
            let table = TABLE.load(Relaxed);
            sysmem::unmap(table.wrapping_sub(sysmem::PAGE), size + 2 * sysmem::PAGE);
        }
    }
}

/// Gives a record back, for the next one who makes one.
#[inline]
pub fn put(record: *mut Record) {
    empty(record);
    magazine::put_record(record);
}

/// The same, where there is room for it.
#[inline(always)]
pub fn put_into(room: magazine::Room, record: *mut Record) {
    empty(record);
    room.keep(record.cast());
}

#[inline(always)]
fn empty(record: *mut Record) {
    // Whoever still leads here finds nothing of his.
    // SAFETY: a record that the caller made, and gives up.
    unsafe { record.write(EMPTY) };
}

/// Gives a free record back to the table, for any thread.
///
/// # Safety
/// It is free, and nobody keeps it.
pub unsafe fn give_back(record: *mut Record) {
    let _lock = root::lock_records();
    // SAFETY: under the lock, and the caller's promise.
    unsafe {
        let unused = &mut *UNUSED.0.get();
        (*record).outer = unused.free;
        unused.free = record;
    }
}

/// A record, to read or write one field of.
macro_rules! record {
    ($record:expr) => {
        // SAFETY: `records::at` leads into the table, whose used part stays mapped; the
        // place is used for one read or write of one field.
        unsafe { &mut *$record }
    };
}
pub(crate) use record;

/// The record of the pool or cache that `c` lies in, or, with `POOL`, is; `None` if its
/// `home` leads to none that can be.
#[inline(always)]
pub fn pool_around(c: Chunk) -> Option<*mut Record> {
    let r = at(c.home());
    lies_in(r, c).then_some(r)
}

/// The record of the pool that `c` is; `None` if its `home` does not lead there.
#[inline(always)]
pub fn pool_of(c: Chunk) -> Option<*mut Record> {
    let r = at(c.home());
    (record!(r).base == stands_for(c)).then_some(r)
}

/// Does `c` lie in the pool or cache of that record, or is it that?
#[inline(always)]
pub fn lies_in(r: *mut Record, c: Chunk) -> bool {
    // An account has no top.
    let user = c.user().cast::<u8>();
    record!(r).base < user && user < record!(r).top
}
