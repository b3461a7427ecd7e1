//! The header in front of every allocation.
//!
//! ```text
//!   +0  head     size and flags, enciphered: see mac.rs
//!   +8  parent   the user's pointer of the parent
//!  +16  next     the next older sibling                      (list.rs)
//!  +24  child    the newest child                            (list.rs)
//!  +32  pprev    the word that leads here                    (list.rs)
//!  +40  extra    with DTOR the destructor, sealed; with REF the newest handle;
//!                with DYING the chunk above in the walk, sealed
//!  +48  home     with MEMBER, POOL or LIMIT: a record, see records.rs
//!  +56  name     text, or after the free: where it was freed
//!  +64  user memory
//! ```
//!
//! That is where pointers have 64 bits.  Where they have 32 the fields are the same, in 40
//! bytes, and 8 more for [`ALIGN`].
//!
//! `extra` and `home` of a plain chunk are neither written nor read.
//!
//! No other file knows these offsets.  A [`Chunk`] stands for a header that is live, or
//! dead but held (see `hold`).  Two rules make its accessors sound: a `Chunk` is made
//! of a user's pointer whose head was decoded, of a place that was just allotted, or of
//! a link or record of ours; and memory goes only through `shed::give_back`, after which
//! nobody keeps the `Chunk`.  Whoever calls out to a user's function must therefore hold
//! what it means to use afterwards, or read it anew.
//!
//! malloc may align to 4 only, so the fields are read as such.

use crate::fault;
use crate::mac::{self, PAYLOAD_BITS};
use crate::platform::WORD;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::{NonNull, null_mut};
#[cfg(target_has_atomic = "64")]
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::sync::atomic::{Ordering::Release, compiler_fence};

/// Size and flags of a chunk, as decoded from its head.
pub type Payload = u64;

/// Allocations of this size and more are refused.
pub const MAX_SIZE: usize = 0x1000_0000;

const SIZE_MASK: u64 = MAX_SIZE as u64 - 1;
/// The first of the bits that are flags.
pub const FLAGS: u32 = 28;

// No obstacle to new children:
/// Has no parent, or the null context: its links are shared between threads.
pub const TOP: u64 = 1 << 28;
/// Has a destructor.
pub const DTOR: u64 = 1 << 29;
/// Has references; the newest handle keeps the destructor.
pub const REF: u64 = 1 << 30;
/// A reference: the user memory is a `refs::Handle`.
pub const HANDLE: u64 = 1 << 31;
/// A function of ours will come back to this header after a call out.
pub const HELD: u64 = 1 << 32;
/// Its block is roomier than its size tells: see `size_class::block_of`.
pub const ROOMY: u64 = 1 << 33;
/// The flags from here on make a chunk no easy parent.
pub const EASY: u32 = 34;
/// Its size does not tell how large its block is; or every chunk has it, see
/// `sysmem::every`.
pub const EXACT: u64 = 1 << 34;
/// Lies in a pool or cache.
pub const MEMBER: u64 = 1 << 35;
/// A pool or cache.
pub const POOL: u64 = 1 << 36;
/// `home` leads to a memory-limit account, its own or the one that counts it.
pub const LIMIT: u64 = 1 << 37;
/// Past its destructor, children being freed: out of sight for everybody else.
pub const DYING: u64 = 1 << 38;
/// Its destructor is running.
pub const RUNNING: u64 = 1 << 39;
/// The null context or the autofree context: `root` has a pointer to it.
pub const SPECIAL: u64 = 1 << 40;
/// Both: dying, and was not the newest child: has no parent any more for callers.
pub const ORPHAN: u64 = DYING | RUNNING;

/// User memory, pool members and headers are multiples of this.
pub use crate::platform::ALIGN;

/// `n` rounded up to [`ALIGN`]; `n` is never near `usize::MAX` here.
pub const fn round(n: usize) -> usize {
    (n + (ALIGN - 1)) & !(ALIGN - 1)
}

/// The size that a payload names.
#[inline(always)]
pub const fn size_of_payload(t: Payload) -> usize {
    (t & SIZE_MASK) as usize
}

/// Is this the payload of a live chunk?
#[inline(always)]
pub const fn is_alive(t: Payload) -> bool {
    t >> PAYLOAD_BITS == 0
}

/// A destructor as C sees it.
pub type Destructor = unsafe extern "C" fn(*mut c_void) -> c_int;

#[repr(C, packed(4))]
struct Header {
    head: u64,
    parent: *mut c_void,
    next: Option<Chunk>,
    child: Option<Chunk>,
    pprev: Link,
    extra: u64,
    home: *mut c_void,
    name: *const c_char,
    /// So that the user's memory is aligned as the header is.
    _unused: [u32; (round(FIELDS) - FIELDS) / 4],
}

/// Bytes of the fields of a header: two of 64 bits, six pointers.
const FIELDS: usize = 16 + 6 * WORD;

/// A word that leads to a chunk: a parent's `child`, or a sibling's `next`.
pub type Link = *mut Option<Chunk>;

/// Bytes in front of the user's memory.
pub const HEADER: usize = size_of::<Header>();

// 64 bytes; 48 where pointers are short.
const _: () = assert!(HEADER == round(FIELDS));

/// A header, never to be confused with the user's pointer behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Chunk(NonNull<Header>);

/// The user's pointer of an optional chunk, NULL for none.
#[inline(always)]
pub fn user_of(chunk: Option<Chunk>) -> *mut c_void {
    chunk.map_or(null_mut(), Chunk::user)
}

/// Reads or writes one field of a header.
macro_rules! field {
    ($chunk:expr, $field:ident) => {
        // SAFETY: a Chunk's header is there (module docs).
        unsafe { (&raw const (*$chunk.0.as_ptr()).$field).read_unaligned() }
    };
    ($chunk:expr, $field:ident = $value:expr) => {
        // SAFETY: a Chunk's header is there (module docs), and its tree is this
        // thread's, or the caller has the lock on the links.
        unsafe { (&raw mut (*$chunk.0.as_ptr()).$field).write_unaligned($value) }
    };
}

impl Chunk {
    /// The header before a user's pointer that is not NULL. It may be none.
    #[inline(always)]
    pub fn before(ptr: *const c_void) -> Chunk {
        let header = ptr.cast::<u8>().wrapping_sub(HEADER).cast::<Header>();
        // SAFETY: not NULL, since nobody has memory at the address HEADER.
        Chunk(unsafe { NonNull::new_unchecked(header.cast_mut()) })
    }

    /// A header at `place`.
    #[inline(always)]
    pub fn at(place: NonNull<u8>) -> Chunk {
        Chunk(place.cast())
    }

    /// The chunk of a user's pointer with what it is, or, when there is no live one
    /// there, the contract's fault (which may return) and then `None`.
    ///
    /// # Safety
    /// `ptr` is NULL or readable for [`HEADER`] bytes before it.
    #[inline]
    pub unsafe fn checked(ptr: *const c_void) -> Option<Chunk> {
        // SAFETY: the caller's promise.
        let c = unsafe { Self::live(ptr) };
        if c.is_none() {
            bad_pointer(ptr);
        }
        c
    }

    /// The same without a fault.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    pub unsafe fn live(ptr: *const c_void) -> Option<Chunk> {
        if ptr.is_null() {
            return None;
        }
        let c = Self::before(ptr);
        is_alive(c.payload()).then_some(c)
    }

    #[inline(always)]
    fn place(self) -> usize {
        self.0.addr().get()
    }

    /// What the head says: see [`is_alive`].
    #[inline(always)]
    pub fn payload(self) -> Payload {
        mac::decode(self.place(), field!(self, head))
    }

    /// What the head of a chunk that was freed here said last.
    #[inline(always)]
    pub fn payload_before_death(self) -> Payload {
        mac::decode(self.place(), !field!(self, head))
    }

    /// Writes the head, and answers what it is.
    #[inline(always)]
    pub fn set_payload(self, t: Payload) -> u64 {
        let head = mac::encode(self.place(), t);
        self.store_head(head);
        head
    }

    /// Adds to the payload of a live chunk: a flag that it has not, or bytes to its size.
    /// Answers what the head is.  Does not wait for what the head was.
    #[inline(always)]
    pub fn add(self, by: u64) -> u64 {
        let head = self.head().wrapping_add(mac::step(by));
        self.store_head(head);
        head
    }

    /// Takes that away again: a flag that it has.
    #[inline(always)]
    pub fn sub(self, by: u64) {
        self.add(by.wrapping_neg());
    }

    /// Other threads may look at the head of a chunk without a parent, under the lock on the
    /// links, and a signal handler at any, so it is one store: a plain one where that of a
    /// word has 64 bits.  ARM before version 7 has none.
    #[cfg(target_has_atomic = "64")]
    #[inline(always)]
    fn store_head(self, head: u64) {
        // SAFETY: a Chunk's header is there (module docs). A relaxed store is a plain one
        // to the processor, which does not ask that it is aligned.
        unsafe { (*(&raw mut (*self.0.as_ptr()).head).cast::<AtomicU64>()).store(head, Relaxed) };
    }

    #[cfg(not(target_has_atomic = "64"))]
    #[inline(always)]
    fn store_head(self, head: u64) {
        field!(self, head = head);
    }

    /// What the head says that another thread may be writing.
    #[inline]
    pub fn shared_payload(self) -> Payload {
        #[cfg(target_has_atomic = "64")]
        // SAFETY: as for `store_head`.
        let head =
            unsafe { (*(&raw const (*self.0.as_ptr()).head).cast::<AtomicU64>()).load(Relaxed) };
        #[cfg(not(target_has_atomic = "64"))]
        let head = field!(self, head);
        mac::decode(self.place(), head)
    }

    /// The head as it is, to see whether it has changed.
    #[inline(always)]
    pub fn head(self) -> u64 {
        field!(self, head)
    }

    /// From here on this is no chunk any more, and says where it was freed, if that is known.
    #[inline(always)]
    pub fn kill(self, location: *const c_char) {
        self.set_location(location);
        self.flip();
    }

    /// Where it was freed, if that is known: in place of its name.
    #[inline(always)]
    pub fn set_location(self, location: *const c_char) {
        if !location.is_null() {
            field!(self, name = location);
        }
    }

    /// A live chunk is dead, or a dead one alive again.
    #[inline(always)]
    pub fn flip(self) {
        field!(self, head = !field!(self, head));
    }

    /// Is the header that of a live chunk?
    #[inline(always)]
    pub fn is_live(self) -> bool {
        is_alive(self.payload())
    }

    /// Is any of these flags set?
    #[inline]
    pub fn has(self, flags: u64) -> bool {
        self.payload() & flags != 0
    }

    /// Sets flags of a live chunk.
    #[inline]
    pub fn set(self, flags: u64) {
        self.set_payload(self.payload() | flags);
    }

    /// Clears flags of a live chunk.
    #[inline]
    pub fn clear(self, flags: u64) {
        self.set_payload(self.payload() & !flags);
    }

    /// User bytes.
    #[inline]
    pub fn size(self) -> usize {
        size_of_payload(self.payload())
    }

    /// The first byte of the header.
    #[inline(always)]
    pub fn start(self) -> *mut u8 {
        self.0.as_ptr().cast()
    }

    /// The user's memory.
    #[inline(always)]
    pub fn user(self) -> *mut c_void {
        self.start().wrapping_add(HEADER).cast()
    }

    /// A chunk comes to be, whole, as the first child below `parent`, whose first was
    /// `first`; nobody sees it before it is linked.
    #[inline(always)]
    pub fn born(self, parent: Chunk, first: Option<Chunk>, t: Payload, name: *const c_char) {
        self.set_payload(t);
        field!(self, parent = parent.user());
        field!(self, next = first);
        field!(self, child = None);
        field!(self, pprev = parent.child_link());
        field!(self, name = name);
    }

    /// A chunk comes to be that has no parent yet.
    #[inline]
    pub fn born_alone(self, t: Payload, name: *const c_char) {
        self.set_payload(t);
        field!(self, parent = null_mut());
        field!(self, next = None);
        field!(self, child = None);
        field!(self, pprev = null_mut());
        field!(self, name = name);
    }

    /// The header of `old`, which lies here already or is copied here, for this place and
    /// with that payload.
    pub fn moved_from(self, old: Chunk, destructor: Option<usize>, t: Payload) {
        if self != old {
            if let Some(f) = destructor {
                self.set_sealed(f);
            }
        }
        self.set_payload(t);
    }

    /// The name pointer as stored; NULL for none.
    #[inline(always)]
    pub fn name(self) -> *const c_char {
        field!(self, name)
    }

    /// Stores a name pointer. The text is not copied.
    #[inline(always)]
    pub fn set_name(self, name: *const c_char) {
        field!(self, name = name);
    }

    // ---- links, for `list` ------------------------------------------------

    /// The user's pointer of the parent.
    #[inline(always)]
    pub fn parent_user(self) -> *mut c_void {
        field!(self, parent)
    }

    /// The parent in whose list this is.
    #[inline(always)]
    pub fn list_parent(self) -> Option<Chunk> {
        let parent = self.parent_user();
        (!parent.is_null()).then(|| Chunk::before(parent))
    }

    /// Writes the parent.
    #[inline(always)]
    pub fn set_parent_user(self, parent: *mut c_void) {
        field!(self, parent = parent);
    }

    /// The next older sibling.
    #[inline(always)]
    pub fn next(self) -> Option<Chunk> {
        field!(self, next)
    }

    /// Writes it.
    #[inline(always)]
    pub fn set_next(self, next: Option<Chunk>) {
        field!(self, next = next);
    }

    /// The newest child.
    #[inline(always)]
    pub fn child(self) -> Option<Chunk> {
        field!(self, child)
    }

    /// Writes it; what it leads to is whole by then.
    #[inline(always)]
    pub fn set_child(self, child: Option<Chunk>) {
        compiler_fence(Release);
        field!(self, child = child);
    }

    /// The word that leads here; NULL for a chunk in no list.
    #[inline(always)]
    pub fn pprev(self) -> Link {
        field!(self, pprev)
    }

    /// Writes it.
    #[inline(always)]
    pub fn set_pprev(self, link: Link) {
        field!(self, pprev = link);
    }

    /// The word that leads to the newest child.
    #[inline(always)]
    pub fn child_link(self) -> Link {
        // SAFETY: a field of a header that is there.
        unsafe { &raw mut (*self.0.as_ptr()).child }
    }

    /// The word that leads to the next older sibling.
    #[inline(always)]
    pub fn next_link(self) -> Link {
        // SAFETY: as above.
        unsafe { &raw mut (*self.0.as_ptr()).next }
    }

    /// The chunk whose `next` that word would be.
    #[inline]
    pub fn of_next_link(link: Link) -> Option<Chunk> {
        let offset = core::mem::offset_of!(Header, next);
        NonNull::new(link.cast::<u8>().wrapping_sub(offset).cast()).map(Chunk)
    }

    /// The chunk whose `child` that word would be.
    #[inline]
    pub fn of_child_link(link: Link) -> Option<Chunk> {
        let offset = core::mem::offset_of!(Header, child);
        NonNull::new(link.cast::<u8>().wrapping_sub(offset).cast()).map(Chunk)
    }

    // ---- extra --------------------------------------------------------------

    /// The word itself, for `refs`.
    #[inline(always)]
    pub fn extra(self) -> u64 {
        field!(self, extra)
    }

    /// Writes it.
    #[inline(always)]
    pub fn set_extra(self, word: u64) {
        field!(self, extra = word);
    }

    /// Where it is.
    #[inline(always)]
    pub fn extra_place(self) -> *mut u64 {
        // SAFETY: a field of a header that is there.
        unsafe { &raw mut (*self.0.as_ptr()).extra }
    }

    /// An address, sealed for this chunk, wherever the word is kept.
    #[inline(always)]
    pub fn seal(self, address: usize) -> u64 {
        mac::seal(self.place(), address)
    }

    /// The same back; `None` if it is not what was sealed for this chunk.
    #[inline(always)]
    pub fn unseal(self, word: u64) -> Option<usize> {
        mac::unseal(self.place(), word)
    }

    /// Seals an address into `extra`.
    #[inline(always)]
    pub fn set_sealed(self, address: usize) {
        self.set_extra(self.seal(address));
    }

    // ---- home ---------------------------------------------------------------

    /// The word that `records` follows.
    #[inline(always)]
    pub fn home(self) -> *mut c_void {
        field!(self, home)
    }

    /// Writes it.
    #[inline(always)]
    pub fn set_home(self, home: *mut c_void) {
        field!(self, home = home);
    }

    // ---- faults -------------------------------------------------------------

    /// Its name, if there is no telling that somebody wrote there, too.
    fn name_to_tell(self) -> *const c_char {
        if self.is_live() {
            self.name()
        } else {
            c"(overwritten)".as_ptr()
        }
    }

    /// Somebody wrote to this chunk: reports which field of it is not what it was.
    #[cold]
    #[inline(never)]
    pub fn corrupted(self, field: &CStr) {
        if !self.is_live() {
            return self.bad();
        }
        fault::corrupted(self.name(), field, c"is not what it was");
        fault::report(fault::UNKNOWN);
    }

    /// Somebody wrote to this chunk, or to the header at `to`, to which its link `field`
    /// leads: reports that.
    #[cold]
    #[inline(never)]
    pub fn lost(self, field: &CStr, to: Chunk) {
        if to.is_live() {
            let how = c"or the link back of what it leads to is wrong";
            fault::corrupted(self.name_to_tell(), field, how);
            fault::report(fault::UNKNOWN);
        } else {
            let how = c"leads to a header without valid magic";
            fault::corrupted(self.name_to_tell(), field, how);
            to.bad();
        }
    }

    /// Reports that a header is not that of a live chunk.
    #[cold]
    #[inline(never)]
    pub fn bad(self) {
        if is_alive(self.payload_before_death()) {
            fault::after_free(self.name());
        } else {
            fault::report(fault::UNKNOWN);
        }
    }
}

#[cold]
#[inline(never)]
fn bad_pointer(ptr: *const c_void) {
    if ptr.is_null() {
        fault::report(fault::UNKNOWN);
    } else {
        Chunk::before(ptr).bad();
    }
}
