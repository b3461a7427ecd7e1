//! Static pool caches: slots for objects of one size, kept in a bitmap.
//!
//! ```text
//!   Cache fields | Arena | header | slot | slot | ... | bitmap |
//! ```
//!
//! The bitmap is a tree: a bit of the lowest level says that a slot is free, a
//! bit of a level above that the word below has a free slot.  So the first free
//! slot is found in as many steps as there are levels (four at most), however
//! full the cache is.

use crate::alloc::{self, Plan};
use crate::chunk::{ALIGN, Chunk, HEADER, MAX_SIZE, POOL, round};
use crate::pool::{self, Arena, Kind};
use core::ptr::NonNull;

/// A cache's own record; the [`Arena`] comes last, where every pool has it.
#[repr(C, align(16))]
pub struct Cache {
    /// Usable bytes of an object.
    objsize: u32,
    slots: u32,
    first: *mut u8,
    bitmap: *mut u64,
    unused: *mut u8,
    arena: Arena,
}

const _: () = assert!(size_of::<Cache>().is_multiple_of(ALIGN));
const _: () =
    assert!(core::mem::offset_of!(Cache, arena) + size_of::<Arena>() == size_of::<Cache>());

const BITS: usize = 64;

/// How many words the level above `bits` bits has.
const fn words(bits: usize) -> usize {
    bits.div_ceil(BITS)
}

/// How many words all levels for `slots` slots have.
fn bitmap_words(slots: usize) -> usize {
    let (mut level, mut sum) = (words(slots), 0);
    loop {
        sum += level;
        if level <= 1 {
            return sum;
        }
        level = words(level);
    }
}

const fn slot_size(objsize: usize) -> usize {
    round(HEADER + objsize)
}

/// Is this chunk a static pool cache?
pub fn is_cache(c: Chunk) -> bool {
    c.has(POOL) && pool::is_kind(c, Kind::Cache)
}

fn fields(c: Chunk) -> *mut Cache {
    c.start().wrapping_sub(size_of::<Cache>()).cast()
}

macro_rules! cache {
    ($chunk:expr) => {
        // SAFETY: the record lies before a cache's header as long as the block
        // is there, and is used for one read or write of one field.
        unsafe { &mut *fields($chunk) }
    };
}

/// `talloc_pool_cache`: a chunk of size 0 with room for `size / objsize`
/// objects, rounded up.
pub fn pool_cache(ctx: Option<Chunk>, size: usize, objsize: usize) -> Option<Chunk> {
    if size == 0 || objsize == 0 || objsize > size || objsize >= MAX_SIZE {
        return None;
    }
    let slots = size.div_ceil(objsize);
    let room = slots.checked_mul(slot_size(objsize))?;
    if room >= MAX_SIZE {
        return None;
    }
    let behind = room + bitmap_words(slots) * size_of::<u64>();
    if behind >= MAX_SIZE {
        return None;
    }
    let c = alloc::planned(
        ctx,
        Plan {
            size: 0,
            front: size_of::<Cache>(),
            behind,
            flags: POOL,
        },
    )?;
    let first = c.start().wrapping_add(HEADER);
    let bitmap: *mut u64 = first.wrapping_add(room).cast();
    // SAFETY: the plan left room for the record in front of the header.
    unsafe {
        fields(c).write(Cache {
            objsize: objsize as u32,
            slots: slots as u32,
            first,
            bitmap,
            unused: core::ptr::null_mut(),
            arena: Arena::new(Kind::Cache, first, behind),
        });
    }
    let (mut level, mut bits) = (bitmap, slots);
    loop {
        let n = words(bits);
        for i in 0..n {
            let left = bits - i * BITS;
            let word = if left >= BITS { !0 } else { (1 << left) - 1 };
            // SAFETY: word i of n of this level, within `behind`.
            unsafe { level.add(i).write(word) };
        }
        if n <= 1 {
            return Some(c);
        }
        level = level.wrapping_add(n);
        bits = n;
    }
}

/// `talloc_cache`: a new object as the newest child of its cache; `None` if
/// this is not a cache or all slots are taken.
pub fn object(c: Chunk) -> Option<Chunk> {
    if !is_cache(c) {
        return None;
    }
    let cache = cache!(c);
    let slot = take_slot(cache.bitmap, cache.slots as usize)?;
    let objsize = cache.objsize as usize;
    let place = cache.first.wrapping_add(slot * slot_size(objsize));
    let place = NonNull::new(place)?;
    // SAFETY: a slot that was free and has room for objsize bytes.
    Some(unsafe { alloc::in_slot(c, place, objsize, pool::join(c)) })
}

/// User bytes that a slot of this cache has room for.
pub fn room(c: Chunk) -> usize {
    slot_size(cache!(c).objsize as usize) - HEADER
}

/// The slot whose first byte is `place` is free again.
pub fn free_slot(c: Chunk, place: *mut u8) {
    let cache = cache!(c);
    let slot = (place.addr() - cache.first.addr()) / slot_size(cache.objsize as usize);
    let (mut level, mut bits, mut bit) = (cache.bitmap, cache.slots as usize, slot);
    loop {
        let word = level.wrapping_add(bit / BITS);
        // SAFETY: `bit` is below `bits`, the number of bits of this level.
        let before = unsafe { word.read() };
        // SAFETY: as above.
        unsafe { word.write(before | 1 << (bit % BITS)) };
        bits = words(bits);
        if before != 0 || bits <= 1 {
            return; // the levels above know already, or there are none
        }
        level = level.wrapping_add(bits);
        bit /= BITS;
    }
}

/// Takes the first free slot.
fn take_slot(bitmap: *mut u64, slots: usize) -> Option<usize> {
    // Where each level begins, lowest first; four are enough for MAX_SIZE.
    let mut levels = [bitmap; 5];
    let (mut bits, mut top) = (words(slots), 0);
    while bits > 1 {
        let next = levels.get(top)?.wrapping_add(bits);
        top += 1;
        *levels.get_mut(top)? = next;
        bits = words(bits);
    }
    let levels = levels.get(..=top)?;
    let mut slot = 0;
    for level in levels.iter().rev() {
        // SAFETY: `slot` is a word of this level: the level above has its bit.
        let word = unsafe { level.add(slot).read() };
        if word == 0 {
            return None; // only at the top: the cache is full
        }
        slot = slot * BITS + word.trailing_zeros() as usize;
    }
    let mut bit = slot;
    for level in levels {
        let word = level.wrapping_add(bit / BITS);
        // SAFETY: the words just read.
        let left = unsafe { word.read() } & !(1 << (bit % BITS));
        // SAFETY: as above.
        unsafe { word.write(left) };
        if left != 0 {
            break;
        }
        bit /= BITS;
    }
    Some(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes and frees slots of a bare bitmap beside a plain set.
    #[test]
    fn bitmap_hands_out_the_first_free_slot() {
        for slots in [1, 2, 63, 64, 65, 4095, 4096, 4097, 300_000] {
            let mut map = vec![0_u64; bitmap_words(slots)];
            let (mut at, mut bits) = (0, slots);
            loop {
                let n = words(bits);
                for i in 0..n {
                    let left = bits - i * BITS;
                    map[at + i] = if left >= BITS { !0 } else { (1 << left) - 1 };
                }
                if n <= 1 {
                    break;
                }
                at += n;
                bits = n;
            }
            for want in 0..slots {
                assert_eq!(take_slot(map.as_mut_ptr(), slots), Some(want));
            }
            assert_eq!(take_slot(map.as_mut_ptr(), slots), None);
        }
    }
}
