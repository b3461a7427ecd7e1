//! Going without being asked: leaves, and trees of such, in which nobody is to be told.
//!
//! Most of what is freed is of one kind: plain chunks, members of one pool, objects of a
//! cache, chunks below one limit, references.  A [`Kind`] knows in a few instructions whether
//! a leaf of its kind can go at once, without calling anything; if it can, it does.
//! [`all_of`] so frees a whole tree of one kind.  [`below`] takes whatever kinds come, and
//! stops at what is to be asked, or is not as it should be.
//!
//! At each moment the tree is one that can be walked: a leaf is out of its list before it is
//! dead, and what is below the chunk that is freed is out of reach while it goes.

use crate::header::{
    Chunk, DYING, EXACT, FLAGS, HANDLE, HEADER, HELD, LIMIT, MEMBER, POOL, Payload, ROOMY, SPECIAL,
    TOP, size_of_payload,
};
use crate::magazine::{self, OfThread, Room};
use crate::records::Record;
use crate::size_class::{SMALL_MAX, block_of};
use crate::{limit, list, pool, records, refs, root, sysmem, walk};
use core::ffi::{c_char, c_void};
use core::ptr::null;

/// What a payload may be of a chunk that has nothing to be asked, and is on nobody's way.
pub const UNASKED: Payload = ((1 << FLAGS) - 1) | TOP | ROOMY | EXACT | MEMBER | POOL | LIMIT;
/// The same of one that is shed: not `TOP`, but perhaps a reference.
const IS_SHED: Payload = UNASKED & !TOP | HANDLE;

/// A kind of leaf that can go a fast way; and what is known from the first of some that go, one
/// after the other, to the last.
pub trait Kind: Sized {
    /// One that is about to go.
    type Ready;
    /// Do leaves of this kind lie here and there?
    const IS_SCATTERED: bool = true;
    /// Does this payload say that a chunk may be of this kind?
    fn is(t: Payload) -> bool;
    /// Leaves begin to go; `top` is one that may be of this kind.
    fn begin(top: Chunk) -> Option<Self>;
    /// The same of those below `top`, which is of another kind.
    #[inline(always)]
    fn begin_below(top: Chunk) -> Option<Self> {
        Self::begin(top)
    }
    /// Can this one, which may be of the kind, go at once?
    fn ready(&mut self, c: Chunk, t: Payload) -> Option<Self::Ready>;
    /// The same of the one that they began with.
    #[inline(always)]
    fn top_ready(&mut self, top: Chunk, t: Payload) -> Option<Self::Ready> {
        self.ready(top, t)
    }
    /// It is out of its list and dead: its memory goes back.
    fn go(&mut self, ready: Self::Ready, c: Chunk);
    /// No more of them go now.
    fn end(self) {}
}

/// A small block of its own, and nothing else.
pub struct Plain(OfThread);

impl Kind for Plain {
    type Ready = Room;

    #[inline(always)]
    fn is(t: Payload) -> bool {
        t <= SMALL_MAX as u64
    }

    #[inline(always)]
    fn begin(_top: Chunk) -> Option<Self> {
        Some(Plain(OfThread::now()))
    }

    #[inline(always)]
    fn ready(&mut self, _c: Chunk, t: Payload) -> Option<Room> {
        self.0.room(t as usize)
    }

    #[inline(always)]
    fn go(&mut self, room: Room, c: Chunk) {
        room.keep(c.start());
    }
}

/// A large block of its own, and nothing else.
pub struct Large;

impl Kind for Large {
    /// Its user bytes.
    type Ready = usize;

    #[inline(always)]
    fn is(t: Payload) -> bool {
        t >> FLAGS == 0 && !Plain::is(t)
    }

    #[inline(always)]
    fn begin(_top: Chunk) -> Option<Self> {
        Some(Large)
    }

    #[inline(always)]
    fn ready(&mut self, _c: Chunk, t: Payload) -> Option<usize> {
        Some(t as usize)
    }

    #[inline(always)]
    fn go(&mut self, size: usize, c: Chunk) {
        // SAFETY: the block of a large chunk that is gone.
        unsafe { magazine::put_large(size, c.start()) };
    }
}

/// A member of a pool.
pub struct Member(pool::Leaving);

impl Kind for Member {
    /// Its user bytes.
    type Ready = usize;
    const IS_SCATTERED: bool = false;

    #[inline(always)]
    fn is(t: Payload) -> bool {
        t >> FLAGS == MEMBER >> FLAGS
    }

    #[inline(always)]
    fn begin(top: Chunk) -> Option<Self> {
        records::pool_around(top).map(|r| Member(pool::Leaving::of(r)))
    }

    #[inline(always)]
    fn begin_below(pool: Chunk) -> Option<Self> {
        records::pool_of(pool).map(|r| Member(pool::Leaving::of(r)))
    }

    #[inline(always)]
    fn ready(&mut self, c: Chunk, t: Payload) -> Option<usize> {
        self.0.may(c).then_some(size_of_payload(t))
    }

    #[inline(always)]
    fn top_ready(&mut self, top: Chunk, t: Payload) -> Option<usize> {
        self.0.may_again(top).then_some(size_of_payload(t))
    }

    #[inline(always)]
    fn go(&mut self, size: usize, c: Chunk) {
        self.0.leave(c, size);
    }

    #[inline(always)]
    fn end(self) {
        self.0.end();
    }
}

/// A pool with a block of its own, which goes with it unless something else in it is alive.
pub struct Pool(pool::Closing);

impl Kind for Pool {
    /// Of the record, and of the block; none if they stay.
    type Ready = Option<(Room, Room)>;

    #[inline(always)]
    fn is(t: Payload) -> bool {
        t >> FLAGS == POOL >> FLAGS
    }

    #[inline(always)]
    fn begin(pool: Chunk) -> Option<Self> {
        pool::to_leave(pool).map(Pool)
    }

    #[inline(always)]
    fn ready(&mut self, _c: Chunk, _t: Payload) -> Option<Self::Ready> {
        if self.0.is_in_use() {
            return Some(None);
        }
        self.0.rooms().map(Some)
    }

    #[inline(always)]
    fn go(&mut self, rooms: Self::Ready, _c: Chunk) {
        match rooms {
            None => self.0.leave(),
            Some(rooms) => self.0.close_all(rooms),
        }
    }
}

/// The same of a pool that lies in a pool, in which more is alive.
pub struct InnerPool(pool::Closing, pool::Leaving);

impl Kind for InnerPool {
    /// Of the record.
    type Ready = Room;

    #[inline(always)]
    fn is(t: Payload) -> bool {
        t >> FLAGS == (POOL | MEMBER) >> FLAGS
    }

    #[inline(always)]
    fn begin(pool: Chunk) -> Option<Self> {
        let closing = pool::to_leave(pool).filter(|pool| !pool.is_in_use())?;
        let outer = closing.outer()?;
        Some(InnerPool(closing, outer))
    }

    #[inline(always)]
    fn ready(&mut self, _c: Chunk, _t: Payload) -> Option<Room> {
        let room = OfThread::now().room_for_record()?;
        self.1.may_any().then_some(room)
    }

    #[inline(always)]
    fn go(&mut self, record: Room, c: Chunk) {
        self.1.leave(c, self.0.bytes() - HEADER);
        self.0.close(record);
    }

    #[inline(always)]
    fn end(self) {
        self.1.end();
    }
}

/// A small block of its own below a limit.
pub struct Limited(OfThread);

impl Kind for Limited {
    type Ready = (limit::Leaving, Room);

    #[inline(always)]
    fn is(t: Payload) -> bool {
        t ^ LIMIT <= SMALL_MAX as u64
    }

    #[inline(always)]
    fn begin(_top: Chunk) -> Option<Self> {
        Some(Limited(OfThread::now()))
    }

    #[inline(always)]
    fn ready(&mut self, c: Chunk, t: Payload) -> Option<Self::Ready> {
        let size = size_of_payload(t);
        let left = limit::block_to_leave(c, HEADER + size)?;
        Some((left, self.0.room(size)?))
    }

    #[inline(always)]
    fn go(&mut self, (left, room): Self::Ready, c: Chunk) {
        left.leave();
        room.keep(c.start());
    }
}

/// A reference in a block of its own, and nothing else.
pub struct Reference(OfThread);

impl Kind for Reference {
    type Ready = (refs::Leaving, Room);

    #[inline(always)]
    fn is(t: Payload) -> bool {
        t == refs::JUST_HANDLE
    }

    #[inline(always)]
    fn begin(_top: Chunk) -> Option<Self> {
        Some(Reference(OfThread::now()))
    }

    #[inline(always)]
    fn ready(&mut self, c: Chunk, t: Payload) -> Option<Self::Ready> {
        Some((refs::handle_to_leave(c)?, self.0.room(size_of_payload(t))?))
    }

    #[inline(always)]
    fn go(&mut self, (left, room): Self::Ready, c: Chunk) {
        left.leave();
        room.keep(c.start());
    }
}

/// Frees a leaf of that kind, or answers false and does nothing.
#[inline(always)]
pub fn leaf<K: Kind>(c: Chunk, t: Payload, location: *const c_char) -> bool {
    K::begin(c).is_some_and(|mut going| last(&mut going, c, t, location) && ended(going))
}

#[inline(always)]
fn last<K: Kind>(going: &mut K, c: Chunk, t: Payload, location: *const c_char) -> bool {
    let ready = going.top_ready(c, t);
    goes(ready, c, |ready| going.go(ready, c), location)
}

#[inline(always)]
fn ended<K: Kind>(going: K) -> bool {
    going.end();
    true
}

/// Frees a leaf that is just a member of the pool of that record, and lies in it; or answers
/// false and does nothing.
#[inline(always)]
pub fn member(r: *mut Record, c: Chunk, t: Payload, location: *const c_char) -> bool {
    let mut going = Member(pool::Leaving::of(r));
    let ready = going.0.may_any().then_some(size_of_payload(t));
    goes(ready, c, |size| going.go(size, c), location) && ended(going)
}

/// Frees a leaf that is ready, by `go` in the end; or answers false and does nothing.
#[inline(always)]
pub fn goes<R>(ready: Option<R>, c: Chunk, go: impl FnOnce(R), location: *const c_char) -> bool {
    match ready {
        Some(ready) if list::take_out(c) => {
            c.kill(location);
            go(ready);
            true
        }
        _ => false,
    }
}

/// Frees a chunk, which is `t` and of that kind, with all below it; false if something, which
/// is still there, is of another kind or cannot go the fast way.
#[inline(always)]
pub fn all_of<K: Kind>(c: Chunk, t: Payload, location: *const c_char) -> bool {
    let Some(mut going) = K::begin(c) else {
        return false;
    };
    if !list::take_out(c) {
        return false;
    }
    // Dead from here on, so that the walk cannot take it for a leaf if somebody wrote a link to
    // it.
    c.flip();
    let ready = if go_below(&mut going, c, location) {
        going.top_ready(c, t)
    } else {
        None
    };
    let is_gone = ready.is_some();
    match ready {
        Some(ready) => {
            c.set_location(location);
            going.go(ready, c);
        }
        None => {
            c.flip();
            list::put_back(c);
        }
    }
    going.end();
    is_gone
}

/// The same, but for the chunk itself.
#[inline(always)]
pub fn all_below<K: Kind>(c: Chunk, location: *const c_char) -> bool {
    let Some(mut going) = K::begin_below(c) else {
        return false;
    };
    let are_gone = go_below(&mut going, c, location);
    going.end();
    are_gone
}

#[inline(always)]
fn go_below<K: Kind>(going: &mut K, top: Chunk, location: *const c_char) -> bool {
    let Some(first) = top.child() else {
        return true;
    };
    shed(top, first, &mut OfKind(going, null()), location).is_none()
}

/// Frees what is below `top`, whose list is its thread's alone, as long as there is nothing
/// to ask, so that nobody sees in what state the tree is.  `None` if that was all; else the
/// chunk, `top` or below it, whose first child is to be asked, or is not as it should be.
#[inline(always)]
pub fn below(top: Chunk, location: *const c_char) -> Option<Chunk> {
    let first = top.child()?;
    if !may_go(first.payload()) {
        return Some(top);
    }
    below_from(top, first, top, location)
}

/// The same, but what is `spared`, which may be none, stays with all that is below it.
#[inline(always)]
pub fn children(top: Chunk, spared: *const c_void, location: *const c_char) -> Option<Chunk> {
    let first = top.child()?;
    let t = top.payload();
    let is_pool = t & POOL != 0;
    if let Some(mut going) = is_pool.then(|| Member::begin_below(top)).flatten() {
        let left = shed(top, first, &mut OfKind(&mut going, spared), location);
        going.end();
        return left;
    }
    if !may_go(first.payload()) {
        return Some(top);
    }
    let spared = if spared.is_null() {
        top
    } else {
        Chunk::before(spared)
    };
    // So that it does not go itself if somebody wrote a link to it.
    if t & HELD == 0 {
        top.add(HELD);
    }
    let left = below_from(top, first, spared, location);
    if t & HELD == 0 {
        top.sub(HELD);
    }
    left
}

/// Is a chunk of that payload, in a list that is its thread's alone, nothing to ask?
#[inline(always)]
pub fn may_go(t: Payload) -> bool {
    t & !IS_SHED == 0
}

/// As [`below`], where the first child is that one, and may go; the chunk `spared`, which is
/// `top` unless that is held, does not.
#[inline(never)]
pub fn below_from(
    top: Chunk,
    first: Chunk,
    spared: Chunk,
    location: *const c_char,
) -> Option<Chunk> {
    shed(top, first, &mut OfAny(spared), location)
}

/// How what is below a chunk goes.
trait Way {
    /// May a chunk of this payload go?
    fn may_go(t: Payload) -> bool;
    /// Does that one stay, with all that is below it?
    fn spares(&self, c: Chunk) -> bool;
    /// A leaf, out of its list, before that sibling, goes; or false, and nothing is done.
    fn leave(&mut self, c: Chunk, next: Option<Chunk>, t: Payload, location: *const c_char)
    -> bool;
}

/// Frees what is below `top` from `first`, its first child, on, as long as it may go.  The
/// answer is that of [`below`].
///
/// Nobody finds what is below `top` meanwhile; what is left of it when the walk stops is put
/// back.
#[inline(always)]
fn shed<W: Way>(top: Chunk, first: Chunk, way: &mut W, location: *const c_char) -> Option<Chunk> {
    let (mut up, mut c) = (top, first);
    if !list::enter(top, c) {
        return Some(top);
    }
    loop {
        let t = c.payload();
        if !W::may_go(t) {
            break;
        }
        if let Some(below) = c.child() {
            // In a loop of parents `top` is below itself: the list that it is in stays.
            if c.parent_user() != up.user()
                || c.user() == top.parent_user()
                || way.spares(c)
                || !list::enter(c, below)
            {
                break;
            }
            (up, c) = (c, below);
            continue;
        }
        let next = c.next();
        if next.is_some_and(|next| next.pprev() != c.next_link())
            || way.spares(c)
            || !way.leave(c, next, t, location)
        {
            break;
        }
        c = match next {
            Some(next) => next,
            None if up == top => return None,
            None => {
                // A leaf now, and the first of its parent.
                let c = up;
                up = Chunk::before(c.parent_user());
                c
            }
        };
    }
    list::leave(up, c, top);
    Some(up)
}

/// All of one kind, but not that chunk, if it is one.
struct OfKind<'a, K: Kind>(&'a mut K, *const c_void);

impl<K: Kind> Way for OfKind<'_, K> {
    #[inline(always)]
    fn may_go(t: Payload) -> bool {
        K::is(t)
    }

    #[inline(always)]
    fn spares(&self, c: Chunk) -> bool {
        !self.1.is_null() && c.user().cast_const() == self.1
    }

    #[inline(always)]
    fn leave(
        &mut self,
        c: Chunk,
        next: Option<Chunk>,
        t: Payload,
        location: *const c_char,
    ) -> bool {
        let Some(ready) = self.0.ready(c, t) else {
            return false;
        };
        if K::IS_SCATTERED {
            walk::look_ahead_of_leaf(next);
        }
        c.kill(location);
        self.0.go(ready, c);
        true
    }
}

/// Of any kinds, but not that chunk, to which somebody may have written a link.
struct OfAny(Chunk);

impl Way for OfAny {
    #[inline(always)]
    fn may_go(t: Payload) -> bool {
        may_go(t)
    }

    #[inline(always)]
    fn spares(&self, c: Chunk) -> bool {
        c == self.0
    }

    #[inline(always)]
    fn leave(
        &mut self,
        c: Chunk,
        next: Option<Chunk>,
        t: Payload,
        location: *const c_char,
    ) -> bool {
        leave_any(c, next, t, location)
    }
}

/// A leaf of any kind goes, out of its list; or false, and nothing is done.
#[inline(always)]
fn leave_any(c: Chunk, next: Option<Chunk>, t: Payload, location: *const c_char) -> bool {
    if Plain::is(t) {
        walk::look_ahead_of_leaf(next);
        c.kill(location);
        // SAFETY: the block of a plain chunk that is gone.
        unsafe { magazine::put_small(t as usize, c.start()) };
        return true;
    }
    if Member::is(t) && leave_as::<Member>(c, next, t, location) {
        return true;
    }
    if Limited::is(t) && leave_as::<Limited>(c, next, t, location) {
        return true;
    }
    leave_flagged(c, t, location)
}

#[inline(always)]
fn leave_as<K: Kind>(c: Chunk, next: Option<Chunk>, t: Payload, location: *const c_char) -> bool {
    K::begin(c).is_some_and(|mut going| {
        OfKind(&mut going, null()).leave(c, next, t, location) && ended(going)
    })
}

#[inline(never)]
fn leave_flagged(c: Chunk, t: Payload, location: *const c_char) -> bool {
    if Reference::is(t) && leave_as::<Reference>(c, None, t, location) {
        return true;
    }
    if Pool::is(t) && leave_as::<Pool>(c, None, t, location) {
        return true;
    }
    if InnerPool::is(t) && leave_as::<InnerPool>(c, None, t, location) {
        return true;
    }
    // Nobody is to be called now, as a fault would do.
    if t & (MEMBER | POOL) != 0 && !pool::may_leave(c, t) {
        return false;
    }
    if t & HANDLE != 0 && !refs::take_off(c) {
        return false;
    }
    leave(c, t, location);
    true
}

/// The same for a small block of its own that is in no list.
#[inline(always)]
pub fn lone_leaf(c: Chunk, t: Payload, location: *const c_char) -> bool {
    if t ^ TOP > SMALL_MAX as u64 || !list::is_alone(c) {
        return false;
    }
    let Some(room) = OfThread::now().room(size_of_payload(t)) else {
        return false;
    };
    c.kill(location);
    room.keep(c.start());
    true
}

/// The same for a small block of its own that has no parent, or the null context.
#[inline(always)]
pub fn top_leaf(c: Chunk, t: Payload, location: *const c_char) -> bool {
    if t ^ TOP > SMALL_MAX as u64 || !list::unlink(c, true) {
        return false;
    }
    c.kill(location);
    // SAFETY: the block of a plain chunk that is gone.
    unsafe { magazine::put_small(size_of_payload(t), c.start()) };
    true
}

/// The same for a pool with a block of its own.
#[inline(always)]
pub fn top_pool(c: Chunk, t: Payload, location: *const c_char) -> bool {
    let Some(mut going) = Pool::begin(c) else {
        return false;
    };
    match going.ready(c, t) {
        Some(rooms) if list::unlink(c, true) => {
            c.kill(location);
            going.go(rooms, c);
            true
        }
        _ => false,
    }
}

// ---- one chunk of any kind ----------------------------------------------------

/// A leaf of any kind: out of the list and the accounts; the memory goes back.  False after a
/// fault.  `t` is without `DTOR`, and nothing is below it any more.
#[inline(never)]
pub fn remove(c: Chunk, t: Payload, location: *const c_char) -> bool {
    if t & HANDLE != 0 && !refs::take_off(c) {
        c.corrupted(c"record of a reference"); // and it goes all the same
    }
    let can_leave = t & (MEMBER | POOL) == 0 || pool::can_leave(c, t);
    if !can_leave || !list::unlink(c, t & TOP != 0) {
        if can_leave {
            c.corrupted(c"prev or next");
        }
        c.set(DYING); // out of sight; its memory is lost
        return false;
    }
    leave(c, t, location);
    true
}

/// A chunk that is out of its list leaves all else, and goes.
#[inline]
pub fn leave(c: Chunk, t: Payload, location: *const c_char) {
    if t & (SPECIAL | LIMIT) != 0 {
        if t & SPECIAL != 0 {
            root::gone(c);
        }
        limit::close(c, t);
    }
    c.kill(location);
    // The memory of a held chunk goes when it is held no more.
    if t & HELD == 0 {
        give_back(c, t);
    }
}

/// Gives the memory of a freed chunk back, which was `t`.
#[inline]
pub fn give_back(c: Chunk, t: Payload) {
    if t & EXACT != 0 {
        return give_back_exact(c, t);
    }
    if t & (POOL | MEMBER) != 0 {
        return pool::leave(c, t);
    }
    let size = size_of_payload(t);
    // SAFETY: the block of a chunk that is gone.
    unsafe {
        if t & ROOMY != 0 && size > SMALL_MAX {
            // malloc has extended it, and is to extend the next one: that does not come from here.
            sysmem::free(c.start());
        } else {
            magazine::put(block_of(t).1, c.start());
        }
    }
}

#[inline(never)]
fn give_back_exact(c: Chunk, t: Payload) {
    sysmem::fill(c.user(), size_of_payload(t));
    if t & (POOL | MEMBER) != 0 {
        return pool::leave(c, t);
    }
    // SAFETY: the block of a chunk that is gone.
    unsafe { sysmem::free(c.start()) };
}
