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
use crate::chunk::{ALIGN, Chunk, FREE, Flag, HEADER, HELD, MEMBER, POOL, SPECIAL, round};
use crate::{fault, heap, key, root, tools, tree};
use core::ffi::{CStr, c_void};
use core::ptr::{NonNull, null_mut};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Members of any size, cut off one after the other.
    Pool,
    /// Slots of one size.
    Cache,
}

#[repr(C, align(16))]
struct Arena {
    /// Over the other fields and the place of the record, see `key`.
    sum: u64,
    /// Where the room begins, in bytes from this record; and 1 for a cache.
    start: u32,
    /// Members, and one more while the pool's own chunk is not freed.
    live: u32,
    /// In a pool: where the free room begins. In a cache: the slot given back last,
    /// which its bitmap still says is taken, NULL for none.
    next: *mut u8,
    end: *mut u8,
}

const IS_CACHE: u32 = 1;

#[repr(C, align(16))]
struct Slots {
    sum: u64,
    /// User bytes of an object.
    size: u32,
    count: u32,
}

const _: () = assert!(size_of::<Arena>().is_multiple_of(ALIGN));
const _: () = assert!(size_of::<Slots>().is_multiple_of(ALIGN));

/// What a pool needs before its header.
pub const POOL_FRONT: usize = size_of::<Arena>();

/// What a cache needs before its header.
pub const CACHE_FRONT: usize = size_of::<Slots>() + size_of::<Arena>();

/// An arena that was found as we left it, and is there as long as anything in it is
/// alive.
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
    /// The record at `place`, if it is one, and as we left it.
    #[inline(always)]
    fn at(place: *mut c_void) -> Option<Book> {
        let book = Book(NonNull::new(place.cast())?);
        (book!(book).sum == book.sum()).then_some(book)
    }

    #[inline(always)]
    fn sum(self) -> u64 {
        let arena = book!(self);
        key::sum(self.0.addr().get())
            .wrapping_add(arena.next.addr() as u64)
            .wrapping_add((arena.end.addr() as u64).rotate_left(20))
            .wrapping_add(arena.start.into())
            .wrapping_add(u64::from(arena.live) << 32)
    }

    /// The arena in front of a chunk with the flag `POOL`.
    #[inline(always)]
    fn of_pool(c: Chunk) -> Option<Book> {
        Book::at(c.start().wrapping_sub(size_of::<Arena>()).cast())
    }

    /// The arena that a chunk with the flag `MEMBER`, and so no account, lies in.
    #[inline(always)]
    fn of_just_member(c: Chunk) -> Option<Book> {
        Book::at(c.home())
    }

    /// The arena of a pool or cache; if it is not as we left it, that is a fault.
    fn expect_of_pool(c: Chunk) -> Option<Book> {
        Book::of_pool(c).or_else(|| {
            let place = c.start().wrapping_sub(size_of::<Arena>());
            Book::fault(c, place.cast(), c"pool")
        })
    }

    /// The same for the arena that a chunk with the flag `MEMBER` lies in.
    fn expect_of_member(c: Chunk) -> Option<Book> {
        let home = c.arena();
        Book::at(home).or_else(|| Book::fault(c, home, c"home, the pool it lies in,"))
    }

    #[cold]
    fn fault(c: Chunk, place: *mut c_void, field: &CStr) -> Option<Book> {
        let book = NonNull::new(place.cast()).map(Book);
        if book.is_some_and(|book| {
            // Nothing but the count is wrong: its part of the sum.
            let too_much = book!(book).sum.wrapping_sub(book.sum());
            book!(book).live == 0 && too_much as u32 == 0
        }) {
            fault::report(c"Pool object count zero!");
        } else {
            c.corrupted(field);
        }
        None
    }

    /// The chunk of the pool, alive or not.
    #[inline(always)]
    fn chunk(self) -> Chunk {
        // SAFETY: the header follows the arena.
        unsafe { Chunk::at(self.0.as_ptr().cast::<u8>().add(size_of::<Arena>())) }
    }

    #[inline(always)]
    fn kind(self) -> Kind {
        if book!(self).start & IS_CACHE == 0 {
            Kind::Pool
        } else {
            Kind::Cache
        }
    }

    /// What the `home` of a member is.
    #[inline(always)]
    fn as_home(self) -> *mut c_void {
        self.0.as_ptr().cast()
    }

    /// Where the room begins.
    #[inline(always)]
    fn start(self) -> *mut u8 {
        let offset = book!(self).start & !IS_CACHE;
        self.as_home().cast::<u8>().wrapping_add(offset as usize)
    }

    /// The only way to change an arena.
    #[inline(always)]
    fn set(self, next: *mut u8, live: u32) {
        let arena = book!(self);
        let by = (next.addr() as u64).wrapping_sub(arena.next.addr() as u64);
        let more = (u64::from(live) << 32).wrapping_sub(u64::from(arena.live) << 32);
        // What is not as we left it stays so.
        arena.sum = arena.sum.wrapping_add(by).wrapping_add(more);
        arena.next = next;
        arena.live = live;
    }

    /// How many are alive when one has left.
    fn one_less(self) -> Option<u32> {
        let less = book!(self).live.checked_sub(1);
        if less.is_none() {
            fault::report(c"Pool object count zero!");
        }
        less
    }

    /// How many members are alive, without the pool's own chunk.
    fn members(self) -> u32 {
        book!(self).live - u32::from(!self.chunk().has(FREE))
    }

    fn slots_sum(self) -> u64 {
        let slots = slots!(self);
        let words = u64::from(slots.count) << 32 | u64::from(slots.size);
        key::sum(self.0.addr().get())
            .rotate_left(8)
            .wrapping_add(words)
    }

    /// The slots of a cache: user bytes of each, how many, and their bitmap; `None`
    /// when that is not as we left it.
    #[inline(always)]
    fn slots(self) -> Option<(usize, usize, *mut u64)> {
        if slots!(self).sum != self.slots_sum() {
            return None;
        }
        let (size, count) = (slots!(self).size as usize, slots!(self).count as usize);
        let bitmap = self.start().wrapping_add(count * slot_bytes(size));
        Some((size, count, bitmap.cast()))
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
    open(c, Kind::Pool, room);
}

/// Makes the room of a fresh cache chunk: `count` slots for `size` user bytes,
/// right behind the header.
pub fn open_cache(c: Chunk, size: usize, count: usize) {
    let book = open(c, Kind::Cache, cache_room(size, count) - tools::gap());
    *slots!(book) = Slots {
        sum: 0,
        size: size as u32,
        count: count as u32,
    };
    slots!(book).sum = book.slots_sum();
    let bitmap = book.start().wrapping_add(count * slot_bytes(size));
    tools::ours(bitmap, bitmap::length(count) * size_of::<u64>());
    // SAFETY: cache_room has counted it in.
    unsafe { bitmap::fill(bitmap.cast(), count) };
}

/// Bytes behind the header of a cache: slots and bitmap, and a gap before them.
pub fn cache_room(size: usize, count: usize) -> usize {
    tools::gap() + count * slot_bytes(size) + bitmap::length(count) * size_of::<u64>()
}

fn open(c: Chunk, kind: Kind, room: usize) -> Book {
    let place = c.start().wrapping_sub(size_of::<Arena>()).cast();
    // SAFETY: an address inside a block is not NULL.
    let book = Book(unsafe { NonNull::new_unchecked(place) });
    let offset = size_of::<Arena>() + HEADER + footprint(c.size());
    let start = place.cast::<u8>().wrapping_add(offset);
    let arena = Arena {
        sum: 0,
        start: offset as u32 | if kind == Kind::Cache { IS_CACHE } else { 0 },
        live: 1,
        next: if kind == Kind::Pool {
            start
        } else {
            null_mut()
        },
        end: start.wrapping_add(room),
    };
    // SAFETY: a pool or cache has room for it before its header.
    unsafe { place.write(arena) };
    let arena = book!(book);
    arena.sum = book.sum();
    tools::opened(book.as_home(), c, arena.end);
    book
}

/// Is this chunk a static pool cache?
pub fn is_cache(c: Chunk) -> bool {
    c.has(POOL) && Book::of_pool(c).is_some_and(|book| book.kind() == Kind::Cache)
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
    let own = HEADER + c.size();
    if c.has(POOL) {
        Book::of_pool(c).map_or(own, |book| book!(book).end.addr() - c.start().addr())
    } else {
        own
    }
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
        Book::expect_of_pool(parent)
    } else {
        Book::expect_of_member(parent)
    }?;
    let (place, home) = cut(book, footprint(front + HEADER + size))?;
    tools::member(home, place.as_ptr(), front, size);
    Some((place, home))
}

/// Are so many bytes free at the end of a pool?
#[inline(always)]
fn has_room(book: Book, bytes: usize) -> bool {
    let arena = book!(book);
    book.kind() == Kind::Pool && arena.end.addr() - arena.next.addr() >= bytes
}

/// Cuts `bytes` bytes off the free room of a pool.
#[inline(always)]
fn cut(book: Book, bytes: usize) -> Option<(NonNull<u8>, *mut c_void)> {
    let arena = book!(book);
    if !has_room(book, bytes) {
        return None;
    }
    let place = NonNull::new(arena.next)?;
    book.set(arena.next.wrapping_add(bytes), arena.live + 1);
    Some((place, book.as_home()))
}

/// The arena below a common parent that is a pool or lies in one, as we left it.
#[inline(always)]
pub fn of_parent(parent: Chunk) -> Option<Room> {
    let book = match parent.live_flags()? & (POOL | MEMBER | SPECIAL) {
        POOL | POOL_MEMBER => Book::of_pool(parent),
        MEMBER => Book::at(parent.arena()),
        _ => None,
    };
    book.map(Room)
}

/// The same, but for a parent that is nothing else.
#[inline(always)]
pub fn of_plain_parent(parent: Chunk) -> Option<Room> {
    let added = parent.added();
    let book = if added == key::flags(MEMBER) {
        Book::of_just_member(parent)
    } else if added == key::flags(POOL) || added == key::flags(POOL_MEMBER) {
        Book::of_pool(parent)
    } else {
        None
    };
    book.map(Room)
}

const POOL_MEMBER: Flag = POOL | MEMBER;

/// What [`of_parent`] found.
pub struct Room(Book);

impl Room {
    /// Is it too full for a chunk of `size` bytes, when no tool is watching?
    pub fn is_full_for(&self, size: usize) -> bool {
        !tools::may_watch() && !has_room(self.0, round(HEADER + size))
    }

    /// Room for a header and `size` bytes, with what the `home` of the chunk is to be,
    /// when no tool is watching.
    #[inline(always)]
    pub fn carve_quickly(&self, size: usize) -> Option<(NonNull<u8>, *mut c_void)> {
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
    let book = Book::of_pool(cache)?;
    let arena = book!(book);
    if book.kind() != Kind::Cache || tools::may_watch() {
        return None;
    }
    let place = NonNull::new(arena.next)?;
    let (size, ..) = book.slots()?;
    book.set(null_mut(), arena.live + 1);
    Some((place, size, book.as_home()))
}

/// A free slot of a cache, likewise. `None` when this is no cache, or it is full.
pub fn take_slot(cache: Chunk) -> Option<(NonNull<u8>, usize, *mut c_void)> {
    if !cache.has(POOL) {
        return None;
    }
    let book = Book::expect_of_pool(cache)?;
    let arena = book!(book);
    if book.kind() != Kind::Cache {
        return None;
    }
    let Some((size, count, bitmap)) = book.slots() else {
        cache.corrupted(c"pool of slots");
        return None;
    };
    let place = if arena.next.is_null() {
        // SAFETY: `open_cache` filled it for so many.
        let slot = unsafe { bitmap::take(bitmap, count) }?;
        let place = book.start().wrapping_add(slot * slot_bytes(size));
        // A tool does not like that anybody looks at a free slot.
        // SAFETY: within the room of the cache, if it is one of its slots.
        if slot >= count || !tools::watch() && unsafe { Chunk::at(place) }.is_live() {
            cache.corrupted(c"bitmap of pool slots");
            return None;
        }
        place
    } else {
        arena.next
    };
    book.set(null_mut(), arena.live + 1);
    tools::member(book.as_home(), place, 0, size);
    Some((NonNull::new(place)?, size, book.as_home()))
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
    let book = Book::expect_of_member(c)?;
    if book.kind() == Kind::Cache {
        let (slot, ..) = book.slots()?;
        if footprint(HEADER + size) > slot_bytes(slot) {
            return None;
        }
        tools::resized(book.as_home(), c, size);
        return Some((c, Place::Old));
    }
    let arena = book!(book);
    let grows = size > c.size();
    if grows && book.members() == 1 && !c.is_pinned() && !c.has(HELD) {
        let end = book.start().wrapping_add(footprint(HEADER + size));
        if end <= arena.end {
            let new = to_start(book, c, size)?;
            book.set(end, arena.live);
            return Some((new, Place::New));
        }
    }
    let end = |size| c.start().wrapping_add(footprint(HEADER + size));
    let (old_end, new_end) = (end(c.size()), end(size));
    if old_end == arena.next && new_end <= arena.end {
        book.set(new_end, arena.live);
    } else if new_end > old_end {
        return None;
    }
    tools::resized(book.as_home(), c, size);
    Some((c, Place::Old))
}

/// The only member of a pool moves to the start of its room, to get `size` bytes.
fn to_start(book: Book, c: Chunk, size: usize) -> Option<Chunk> {
    let start = NonNull::new(book.start())?;
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

/// A pool chunk or a member is freed. Answers the block of a pool, and its bytes, if it
/// has come to that: nothing in it is alive.
pub fn vacate(c: Chunk) -> Option<(*mut u8, usize)> {
    let mut c = c;
    let mut own = None;
    if c.has(POOL) {
        let book = Book::expect_of_pool(c)?;
        tools::left(book.as_home(), c);
        let live = book.one_less()?;
        book.set(book!(book).next, live);
        if live != 0 {
            return None;
        }
        tools::closed(book.as_home());
        own = Some(book);
    }
    // A pool that is empty is, in its turn, a member that goes.
    while c.has(MEMBER) {
        let book = Book::expect_of_member(c)?;
        let live = book.one_less()?;
        let (begin, end) = place(c, own);
        if tools::watch() {
            tools::gone(book.as_home(), c, end.addr() - c.user().addr());
        }
        if live != 0 {
            let room = footprint(end.addr() - c.start().addr());
            give_back(book, live, c, begin, c.start().wrapping_add(room));
            return None;
        }
        book.set(book!(book).next, live);
        tools::closed(book.as_home());
        c = book.chunk();
        own = Some(book);
    }
    let (begin, end) = place(c, own);
    Some((begin, end.addr() - begin.addr()))
}

/// Are the records as we left them that [`vacate`] looks at first, for a chunk without an
/// account?
pub fn is_sound(c: Chunk) -> bool {
    (!c.has(POOL) || Book::of_pool(c).is_some())
        && (!c.has(MEMBER) || Book::of_just_member(c).is_some())
}

/// The way back into a pool or cache.
#[derive(Clone, Copy)]
pub struct WayBack(Book);

/// The pool that the last chunk went back to: the next one often goes there, too.
pub type Last = Option<WayBack>;

/// For a chunk that is just a member of a pool or cache in which more is alive, that
/// takes it back without a search, and no tool watching.
#[inline(always)]
pub fn way_back(c: Chunk, last: Last) -> Option<WayBack> {
    let book = match last {
        Some(WayBack(book)) if book.as_home() == c.home() => book,
        _ => Book::of_just_member(c)?,
    };
    let arena = book!(book);
    let is_quick = (book.kind() == Kind::Pool || arena.next.is_null())
        && arena.live > 1
        && !tools::may_watch();
    is_quick.then_some(WayBack(book))
}

impl WayBack {
    /// The same as [`vacate`] for that chunk.
    #[inline(always)]
    pub fn take(self, c: Chunk) {
        let book = self.0;
        let arena = book!(book);
        let live = arena.live - 1;
        let next = if book.kind() == Kind::Cache {
            c.start()
        } else if live == 1 && !book.chunk().has(FREE) {
            book.start()
        } else if c.start().wrapping_add(round(HEADER + c.size())) == arena.next {
            c.start()
        } else {
            arena.next
        };
        book.set(next, live);
    }
}

/// Where the block or room of a chunk begins and ends; `own` is its arena, if it has one.
fn place(c: Chunk, own: Option<Book>) -> (*mut u8, *mut u8) {
    match own {
        None => (c.start(), c.start().wrapping_add(HEADER + c.size())),
        Some(book) => {
            let front = match book.kind() {
                Kind::Pool => POOL_FRONT,
                Kind::Cache => CACHE_FRONT,
            };
            (c.start().wrapping_sub(front), book!(book).end)
        }
    }
}

/// The room of the member `c`, which has left, can be used again: a slot always;
/// in a pool if it is at the end, or when nothing else is left. So many are alive now.
fn give_back(book: Book, live: u32, c: Chunk, begin: *mut u8, end: *mut u8) {
    let arena = book!(book);
    let mut next = arena.next;
    if book.kind() == Kind::Cache && next.is_null() {
        next = begin;
    } else if book.kind() == Kind::Cache {
        let Some((size, count, bitmap)) = book.slots() else {
            book.set(next, live);
            return c.corrupted(c"pool of slots");
        };
        let slot = (begin.addr() - book.start().addr()) / slot_bytes(size);
        // SAFETY: `begin` is one of the slots that `take_slot` gave.
        unsafe { bitmap::give(bitmap, count, slot) };
    } else if live == 1 && !book.chunk().has(FREE) {
        next = book.start();
    } else if end == next {
        next = begin;
    }
    book.set(next, live);
}
