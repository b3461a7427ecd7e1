//! The secret of this process, and the tags made with it.
//!
//! A tag is 20 bits of *mark* and 12 bits of flags.  The mark depends on where the
//! header lies, on its flags, and on the secret: a header that was copied
//! elsewhere, or got another flag from somebody else, is not valid.
//!
//! ```text
//!   tag  = mark(place) ^ mix(flags) | flags
//!   mark = upper bits of place x factor, odd       mix = upper bits of flags x factor
//! ```

use core::cell::UnsafeCell;

/// The bits of a tag that are its mark. They are in its first bytes, so that an
/// overrun of one byte is seen; the lowest is always 1, so that one of zeros is
/// seen always.
pub const MARK_BITS: u32 = 0x000F_FFFF;

/// The flag of what is freed, which has a tag of its own.
pub const FREE: u32 = 1 << 20;

/// The flag of what lies in a pool: the other one that most chunks have.
pub const MEMBER: u32 = 1 << 21;

const FREE_MEMBER: u32 = FREE | MEMBER;

const MIX_SHIFT: u32 = u64::BITS - MARK_BITS.count_ones();

/// What the factor is before the first chunk: then no tag is anybody's.
const NOT_YET: u64 = 0x9E37_79B9_7F4A_7C15;

struct Keys {
    factor: u64,
    /// What the common flags add to a tag.
    free: u32,
    member: u32,
    free_member: u32,
    /// For `talloc_test_get_magic`.
    public: u32,
}

struct Place(UnsafeCell<Keys>);

// SAFETY: written once, by `make`, before there is a second thread.
unsafe impl Sync for Place {}

static KEYS: Place = Place(UnsafeCell::new(Keys {
    factor: NOT_YET,
    free: FREE,
    member: MEMBER,
    free_member: FREE_MEMBER,
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

/// The tag of a header at `place` without flags.
#[inline(always)]
pub fn mark(place: usize) -> u32 {
    upper_bits(place as u64) | 1
}

/// What these flags add to a tag.
#[inline(always)]
pub fn flags(flags: u32) -> u32 {
    match flags {
        0 => 0,
        FREE => key!(free),
        MEMBER => key!(member),
        FREE_MEMBER => key!(free_member),
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
    let seed = random() | 1;
    let factor = if seed == NOT_YET { !seed | 1 } else { seed };
    let add = |flag: u32| flag | ((flag as u64).wrapping_mul(factor) >> MIX_SHIFT) as u32 & !1;
    // One way from the factor, and no upper bits of a product with it.
    let public = (seed ^ seed >> 29).wrapping_mul(NOT_YET) >> 32;
    let keys = Keys {
        factor,
        free: add(FREE),
        member: add(MEMBER),
        free_member: add(FREE_MEMBER),
        public: public as u32 | 1,
    };
    // SAFETY: see `Place`.
    unsafe { KEYS.0.get().write(keys) };
}

fn random() -> u64 {
    let mut word: u64 = 0;
    // SAFETY: 8 bytes are asked for, and there is room for them. The kernel's
    // 16 random bytes stay where they are for the life of the process.
    unsafe {
        if libc::getrandom((&raw mut word).cast(), 8, libc::GRND_NONBLOCK) != 8 {
            let seed = libc::getauxval(libc::AT_RANDOM) as *const u64;
            word = if seed.is_null() {
                0x7A11_0C00_5EED
            } else {
                // The C library takes its own secrets from them as they are.
                seed.read_unaligned().wrapping_mul(NOT_YET).rotate_left(31)
            };
        }
    }
    word
}
