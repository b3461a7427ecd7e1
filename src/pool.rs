//! Pools: `talloc_pool` and pooled objects.
//!
//! Members are cut off from the front of the free room; what is alive in it is counted in
//! the pool's record, which so says when the block can go.
//!
//! ```text
//!   header | object | member | member | ... free room ... |
//!   ^base           ^start            ^next               ^end
//! ```
//!
//! A pool or cache may itself lie in a pool; then its block goes back there.

use crate::alloc::{self, Site};
use crate::header::{
    ALIGN, Chunk, DYING, EASY, EXACT, HEADER, HELD, LIMIT, MAX_SIZE, MEMBER, POOL, Payload,
    RUNNING, TOP, round, size_of_payload, user_of,
};
use crate::magazine::{self, OfThread, Room};
use crate::records::{self, CACHE, Kind, LESS, ONE, OWN, Record, record};
use crate::{cache, fault, limit, list, refs, root, sysmem, tools};
use core::ffi::{c_char, c_void};
use core::ptr::{NonNull, null_mut};

/// Bytes of room that something of `bytes` bytes takes.
#[inline]
pub fn footprint(bytes: usize) -> usize {
    round(bytes) + tools::gap()
}

/// The record of the pool or cache that `c` is, or else lies in.  If its `home` leads to
/// none that can be, that is a fault.
#[inline]
pub fn record_of(c: Chunk, t: Payload) -> Option<*mut Record> {
    let found = record_of_sound(c, t);
    if found.is_none() {
        c.corrupted(if t & POOL != 0 {
            c"pool"
        } else {
            c"home, the pool it lies in,"
        });
    }
    found
}

#[inline(always)]
fn record_of_sound(c: Chunk, t: Payload) -> Option<*mut Record> {
    let mut r = records::at(c.home());
    if t & LIMIT != 0 && limit::is_account(r) {
        // Its owner's pool is kept where the outer one of a pool is.
        r = records::at(record!(r).outer.cast());
    }
    let (user, base) = (c.user().cast::<u8>(), record!(r).base);
    let is_there = if t & POOL != 0 {
        base == records::stands_for(c) && !record!(r).top.is_null()
    } else {
        base < user && user < record!(r).top
    };
    is_there.then_some(r)
}

// ---- pools come -----------------------------------------------------------------

/// `talloc_pool`: a chunk of size 0 with `size` bytes of room behind it.
///
/// # Safety
/// As for [`Chunk::checked`].
pub unsafe fn pool(ctx: *const c_void, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { with_room(ctx, 0, size, core::ptr::null()) }
}

/// `talloc_pooled_object`: a named object of `size` bytes with room for `count` chunks of
/// `total` bytes together.
///
/// # Safety
/// As there.
pub unsafe fn pooled_object(
    ctx: *const c_void,
    size: usize,
    name: *const c_char,
    count: u32,
    total: usize,
) -> *mut c_void {
    // Each may lose up to 15 bytes to rounding.
    let headers = (count as usize).saturating_mul(HEADER + ALIGN - 1);
    // SAFETY: the caller's promise.
    unsafe { with_room(ctx, size, headers.saturating_add(total), name) }
}

#[inline(always)]
unsafe fn with_room(
    ctx: *const c_void,
    size: usize,
    room: usize,
    name: *const c_char,
) -> *mut c_void {
    if is_possible(size, room) {
        let made = if ctx.is_null() {
            top_with_room(size, room, name)
        } else {
            with_room_fast(Chunk::before(ctx), size, room, name)
        };
        if let Some(c) = made {
            return c.user();
        }
    }
    // SAFETY: the caller's promise.
    unsafe { with_room_slow(ctx, size, room, name) }
}

/// Or is that refused, as too large?
#[inline(always)]
fn is_possible(size: usize, room: usize) -> bool {
    size < MAX_SIZE && room < MAX_SIZE && round(size) + room < MAX_SIZE
}

/// Room in a pool, or a kept block where there is none, and a kept record.  The parent may be no
/// chunk, and then there is nothing.
#[inline(always)]
fn with_room_fast(parent: Chunk, size: usize, room: usize, name: *const c_char) -> Option<Chunk> {
    let before = round(HEADER + size);
    let bytes = before + room;
    let t = parent.payload();
    let is_easy = t >> EASY == 0;
    if !is_easy && t & !SIZED_AND_EASY & !(MEMBER | POOL) != 0 {
        return None;
    }
    let first = list::first_below(parent).ok()?;
    let kept = OfThread::now();
    let record = kept.pop_record()?;
    let carved = if is_easy {
        Err(NoPlace::Full)
    } else {
        carve_fast(parent, bytes)
    };
    let (c, outer) = match carved {
        Ok((place, r)) => (place.take(), r),
        Err(NoPlace::Full) if is_easy || !limit::any() => match kept.pop_block(bytes) {
            Some(block) => (Chunk::at(block), null_mut()),
            None => return not_opened(record),
        },
        Err(_) => return not_opened(record),
    };
    lay_out(c, record, outer, before, room);
    let is_member = if outer.is_null() { 0 } else { MEMBER };
    c.born(parent, first, size as u64 | POOL | is_member, name);
    list::link_born(parent, first, c);
    Some(c)
}

/// The same without a parent, or below the null context.
#[inline(never)]
fn top_with_room(size: usize, room: usize, name: *const c_char) -> Option<Chunk> {
    if !alloc::is_top_easy() {
        return None;
    }
    let before = round(HEADER + size);
    let bytes = before + room;
    let kept = OfThread::now();
    let record = kept.pop_record()?;
    let Some(block) = kept.pop_block(bytes) else {
        return not_opened(record);
    };
    let c = Chunk::at(block);
    lay_out(c, record, null_mut(), before, room);
    if !alloc::come_to_top(c, size as u64 | POOL, name) {
        // SAFETY: just taken, and not used.
        unsafe { magazine::put(bytes, block.as_ptr()) };
        return not_opened(record);
    }
    Some(c)
}

/// The record of a pool that is to be at `c`: `before` bytes, and then the room; in the pool
/// `outer` or in none.
#[inline(always)]
fn lay_out(c: Chunk, record: NonNull<Record>, outer: *mut Record, before: usize, room: usize) {
    let (r, start) = (record.as_ptr(), c.start().wrapping_add(before - LESS));
    // SAFETY: a fresh record.
    unsafe {
        r.write(Record {
            next: start,
            end: start.wrapping_add(room),
            base: records::stands_for(c),
            top: c.start().wrapping_add(before + room + LESS),
            live: OWN,
            kind: Kind::Pool,
            scattered: 0,
            start,
            outer,
            account: null_mut(),
        });
    }
    c.set_home(r.cast());
}

/// What a payload may be of an easy parent.
const SIZED_AND_EASY: Payload = (1 << EASY) - 1;

#[cold]
fn not_opened(record: NonNull<Record>) -> Option<Chunk> {
    records::put(record.as_ptr());
    None
}

#[inline(never)]
unsafe fn with_room_slow(
    ctx: *const c_void,
    size: usize,
    room: usize,
    name: *const c_char,
) -> *mut c_void {
    let mut parent = None;
    if !ctx.is_null() {
        // SAFETY: the caller's promise.
        parent = unsafe { Chunk::checked(ctx) };
        if parent.is_none() {
            return null_mut();
        }
    }
    if !is_possible(size, room) {
        return null_mut();
    }
    user_of(with_room_any(parent, size, room, name))
}

/// The same where `None` is the null context, if there is one.
fn with_room_any(
    parent: Option<Chunk>,
    size: usize,
    room: usize,
    name: *const c_char,
) -> Option<Chunk> {
    let parent = root::or_null_context(parent);
    let before = footprint(HEADER + size);
    let Some(record) = records::make() else {
        // It does without room: its children come from malloc.
        return alloc::new(parent, size, name, 0);
    };
    let (c, r) = open(record, parent, size, before + room, Kind::Pool, name)?;
    let start = c.start().wrapping_add(before - LESS);
    record!(r).start = start;
    record!(r).next = start;
    record!(r).end = match sysmem::every() {
        0 => start.wrapping_add(room),
        _ => start,
    };
    Some(c)
}

/// A chunk of `size` user bytes with a fresh record, at the front of a block of `bytes`
/// bytes.
#[inline(always)]
pub fn open(
    record: NonNull<Record>,
    parent: Option<Chunk>,
    size: usize,
    bytes: usize,
    kind: Kind,
    name: *const c_char,
) -> Option<(Chunk, *mut Record)> {
    let Some(site) = Site::below(parent, bytes) else {
        records::put(record.as_ptr());
        return None;
    };
    let r = record.as_ptr();
    let is_member = site.flags & MEMBER != 0;
    // SAFETY: a fresh record.
    unsafe {
        r.write(Record {
            next: null_mut(),
            end: null_mut(),
            base: records::stands_for(site.c),
            top: site.c.start().wrapping_add(bytes + LESS),
            live: if kind == Kind::Cache {
                OWN | CACHE
            } else {
                OWN
            },
            kind: if sysmem::every() == 0 {
                kind
            } else {
                Kind::Watched
            },
            scattered: 0,
            start: null_mut(),
            outer: if is_member {
                site.home.cast()
            } else {
                null_mut()
            },
            account: if is_member {
                null_mut()
            } else {
                site.home.cast()
            },
        });
    }
    if is_member {
        tools::inner(site.c.start(), bytes);
    }
    tools::opened(r, site.c, size, bytes);
    site.c.set_home(r.cast());
    site.open(parent, size as u64 | POOL, name);
    Some((site.c, r))
}

// ---- members come ---------------------------------------------------------------

/// Room of `bytes` bytes for a child of `parent` in the pool that `parent` is or lies in,
/// and the record of that pool.  Nothing below a cache.  Tools are told by the caller.
#[inline]
pub fn carve(parent: Chunk, t: Payload, bytes: usize) -> Option<(NonNull<u8>, *mut Record)> {
    if t & (POOL | MEMBER) == 0 {
        return None;
    }
    let r = record_of(parent, t)?;
    let (next, room) = (record!(r).next, footprint(bytes));
    if is_cache(r) || end_of(r).addr() - next.addr() < room {
        return None;
    }
    record!(r).live += ONE;
    record!(r).next = next.wrapping_add(room);
    Some((NonNull::new(next.wrapping_add(LESS))?, r))
}

/// Room in a pool that is not taken yet.
pub struct Place {
    r: *mut Record,
    next: *mut u8,
    after: *mut u8,
}

/// Why there is no [`Place`].
pub enum NoPlace {
    /// The pool has no room for it, or is a cache.
    Full,
    /// The parent does not lead to its pool.
    Lost,
}

/// The same for a `parent` that is a pool, or just a member: the fast way, where nobody
/// watches.
#[inline(always)]
pub fn carve_fast(parent: Chunk, bytes: usize) -> Result<(Place, *mut Record), NoPlace> {
    let r = records::pool_around(parent).ok_or(NoPlace::Lost)?;
    let (next, bytes) = (record!(r).next, round(bytes));
    // Where pointers are short, an address in a cache may be above the sign.
    if cfg!(target_pointer_width = "32") && is_cache(r) {
        return Err(NoPlace::Full);
    }
    // None, or less, in a cache, where `end` is 0, and where it is watched.
    let room = record!(r).end.addr().wrapping_sub(next.addr()) as isize;
    if room < bytes as isize {
        return Err(NoPlace::Full);
    }
    let after = next.wrapping_add(bytes);
    Ok((Place { r, next, after }, r))
}

impl Place {
    /// It is taken, for a chunk.
    #[inline(always)]
    pub fn take(self) -> Chunk {
        record!(self.r).live += ONE;
        record!(self.r).next = self.after;
        // SAFETY: there is room behind it, so it is an address, and not NULL.
        Chunk::at(unsafe { NonNull::new_unchecked(self.next.wrapping_add(LESS)) })
    }
}

/// Is this the record of a cache?
#[inline(always)]
pub fn is_cache(r: *mut Record) -> bool {
    record!(r).live & CACHE != 0
}

/// The block of a pool or cache.
fn start_of(r: *mut Record) -> *mut u8 {
    record!(r).base.wrapping_add(LESS).wrapping_sub(HEADER)
}

/// Bytes of that, header included.
pub fn bytes_of(r: *mut Record) -> usize {
    record!(r).top.addr() - LESS - start_of(r).addr()
}

/// Where the room of a pool ends.
fn end_of(r: *mut Record) -> *mut u8 {
    record!(r).top.wrapping_sub(2 * LESS)
}

/// How many members of a pool or cache are alive.
fn members(r: *mut Record) -> u32 {
    (record!(r).live & !CACHE) / ONE
}

// ---- members change their size ----------------------------------------------------

/// Where a member is after it got another size.
pub enum Resized {
    /// Where it was.
    Same,
    /// At the start of its pool, where it counts as a new chunk.
    Start(Chunk),
    /// Nowhere yet: there is no room for it here.
    No,
}

/// A member gets another size without leaving its pool or slot.  The last member left may
/// move to the start of the pool, to use all of it; then, and even if it was there before,
/// it counts as new.  Its head is the caller's to write.
pub fn resize(c: Chunk, t: Payload, size: usize) -> Option<Resized> {
    let r = record_of_member(c, t)?;
    let old = size_of_payload(t);
    if is_cache(r) {
        if size > cache::slot_room(r) {
            return Some(Resized::No);
        }
        tools::resized(r, c, old, size);
        return Some(Resized::Same);
    }
    if size > old && members(r) == 1 && t & (DYING | RUNNING | HELD) == 0 {
        let end = record!(r).start.wrapping_add(footprint(HEADER + size));
        if end <= end_of(r) {
            let new = to_start(r, c, t, size)?;
            record!(r).next = end;
            return Some(Resized::Start(new));
        }
    }
    let end = |size| c.start().wrapping_add(footprint(HEADER + size) - LESS);
    let (old_end, new_end) = (end(old), end(size));
    if old_end == record!(r).next && new_end <= end_of(r) {
        record!(r).next = new_end;
    } else if new_end > old_end {
        return Some(Resized::No);
    }
    tools::resized(r, c, old, size);
    Some(Resized::Same)
}

/// The record of the pool of what is just a member, if nobody watches and it is not the only one.
#[inline(always)]
pub fn with_others(c: Chunk) -> Option<*mut Record> {
    let r = records::pool_around(c)?;
    // Below 0 in a cache.
    (record!(r).live as i32 > (OWN + ONE) as i32).then_some(r)
}

/// As [`resize`] for such a member, of `old` bytes.  False, and nothing is done, if there is no
/// room for it here.
#[inline(always)]
pub fn resize_fast(r: *mut Record, c: Chunk, old: usize, size: usize) -> bool {
    let end = |size| c.start().wrapping_add(round(HEADER + size) - LESS);
    let (old_end, new_end) = (end(old), end(size));
    if old_end == record!(r).next && new_end <= end_of(r) {
        record!(r).next = new_end;
        return true;
    }
    new_end <= old_end
}

/// The record of the pool or cache in which a `MEMBER` lies.
fn record_of_member(c: Chunk, t: Payload) -> Option<*mut Record> {
    Some(outer(record_of(c, t)?, t))
}

fn sound_record_of_member(c: Chunk, t: Payload) -> Option<*mut Record> {
    Some(outer(record_of_sound(c, t)?, t))
}

/// The record of the pool in which lies what has the record `r` and the payload `t`.
fn outer(r: *mut Record, t: Payload) -> *mut Record {
    if t & POOL == 0 { r } else { record!(r).outer }
}

/// A member, what is below it, or a limit of its own is going to be apart from its pool.
#[inline]
pub fn scatter(c: Chunk, t: Payload) {
    if let Some(r) = sound_record_of_member(c, t) {
        record!(r).scattered = 1;
    }
}

/// The same, without a look at whether it is so, for one without `LIMIT`, if it is a member.
/// False if it does not lead to its pool.
#[inline(always)]
pub fn scatter_fast(c: Chunk, t: Payload) -> bool {
    if t & MEMBER == 0 {
        return true;
    }
    let Some(r) = records::pool_around(c) else {
        return false;
    };
    record!(outer(r, t)).scattered = 1;
    true
}

/// A member is going to have the parent `new`, with the payload `new_t`.
#[inline(always)]
pub fn moves(c: Chunk, t: Payload, new: Chunk, new_t: Payload) {
    let is_there = new_t & POOL != 0 && pool_above(c, t) == Some(new)
        || new_t & MEMBER != 0 && new.home() == c.home();
    // With something below it, it might come to lie below itself.
    if t & POOL != 0 || c.child().is_some() || !is_there {
        scatter(c, t);
    }
}

/// The pool or cache that a member lies in, if it lies below that, too, and counts for the same
/// limit, as all of its members do.
pub fn pool_above(c: Chunk, t: Payload) -> Option<Chunk> {
    let r = sound_record_of_member(c, t)?;
    if record!(r).scattered != 0 {
        return None;
    }
    NonNull::new(start_of(r)).map(Chunk::at)
}

/// The only member of a pool moves to the start of its room, to get `size` bytes.
fn to_start(r: *mut Record, c: Chunk, t: Payload, size: usize) -> Option<Chunk> {
    let new = Chunk::at(NonNull::new(record!(r).start.wrapping_add(LESS))?);
    let old = size_of_payload(t);
    if new == c {
        tools::resized(r, c, old, size);
        return Some(c);
    }
    let bytes = HEADER + old;
    // A tool has to see the old place go before the new one comes, and they may overlap.
    let aside = sysmem::scratch::<u8>(if tools::watch() { bytes } else { 1 })?;
    let destructor = refs::destructor_to_move(c, t)?;
    let Some(apart) = list::set_apart(c, t & TOP != 0) else {
        c.corrupted(c"prev or next");
        return None;
    };
    // SAFETY: both places are room of this pool and nobody else's; they may overlap, but not with
    // what was put aside.
    unsafe {
        if tools::watch() {
            aside.start().copy_from(c.start(), bytes);
            tools::gone(r, c, old);
            tools::member(r, new.start(), HEADER + size);
            new.start().copy_from(aside.start(), bytes);
        } else {
            new.start().copy_from(c.start(), bytes);
        }
    }
    // Where the old header is not covered, it must not pass for alive.
    if c.start().addr() >= new.start().addr() + bytes && !tools::watch() {
        c.kill(c.name());
        sysmem::fill(c.user(), old);
    }
    new.moved_from(c, destructor, t);
    apart.put(new);
    Some(new)
}

// ---- members go -------------------------------------------------------------------

/// A pool, a cache or a member is freed: its head is dead, it was `t`.  If nothing is left
/// in a pool, its block goes, too.
pub fn leave(c: Chunk, t: Payload) {
    let Some(r) = record_of_dead(c, t) else {
        return;
    };
    if t & POOL == 0 {
        let size = size_of_payload(t);
        tools::gone(r, c, size);
        let end = c.start().wrapping_add(footprint(HEADER + size));
        return room_left(r, c.start(), end);
    }
    tools::left(r, c, size_of_payload(t));
    record!(r).live &= !OWN;
    if record!(r).live & !CACHE == 0 {
        gone(r);
    }
}

#[inline(always)]
fn record_of_dead(c: Chunk, t: Payload) -> Option<*mut Record> {
    let r = record_of_sound(c, t);
    if r.is_none() {
        lost_home();
    }
    r
}

#[cold]
fn lost_home() {
    fault::report(fault::UNKNOWN);
}

/// Does the record of a pool, a cache or a member say that it can go?
#[inline(always)]
pub fn may_leave(c: Chunk, t: Payload) -> bool {
    match record_of_sound(c, t) {
        Some(r) => t & POOL != 0 || members(r) != 0,
        None => false,
    }
}

/// The same; if not, it is a fault.
pub fn can_leave(c: Chunk, t: Payload) -> bool {
    let Some(r) = record_of(c, t) else {
        return false;
    };
    if t & POOL == 0 && members(r) == 0 {
        fault::report(c"Pool object count zero!");
        return false;
    }
    true
}

/// Members leave a pool that stays, one after the other; those of another may come between.
pub struct Leaving(*mut Record);

impl Leaving {
    /// The pool of that record.
    #[inline(always)]
    pub fn of(r: *mut Record) -> Leaving {
        Leaving(r)
    }

    /// Can what is just a member leave its pool? From now on it is about that one.
    #[inline(always)]
    pub fn may(&mut self, c: Chunk) -> bool {
        if c.home() != self.0.cast() {
            self.end();
            self.0 = records::at(c.home());
        }
        records::lies_in(self.0, c) && self.may_any()
    }

    /// The same of one that was seen to lie in it.
    #[inline(always)]
    pub fn may_again(&self, c: Chunk) -> bool {
        c.home() == self.0.cast() && self.may_any()
    }

    /// Can one that lies there?
    #[inline(always)]
    pub fn may_any(&self) -> bool {
        // Below 0 in a cache.
        record!(self.0).live as i32 > ONE as i32
    }

    /// One of `size` user bytes leaves.
    #[inline(always)]
    pub fn leave(&self, c: Chunk, size: usize) {
        record!(self.0).live = record!(self.0).live.wrapping_sub(ONE);
        if c.start().wrapping_add(round(HEADER + size) - LESS) == record!(self.0).next {
            record!(self.0).next = c.start().wrapping_sub(LESS);
        }
    }

    /// No more of them.
    #[inline(always)]
    pub fn end(&self) {
        if record!(self.0).live == OWN {
            record!(self.0).next = record!(self.0).start;
        }
    }
}

/// A pool of which the last goes that is alive in it, or its own chunk.
pub struct Closing(*mut Record);

/// What is just a pool, and perhaps a member, if it is that.
#[inline(always)]
pub fn to_leave(c: Chunk) -> Option<Closing> {
    // Nobody watches it, or the chunk would be `EXACT`.
    let r = records::pool_of(c)?;
    (!is_cache(r)).then_some(Closing(r))
}

/// The pool of that record, if it has a block of its own, and one member alone is alive in it.
#[inline(always)]
pub fn with_last_member(r: *mut Record) -> Option<Closing> {
    (record!(r).live == ONE && record!(r).outer.is_null()).then_some(Closing(r))
}

impl Closing {
    /// Is more alive than its own chunk?
    #[inline(always)]
    pub fn is_in_use(&self) -> bool {
        record!(self.0).live != OWN
    }

    /// Its own chunk goes, and it is in use.
    #[inline(always)]
    pub fn leave(&self) {
        record!(self.0).live -= OWN;
    }

    /// Of its block.
    #[inline(always)]
    pub fn bytes(&self) -> usize {
        bytes_of(self.0)
    }

    /// The pool that it lies in, whose member it is, if any.
    #[inline(always)]
    pub fn outer(&self) -> Option<Leaving> {
        let outer = record!(self.0).outer;
        (!outer.is_null()).then(|| Leaving::of(outer))
    }

    /// Room for its record and its block.
    #[inline(always)]
    pub fn rooms(&self) -> Option<(Room, Room)> {
        let kept = OfThread::now();
        let record = kept.room_for_record()?;
        Some((record, kept.room_for_block(self.bytes())?))
    }

    /// It goes, into those.
    #[inline(always)]
    pub fn close_all(&self, (record, block): (Room, Room)) {
        let start = start_of(self.0);
        self.close(record);
        block.keep(start);
    }

    /// It goes; its record is kept there.
    #[inline(always)]
    pub fn close(&self, room: Room) {
        records::put_into(room, self.0);
    }
}

/// What lay between `begin` and `end` has left.
#[inline(always)]
fn room_left(r: *mut Record, begin: *mut u8, end: *mut u8) {
    let live = record!(r).live.wrapping_sub(ONE);
    record!(r).live = live;
    if live & !CACHE == 0 {
        return gone(r);
    }
    if live & CACHE != 0 {
        cache::slot_left(r, begin);
    } else if live == OWN {
        record!(r).next = record!(r).start;
    } else if end.wrapping_sub(LESS) == record!(r).next {
        record!(r).next = begin.wrapping_sub(LESS);
    }
}

/// Nothing in a pool or cache is alive: its block goes.
#[inline(never)]
fn gone(mut r: *mut Record) {
    loop {
        let (begin, bytes) = (start_of(r), bytes_of(r));
        let outer = record!(r).outer;
        tools::closed(r);
        if is_cache(r) {
            cache::closed(r);
        }
        records::put(r);
        if outer.is_null() {
            // SAFETY: a block of its own, and nothing in it is alive.
            return unsafe {
                if sysmem::every() & EXACT != 0 {
                    sysmem::free(begin);
                } else {
                    magazine::put(bytes, begin);
                }
            };
        }
        if tools::may_watch() {
            if let Some(start) = NonNull::new(begin) {
                tools::inner_gone(Chunk::at(start), bytes - HEADER);
            }
        }
        let end = begin.wrapping_add(footprint(bytes));
        if record!(outer).live != ONE {
            return room_left(outer, begin, end);
        }
        // A pool that is empty is, in its turn, a member that goes.
        record!(outer).live = 0;
        r = outer;
    }
}
