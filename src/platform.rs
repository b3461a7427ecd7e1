//! What a platform gives; the layout of headers, the classes of blocks and the check bits
//! are derived from it.
//!
//! The form of thread-local storage is in `tools.c`, since only the C compiler knows it.
//! No byte order is assumed anywhere: heads and seals are numbers.  An overrun comes to
//! the first byte of a head first.  Where that is the low one, each change of it reaches
//! all check bits; where it is the high one, it is a check bit itself.

/// Bytes of a pointer.
pub const WORD: usize = size_of::<usize>();

/// What malloc aligns to, at least; no type needs more (`max_align_t`).
pub const ALIGN: usize = if WORD == 8 || cfg!(any(target_arch = "x86", target_arch = "powerpc")) {
    16
} else {
    8
};

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
    (1 << 48) - 1
} else if cfg!(target_arch = "aarch64") {
    // Four bits above them are the tag of memory that is checked for tags (MTE).
    ((1 << 52) - 1) | (0xF << 56)
} else {
    (1 << 56) - 1
};
