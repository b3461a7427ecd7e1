//! What a platform gives; the layout of headers, the classes of blocks and the check bits
//! are derived from it.
//!
//! The form of thread-local storage is in `tools.c`, since only the C compiler knows it.
//! No byte order is assumed anywhere: heads and seals are numbers.  An overrun comes to
//! the first byte of a head first.  Where that is the low one, each change of it reaches
//! all check bits; where it is the high one, it is a check bit itself.

/// Bytes of a pointer.
pub const WORD: usize = size_of::<usize>();

/// What headers and the sizes of pool members are multiples of, on every platform: so a
/// resize stays in its place in a pool where it does in the original's.  malloc may align its
/// blocks to less, to 8 on 32-bit ARM, and then so is what lies in them.
pub const ALIGN: usize = 16;

/// What mappings are multiples of in every configuration of the kernel.
pub const PAGE: usize = if cfg!(any(
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "loongarch64",
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "powerpc",
    target_arch = "powerpc64"
)) {
    64 * 1024
} else {
    4096
};

/// The bits that may be set in an address of user space.
pub const ADDRESS: u64 = if WORD == 4 {
    0xFFFF_FFFF
} else if cfg!(target_arch = "x86_64") {
    (1 << 47) - 1 // Linux gives longer ones only to who asks for them
} else if cfg!(target_arch = "aarch64") {
    // Linux gives longer ones only to who asks for them. Four bits above are the tag of memory
    // that is checked for tags (MTE).
    ((1 << 48) - 1) | (0xF << 56)
} else {
    (1 << 56) - 1
};

/// Asks for the processor's cache to have that.
#[inline(always)]
pub fn ask_for(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: asking for memory does nothing else, wherever it is.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
