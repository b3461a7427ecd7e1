//! Static pool caches: objects of one size, handed out and taken back.
//!
//! A cache is a pool whose room is slots of one size.  Which are free is kept in a bitmap,
//! out of band like the cache's record: in a record where that is large enough, else in
//! pages of its own.  The slot given back last is kept apart: the next object takes it.

use crate::bitmap;
use crate::header::{Chunk, EASY, HEADER, MAX_SIZE, MEMBER, POOL, round, size_of_payload, user_of};
use crate::platform::WORD;
use crate::pool::{self, footprint};
use crate::records::{self, CACHE, Kind, LESS, ONE, Record, record};
use crate::sysmem::PAGE;
use crate::{list, sysmem, tools};
use core::ffi::c_void;
use core::mem::offset_of;
use core::ptr::{NonNull, null, null_mut};

/// What the bitmap of a cache is a part of; before the bits.  Where a `home` leads here, it
/// finds a record that holds nothing.
#[repr(C)]
struct Slots {
    /// User bytes of an object.
    size: u32,
    count: u32,
    /// Bytes of the pages that this is the begin of, with the guards; 0 for a record.
    mapped: usize,
    _gap: [usize; GAP],
    nothing: [usize; NOTHING],
}

/// Words between the fields before, which tools from outside read, and that.
const GAP: usize = (offset_of!(Record, top) - 2 * size_of::<u32>() - WORD) / WORD;
/// Words from `top` of a record on, which say that it holds nothing.
const NOTHING: usize =
    (offset_of!(Record, kind) + size_of::<Kind>() - offset_of!(Record, top)) / WORD;

/// Where the bits begin.
const BITS: usize = 40;
const _: () = assert!(size_of::<Slots>() <= BITS);
const _: () = assert!(offset_of!(Record, top) == offset_of!(Slots, nothing));
const _: () = assert!(offset_of!(Record, kind) + size_of::<Kind>() <= BITS);

/// The words of bits for which a record has room.
const IN_RECORD: usize = (size_of::<Record>() - BITS) / size_of::<u64>();

/// The slots of a cache.
fn slots(r: *mut Record) -> *mut Slots {
    record!(r).start.cast()
}

fn bits(slots: *mut Slots) -> *mut u64 {
    slots.cast::<u8>().wrapping_add(BITS).cast()
}

macro_rules! slots {
    ($record:expr) => {
        // SAFETY: those of a cache, which are there as long as its record; used for one
        // read or write of one field.
        unsafe { &mut *slots($record) }
    };
}

/// Bytes that an object of `size` bytes takes, header included.
fn slot_bytes(size: usize) -> usize {
    footprint(HEADER + size)
}

/// How many user bytes a slot has room for.
pub fn slot_room(r: *mut Record) -> usize {
    round(HEADER + slots!(r).size as usize) - HEADER
}

/// `talloc_pool_cache`: a chunk of size 0 with room for `size / objsize` objects, rounded
/// up.
pub fn pool_cache(ctx: Option<Chunk>, size: usize, objsize: usize) -> Option<Chunk> {
    if size == 0 || objsize == 0 || objsize > size || objsize >= MAX_SIZE {
        return None;
    }
    let count = size.div_ceil(objsize);
    let room = count.checked_mul(slot_bytes(objsize))?;
    let before = HEADER + tools::gap();
    if room >= MAX_SIZE - before {
        return None;
    }
    let slots = make_slots(objsize, count)?;
    let parent = crate::root::or_null_context(ctx);
    let opened = records::make()
        .and_then(|record| pool::open(record, parent, 0, before + room, Kind::Cache, null()));
    let Some((c, r)) = opened else {
        free_slots(slots);
        return None;
    };
    record!(r).start = slots.cast();
    Some(c)
}

/// A record or pages for the bitmap of a cache, all slots free.
fn make_slots(size: usize, count: usize) -> Option<*mut Slots> {
    let length = bitmap::length(count);
    let (slots, mapped) = if length <= IN_RECORD {
        (records::make()?.cast::<Slots>().as_ptr(), 0)
    } else {
        let bytes = (BITS + length * size_of::<u64>()).next_multiple_of(PAGE);
        let space = sysmem::reserve(bytes + 2 * PAGE)?.as_ptr();
        let place = space.wrapping_add(PAGE);
        // SAFETY: the middle of what was reserved.
        if !unsafe { sysmem::commit(place, bytes) } {
            // SAFETY: as above.
            unsafe { sysmem::unmap(space, bytes + 2 * PAGE) };
            return None;
        }
        (place.cast::<Slots>(), bytes + 2 * PAGE)
    };
    // SAFETY: fresh, with room for that many words of bits.
    unsafe {
        slots.write(Slots {
            size: size as u32,
            count: count as u32,
            mapped,
            _gap: [0; GAP],
            nothing: [0; NOTHING],
        });
        bitmap::fill(bits(slots), count);
    }
    Some(slots)
}

fn free_slots(slots: *mut Slots) {
    // SAFETY: made by `make_slots`.
    unsafe {
        match (*slots).mapped {
            0 => records::put(slots.cast()),
            bytes => sysmem::unmap(slots.cast::<u8>().wrapping_sub(PAGE), bytes),
        }
    }
}

/// The block of a cache goes.
pub fn closed(r: *mut Record) {
    free_slots(slots(r));
}

/// `talloc_cache`, the fast way: a cache without another flag, and the slot given back
/// last.  Else `None`, and nothing is done.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn object_fast(cache: *const c_void) -> Option<Chunk> {
    if cache.is_null() {
        return None;
    }
    let parent = Chunk::before(cache);
    if parent.payload() >> EASY != POOL >> EASY {
        return None;
    }
    let r = records::at(parent.home());
    if record!(r).kind != Kind::Cache || record!(r).base != records::stands_for(parent) {
        return None;
    }
    let last = NonNull::new(record!(r).next)?;
    let first = list::first_below(parent).ok()?;
    record!(r).next = null_mut();
    record!(r).live += ONE;
    // SAFETY: an address of the cache's.
    let c = Chunk::at(unsafe { last.add(LESS) });
    c.set_home(r.cast());
    c.born(parent, first, u64::from(slots!(r).size) | MEMBER, null());
    list::link_born(parent, first, c);
    Some(c)
}

/// Where the slots of a cache begin.
fn first_slot(r: *mut Record) -> *mut u8 {
    record!(r).base.wrapping_add(tools::gap())
}

/// The same in any case: the user's pointer of the next object, the newest child of its cache;
/// NULL if this is not a cache or all slots are taken.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(never)]
pub unsafe fn object_slow(cache: *const c_void) -> *mut c_void {
    if cache.is_null() {
        return null_mut();
    }
    // SAFETY: the caller's promise.
    user_of(unsafe { Chunk::checked(cache) }.and_then(object))
}

fn object(cache: Chunk) -> Option<Chunk> {
    let t = cache.payload();
    if t & POOL == 0 {
        return None;
    }
    let r = pool::record_of(cache, t)?;
    if !pool::is_cache(r) {
        return None;
    }
    let size = slots!(r).size as usize;
    let slot = if record!(r).next.is_null() {
        // SAFETY: `make_slots` filled it for so many.
        let slot = unsafe { bitmap::take(bits(slots(r)), slots!(r).count as usize) }?;
        first_slot(r).wrapping_add(slot * slot_bytes(size))
    } else {
        core::mem::replace(&mut record!(r).next, null_mut())
    };
    let place = NonNull::new(slot.wrapping_add(LESS))?;
    record!(r).live += ONE;
    tools::member(r, place.as_ptr(), HEADER + size);
    let c = Chunk::at(place);
    c.set_home(r.cast());
    let site = crate::alloc::Site {
        c,
        flags: MEMBER | crate::root::top_flag(Some(cache)) | sysmem::every(),
        home: r.cast(),
    };
    site.open(Some(cache), size as u64, null());
    debug_assert!(size_of_payload(c.payload()) == size);
    Some(c)
}

/// An object that can leave a cache that stays.
pub struct Leaving {
    r: *mut Record,
    live: u32,
    c: *mut u8,
}

/// What is just a member, and lies in `r`, if it is that; the fast way.
#[inline(always)]
pub fn object_to_leave(r: *mut Record, c: Chunk) -> Option<Leaving> {
    let live = record!(r).live;
    // More than the sign and that one.
    let stays = live > CACHE + ONE;
    stays.then(|| Leaving {
        r,
        live: live - ONE,
        c: c.start(),
    })
}

impl Leaving {
    /// It leaves.
    #[inline(always)]
    pub fn leave(self) {
        record!(self.r).live = self.live;
        slot_left(self.r, self.c);
    }
}

/// The slot of `c`, which is gone, is free again.
#[inline(always)]
pub fn slot_left(r: *mut Record, c: *mut u8) {
    if record!(r).next.is_null() {
        record!(r).next = c.wrapping_sub(LESS);
    } else {
        slot_back(r, c);
    }
}

#[inline(never)]
fn slot_back(r: *mut Record, c: *mut u8) {
    let (size, count) = (slots!(r).size as usize, slots!(r).count as usize);
    let offset = c.addr() - LESS - first_slot(r).addr();
    // Never 0, but not every compiler sees that, and none may leave a panic here.
    let Some(slot) = offset.checked_div(slot_bytes(size)) else {
        return;
    };
    if slot < count {
        // SAFETY: one of the slots that `object` gave.
        unsafe { bitmap::give(bits(slots(r)), count, slot) };
    }
}
