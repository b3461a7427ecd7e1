//! A bitmap of free slots, as a tree.
//!
//! A bit of the lowest level says that a slot is free, a bit of a level above
//! that the word below has a free slot.  So the first free slot is found in as
//! many steps as there are levels, however few are free.

const BITS: usize = 64;

/// How many words the level above `bits` bits has.
const fn words(bits: usize) -> usize {
    bits.div_ceil(BITS)
}

/// How many words all levels for `slots` slots have.
pub fn length(slots: usize) -> usize {
    let (mut level, mut sum) = (words(slots), 0);
    loop {
        sum += level;
        if level <= 1 {
            return sum;
        }
        level = words(level);
    }
}

/// How many words the level `level` has, from the lowest on.
fn words_of(slots: usize, level: usize) -> usize {
    (0..=level).fold(slots, |bits, _| words(bits))
}

/// Writes the bitmap of `slots` free slots.
///
/// # Safety
/// `bitmap` has room for [`length`] words.
pub unsafe fn fill(bitmap: *mut u64, slots: usize) {
    let (mut level, mut bits) = (bitmap, slots);
    loop {
        let n = words(bits);
        for i in 0..n {
            let left = bits - i * BITS;
            let word = if left >= BITS { !0 } else { (1 << left) - 1 };
            // SAFETY: word i of n of this level.
            unsafe { level.add(i).write(word) };
        }
        if n <= 1 {
            return;
        }
        level = level.wrapping_add(n);
        bits = n;
    }
}

/// Gives a slot back.
///
/// # Safety
/// `bitmap` was filled for `slots` slots, and `slot` is one of them.
pub unsafe fn give(bitmap: *mut u64, slots: usize, slot: usize) {
    let (mut level, mut bits, mut bit) = (bitmap, slots, slot);
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

/// Takes the first free slot; `None` when none is free.
///
/// # Safety
/// `bitmap` was filled for `slots` slots.
pub unsafe fn take(bitmap: *mut u64, slots: usize) -> Option<usize> {
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
    for (above, level) in levels.iter().enumerate().rev() {
        if slot >= words_of(slots, above) {
            return Some(usize::MAX);
        }
        // SAFETY: `slot` is a word of this level: the level above has its bit.
        let word = unsafe { level.add(slot).read() };
        if word == 0 {
            return None; // only at the top: the cache is full
        }
        slot = slot * BITS + word.trailing_zeros() as usize;
    }
    if slot >= slots {
        return Some(usize::MAX);
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

    /// Beside a plain list of flags, in an order that leaves holes everywhere.
    #[test]
    fn hands_out_the_first_free_slot() {
        for slots in [1, 2, 63, 64, 65, 4095, 4096, 4097, 300_000] {
            let mut words = vec![0; length(slots)];
            let map = words.as_mut_ptr();
            // SAFETY: the length that `length` asks for, and slots below `slots`.
            unsafe {
                fill(map, slots);
                for want in 0..slots {
                    assert_eq!(take(map, slots), Some(want));
                }
                assert_eq!(take(map, slots), None);
                let mut given: Vec<usize> = (0..slots).step_by(7).chain([slots - 1]).collect();
                for &slot in given.iter().rev() {
                    give(map, slots, slot);
                }
                given.dedup();
                for want in given {
                    assert_eq!(take(map, slots), Some(want));
                }
                assert_eq!(take(map, slots), None);
            }
        }
    }
}
