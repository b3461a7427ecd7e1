//! The secret of the process, and what is enciphered with it: the head word of every
//! chunk, and the words that seal a destructor or the way back of a free walk.
//!
//! ```text
//!   head = ((place + 1) * K1  +  payload) * K2        64 bits, K2 odd
//! ```
//!
//! `payload` is 41 bits: the size and the flags.  So 23 bits of a decoded head must be
//! zero: a head that was copied elsewhere, changed or made up decodes to something
//! alive in one of 2^23 cases.  `place + 1` is odd, so for each K2 there is a K1 that
//! makes a given head right: whoever has read one head knows nothing about K2, and
//! needs K2 to change it.
//!
//! A seal is the same with a third key and an address for the payload.

use crate::platform::ADDRESS;
use core::cell::UnsafeCell;

/// The bits of a head that say something; the others are zero.
pub const PAYLOAD_BITS: u32 = 41;

/// Odd, and what the keys are before the first chunk.
const NOT_YET: u64 = 0x9E37_79B9_7F4A_7C15;

struct Keys {
    place: u64,
    /// What added takes the product with `place` away.
    place_back: u64,
    head: u64,
    /// The inverse of `head`.
    head_back: u64,
    seal: u64,
    seal_back: u64,
    /// For `talloc_test_get_magic`.
    public: u32,
}

/// Where `place`, `head_back`, `seal_back` and `public` are, for the note.
#[cfg(all(
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    ),
    not(test)
))]
pub const OFFSETS: [usize; 4] = [
    core::mem::offset_of!(Keys, place),
    core::mem::offset_of!(Keys, head_back),
    core::mem::offset_of!(Keys, seal_back),
    core::mem::offset_of!(Keys, public),
];

/// Its field is for this file alone; the note says where it is.
pub struct Secret(UnsafeCell<Keys>);

// SAFETY: written once, by `make`, before there is a second thread.
unsafe impl Sync for Secret {}

/// The secret.
pub static SECRET: Secret = Secret(UnsafeCell::new(Keys {
    place: NOT_YET,
    place_back: NOT_YET.wrapping_neg(),
    head: NOT_YET,
    head_back: inverse(NOT_YET),
    seal: NOT_YET,
    seal_back: inverse(NOT_YET),
    public: 0,
}));

macro_rules! key {
    ($field:ident) => {
        // SAFETY: see `Secret`.
        unsafe { (*SECRET.0.get()).$field }
    };
}

/// The number that undoes a product with `k`, which is odd.
const fn inverse(k: u64) -> u64 {
    let mut x = k; // right in three bits, and in twice as many after each step
    let mut i = 0;
    while i < 5 {
        x = x.wrapping_mul(2_u64.wrapping_sub(k.wrapping_mul(x)));
        i += 1;
    }
    x
}

#[inline(always)]
fn of_place(place: usize) -> u64 {
    (place as u64).wrapping_add(1).wrapping_mul(key!(place))
}

#[inline(always)]
fn of_place_back(place: usize) -> u64 {
    (place as u64)
        .wrapping_add(1)
        .wrapping_mul(key!(place_back))
}

/// The head of a chunk at `place` with this payload.
#[inline(always)]
pub fn encode(place: usize, payload: u64) -> u64 {
    of_place(place)
        .wrapping_add(payload)
        .wrapping_mul(key!(head))
}

/// The payload of a head at `place`; it has more than [`PAYLOAD_BITS`] if that is none.
#[inline(always)]
pub fn decode(place: usize, head: u64) -> u64 {
    head.wrapping_mul(key!(head_back))
        .wrapping_add(of_place_back(place))
}

/// What is added to a head when so much is added to its payload.
#[inline(always)]
pub fn step(by: u64) -> u64 {
    by.wrapping_mul(key!(head))
}

/// A word that holds an address for the chunk at `place`.
#[inline(always)]
pub fn seal(place: usize, address: usize) -> u64 {
    of_place(place)
        .wrapping_add(address as u64)
        .wrapping_mul(key!(seal))
}

/// That address; `None` if it is not what [`seal`] made for that place.
#[inline(always)]
pub fn unseal(place: usize, word: u64) -> Option<usize> {
    let address = word
        .wrapping_mul(key!(seal_back))
        .wrapping_add(of_place_back(place));
    (address & !ADDRESS == 0).then_some(address as usize)
}

// ---- the secret -----------------------------------------------------------------

unsafe extern "C" {
    fn talloc_impl_come();
}

/// Sees to it that the library has come: that there is a secret, and what else is to be known
/// before the first chunk.  That is so when it has been loaded; if a constructor of the
/// program comes before that, the first chunk does it.
#[inline]
pub fn ready() {
    if !is_ready() {
        // SAFETY: there is one thread, and no chunk.
        unsafe { talloc_impl_come() };
    }
}

/// Has it come?
#[inline(always)]
pub fn is_ready() -> bool {
    key!(public) != 0
}

/// `tools.c` calls it then.
#[unsafe(no_mangle)]
extern "C" fn talloc_impl_make_keys() {
    if !is_ready() {
        make();
    }
}

/// A number that differs from process to process.
pub fn public() -> u32 {
    ready();
    key!(public)
}

#[cold]
#[inline(never)]
fn make() {
    let [place, head, seal, public] = random();
    let (head, seal) = (head | 1, seal | 1);
    let keys = Keys {
        place,
        place_back: place.wrapping_neg(),
        head,
        head_back: inverse(head),
        seal,
        seal_back: inverse(seal),
        // Says nothing about the others.
        public: (public >> 32) as u32 | 1,
    };
    // SAFETY: see `Secret`.
    unsafe { SECRET.0.get().write(keys) };
}

fn random() -> [u64; 4] {
    let mut words = [0; 4];
    let bytes = size_of_val(&words);
    // SAFETY: so many bytes are asked for, and there is room for them. The kernel's
    // 16 random bytes stay where they are for the life of the process.
    unsafe {
        let got = libc::getrandom(words.as_mut_ptr().cast(), bytes, libc::GRND_NONBLOCK);
        if got != bytes as isize {
            let seed = libc::getauxval(libc::AT_RANDOM) as *const [u64; 2];
            let [a, b] = if seed.is_null() {
                [1, 2]
            } else {
                seed.read_unaligned()
            };
            // The C library takes its own secrets from them as they are, and another
            // copy of this library must not have the same.
            let own = (&raw const SECRET).addr() as u64;
            let mut state = a ^ own.rotate_left(32);
            for word in &mut words {
                state = (state ^ b).wrapping_mul(NOT_YET).rotate_left(29);
                *word = state;
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALIVE: u64 = 1 << PAYLOAD_BITS;

    #[test]
    fn a_head_says_what_was_put_there_and_only_there() {
        make();
        for i in 0..10_000_u64 {
            let place = 0x7F00_0000_0000 + 16 * i as usize;
            let payload = i.wrapping_mul(0x1_2345_6789) % ALIVE;
            let head = encode(place, payload);
            assert_eq!(decode(place, head), payload);
            assert!(decode(place + 16, head) >= ALIVE);
            assert!(decode(place, !head) >= ALIVE);
        }
    }

    #[test]
    fn a_seal_holds_an_address_for_its_place() {
        make();
        let place = 0x5555_0000_0040;
        let word = seal(place, 0x7FFF_1234_5678);
        assert_eq!(unseal(place, word), Some(0x7FFF_1234_5678));
        assert_ne!(unseal(place + 64, word), Some(0x7FFF_1234_5678));
    }

    #[test]
    fn a_word_that_was_not_sealed_passes_as_often_as_a_guess() {
        const TRIES: u64 = 1 << 22;
        make();
        let passed = (0..TRIES)
            .map(|i| NOT_YET.wrapping_mul(i))
            .filter(|&word| unseal(0x5555_0000_0040, word).is_some());
        let expected = TRIES >> ADDRESS.count_zeros();
        assert!((passed.count() as u64) < 2 * expected + 8);
    }

    /// A reader of one head who computes: for a given head every K2 is possible, so
    /// what he adds for another payload is right for one K2 in many.
    #[test]
    fn one_head_read_tells_nothing_about_the_key() {
        let mut alive = 0;
        for _ in 0..2000 {
            make();
            let place = 0x7F12_3456_7000;
            let read = encode(place, 48);
            for guess in 0..64_u64 {
                // The largest difference there is needs the fewest bits of the key.
                let key = guess.wrapping_mul(NOT_YET) | 1;
                let forged = read.wrapping_add((1_u64 << 39).wrapping_mul(key));
                alive += u32::from(decode(place, forged) < ALIVE && forged != read);
            }
        }
        // 128,000 tries at one in 2^23 or so.
        assert!(alive < 4, "{alive}");
    }
}
