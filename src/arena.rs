//! Arenas: the room of a pool or of a static pool cache, and who lies in it.
//!
//! An [`Arena`] lies right before the header of a pool or cache.  It counts what
//! is alive in the block, and so says when the block can go.  A pool's members
//! are cut off from the front; those of a cache take slots, which the [`Slots`]
//! before its arena keep in a bitmap:
//!
//! ```text
//!           Arena | header | object | member | member | ... free room ... |
//!                                   ^start                   ^next        ^end
//!
//!   Slots | Arena | header | slot | slot | slot | ... | bitmap |
//! ```
//!
//! A pool or cache may itself lie in a pool; then its block goes back there.

use crate::bitmap;
use crate::chunk::{ALIGN, Chunk, FREE, HEADER, HELD, MEMBER, POOL, round};
use crate::{fault, heap, key, root, tools, tree};
use core::ffi::c_void;
use core::ptr::{NonNull, null_mut};

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Kind {
    /// Members of any size, cut off one after the other.
    Pool = 1,
    /// Slots of one size.
    Cache = 2,
}

#[repr(C, align(16))]
struct Arena {
    kind: Kind,
    /// Members, and one more while the pool's own chunk is not freed.
    live: u32,
    start: *mut u8,
    /// In a pool: where the free room begins. In a cache: the slot given back last,
    /// which its bitmap still says is taken, NULL for none.
    next: *mut u8,
    end: *mut u8,
}

#[repr(C, align(16))]
struct Slots {
    /// User bytes of an object.
    size: u32,
    count: u32,
    bitmap: *mut u64,
}

const _: () = assert!(size_of::<Arena>().is_multiple_of(ALIGN));
const _: () = assert!(size_of::<Slots>().is_multiple_of(ALIGN));

/// What a pool needs before its header.
pub const POOL_FRONT: usize = size_of::<Arena>();

/// What a cache needs before its header.
pub const CACHE_FRONT: usize = size_of::<Slots>() + size_of::<Arena>();

/// An arena that is there as long as anything in it is alive.
#[derive(Clone, Copy)]
struct Book(NonNull<Arena>);

macro_rules! book {
    ($book:expr) => {
        // SAFETY: an arena outlives its members and its chunk (`vacate`), and
        // the place is used for one read or write of one field.
        unsafe { &mut *$book.0.as_ptr() }
    };
}

macro_rules! slots {
    ($book:expr) => {
        // SAFETY: the slots lie before the arena of a cache, as long as that is
        // there; used for one read or write of one field.
        unsafe { &mut *$book.0.as_ptr().cast::<Slots>().sub(1) }
    };
}

impl Book {
    /// The arena in front of a chunk with the flag `POOL`.
    fn of_pool(c: Chunk) -> Book {
        let place = c.start().wrapping_sub(size_of::<Arena>()).cast();
        // SAFETY: an address inside a block is not NULL.
        Book(unsafe { NonNull::new_unchecked(place) })
    }

    /// The arena that a chunk with the flag `MEMBER` lies in.
    fn of_member(c: Chunk) -> Book {
        // SAFETY: every MEMBER has one.
        Book(unsafe { NonNull::new_unchecked(c.arena().cast()) })
    }

    /// The same for a chunk that has just that flag, and so no account.
    #[inline(always)]
    fn of_just_member(c: Chunk) -> Book {
        // SAFETY: every MEMBER has one.
        Book(unsafe { NonNull::new_unchecked(c.home().cast()) })
    }

    /// The chunk of the pool, alive or not.
    fn chunk(self) -> Chunk {
        // SAFETY: the header follows the arena.
        unsafe { Chunk::at(self.0.as_ptr().cast::<u8>().add(size_of::<Arena>())) }
    }

    fn is(self, kind: Kind) -> bool {
        book!(self).kind == kind
    }

    /// What the `home` of a member is.
    fn as_home(self) -> *mut c_void {
        self.0.as_ptr().cast()
    }

    /// How many members are alive, without the pool's own chunk.
    fn members(self) -> u32 {
        book!(self).live - u32::from(!self.chunk().has(FREE))
    }

    /// Bytes of a slot, header included.
    fn slot_bytes(self) -> usize {
        slot_bytes(slots!(self).size as usize)
    }
}

/// Bytes of room that something of `bytes` bytes takes.
fn footprint(bytes: usize) -> usize {
    round(bytes) + tools::gap()
}

/// Bytes that an object of a cache takes, header included.
pub fn slot_bytes(size: usize) -> usize {
    footprint(HEADER + size)
}

// ---- a block as a whole -----------------------------------------------------

/// Bytes behind the user's memory of a pool chunk of `size` user bytes that is
/// to have `room` bytes for members.
pub fn pool_room(size: usize, room: usize) -> usize {
    footprint(size) - size + room
}

/// Makes that room in a fresh pool chunk.
pub fn open_pool(c: Chunk, room: usize) {
    let start = c.start().wrapping_add(HEADER + footprint(c.size()));
    open(c, Kind::Pool, start, room);
}

/// Makes the room of a fresh cache chunk: `count` slots for `size` user bytes,
/// right behind the header.
pub fn open_cache(c: Chunk, size: usize, count: usize) {
    let start = c.start().wrapping_add(HEADER + tools::gap());
    let bitmap: *mut u64 = start.wrapping_add(count * slot_bytes(size)).cast();
    let room = cache_room(size, count) - tools::gap();
    open(c, Kind::Cache, start, room);
    book!(Book::of_pool(c)).next = null_mut();
    *slots!(Book::of_pool(c)) = Slots {
        size: size as u32,
        count: count as u32,
        bitmap,
    };
    tools::ours(bitmap.cast(), bitmap::length(count) * size_of::<u64>());
    // SAFETY: cache_room has counted it in.
    unsafe { bitmap::fill(bitmap, count) };
}

/// Bytes behind the header of a cache: slots and bitmap, and a gap before them.
pub fn cache_room(size: usize, count: usize) -> usize {
    tools::gap() + count * slot_bytes(size) + bitmap::length(count) * size_of::<u64>()
}

fn open(c: Chunk, kind: Kind, start: *mut u8, room: usize) {
    let arena = Arena {
        kind,
        live: 1,
        start,
        next: start,
        end: start.wrapping_add(room),
    };
    // SAFETY: a pool or cache has room for it before its header.
    unsafe { Book::of_pool(c).0.as_ptr().write(arena) };
    tools::opened(Book::of_pool(c).as_home(), c, start.wrapping_add(room));
}

/// Is this chunk a static pool cache?
pub fn is_cache(c: Chunk) -> bool {
    c.has(POOL) && Book::of_pool(c).is(Kind::Cache)
}

/// Bytes of the block of `c` before its header.
pub fn front(c: Chunk) -> usize {
    match c.has(POOL) {
        false => 0,
        true if is_cache(c) => CACHE_FRONT,
        true => POOL_FRONT,
    }
}

/// Bytes from the header of `c` on: its own and, in a pool, its members'.
pub fn extent(c: Chunk) -> usize {
    if c.has(POOL) {
        book!(Book::of_pool(c)).end.addr() - c.start().addr()
    } else {
        HEADER + c.size()
    }
}

/// Where the room of a member ends.
fn end(c: Chunk) -> *mut u8 {
    c.start().wrapping_add(footprint(extent(c)))
}

// ---- members come -----------------------------------------------------------

/// Room for a child of `parent` in the pool that `parent` is or lies in, with
/// what its `home` is to be: `front` bytes, a header, and `size` bytes. Nothing
/// below a cache.
#[inline]
pub fn carve(parent: Chunk, front: usize, size: usize) -> Option<(NonNull<u8>, *mut c_void)> {
    if !parent.has(POOL | MEMBER) {
        return None;
    }
    carve_from(parent, front, size)
}

fn carve_from(parent: Chunk, front: usize, size: usize) -> Option<(NonNull<u8>, *mut c_void)> {
    let book = if parent.has(POOL) {
        Book::of_pool(parent)
    } else {
        Book::of_member(parent)
    };
    let (place, home) = cut(book, footprint(front + HEADER + size))?;
    tools::member(home, place.as_ptr(), front, size);
    Some((place, home))
}

/// Cuts `bytes` bytes off the free room of a pool.
#[inline(always)]
fn cut(book: Book, bytes: usize) -> Option<(NonNull<u8>, *mut c_void)> {
    let arena = book!(book);
    if arena.kind != Kind::Pool || arena.end.addr() - arena.next.addr() < bytes {
        return None;
    }
    let place = arena.next;
    arena.next = place.wrapping_add(bytes);
    arena.live += 1;
    Some((NonNull::new(place)?, book.as_home()))
}

/// The arena below a parent that is just a pool, or just a member of one.
#[inline(always)]
pub fn of_parent(parent: Chunk) -> Option<Room> {
    let added = parent.added();
    if added == key::flags(MEMBER) {
        Some(Room(Book::of_just_member(parent)))
    } else if added == key::flags(POOL) {
        Some(Room(Book::of_pool(parent)))
    } else {
        None
    }
}

/// What [`of_parent`] found.
pub struct Room(Book);

impl Room {
    /// Room for a header and `size` bytes, with what the `home` of the chunk is to be,
    /// when no tool is watching.
    #[inline(always)]
    pub fn carve_quickly(self, size: usize) -> Option<(NonNull<u8>, *mut c_void)> {
        if tools::may_watch() {
            return None;
        }
        cut(self.0, round(HEADER + size))
    }
}

/// The slot that was given back last, of a chunk that is just a cache, with the user
/// bytes it is for and what the `home` of the object is to be.
#[inline(always)]
pub fn take_spare_slot(cache: Chunk) -> Option<(NonNull<u8>, usize, *mut c_void)> {
    let book = Book::of_pool(cache);
    let arena = book!(book);
    if arena.kind != Kind::Cache || tools::may_watch() {
        return None;
    }
    let place = NonNull::new(arena.next)?;
    arena.next = null_mut();
    arena.live += 1;
    Some((place, slots!(book).size as usize, book.as_home()))
}

/// A free slot of a cache, likewise. `None` when this is no cache, or it is full.
pub fn take_slot(cache: Chunk) -> Option<(NonNull<u8>, usize, *mut c_void)> {
    if !is_cache(cache) {
        return None;
    }
    let book = Book::of_pool(cache);
    let &mut Slots {
        size,
        count,
        bitmap,
    } = slots!(book);
    let arena = book!(book);
    let place = if arena.next.is_null() {
        // SAFETY: `open_cache` filled it for so many.
        let slot = unsafe { bitmap::take(bitmap, count as usize) }?;
        arena.start.wrapping_add(slot * book.slot_bytes())
    } else {
        core::mem::replace(&mut arena.next, null_mut())
    };
    arena.live += 1;
    tools::member(book.as_home(), place, 0, size as usize);
    Some((NonNull::new(place)?, size as usize, book.as_home()))
}

// ---- members change their size ----------------------------------------------

/// Where a member is after it got another size.
#[derive(PartialEq, Eq)]
pub enum Place {
    /// Where it was.
    Old,
    /// Where it counts as a new chunk.
    New,
}

/// A member gets another size without leaving its pool or slot.  The last
/// member left may move to the start of the pool, to use all of it; then, and
/// even if it was there before, it counts as new.
pub fn resize(c: Chunk, size: usize) -> Option<(Chunk, Place)> {
    let book = Book::of_member(c);
    if book.is(Kind::Cache) {
        if footprint(HEADER + size) > book.slot_bytes() {
            return None;
        }
        tools::resized(book.as_home(), c, size);
        return Some((c, Place::Old));
    }
    let arena = book!(book);
    let grows = size > c.size();
    if grows && book.members() == 1 && !c.is_pinned() && !c.has(HELD) {
        let end = arena.start.wrapping_add(footprint(HEADER + size));
        if end <= arena.end {
            let new = to_start(book, c, size)?;
            book!(book).next = end;
            return Some((new, Place::New));
        }
    }
    let (old_end, new_end) = (end(c), c.start().wrapping_add(footprint(HEADER + size)));
    if old_end == arena.next && new_end <= arena.end {
        arena.next = new_end;
    } else if new_end > old_end {
        return None;
    }
    tools::resized(book.as_home(), c, size);
    Some((c, Place::Old))
}

/// The only member of a pool moves to the start of its room, to get `size` bytes.
fn to_start(book: Book, c: Chunk, size: usize) -> Option<Chunk> {
    let start = NonNull::new(book!(book).start)?;
    if start.as_ptr() == c.start() {
        tools::resized(book.as_home(), c, size);
        return Some(c);
    }
    let bytes = HEADER + c.size();
    // A tool has to see the old place go before the new one comes, and they may
    // overlap.
    let aside = if tools::watch() {
        Some(heap::scratch::<u8>(bytes)?)
    } else {
        None
    };
    let new = tree::moving(c, || {
        // SAFETY: both places are room of this arena and nobody else's; they
        // may overlap, but not with what was put aside.
        unsafe {
            match &aside {
                None => start.as_ptr().copy_from(c.start(), bytes),
                Some(aside) => {
                    aside.start().copy_from(c.start(), bytes);
                    tools::gone(book.as_home(), c, c.size());
                    tools::member(book.as_home(), start.as_ptr(), 0, size);
                    start.as_ptr().copy_from(aside.start(), bytes);
                }
            }
            Some(Chunk::moved_to(start, c))
        }
    })?;
    root::moved(c, new);
    Some(new)
}

// ---- members go -------------------------------------------------------------

/// A pool chunk or a member is freed. Answers the pool whose whole block can
/// be given to free, if it came to that.
pub fn vacate(c: Chunk) -> Option<Chunk> {
    let mut c = c;
    if c.has(POOL) {
        let book = Book::of_pool(c);
        tools::left(book.as_home(), c);
        if leave(book)? != 0 {
            return None;
        }
        tools::closed(book.as_home());
    }
    // A pool that is empty is, in its turn, a member that goes.
    while c.has(MEMBER) {
        let book = Book::of_member(c);
        let left = leave(book)?;
        tools::gone(book.as_home(), c, extent(c) - HEADER);
        if left != 0 {
            give_back(book, c);
            return None;
        }
        tools::closed(book.as_home());
        c = book.chunk();
    }
    Some(c)
}

/// Is this chunk, which is just a member, one of a pool or cache in which more is
/// alive, that takes it back without a search, and no tool watching?
#[inline(always)]
pub fn can_vacate_quickly(c: Chunk) -> bool {
    let arena = book!(Book::of_just_member(c));
    (arena.kind == Kind::Pool || arena.next.is_null()) && arena.live > 1 && !tools::may_watch()
}

/// The same as [`vacate`] for such a chunk.
#[inline(always)]
pub fn vacate_quickly(c: Chunk) {
    let book = Book::of_just_member(c);
    let arena = book!(book);
    arena.live -= 1;
    if arena.kind == Kind::Cache {
        arena.next = c.start();
    } else if arena.live == 1 && !book.chunk().has(FREE) {
        arena.next = arena.start;
    } else if c.start().wrapping_add(round(HEADER + c.size())) == arena.next {
        arena.next = c.start();
    }
}

/// One less is alive in the arena; how many are now.
fn leave(book: Book) -> Option<u32> {
    let arena = book!(book);
    if arena.live == 0 {
        fault::report(c"Pool object count zero!");
        return None;
    }
    arena.live -= 1;
    Some(arena.live)
}

/// The room of the member `c`, which has left, can be used again: a slot always;
/// in a pool if it is at the end, or when nothing else is left.
fn give_back(book: Book, c: Chunk) {
    let begin = c.start().wrapping_sub(front(c));
    let arena = book!(book);
    if book.is(Kind::Cache) && arena.next.is_null() {
        arena.next = begin;
    } else if book.is(Kind::Cache) {
        let slot = (begin.addr() - arena.start.addr()) / book.slot_bytes();
        let slots = slots!(book);
        // SAFETY: `begin` is one of the slots that `take_slot` gave.
        unsafe { bitmap::give(slots.bitmap, slots.count as usize, slot) };
    } else if arena.live == 1 && !book.chunk().has(FREE) {
        arena.next = arena.start;
    } else if end(c) == arena.next {
        arena.next = begin;
    }
}
