//! Going without being asked: leaves, and trees of such, in which nobody is to be told.
//!
//! Most of what is freed is of one kind: plain chunks, members of one pool, objects of a
//! cache, chunks below one limit.  A [`Kind`] knows in a few instructions whether a leaf of
//! its kind can go at once, without calling anything; if it can, it does.  [`all_of`] so
//! frees a whole tree of one kind.  [`below`] takes whatever kinds come, and stops at what
//! is to be asked, or is not as it should be.
//!
//! At each moment the tree is one that can be walked: a leaf is out of its list before it is
//! dead.

use crate::header::{
    Chunk, DYING, EXACT, FLAGS, HEADER, HELD, LIMIT, MEMBER, POOL, Payload, SPECIAL, TOP,
    size_of_payload,
};
use crate::magazine::{self, Room, SMALL_MAX};
use crate::records::Record;
use crate::{limit, list, pool, records, root, sysmem, walk};
use core::ffi::c_char;

/// What a payload may be of a chunk that has nothing to be asked, and is on nobody's way.
pub const UNASKED: Payload = ((1 << FLAGS) - 1) | TOP | EXACT | MEMBER | POOL | LIMIT;
/// The same without `TOP`: of one that is shed.
const IS_SHED: Payload = UNASKED & !TOP;

/// A kind of leaf that can go a fast way; and one that is about to.
pub trait Kind: Sized {
    /// Do leaves of this kind lie here and there?
    const IS_SCATTERED: bool = true;
    /// Does this payload say that a chunk may be of this kind?
    fn is(t: Payload) -> bool;
    /// A leaf of this kind, if it can go at once.
    fn ready(c: Chunk, t: Payload) -> Option<Self>;
    /// It is out of its list and dead: its memory goes back.
    fn go(self, c: Chunk);
}

/// A small block of its own, and nothing else.
pub struct Plain(Room);

impl Kind for Plain {
    #[inline(always)]
    fn is(t: Payload) -> bool {
        t <= SMALL_MAX as u64
    }

    #[inline(always)]
    fn ready(_c: Chunk, t: Payload) -> Option<Self> {
        magazine::room(t as usize).map(Plain)
    }

    #[inline(always)]
    fn go(self, c: Chunk) {
        self.0.keep(c.start());
    }
}

/// A large block of its own, and nothing else.
pub struct Large(Room);

impl Kind for Large {
    #[inline(always)]
    fn is(t: Payload) -> bool {
        t >> FLAGS == 0 && !Plain::is(t)
    }

    #[inline(always)]
    fn ready(_c: Chunk, t: Payload) -> Option<Self> {
        magazine::room_large(t as usize).map(Large)
    }

    #[inline(always)]
    fn go(self, c: Chunk) {
        self.0.keep(c.start());
    }
}

/// A member of a pool.
pub struct Member(pool::Leaving);

impl Member {
    /// One that lies in the pool of that record, if it can go at once.
    #[inline(always)]
    pub fn of(r: *mut Record, c: Chunk, t: Payload) -> Option<Member> {
        pool::member_to_leave(r, c, size_of_payload(t)).map(Member)
    }
}

impl Kind for Member {
    const IS_SCATTERED: bool = false;

    #[inline(always)]
    fn is(t: Payload) -> bool {
        t >> FLAGS == MEMBER >> FLAGS
    }

    #[inline(always)]
    fn ready(c: Chunk, t: Payload) -> Option<Self> {
        Self::of(records::pool_around(c)?, c, t)
    }

    #[inline(always)]
    fn go(self, _c: Chunk) {
        self.0.leave();
    }
}

/// A pool with a block of its own, in which nothing else is alive.
pub struct Pool(pool::Closing, Room);

impl Kind for Pool {
    #[inline(always)]
    fn is(t: Payload) -> bool {
        t >> FLAGS == POOL >> FLAGS
    }

    #[inline(always)]
    fn ready(c: Chunk, _t: Payload) -> Option<Self> {
        let pool = pool::to_close(c)?;
        let room = magazine::room_for_block(pool.bytes())?;
        Some(Pool(pool, room))
    }

    #[inline(always)]
    fn go(self, c: Chunk) {
        self.0.close();
        self.1.keep(c.start());
    }
}

/// The same of a pool that lies in a pool, in which more is alive.
pub struct InnerPool(pool::Closing, pool::Leaving);

impl Kind for InnerPool {
    #[inline(always)]
    fn is(t: Payload) -> bool {
        t >> FLAGS == (POOL | MEMBER) >> FLAGS
    }

    #[inline(always)]
    fn ready(c: Chunk, _t: Payload) -> Option<Self> {
        let pool = pool::to_close(c)?;
        let left = pool.leaves_outer(c)?;
        Some(InnerPool(pool, left))
    }

    #[inline(always)]
    fn go(self, _c: Chunk) {
        self.0.close();
        self.1.leave();
    }
}

/// A small block of its own below a limit.
pub struct Limited(limit::Leaving, Room);

impl Kind for Limited {
    #[inline(always)]
    fn is(t: Payload) -> bool {
        t ^ LIMIT <= SMALL_MAX as u64
    }

    #[inline(always)]
    fn ready(c: Chunk, t: Payload) -> Option<Self> {
        let size = size_of_payload(t);
        let left = limit::block_to_leave(c, HEADER + size)?;
        Some(Limited(left, magazine::room(size)?))
    }

    #[inline(always)]
    fn go(self, c: Chunk) {
        self.0.leave();
        self.1.keep(c.start());
    }
}

/// Frees a leaf of that kind, or answers false and does nothing.
#[inline(always)]
pub fn leaf<K: Kind>(c: Chunk, t: Payload, location: *const c_char) -> bool {
    goes(K::ready(c, t), c, |ready| ready.go(c), location)
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

/// Frees a chunk, which is `t`, with all below it; false if something, which is still there, is
/// of another kind or cannot go the fast way.
#[inline(always)]
pub fn all_of<K: Kind>(c: Chunk, t: Payload, location: *const c_char) -> bool {
    all_below::<K>(c, location) && K::is(t) && leaf::<K>(c, t, location)
}

/// The same, but for the chunk itself.
#[inline(always)]
pub fn all_below<K: Kind>(c: Chunk, location: *const c_char) -> bool {
    shed(c, location, K::is, leave_first::<K>).is_none()
}

/// Frees what is below `top`, whose list is its thread's alone, as long as there is nothing
/// to ask, so that nobody sees in what state the tree is.  `None` if that was all; else the
/// chunk, `top` or below it, whose first child is to be asked, or is not as it should be.
#[inline(never)]
pub fn below(top: Chunk, location: *const c_char) -> Option<Chunk> {
    shed(top, location, |t| t & !IS_SHED == 0, leave_first_of_any)
}

/// Frees the first child of a chunk, before its next one, which is so and a leaf; or answers
/// false, and does nothing.
type Leave = fn(Chunk, Chunk, Option<Chunk>, Payload, *const c_char) -> bool;

/// The same for what a payload says to be of a kind.
#[inline(always)]
fn shed(
    top: Chunk,
    location: *const c_char,
    is_kind: fn(Payload) -> bool,
    leave: Leave,
) -> Option<Chunk> {
    let mut up = top;
    let mut c = up.child()?;
    loop {
        let t = c.payload();
        if c.pprev() != up.child_link() || !is_kind(t) {
            return Some(up);
        }
        if let Some(below) = c.child() {
            if c == top || c.parent_user() != up.user() {
                return Some(up);
            }
            (up, c) = (c, below);
            continue;
        }
        let next = c.next();
        if next.is_some_and(|next| next.pprev() != c.next_link())
            || !leave(up, c, next, t, location)
        {
            return Some(up);
        }
        c = match next {
            Some(next) => next,
            None if up == top => return None,
            None => {
                // A leaf now, and the first of its parent, or it would not have been entered.
                let c = up;
                up = Chunk::before(c.parent_user());
                c
            }
        };
    }
}

#[inline(always)]
fn leave_first<K: Kind>(
    up: Chunk,
    c: Chunk,
    next: Option<Chunk>,
    t: Payload,
    location: *const c_char,
) -> bool {
    let Some(ready) = K::ready(c, t) else {
        return false;
    };
    list::drop_first(up, next);
    if K::IS_SCATTERED {
        walk::look_ahead(next);
    }
    c.kill(location);
    ready.go(c);
    true
}

#[inline(always)]
fn leave_first_of_any(
    up: Chunk,
    c: Chunk,
    next: Option<Chunk>,
    t: Payload,
    location: *const c_char,
) -> bool {
    if Plain::is(t) {
        list::drop_first(up, next);
        walk::look_ahead(next);
        c.kill(location);
        // SAFETY: the block of a plain chunk that is gone.
        unsafe { magazine::put_small(t as usize, c.start()) };
        return true;
    }
    if Member::is(t) && leave_first::<Member>(up, c, next, t, location) {
        return true;
    }
    if Limited::is(t) && leave_first::<Limited>(up, c, next, t, location) {
        return true;
    }
    leave_first_flagged(up, c, t, location)
}

#[inline(never)]
fn leave_first_flagged(up: Chunk, c: Chunk, t: Payload, location: *const c_char) -> bool {
    // Nobody is to be called now, as a fault would do.
    if t & (MEMBER | POOL) != 0 && !pool::may_leave(c, t) {
        return false;
    }
    list::drop_first(up, c.next());
    leave(c, t, location);
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

// ---- one chunk of any kind ----------------------------------------------------

/// Out of the list and the accounts; the memory goes back.  False after a fault.  `t` is
/// without `DTOR`, and nothing is below it any more.
#[inline(always)]
pub fn release(c: Chunk, t: Payload, location: *const c_char) -> bool {
    if Plain::is(t) && list::take_out(c) {
        c.kill(location);
        // SAFETY: the block of a plain chunk that is gone.
        unsafe { magazine::put_small(t as usize, c.start()) };
        return true;
    }
    if Member::is(t) && leaf::<Member>(c, t, location) {
        return true;
    }
    remove(c, t, location)
}

/// The same for any chunk.
#[inline(never)]
pub fn remove(c: Chunk, t: Payload, location: *const c_char) -> bool {
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
    let size = size_of_payload(t);
    if t & EXACT != 0 {
        return give_back_exact(c, t);
    }
    if t & (POOL | MEMBER) != 0 {
        return pool::leave(c, t);
    }
    // SAFETY: the block of a chunk that is gone.
    unsafe { magazine::put(HEADER + size, c.start()) };
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
