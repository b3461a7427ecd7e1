//! The secret of this process, and what is marked and sealed with it.
//!
//! A *tag* is 20 bits of mark and 12 bits of flags.  The mark depends on where the
//! header lies, on its flags, and on the secret: a header that was copied elsewhere, or
//! got another flag from somebody else, is not valid.
//!
//! ```text
//!   tag  = mark(place) ^ mix(flags) | flags
//!   mark = upper bits of place x factor, odd       mix = upper bits of flags x factor
//! ```
//!
//! A *sealed* word is an address that only we can have put where it is: its upper 16
//! bits, which no address has, depend on the rest, on the place of the word, and on
//! the secret.  A *sum* is the same for a record of a few words, and a *blank* for a
//! size.

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr::without_provenance_mut;

/// The bits of a tag that are its mark. They are in its first bytes, so that an
/// overrun of one byte is seen; the lowest is always 1, so that one of zeros is
/// seen always.
pub const MARK_BITS: u32 = 0x000F_FFFF;

/// The flag of what is freed, which has a tag of its own.
pub const FREE: u32 = 1 << 20;

/// The flag of what lies in a pool: the other one that most chunks have.
pub const MEMBER: u32 = 1 << 21;

const FREE_MEMBER: u32 = FREE | MEMBER;

/// The flag of a pool.
pub const POOL: u32 = 1 << 23;

const POOL_MEMBER: u32 = POOL | MEMBER;

/// The flag of what grew.
pub const ROOMY: u32 = 1 << 31;

const MIX_SHIFT: u32 = u64::BITS - MARK_BITS.count_ones();

/// What the factor is before the first chunk: then no tag is anybody's.
const NOT_YET: u64 = 0x9E37_79B9_7F4A_7C15;

struct Keys {
    factor: u64,
    /// For sealed words and sums.
    second: u64,
    third: u64,
    /// For blanks.
    fourth: u64,
    /// What the common flags add to a tag.
    free: u32,
    member: u32,
    free_member: u32,
    pool: u32,
    pool_member: u32,
    roomy: u32,
    /// For `talloc_test_get_magic`.
    public: u32,
}

struct Place(UnsafeCell<Keys>);

// SAFETY: written once, by `make`, before there is a second thread.
unsafe impl Sync for Place {}

static KEYS: Place = Place(UnsafeCell::new(Keys {
    factor: NOT_YET,
    second: NOT_YET,
    third: NOT_YET,
    fourth: NOT_YET,
    free: FREE,
    member: MEMBER,
    free_member: FREE_MEMBER,
    pool: POOL,
    pool_member: POOL_MEMBER,
    roomy: ROOMY,
    public: 0,
}));

macro_rules! key {
    ($field:ident) => {
        // SAFETY: see `Place`.
        unsafe { (*KEYS.0.get()).$field }
    };
}

#[inline(always)]
fn upper_bits(word: u64) -> u32 {
    (word.wrapping_mul(key!(factor)) >> MIX_SHIFT) as u32
}

/// The tag of a header without flags, at a certain place.
pub type Mark = u32;

/// That for `place`.
#[inline(always)]
pub fn mark(place: usize) -> Mark {
    upper_bits(place as u64) | 1
}

/// The same, if `tag` is that of what has been freed there, and nothing else.
#[inline(always)]
pub fn mark_of_dead(place: usize, tag: u32) -> Option<Mark> {
    let mark = mark(place);
    (tag == mark ^ flags(FREE)).then_some(mark)
}

/// What these flags add to a tag.
#[inline(always)]
pub fn flags(flags: u32) -> u32 {
    match flags {
        0 => 0,
        FREE => key!(free),
        MEMBER => key!(member),
        FREE_MEMBER => key!(free_member),
        POOL => key!(pool),
        POOL_MEMBER => key!(pool_member),
        ROOMY => key!(roomy),
        _ => any_flags(flags),
    }
}

/// The same for flags that the compiler does not know.
#[inline]
pub fn any_flags(flags: u32) -> u32 {
    flags | upper_bits(flags.into()) & !1
}

/// The flags of a tag, of which `added` is the difference to the mark of its
/// place, if it is one of ours.
#[inline(always)]
pub fn check(added: u32) -> Option<u32> {
    let flags = added & !MARK_BITS;
    (added == 0 || added == any_flags(flags)).then_some(flags)
}

// ---- sealed words and sums ----------------------------------------------------

/// How many bits an address has here.
const ADDRESS_BITS: u32 = 48;

/// A word that holds an address, sealed in the place where it lies.
#[repr(transparent)]
pub struct Sealed(pub u64);

impl Sealed {
    /// A word in which nothing has been put, for those that are NULL most of the time.
    pub const EMPTY: Sealed = Sealed(0);

    #[inline(always)]
    fn place(&self) -> usize {
        (&raw const *self).addr()
    }

    /// What was put here; `None` if somebody else wrote here.
    #[inline(always)]
    pub fn get(&self) -> Option<*mut c_void> {
        self.get_as(self.place())
    }

    /// The same for a word that [`Sealed::put_as`] wrote for that place.
    #[inline(always)]
    pub fn get_as(&self, place: usize) -> Option<*mut c_void> {
        let address = self.0 & ((1 << ADDRESS_BITS) - 1);
        (seal(place, address) == self.0).then(|| without_provenance_mut(address as usize))
    }

    /// Puts an address here.
    #[inline(always)]
    pub fn put(&mut self, address: *mut c_void) {
        self.put_as(self.place(), address);
    }

    /// The same as if the word lay at that place.
    #[inline(always)]
    pub fn put_as(&mut self, place: usize, address: *mut c_void) {
        self.0 = seal(place, address.addr() as u64);
    }
}

#[inline(always)]
fn seal(place: usize, address: u64) -> u64 {
    debug_assert!(address >> ADDRESS_BITS == 0);
    let mixed = address
        .wrapping_add((place as u64) << 20)
        .wrapping_mul(key!(second));
    address | mixed >> ADDRESS_BITS << ADDRESS_BITS
}

/// A word that says that a chunk at `place` has that size.
#[inline(always)]
pub fn blank(place: usize, size: usize) -> u64 {
    (place as u64)
        .wrapping_add((size as u64) << 36)
        .wrapping_mul(key!(fourth))
}

/// A sum for a record at `place`, to which the words of the record are added: whoever
/// changes one of them without the sum is seen.
#[inline(always)]
pub fn sum(place: usize) -> u64 {
    (place as u64).wrapping_mul(key!(third))
}

// ---- the secret -----------------------------------------------------------------

/// Sees to it that there is a secret. `tools.c` calls it when the library is loaded;
/// if a constructor of the program comes before that, the first chunk does.
#[inline]
pub fn ready() {
    if key!(factor) == NOT_YET {
        make();
    }
}

#[unsafe(no_mangle)]
extern "C" fn talloc_impl_loaded() {
    ready();
}

/// A number that differs from process to process.
pub fn public() -> u32 {
    ready();
    key!(public)
}

#[cold]
#[inline(never)]
fn make() {
    let [first, second, third, fourth] = random();
    let factor = if first == NOT_YET { !first } else { first } | 1;
    let add = |flag: u32| flag | ((flag as u64).wrapping_mul(factor) >> MIX_SHIFT) as u32 & !1;
    let keys = Keys {
        factor,
        second: second | 1,
        third: third | 1,
        fourth: fourth | 1,
        free: add(FREE),
        member: add(MEMBER),
        free_member: add(FREE_MEMBER),
        pool: add(POOL),
        pool_member: add(POOL_MEMBER),
        roomy: add(ROOMY),
        // One way from the secret.
        public: ((first ^ second >> 7 ^ third >> 29).wrapping_mul(NOT_YET) >> 32) as u32 | 1,
    };
    // SAFETY: see `Place`.
    unsafe { KEYS.0.get().write(keys) };
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
            let own = (&raw const KEYS).addr() as u64;
            let mut state = a ^ own.rotate_left(32);
            for word in &mut words {
                state = (state ^ b).wrapping_mul(NOT_YET).rotate_left(29);
                *word = state;
            }
        }
    }
    words
}
