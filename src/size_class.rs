//! Size classes: which blocks may stand for each other.
//!
//! Small ones are sixteen bytes apart, as malloc's are; large ones go in sixteen steps to each
//! power of two.  The records of pools have a class of their own.

use crate::header::{HEADER, Payload, ROOMY, size_of_payload};
use crate::platform::WORD;
use crate::records::Record;

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
pub const RECORDS: usize = SMALL;
/// The classes from here on are those of large blocks.
pub const FIRST_LARGE: usize = RECORDS + 1;
pub const CLASSES: usize = FIRST_LARGE + LARGE;

/// The class of a chunk of so many user bytes, at most [`SMALL_MAX`].
#[inline(always)]
pub const fn small_class(size: usize) -> usize {
    (size + (WORD - 1)) >> 4
}

/// What a block of that class is asked for with.
pub const fn small_bytes(class: usize) -> usize {
    HEADER + 16 * class + REST
}

/// The class of a block of so many bytes, beyond `CLASSES` for none; and what it is asked
/// for with.
#[inline]
pub const fn large_class(bytes: usize) -> (usize, usize) {
    let last = bytes - 1;
    let power = usize::BITS - 1 - last.leading_zeros();
    let shift = power - STEPS.trailing_zeros();
    let class = FIRST_LARGE + (power - FIRST_POWER) as usize * STEPS + (last >> shift) - STEPS;
    (class, ((last >> shift) + 1) << shift)
}

const _: () = assert!(large_class(HEADER + SMALL_MAX + 1).0 >= FIRST_LARGE);
const _: () = assert!(large_class(8 << 20).0 == CLASSES - 1);

/// What a block of a class takes, without what malloc adds to it.
pub const fn cost(class: usize) -> usize {
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
pub const fn class_of(bytes: usize) -> (usize, usize) {
    if bytes <= HEADER + SMALL_MAX {
        let class = small_class(bytes - HEADER);
        (class, small_bytes(class))
    } else {
        large_class(bytes)
    }
}

/// Class and bytes of the block of a chunk that is `t`, without `EXACT`, and no member: with up to
/// a quarter more room if it is `ROOMY`.
#[inline(always)]
pub const fn block_of(t: Payload) -> (usize, usize) {
    let bytes = HEADER + size_of_payload(t);
    if t & ROOMY == 0 {
        class_of(bytes)
    } else {
        class_of(coarse(bytes))
    }
}

/// So many bytes, or up to a quarter more.
const fn coarse(bytes: usize) -> usize {
    // The step is a power of two, so there is no division, which could leave a panic here.
    let step = bytes.next_power_of_two() / 8;
    (bytes + step - 1) & !(step - 1)
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
            let (roomy, room) = block_of(ROOMY | size as Payload);
            assert!(
                roomy >= class && room >= whole && 2 * room <= 3 * bytes,
                "{bytes}"
            );
        }
    }
}
