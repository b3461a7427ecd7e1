//! The header in front of every allocation.
//!
//! ```text
//!   +0  tag     mark (lower 20 bits) and flags (upper 12), see key.rs
//!   +4  size    user bytes
//!   +8  home    memory-limit account | arena the block lies in
//!  +16  links   child, prev, next, parent        (tree.rs only)
//!  +48  hook    destructor | newest handle | next one up in a free walk
//!  +56  name    text, or after the free: where it was freed
//!  +64  user memory
//! ```
//!
//! What a new child needs of its parent and its sibling comes first: in a large tree
//! that is one line of the processor's cache for each.
//!
//! No other file knows these offsets.  A [`Chunk`] stands for a header that is
//! live, or dead but not yet given back (`FREE` under `HELD`).  Two rules make
//! its accessors sound: a `Chunk` is made only by [`Chunk::checked`], which
//! looks at the tag, by [`Chunk::emplace`], which writes a header, or read
//! back from a header; and memory goes only through `alloc::release`, after
//! which nobody keeps the `Chunk`.  Whoever calls out to a user's function
//! must therefore hold what it means to use afterwards (see `hold`), or
//! read it anew.

use crate::fault;
use crate::key::{self, MARK_BITS, Mark, Sealed};
use crate::tree::Links;
use core::ffi::{CStr, c_char, c_void};
use core::mem::offset_of;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What one bit of the tag says about its chunk.
pub type Flag = u32;

/// Freed; `name` says where.
pub const FREE: Flag = key::FREE;
/// The block is part of a pool or cache; `home` leads to its `Arena`.
pub const MEMBER: Flag = key::MEMBER;
/// Past its destructor, children being freed: out of sight for everybody else.
pub const DYING: Flag = 1 << 24;
/// Dying, and was not the newest child: has no parent any more for callers.
pub const ORPHAN: Flag = 1 << 22;
/// An `Arena` lies right before this header.
pub const POOL: Flag = key::POOL;
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
/// It grew, and its block has the room that `alloc::roomy` says.
pub const ROOMY: Flag = key::ROOMY;

const _: () = assert!((FREE | MEMBER | ROOMY) & MARK_BITS == 0);

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
    home: *mut c_void,
    links: Links,
    /// With nothing on it: a blank for the size. Else sealed, the size included.
    hook: Sealed,
    name: *const c_char,
}

/// Bytes in front of the user's memory.
pub const HEADER: usize = size_of::<Header>();

#[cfg(target_pointer_width = "64")]
const _: () = assert!(HEADER == 64);
const _: () = assert!(HEADER.is_multiple_of(ALIGN));
const _: () = assert!(offset_of!(Header, tag) == 0);

/// What begins the record to which the `home` of an `OWNER` leads: the `home` it
/// would have otherwise.
#[repr(C)]
pub struct Instead {
    sum: u64,
    /// The arena of a `MEMBER`, else NULL.
    home: *mut c_void,
}

impl Instead {
    /// One that is to be written to, once it is in its place.
    pub const BLANK: Instead = Instead {
        sum: 0,
        home: null_mut(),
    };

    /// The record at `place`, if there is one, and as we left it.
    #[inline(always)]
    pub fn at<'a>(place: *mut c_void) -> Option<&'a Instead> {
        // SAFETY: a `home` that is not NULL leads to a record that is there as long as
        // somebody has it; if somebody else wrote there, to what can be read.
        let record = unsafe { place.cast::<Instead>().as_ref()? };
        (record.sum == record.expected_sum()).then_some(record)
    }

    #[inline(always)]
    fn expected_sum(&self) -> u64 {
        key::sum((&raw const *self).addr()).wrapping_add(self.home.addr() as u64)
    }

    /// Writes it.
    pub fn set(&mut self, home: *mut c_void) {
        self.home = home;
        self.sum = self.expected_sum();
    }
}

/// What [`Chunk::set_for_a_while`] found.
pub struct Meanwhile {
    before: u32,
    tag: u32,
    size: usize,
    hook: u64,
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

/// Is this what flags of a live chunk add to its tag?
#[inline(always)]
fn is_live(added: u32) -> bool {
    added == 0
        || added == key::flags(MEMBER)
        || key::check(added).is_some_and(|flags| flags & FREE == 0)
}

impl Chunk {
    /// The header before a user's pointer that is not NULL. It may be none.
    #[inline(always)]
    pub fn before(ptr: *const c_void) -> Chunk {
        let header = ptr.cast::<u8>().wrapping_sub(HEADER).cast::<Header>();
        // SAFETY: not NULL, since nobody has memory at the address HEADER.
        Chunk(unsafe { NonNull::new_unchecked(header.cast_mut()) })
    }

    /// The chunk of a user's pointer if it is alive and has no flag, as most have
    /// none. Anything else is for [`Chunk::checked`].
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    pub unsafe fn plain(ptr: *const c_void) -> Option<Chunk> {
        if ptr.is_null() {
            return None;
        }
        let c = Self::before(ptr);
        // SAFETY: readable, says the caller.
        (unsafe { c.foreign_added() } == 0).then_some(c)
    }

    /// The chunk of a user's pointer, or, when there is no live one there, the
    /// contract's fault (which may return) and then `None`.
    ///
    /// # Safety
    /// `ptr` is NULL or readable for [`HEADER`] bytes before it.
    #[inline]
    pub unsafe fn checked(ptr: *const c_void) -> Option<Chunk> {
        // SAFETY: the caller's promise.
        let c = unsafe { Self::live(ptr) };
        if c.is_none() {
            // SAFETY: as above.
            unsafe { Self::bad_pointer(ptr) };
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
        // SAFETY: readable, says the caller.
        is_live(unsafe { c.foreign_added() }).then_some(c)
    }

    /// # Safety
    /// As for [`Chunk::checked`].
    #[cold]
    #[inline(never)]
    unsafe fn bad_pointer(ptr: *const c_void) {
        if ptr.is_null() {
            fault::report(fault::UNKNOWN);
        } else {
            let c = Self::before(ptr);
            // SAFETY: readable, says the caller.
            c.bad(key::check(unsafe { c.foreign_added() }));
        }
    }

    /// Reports that a header is not that of a live chunk; with flags it is that of
    /// a dead one.
    #[cold]
    #[inline(never)]
    fn bad(self, flags: Option<Flag>) {
        match flags {
            // SAFETY: the tag says that this was a chunk of ours, in memory
            // that is still mapped (a pool, or a block malloc left as it was).
            Some(_) => fault::after_free(unsafe { (&raw const (*self.header()).name).read() }),
            None => fault::report(fault::UNKNOWN),
        }
    }

    /// [`Chunk::added`] of what may not be a chunk.
    ///
    /// # Safety
    /// It is readable. Alignment is not promised by foreign pointers.
    #[inline(always)]
    unsafe fn foreign_added(self) -> u32 {
        // SAFETY: the caller's promise.
        let tag = unsafe { self.header().cast::<u32>().read_unaligned() };
        tag ^ key::mark(self.address())
    }

    #[inline(always)]
    fn address(self) -> usize {
        self.0.addr().get()
    }

    /// Writes a header for `size` user bytes, all of it.
    ///
    /// # Safety
    /// `place` is aligned, writable for [`HEADER`] bytes, and nobody else's. There has
    /// been a chunk before, or [`key::ready`]
    /// has been called.
    #[inline(always)]
    pub unsafe fn emplace(
        place: NonNull<u8>,
        size: usize,
        name: *const c_char,
        flags: Flag,
        home: *mut c_void,
        links: Links,
    ) -> Chunk {
        let mark = key::mark(place.addr().get());
        // SAFETY: the caller's promise.
        unsafe { Self::emplace_marked(place, mark, size, name, flags, home, links) }
    }

    /// The same where the mark for the place is known.
    ///
    /// # Safety
    /// As for [`Chunk::emplace`].
    #[inline(always)]
    pub unsafe fn emplace_marked(
        place: NonNull<u8>,
        mark: Mark,
        size: usize,
        name: *const c_char,
        flags: Flag,
        home: *mut c_void,
        links: Links,
    ) -> Chunk {
        let c = Chunk(place.cast());
        let header = Header {
            tag: AtomicU32::new(mark ^ key::flags(flags)),
            size: size as u32,
            home,
            links,
            hook: Sealed(key::blank(c.address(), size)),
            name,
        };
        // SAFETY: the caller's promise.
        unsafe { c.header().write(header) };
        c
    }

    /// The chunk whose block was moved from `old` to `place`, header included.
    ///
    /// # Safety
    /// A live header was copied there, and the old one is not used any more.
    pub unsafe fn moved_to(place: NonNull<u8>, old: Chunk) -> Chunk {
        let new = Chunk(place.cast());
        if new == old {
            return new;
        }
        // What is not valid does not become so.
        let tag = new.tag() ^ key::mark(old.address()) ^ key::mark(new.address());
        new.tag_place().store(tag, Relaxed);
        let size = new.size();
        if new.hook_word().0 == key::blank(old.address(), size) {
            new.hook_word().0 = key::blank(new.address(), size);
        } else if let Some(hook) = new.hook_word().get_as(old.hook_place(size)) {
            new.set_hook(hook);
        }
        new
    }

    /// The chunk right behind an `Arena` (or any other place in front of it).
    ///
    /// # Safety
    /// A header is there.
    pub unsafe fn at(place: *mut u8) -> Chunk {
        // SAFETY: a header is there, so the address is not NULL.
        Chunk(unsafe { NonNull::new_unchecked(place.cast()) })
    }

    /// What its flags add to the mark of its place: 0 for a live chunk without a flag,
    /// `key::flags(..)` for one with these and no others.
    #[inline(always)]
    pub fn added(self) -> u32 {
        self.tag() ^ key::mark(self.address())
    }

    /// Is the header that of a live chunk?
    #[inline(always)]
    pub fn is_live(self) -> bool {
        is_live(self.added())
    }

    /// The flags of a live chunk; `None` if the header is none.
    #[inline(always)]
    pub fn live_flags(self) -> Option<Flag> {
        key::check(self.added()).filter(|flags| flags & FREE == 0)
    }

    /// Is it a live chunk with these flags and no others? Most have none, pool
    /// members one.
    #[inline(always)]
    pub fn is_just(self, flags: Flag) -> bool {
        self.added() == key::flags(flags)
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

    #[inline(always)]
    fn tag_place(self) -> &'static AtomicU32 {
        // SAFETY: a Chunk's header is there (module docs); the reference does
        // not outlive the expression it is used in.
        unsafe { &(*self.header()).tag }
    }

    #[inline(always)]
    fn tag(self) -> u32 {
        self.tag_place().load(Relaxed)
    }

    /// Is any of these flags set?
    #[inline]
    pub fn has(self, flags: Flag) -> bool {
        self.tag() & flags != 0
    }

    /// Will a free that is under way come back to it, so that it cannot move?
    pub fn is_pinned(self) -> bool {
        self.has(DYING | RUNNING)
    }

    /// Sets flags.
    #[inline]
    pub fn set(self, flags: Flag) {
        self.change_flags(|before| before | flags);
    }

    /// Clears flags.
    #[inline]
    pub fn clear(self, flags: Flag) {
        self.change_flags(|before| before & !flags);
    }

    /// Sets a flag, and answers how it was before and is now.
    #[inline]
    pub fn set_for_a_while(self, flag: Flag) -> Meanwhile {
        let (before, hook) = (self.tag(), self.hook_word().0);
        self.set(flag);
        Meanwhile {
            before,
            tag: self.tag(),
            size: self.size(),
            hook,
        }
    }

    /// Clears that flag again. Are flags, size and hook otherwise just as they were?
    #[inline]
    pub fn clear_again(self, flag: Flag, was: Meanwhile) -> bool {
        let is_same =
            self.tag() == was.tag && self.size() == was.size && self.hook_word().0 == was.hook;
        if is_same {
            self.tag_place().store(was.before, Relaxed);
        } else {
            self.clear(flag);
        }
        is_same
    }

    /// Only the thread that owns the chunk writes its tag.
    #[inline]
    fn change_flags(self, change: impl FnOnce(Flag) -> Flag) {
        let tag = self.tag();
        let before = tag & !MARK_BITS;
        // A tag that is not valid stays so.
        let new = tag ^ key::any_flags(before) ^ key::any_flags(change(before));
        self.tag_place().store(new, Relaxed);
    }

    /// Marks a chunk that had just these flags as freed.
    #[inline(always)]
    pub fn set_freed(self, before: Flag) {
        let new = self.tag() ^ key::flags(before) ^ key::flags(before | FREE);
        self.tag_place().store(new, Relaxed);
    }

    /// Gives a chunk these flags and no others, whatever its tag was.
    #[inline(always)]
    pub fn set_just(self, flags: Flag) {
        let tag = key::mark(self.address()) ^ key::flags(flags);
        self.tag_place().store(tag, Relaxed);
    }

    /// User bytes.
    #[inline(always)]
    pub fn size(self) -> usize {
        // SAFETY: a Chunk's header is there (module docs).
        unsafe { (*self.header()).size as usize }
    }

    /// Sets the number of user bytes; below [`MAX_SIZE`].
    #[inline]
    pub fn set_size(self, size: usize) {
        let hook = self.has_hook().then(|| self.hook());
        // SAFETY: a Chunk's header is there (module docs).
        unsafe { (*self.header()).size = size as u32 };
        self.set_hook(hook.unwrap_or(null_mut()));
    }

    /// The same for a chunk with nothing on the hook.
    #[inline(always)]
    pub fn set_size_without_hook(self, size: usize) {
        // SAFETY: a Chunk's header is there (module docs).
        unsafe { (*self.header()).size = size as u32 };
        self.hook_word().0 = key::blank(self.address(), size);
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

    #[inline(always)]
    fn hook_word(self) -> &'static mut Sealed {
        // SAFETY: a Chunk's header is there (module docs); the reference does not
        // outlive the expression it is used in.
        unsafe { &mut (*self.header()).hook }
    }

    /// What the place of the hook is sealed with: the size, too, is to be what it was.
    #[inline(always)]
    fn hook_place(self, size: usize) -> usize {
        (self.address() + offset_of!(Header, hook)).wrapping_add(size << 16)
    }

    /// Is anything on the hook? Or has somebody written there, or to the size?
    #[inline(always)]
    pub fn has_hook(self) -> bool {
        self.hook_word().0 != key::blank(self.address(), self.size())
    }

    /// The word that `reference` and `free` share: an address, NULL for none. One that
    /// somebody else wrote there is a fault, and then none.
    #[inline]
    pub fn hook(self) -> *mut c_void {
        if !self.has_hook() {
            return null_mut();
        }
        let hook = self.hook_word().get_as(self.hook_place(self.size()));
        hook.unwrap_or_else(|| {
            self.corrupted(c"size, destructor or reference");
            null_mut()
        })
    }

    /// Is the hook, and with it the size, what it was? Else that is a fault.
    pub fn is_hook_sound(self) -> bool {
        !self.has_hook() || !self.hook().is_null()
    }

    /// Writes the word that `reference` and `free` share.
    #[inline]
    pub fn set_hook(self, hook: *mut c_void) {
        if hook.is_null() {
            self.hook_word().0 = key::blank(self.address(), self.size());
        } else {
            let place = self.hook_place(self.size());
            self.hook_word().put_as(place, hook);
        }
    }

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
        fault::corrupted(self.name_to_tell(), field, c"is not what it was");
        fault::report(fault::UNKNOWN);
    }

    /// Somebody wrote to this chunk, or to the header at `to`, to which its link `field`
    /// leads: reports that.
    #[cold]
    #[inline(never)]
    pub fn lost(self, field: &CStr, to: Chunk) {
        if to.is_live() {
            fault::corrupted(
                self.name(),
                field,
                c"or the prev or parent of what it leads to is wrong",
            );
            fault::report(fault::UNKNOWN);
        } else {
            let how = c"leads to a header without valid magic";
            fault::corrupted(self.name_to_tell(), field, how);
            to.bad(key::check(to.added()));
        }
    }

    /// The word that `arena` and `memlimit` share.  Whoever follows it sees to it that
    /// there is one of their records.
    #[inline(always)]
    pub fn home(self) -> *mut c_void {
        // SAFETY: a Chunk's header is there (module docs).
        unsafe { (*self.header()).home }
    }

    /// The arena that a `MEMBER` lies in.
    #[inline]
    pub fn arena(self) -> *mut c_void {
        let home = self.home();
        if self.has(OWNER) {
            Instead::at(home).map_or(null_mut(), |instead| instead.home)
        } else {
            home
        }
    }

    /// Writes the word that `arena` and `memlimit` share.
    #[inline(always)]
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
