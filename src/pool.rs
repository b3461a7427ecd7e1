//! Pools: one malloc'd block in which the chunks below it find room.
//!
//! An [`Arena`] lies right before the header of a pool (or of a static pool
//! cache, which shares the count of what is alive).  Members are cut off from
//! the front; the count says when the block can go:
//!
//! ```text
//!   Arena | header | object | member | member | ... free room ... |
//!                           ^start                   ^next        ^end
//! ```
//!
//! A pool may itself lie in a pool; then its block goes back there.

use crate::alloc::{self, Plan};
use crate::cache;
use crate::chunk::{ALIGN, Chunk, FREE, HEADER, MAX_SIZE, MEMBER, POOL, round};
use crate::{global, memlimit, tree};
use core::ffi::{c_char, c_void};
use core::ptr::NonNull;

/// What kind of room an arena manages.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// Members of any size, cut off one after the other.
    Pool = 1,
    /// Slots of one size, see `cache`.
    Cache = 2,
}

/// The book of a pool or cache.
#[repr(C, align(16))]
pub struct Arena {
    kind: Kind,
    /// Members, and one more while the pool's own chunk is not freed.
    live: u32,
    start: *mut u8,
    next: *mut u8,
    end: *mut u8,
}

const _: () = assert!(size_of::<Arena>().is_multiple_of(ALIGN));

impl Arena {
    /// The book of an empty pool or cache whose room is `room` bytes at `start`.
    pub fn new(kind: Kind, start: *mut u8, room: usize) -> Arena {
        Arena {
            kind,
            live: 1,
            start,
            next: start,
            end: start.wrapping_add(room),
        }
    }
}

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

impl Book {
    /// # Safety
    /// `arena` leads to an arena, or is NULL.
    unsafe fn at(arena: *mut c_void) -> Option<Book> {
        NonNull::new(arena.cast()).map(Book)
    }

    /// The arena in front of a chunk with the flag `POOL`.
    fn of_pool(c: Chunk) -> Book {
        let place = c.start().wrapping_sub(size_of::<Arena>()).cast();
        // SAFETY: an address inside a block is not NULL.
        Book(unsafe { NonNull::new_unchecked(place) })
    }

    /// The arena that a chunk with the flag `MEMBER` lies in.
    fn of_member(c: Chunk) -> Book {
        // SAFETY: every MEMBER has one.
        unsafe { Book::at(memlimit::arena_of(c)).unwrap_unchecked() }
    }

    /// The chunk of the pool, alive or not.
    fn chunk(self) -> Chunk {
        // SAFETY: the header follows the arena.
        unsafe { Chunk::at(self.0.as_ptr().cast::<u8>().add(size_of::<Arena>())) }
    }

    fn is(self, kind: Kind) -> bool {
        book!(self).kind == kind
    }

    /// How many members are alive, without the pool's own chunk.
    fn members(self) -> u32 {
        book!(self).live - u32::from(!self.chunk().has(FREE))
    }

    /// Cuts off `bytes`, rounded.
    fn take(self, bytes: usize) -> Option<NonNull<u8>> {
        let arena = book!(self);
        let bytes = round(bytes);
        if arena.end.addr() - arena.next.addr() < bytes {
            return None;
        }
        let place = arena.next;
        arena.next = place.wrapping_add(bytes);
        arena.live += 1;
        NonNull::new(place)
    }
}

/// Is this pool chunk (flag `POOL`) of that kind?
pub fn is_kind(c: Chunk, kind: Kind) -> bool {
    Book::of_pool(c).is(kind)
}

/// Counts one more member of a cache and answers what its `home` is to be.
pub fn join(c: Chunk) -> *mut c_void {
    let book = Book::of_pool(c);
    book!(book).live += 1;
    book.0.as_ptr().cast()
}

/// Writes the arena before a fresh pool or cache chunk.
pub fn open(c: Chunk, arena: Arena) {
    // SAFETY: the plan of a pool or cache left room in front.
    unsafe { Book::of_pool(c).0.as_ptr().write(arena) };
}

/// From the header of a pool chunk to the end of its room.
pub fn span(c: Chunk) -> usize {
    book!(Book::of_pool(c)).end.addr() - c.start().addr()
}

/// Room for a child of `parent` in the pool that `parent` is or lies in, with
/// what its `home` is to be.
#[inline]
pub fn carve(parent: Chunk, bytes: usize) -> Option<(NonNull<u8>, *mut c_void)> {
    if !parent.has(POOL | MEMBER) {
        return None;
    }
    carve_from(parent, bytes)
}

fn carve_from(parent: Chunk, bytes: usize) -> Option<(NonNull<u8>, *mut c_void)> {
    let book = if parent.has(POOL) {
        Book::of_pool(parent)
    } else {
        Book::of_member(parent)
    };
    if !book.is(Kind::Pool) {
        return None; // below a cache, ordinary chunks come from malloc
    }
    Some((book.take(bytes)?, book.0.as_ptr().cast()))
}

/// `talloc_pool`: a chunk of size 0 with `size` bytes of room behind it.
pub fn pool(ctx: Option<Chunk>, size: usize) -> Option<Chunk> {
    if size >= MAX_SIZE {
        return None;
    }
    with_room(ctx, 0, size)
}

/// `talloc_pooled_object`: a named object of `size` bytes with room for
/// `count` chunks of `total` bytes together.
pub fn pooled_object(
    ctx: Option<Chunk>,
    size: usize,
    name: *const c_char,
    count: u32,
    total: usize,
) -> Option<Chunk> {
    // Each may lose up to 15 bytes to rounding.
    let headers = (count as usize).checked_mul(HEADER + ALIGN - 1)?;
    let room = headers.checked_add(total)?;
    if size >= MAX_SIZE || room >= MAX_SIZE || round(size) + room >= MAX_SIZE {
        return None;
    }
    let c = with_room(ctx, size, room)?;
    c.set_name(name);
    Some(c)
}

fn with_room(ctx: Option<Chunk>, size: usize, room: usize) -> Option<Chunk> {
    let behind = round(size) - size + room;
    let c = alloc::planned(
        ctx,
        Plan {
            size,
            front: size_of::<Arena>(),
            behind,
            flags: POOL,
        },
    )?;
    let start = c.start().wrapping_add(HEADER + round(size));
    open(c, Arena::new(Kind::Pool, start, room));
    Some(c)
}

/// A pool chunk or a member is freed. Answers the pool whose whole block can
/// be given to free, if it came to that.
pub fn vacate(c: Chunk) -> Option<Chunk> {
    let mut c = c;
    if c.has(POOL) && leave(Book::of_pool(c))? != 0 {
        return None;
    }
    // A pool that is empty is, in its turn, a member that goes.
    while c.has(MEMBER) {
        let book = Book::of_member(c);
        if leave(book)? != 0 {
            give_back(book, c);
            return None;
        }
        c = book.chunk();
    }
    Some(c)
}

/// One less is alive in the arena; how many are now.
fn leave(book: Book) -> Option<u32> {
    let arena = book!(book);
    if arena.live == 0 {
        global::fault(c"Pool object count zero!");
        return None;
    }
    arena.live -= 1;
    Some(arena.live)
}

/// The room of the member `c`, which has left, can be used again, if it is at
/// the end, or when nothing else is left.
fn give_back(book: Book, c: Chunk) {
    let begin = c.start().wrapping_sub(alloc::front(c));
    if book.is(Kind::Cache) {
        cache::free_slot(book.chunk(), begin);
        return;
    }
    let arena = book!(book);
    if arena.live == 1 && !book.chunk().has(FREE) {
        arena.next = arena.start;
    } else if alloc::end(c) == arena.next {
        arena.next = begin;
    }
}

/// A member gets another size without leaving its pool or slot.  The last
/// member left may move to the start of the pool, to use all of it; then, and
/// even if it was there before, it counts as new.
pub fn resize_in_place(c: Chunk, size: usize) -> Option<(Chunk, Place)> {
    let book = Book::of_member(c);
    if book.is(Kind::Cache) {
        return (size <= cache::room(book.chunk())).then_some((c, Place::Old));
    }
    let arena = book!(book);
    let grows = size > c.size();
    if grows && book.members() == 1 && !alloc::is_pinned(c) {
        let end = arena.start.wrapping_add(round(HEADER + size));
        if end <= arena.end {
            let new = to_start(c, NonNull::new(arena.start)?)?;
            arena.next = end;
            return Some((new, Place::New));
        }
    }
    let (old_end, new_end) = (alloc::end(c), c.start().wrapping_add(round(HEADER + size)));
    if old_end == arena.next && new_end <= arena.end {
        arena.next = new_end;
    } else if new_end > old_end {
        return None;
    }
    Some((c, Place::Old))
}

/// Where a member is after it got another size.
#[derive(PartialEq, Eq)]
pub enum Place {
    /// Where it was.
    Old,
    /// Where it counts as a new chunk.
    New,
}

fn to_start(c: Chunk, start: NonNull<u8>) -> Option<Chunk> {
    if start.as_ptr() == c.start() {
        return Some(c);
    }
    let new = tree::moving(c, || {
        // SAFETY: both places are room of this arena and nobody else's; they
        // may overlap.
        unsafe {
            start.as_ptr().copy_from(c.start(), HEADER + c.size());
            Some(Chunk::moved_to(start))
        }
    })?;
    alloc::adopt(c, new);
    Some(new)
}
