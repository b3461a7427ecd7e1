//! The header in front of every allocation.
//!
//! ```text
//!   +0  tag     magic (lower 20 bits) and flags (upper 12)
//!   +4  size    user bytes
//!   +8  links   parent, next, prev, child        (tree.rs only)
//!  +40  name    text, or after the free: where it was freed
//!  +48  hook    destructor | newest handle | next one up in a free walk
//!  +56  home    memory-limit account | arena the block lies in
//!  +64  user memory
//! ```
//!
//! No other file knows these offsets.  A [`Chunk`] stands for a header that is
//! live, or dead but not yet given back (`FREE` under `HELD`).  Two rules make
//! its accessors sound: a `Chunk` is made only by [`Chunk::checked`], which
//! looks at the magic, by [`Chunk::emplace`], which writes a header, or read
//! back from a header; and memory goes only through `alloc::release`, after
//! which nobody keeps the `Chunk`.  Whoever calls out to a user's function
//! must therefore hold what it means to use afterwards (see `hold`), or
//! read it anew.

use crate::fault::{self, MAGIC_BITS};
use crate::tree::Links;
use core::ffi::{c_char, c_void};
use core::ptr::{NonNull, null, null_mut};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What one bit of the tag says about its chunk.
pub type Flag = u32;

/// Freed; `name` says where.
pub const FREE: Flag = 1 << 20;
/// Past its destructor, children being freed: out of sight for everybody else.
pub const DYING: Flag = 1 << 21;
/// Dying, and was not the newest child: has no parent any more for callers.
pub const ORPHAN: Flag = 1 << 22;
/// An `Arena` lies right before this header.
pub const POOL: Flag = 1 << 23;
/// The block is part of a pool or cache; `home` leads to its `Arena`.
pub const MEMBER: Flag = 1 << 24;
/// Its destructor is running.
pub const RUNNING: Flag = 1 << 25;
/// A reference: the user memory is a `reference::Handle`.
pub const HANDLE: Flag = 1 << 26;
/// Has references; `hook` is the newest handle, which keeps the destructor.
pub const REFERENCED: Flag = 1 << 27;
/// `home` leads to a memory-limit account of its own, an [`Instead`].
pub const OWNER: Flag = 1 << 28;
/// A function of ours will come back to this header after a call out.
pub const HELD: Flag = 1 << 29;
/// The null context or the autofree context: `root` has a pointer to it.
pub const SPECIAL: Flag = 1 << 30;
/// Its block is larger than its size says: it shrank in place.
pub const SHRUNK: Flag = 1 << 31;

const _: () = assert!((FREE | SHRUNK) & MAGIC_BITS == 0);

/// Allocations of this size and more are refused.
pub const MAX_SIZE: usize = 0x1000_0000;

/// User memory, pool members and headers are multiples of this.
pub const ALIGN: usize = 16;

/// `n` rounded up to [`ALIGN`]; `n` is never near `usize::MAX` here.
pub const fn round(n: usize) -> usize {
    (n + (ALIGN - 1)) & !(ALIGN - 1)
}

/// A destructor as C sees it.
pub type Destructor = unsafe extern "C" fn(*mut c_void) -> core::ffi::c_int;

#[repr(C, align(16))]
struct Header {
    // Atomic because a neighbour among the children of the null context may be
    // looked at by another thread.
    tag: AtomicU32,
    size: u32,
    links: Links,
    name: *const c_char,
    hook: *mut c_void,
    home: *mut c_void,
}

/// Bytes in front of the user's memory.
pub const HEADER: usize = size_of::<Header>();

#[cfg(target_pointer_width = "64")]
const _: () = assert!(HEADER == 64);
const _: () = assert!(HEADER.is_multiple_of(ALIGN));
const _: () = assert!(core::mem::offset_of!(Header, tag) == 0);

/// What begins the record to which the `home` of an `OWNER` leads: the `home` it
/// would have otherwise.
#[repr(C)]
pub struct Instead {
    /// The arena of a `MEMBER`, else NULL.
    pub home: *mut c_void,
}

/// A header, never to be confused with the user's pointer behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Chunk(NonNull<Header>);

// SAFETY: a Chunk is an address. What may be done with it from which thread is
// the caller's affair, as for any talloc pointer; shared lists are behind the
// lock of global.rs.
unsafe impl Send for Chunk {}

/// The user's pointer of an optional chunk, NULL for none.
pub fn user_of(chunk: Option<Chunk>) -> *mut c_void {
    chunk.map_or(null_mut(), Chunk::user)
}

impl Chunk {
    /// The chunk of a user's pointer, or, when there is no live one there, the
    /// contract's fault (which may return) and then `None`.
    ///
    /// # Safety
    /// `ptr` is NULL or readable for [`HEADER`] bytes before it.
    #[inline]
    pub unsafe fn checked(ptr: *const c_void) -> Option<Chunk> {
        let header = ptr.cast::<u8>().wrapping_sub(HEADER).cast::<Header>();
        let tag = if ptr.is_null() {
            FREE // never a live tag
        } else {
            // SAFETY: readable, says the caller; alignment is not promised by
            // foreign pointers.
            unsafe { header.cast::<u32>().read_unaligned() }
        };
        if tag & (MAGIC_BITS | FREE) == fault::magic_or_none() {
            return NonNull::new(header.cast_mut()).map(Chunk);
        }
        // SAFETY: as above.
        unsafe { Self::bad(header, tag) };
        None
    }

    /// # Safety
    /// `header` is readable if the tag was read from it.
    #[cold]
    #[inline(never)]
    unsafe fn bad(header: *const Header, tag: u32) {
        if tag & MAGIC_BITS == fault::magic_or_none() && tag & FREE != 0 {
            // SAFETY: the magic says that this was a chunk of ours, in memory
            // that is still mapped (a pool, or a block malloc left as it was).
            let at = unsafe { (&raw const (*header).name).read_unaligned() };
            fault::after_free(at);
        } else {
            fault::report(c"Bad talloc magic value - unknown value");
        }
    }

    /// Writes a header for `size` user bytes at `place`.
    ///
    /// # Safety
    /// `place` is aligned and writable for [`HEADER`] bytes, and nobody else's.
    #[inline]
    pub unsafe fn emplace(
        place: NonNull<u8>,
        size: usize,
        flags: Flag,
        home: *mut c_void,
    ) -> Chunk {
        let header = place.cast::<Header>();
        // SAFETY: the caller's promise.
        unsafe {
            header.write(Header {
                tag: AtomicU32::new(fault::magic() | flags),
                size: size as u32,
                links: Links::NONE,
                name: null(),
                hook: null_mut(),
                home,
            });
        }
        Chunk(header)
    }

    /// The chunk whose block was moved to `place`, header included.
    ///
    /// # Safety
    /// A live header was copied there, and the old one is not used any more.
    pub unsafe fn moved_to(place: NonNull<u8>) -> Chunk {
        Chunk(place.cast())
    }

    /// The chunk right behind an `Arena` (or any other place in front of it).
    ///
    /// # Safety
    /// A header is there.
    pub unsafe fn at(place: *mut u8) -> Chunk {
        // SAFETY: a header is there, so the address is not NULL.
        Chunk(unsafe { NonNull::new_unchecked(place.cast()) })
    }

    /// Does the header still carry the magic of a live chunk?
    #[inline]
    pub fn is_live(self) -> bool {
        self.tag().load(Relaxed) & (MAGIC_BITS | FREE) == fault::magic_or_none()
    }

    /// Is it a live chunk with these flags and no others? Most have none, pool
    /// members one.
    #[inline]
    pub fn is_just(self, flags: Flag) -> bool {
        self.tag().load(Relaxed) == fault::magic_or_none() | flags
    }

    /// Writes a header, all of it. There has been a chunk before.
    ///
    /// # Safety
    /// As for [`Chunk::emplace`].
    #[inline]
    pub unsafe fn emplace_quickly(
        place: NonNull<u8>,
        size: usize,
        name: *const c_char,
        flags: Flag,
        home: *mut c_void,
        links: Links,
    ) -> Chunk {
        let header = place.cast::<Header>();
        // SAFETY: the caller's promise.
        unsafe {
            header.write(Header {
                tag: AtomicU32::new(fault::magic_or_none() | flags),
                size: size as u32,
                links,
                name,
                hook: null_mut(),
                home,
            });
        }
        Chunk(header)
    }

    /// Reports that it does not.
    #[cold]
    pub fn fault(self) {
        // SAFETY: a chunk that another one links to was one once.
        unsafe { Self::bad(self.header(), self.tag().load(Relaxed)) };
    }

    /// The first byte of the header.
    pub fn start(self) -> *mut u8 {
        self.0.as_ptr().cast()
    }

    /// The user's memory.
    #[inline]
    pub fn user(self) -> *mut c_void {
        self.start().wrapping_add(HEADER).cast()
    }

    #[inline]
    fn header(self) -> *mut Header {
        self.0.as_ptr()
    }

    #[inline]
    fn tag(self) -> &'static AtomicU32 {
        // SAFETY: a Chunk's header is there (module docs); the reference does
        // not outlive the expression it is used in.
        unsafe { &(*self.header()).tag }
    }

    /// Is any of these flags set?
    #[inline]
    pub fn has(self, flags: Flag) -> bool {
        self.tag().load(Relaxed) & flags != 0
    }

    /// Will a free that is under way come back to it, so that it cannot move?
    pub fn is_pinned(self) -> bool {
        self.has(DYING | RUNNING)
    }

    /// Sets flags. Only the thread that owns the chunk writes its tag.
    #[inline]
    pub fn set(self, flags: Flag) {
        self.tag().store(self.tag().load(Relaxed) | flags, Relaxed);
    }

    /// Clears flags.
    #[inline]
    pub fn clear(self, flags: Flag) {
        self.tag().store(self.tag().load(Relaxed) & !flags, Relaxed);
    }

    /// User bytes.
    #[inline]
    pub fn size(self) -> usize {
        // SAFETY: a Chunk's header is there (module docs).
        unsafe { (*self.header()).size as usize }
    }

    /// Sets the number of user bytes; below [`MAX_SIZE`].
    #[inline]
    pub fn set_size(self, size: usize) {
        // SAFETY: a Chunk's header is there (module docs).
        unsafe { (*self.header()).size = size as u32 };
    }

    /// The name pointer as stored; NULL for none.
    #[inline]
    pub fn name(self) -> *const c_char {
        // SAFETY: a Chunk's header is there (module docs).
        unsafe { (*self.header()).name }
    }

    /// Stores a name pointer. The text is not copied.
    #[inline]
    pub fn set_name(self, name: *const c_char) {
        // SAFETY: a Chunk's header is there (module docs).
        unsafe { (*self.header()).name = name };
    }

    /// The word that `reference` and `free` share.
    #[inline]
    pub fn hook(self) -> *mut c_void {
        // SAFETY: a Chunk's header is there (module docs).
        unsafe { (*self.header()).hook }
    }

    /// Writes the word that `reference` and `free` share.
    #[inline]
    pub fn set_hook(self, hook: *mut c_void) {
        // SAFETY: a Chunk's header is there (module docs).
        unsafe { (*self.header()).hook = hook };
    }

    /// The word that `arena` and `memlimit` share.
    #[inline]
    pub fn home(self) -> *mut c_void {
        // SAFETY: a Chunk's header is there (module docs).
        unsafe { (*self.header()).home }
    }

    /// The arena that a `MEMBER` lies in.
    #[inline]
    pub fn arena(self) -> *mut c_void {
        let home = self.home();
        if self.has(OWNER) {
            // SAFETY: such a record is there as long as the flag is.
            unsafe { (*home.cast::<Instead>()).home }
        } else {
            home
        }
    }

    /// Writes the word that `arena` and `memlimit` share.
    #[inline]
    pub fn set_home(self, home: *mut c_void) {
        // SAFETY: a Chunk's header is there (module docs).
        unsafe { (*self.header()).home = home };
    }

    /// The links, for `tree`.
    #[inline]
    pub fn links(self) -> *mut Links {
        // SAFETY: a Chunk's header is there (module docs).
        unsafe { &raw mut (*self.header()).links }
    }
}
