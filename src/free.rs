//! Freeing: destructors, refusals, references, new owners.
//!
//! The fast way is for a plain small chunk without children, and for trees of one kind.
//! Then comes:
//!
//! ```text
//!   shed::below  what is below c goes, leaf by leaf, as long as nobody is to be asked
//!   begin(c)     asks: refused?  --yes-->  stays, or gets a new owner (step_into)
//!       | no, and something is left below that is to be asked: DYING
//!   each child:  begin(child) ... finish(child)
//!       | none left
//!   finish(c)    out of the list, accounts closed, memory back
//! ```
//!
//! The walk has neither stack nor memory of its own: a dying chunk keeps in `extra`, which
//! it needs no more, the dying chunk above it.  That is set, for all on the way, only when
//! somebody is to be asked; coming back, every chunk on the way up is decoded anew.
//!
//! A destructor may do anything.  A dying chunk is out of its reach: freeing it again is 0,
//! moving or resizing it does nothing, and only its own walk gives it back.  What else a
//! function of ours needs after a call out it puts on [`Hold`].

use crate::header::{
    Chunk, DTOR, DYING, HELD, ORPHAN, POOL, Payload, REF, RUNNING, TOP, is_alive, user_of,
};
use crate::hold::Hold;
use crate::magazine::{self, OfThread};
use crate::records::{self, Record};
use crate::root::{self, NULL_CONTEXT};
use crate::shed::{self, InnerPool, Kind, Large, Limited, Member, Plain, Pool};
use crate::size_class::SMALL_MAX;
use crate::{cache, list, pool, refs, steal, walk};
use core::ffi::{c_char, c_int, c_void};

/// `talloc_free`.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn user(ptr: *mut c_void, location: *const c_char) -> c_int {
    if ptr.is_null() {
        return -1;
    }
    let c = Chunk::before(ptr);
    let t = c.payload();
    if Plain::is(t) {
        if c.child().is_some() {
            return tree::<Plain>(ptr, location, t);
        }
        if list::take_out(c) {
            c.kill(location);
            match OfThread::now().room(t as usize) {
                Some(room) => room.keep(c.start()),
                None => return put_plain(ptr, location, t),
            }
            return 0;
        }
    }
    slow(ptr, location, t)
}

// The arguments of what follows are where the fast way has them.

#[inline(never)]
fn put_plain(ptr: *mut c_void, _location: *const c_char, t: Payload) -> c_int {
    // SAFETY: the block of a plain chunk that is gone.
    unsafe { magazine::put_small(t as usize, Chunk::before(ptr).start()) };
    0
}

/// All that the fast way is not for; `t` is what it found.
#[inline(never)]
fn slow(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    let c = Chunk::before(ptr);
    if Member::is(t) {
        if c.child().is_some() {
            return tree::<Member>(ptr, location, t);
        }
        let Some(r) = records::pool_around(c) else {
            return any_leaf(ptr, location, t);
        };
        if shed::member(r, c, t, location) {
            return 0;
        }
        return object(ptr, location, r);
    }
    if t & !shed::UNASKED == 0 {
        if t ^ TOP <= SMALL_MAX as u64 {
            return if c.child().is_some() {
                top_tree(ptr, location, t)
            } else {
                top_leaf(ptr, location, t)
            };
        }
        return flagged(ptr, location, t);
    }
    if t & !shed::UNASKED == DTOR {
        return with_destructor(ptr, location, t);
    }
    odd(ptr, location, t)
}

/// An object of a cache; or a member that is the last.  Its record is `r`.
#[inline(never)]
fn object(ptr: *mut c_void, location: *const c_char, r: *mut Record) -> c_int {
    let c = Chunk::before(ptr);
    let left = cache::object_to_leave(r, c);
    if shed::goes(left, c, cache::Leaving::leave, location) {
        return 0;
    }
    last_member(ptr, location, r)
}

/// The last member that is alive in a pool which was freed; or any leaf.
#[inline(never)]
fn last_member(ptr: *mut c_void, location: *const c_char, r: *mut Record) -> c_int {
    let c = Chunk::before(ptr);
    if let Some(pool) = pool::with_last_member(r) {
        let rooms = pool.rooms();
        if shed::goes(rooms, c, |rooms| pool.close_all(rooms), location) {
            return 0;
        }
    }
    any_leaf(ptr, location, c.payload())
}

/// A small one that has no parent, or the null context.
#[inline(always)]
fn top_leaf(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    if shed::lone_leaf(Chunk::before(ptr), t, location) {
        return 0;
    }
    listed_leaf(ptr, location, t)
}

/// The same in a list, or where there is no room.
#[inline(never)]
fn listed_leaf(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    if shed::top_leaf(Chunk::before(ptr), t, location) {
        return 0;
    }
    any_leaf(ptr, location, t)
}

/// The same with children.
#[inline(never)]
fn top_tree(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    if shed::all_below::<Plain>(Chunk::before(ptr), location) {
        return top_leaf(ptr, location, t);
    }
    any_tree(ptr, location, t)
}

/// What is neither plain nor just a member, and has nothing to be asked.
#[inline(never)]
fn flagged(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    if Chunk::before(ptr).child().is_none() {
        return flagged_leaf(ptr, location, t);
    }
    if t & POOL != 0 {
        return pool_tree(ptr, location, t);
    }
    if Limited::is(t) {
        return tree::<Limited>(ptr, location, t);
    }
    any_tree(ptr, location, t)
}

/// What has a destructor, and nothing else to be asked.
#[inline(never)]
fn with_destructor(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    let c = Chunk::before(ptr);
    let Some(destructor) = refs::own_destructor(c) else {
        return -1; // after a fault
    };
    let running = c.add(RUNNING);
    // SAFETY: set by the caller for this chunk. While it runs, the chunk cannot go or move.
    let refuses = unsafe { destructor(ptr) } == -1;
    if c.head() != running {
        return answered(ptr, location, refuses);
    }
    c.sub(RUNNING);
    if refuses {
        return -1;
    }
    unasked(ptr, location, t & !DTOR)
}

/// Its destructor changed it.
#[inline(never)]
fn answered(ptr: *mut c_void, location: *const c_char, refuses: bool) -> c_int {
    match asked(Chunk::before(ptr), refuses, location) {
        Ok(t) => unasked(ptr, location, t & !DTOR),
        Err(Step::Already) => 0,
        Err(_) => -1,
    }
}

/// A chunk that has been asked, and is `t` but for its destructor.
#[inline(always)]
fn unasked(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    if !Plain::is(t) {
        return slow(ptr, location, t);
    }
    if Chunk::before(ptr).child().is_some() {
        return tree::<Plain>(ptr, location, t);
    }
    leaf(ptr, location, t)
}

/// Frees a chunk and all below it; the fast way is for what is all of one kind.
#[inline(never)]
fn tree<K: Kind>(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    if shed::all_of::<K>(Chunk::before(ptr), t, location) {
        return 0;
    }
    any_tree(ptr, location, t)
}

/// A chunk with nothing below it and nobody to be asked, of any kind.
#[inline(always)]
fn leaf(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    if Plain::is(t) {
        leaf_of::<Plain>(ptr, location, t)
    } else if Member::is(t) {
        leaf_of::<Member>(ptr, location, t)
    } else {
        flagged_leaf(ptr, location, t)
    }
}

/// The same of what is neither plain nor just a member.
#[inline(always)]
fn flagged_leaf(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    if Pool::is(t) {
        leaf_of::<Pool>(ptr, location, t)
    } else if Large::is(t) {
        leaf_of::<Large>(ptr, location, t)
    } else if InnerPool::is(t) {
        leaf_of::<InnerPool>(ptr, location, t)
    } else if Limited::is(t) {
        leaf_of::<Limited>(ptr, location, t)
    } else if t ^ TOP <= SMALL_MAX as u64 {
        top_leaf(ptr, location, t)
    } else if Pool::is(t ^ TOP) {
        top_pool(ptr, location, t)
    } else {
        any_leaf(ptr, location, t)
    }
}

/// A pool without a parent, or below the null context.
#[inline(never)]
fn top_pool(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    if shed::top_pool(Chunk::before(ptr), t, location) {
        return 0;
    }
    any_leaf(ptr, location, t)
}

/// The fast way for one of that kind.
#[inline(never)]
fn leaf_of<K: Kind>(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    if shed::leaf::<K>(Chunk::before(ptr), t, location) {
        return 0;
    }
    any_leaf(ptr, location, t)
}

#[inline(never)]
fn any_leaf(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    if shed::remove(Chunk::before(ptr), t, location) {
        0
    } else {
        -1
    }
}

/// A pool with what is in it, and perhaps below that.
#[inline(never)]
fn pool_tree(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    if shed::all_below::<Member>(Chunk::before(ptr), location) {
        return leaf(ptr, location, t);
    }
    any_tree(ptr, location, t)
}

#[inline(never)]
fn any_tree(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    let c = Chunk::before(ptr);
    let Some(at) = shed::below(c, location) else {
        return leaf(ptr, location, t);
    };
    hide_between(c, at);
    going(c, t, at, None);
    free_below(c, at, location);
    finish(c, location);
    0
}

#[inline(never)]
fn odd(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    let c = Chunk::before(ptr);
    if !is_alive(t) {
        c.bad();
        return -1;
    }
    if t & REF != 0 {
        return referenced(c, location);
    }
    unreferenced(c, t, location)
}

/// The same for a chunk that was found otherwise.
pub fn chunk(c: Chunk, location: *const c_char) -> c_int {
    slow(c.user(), location, c.payload())
}

#[inline(never)]
fn referenced(c: Chunk, location: *const c_char) -> c_int {
    if walk::parent(c) == NULL_CONTEXT.get() && refs::count(c) == 1 {
        // There is one parent left that it can mean.
        return unlink(None, c, location);
    }
    let _held = Hold::on(c);
    refs::log_references(c, c"ERROR: talloc_free with references at ", location);
    -1
}

/// A chunk goes without regard to a second parent: a reference goes before `c` does.
#[inline(never)]
pub fn unreferenced(c: Chunk, t: Payload, location: *const c_char) -> c_int {
    match begin(c, t, None, location) {
        Step::Refused | Step::Dereferenced => -1,
        Step::Already | Step::Gone => 0,
        Step::Going(at) => {
            free_below(c, at, location);
            finish(c, location);
            0
        }
    }
}

/// All between `at` and `top`, which are on the way of a walk now, are dying.
#[inline(always)]
fn hide_between(top: Chunk, at: Chunk) {
    if at != top {
        hide_up_to(top, at);
    }
}

#[inline(never)]
fn hide_up_to(top: Chunk, at: Chunk) {
    let mut c = at;
    while c != top {
        let Some(up) = c.list_parent() else { return };
        c.set_payload(c.payload() | DYING);
        c.set_sealed(up.start().addr());
        c = up;
    }
}

// ---- asking ------------------------------------------------------------------

/// The chunk that a walk came from to `c`; `None` after a fault.
fn above_in_walk(c: Chunk) -> Option<Chunk> {
    let up = c.unseal(c.extra()).filter(|&up| up != 0);
    // Stored by the walk itself, on the way down.  What lies on its way is dying or held,
    // so that only we give it back.
    let up = up.and_then(|up| core::ptr::NonNull::new(core::ptr::with_exposed_provenance_mut(up)));
    // A held one may have been freed.
    let is_there = |up: &Chunk| {
        let t = up.payload();
        if is_alive(t) {
            return t & (DYING | HELD) != 0;
        }
        let before = up.payload_before_death();
        is_alive(before) && before & HELD != 0
    };
    match up.map(Chunk::at).filter(is_there) {
        Some(up) => Some(up),
        _ => {
            c.corrupted(c"size, destructor or reference");
            None
        }
    }
}

/// What came of asking a chunk to go.
#[derive(PartialEq, Eq)]
enum Step {
    /// It stays: its destructor says so, or is running.
    Refused,
    /// It stays: it lost a reference instead.
    Dereferenced,
    /// It is on its way already.
    Already,
    /// It is dying now; the children of this one, it or one below, are next.
    Going(Chunk),
    /// It is gone.
    Gone,
}

/// `talloc_unlink` where `ctx` is the parent, and there is no reference: the chunk is freed.
/// Else `None`, and nothing is done.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn unlink_last(
    ctx: *const c_void,
    ptr: *mut c_void,
    location: *const c_char,
) -> Option<c_int> {
    if ptr.is_null() {
        return None;
    }
    let c = Chunk::before(ptr);
    let t = c.payload();
    if t & !(shed::UNASKED | DTOR) != 0 {
        return None;
    }
    let parent = if ctx.is_null() {
        user_of(NULL_CONTEXT.get())
    } else if Chunk::before(ctx).is_live() {
        ctx.cast_mut()
    } else {
        return None;
    };
    (c.parent_user() == parent).then(|| unasked(ptr, location, t))
}

/// `talloc_unlink`: `ctx` stops being a parent of `c`. 0, or -1 if it is none or `c`
/// refuses to go.
pub fn unlink(ctx: Option<Chunk>, c: Chunk, location: *const c_char) -> c_int {
    let ctx = root::or_null_context(ctx);
    if let Some(h) = refs::owned_by(c, ctx) {
        shed::remove(h, h.payload(), location);
        return 0;
    }
    if walk::parent(c) != ctx {
        return -1;
    }
    match refs::newest_owner(c) {
        Some(owner) => {
            // The owner that is none is not the null context of later.
            let owner = root::or_null_context(owner);
            let Some(h) = refs::owned_by(c, owner) else {
                return -1;
            };
            shed::remove(h, h.payload(), location);
            steal::change(owner, c);
            0
        }
        None => unreferenced(c, c.payload(), location),
    }
}

/// `talloc_free_children`: all children but the one that holds the name of `c`.
pub fn children(c: Chunk, location: *const c_char) {
    let mut at = c;
    if !root::is_shared(c) {
        match shed::children(c, c.name().cast(), location) {
            Some(left) => at = left,
            None => return,
        }
    }
    children_to_ask(c, at, location);
}

/// The same where somebody is to be asked, on the way from `c` to `at` first.
#[inline(never)]
fn children_to_ask(c: Chunk, at: Chunk, location: *const c_char) {
    let held = Hold::on(c);
    hide_between(c, at);
    let name = name_child(c);
    if let Some(name) = name {
        // Out of sight, as in the original, while the others go.
        hide(name, name.payload());
    }
    free_below(c, at, location);
    let Some(name) = name else { return };
    let t = name.payload() & !ORPHAN;
    name.set_payload(t);
    if held.still_there() {
        let is_top = t & TOP != 0;
        if list::unlink(name, is_top) {
            list::link(Some(c), name);
        } else {
            name.corrupted(c"prev or next");
        }
    } else {
        unreferenced(name, t, location);
    }
}

fn name_child(c: Chunk) -> Option<Chunk> {
    let mut child = walk::newest_child(c);
    while let Some(ch) = child {
        if ch.user().cast_const() == c.name().cast::<c_void>() {
            return child;
        }
        child = walk::older_sibling(ch);
    }
    None
}

/// How often a chunk is asked again that has refused and stays where it is.
const ASKED_AGAIN: u32 = 50;

/// Frees what is below `top`, which is dying or held, from `at` on, to which the way is
/// dying.
fn free_below(top: Chunk, at: Chunk, location: *const c_char) {
    let is_dying = top.has(DYING);
    let mut cur = at;
    let mut refusals = 0;
    // Was the child before asked? Then one that is not goes alone: the next may be asked again.
    let mut was_asked = false;
    let mut is_sure = is_dying;
    loop {
        // A destructor may have freed a held `top`; and where a child stays, somebody may have
        // written to its parent.
        if !is_sure && !cur.is_live() {
            return;
        }
        is_sure = is_dying;
        let Some((child, t)) = walk::next_to_free(cur) else {
            // In a loop, a held `top` may be met again below itself, and die there.
            if cur == top && top.has(DYING) == is_dying {
                return;
            }
            let Some(up) = above_in_walk(cur) else {
                return;
            };
            finish(cur, location);
            cur = up;
            continue;
        };
        if t & !shed::UNASKED == DTOR {
            // Just to be asked.
            was_asked = true;
            cur = match begin_asked(child, t, Some(cur), location) {
                Step::Gone => cur,
                Step::Going(at) => at,
                step => {
                    stays(cur, child, step, None, &mut refusals);
                    is_sure = false;
                    cur
                }
            };
            continue;
        }
        if core::mem::take(&mut was_asked) && shed::may_go(t) && child.child().is_none() {
            leaf(child.user(), location, t);
            continue;
        }
        if shed::may_go(t) && cur.child() == Some(child) && !root::is_shared(cur) {
            let at = shed::below_from(cur, child, cur, location);
            if at != Some(cur) || cur.child() != Some(child) {
                if let Some(at) = at {
                    hide_between(cur, at);
                    cur = at;
                }
                continue;
            }
            // It does not go that way.
        }
        is_sure = false;
        if let Some(at) = step_into(cur, child, t, &mut refusals, location) {
            cur = at;
        }
    }
}

/// Asks a child of `cur`, which is `t`, to go; if it is dying now, where that goes on.
#[inline(never)]
fn step_into(
    cur: Chunk,
    child: Chunk,
    t: Payload,
    refusals: &mut u32,
    location: *const c_char,
) -> Option<Chunk> {
    // The owner of a reference inherits the child, unless the destructor of the child gets
    // rid of that owner. The null context is nobody's heir.
    let heir = if t & REF == 0 {
        None
    } else {
        refs::newest_owner(child).flatten()
    };
    let heir = heir.filter(|&heir| Some(heir) != NULL_CONTEXT.get());
    let held = heir.map(Hold::on);
    let t = held.as_ref().map_or(t, |_| child.payload());
    match begin(child, t, Some(cur), location) {
        Step::Going(at) => Some(at),
        Step::Gone => None,
        step => {
            let heir = heir.filter(|_| held.as_ref().is_some_and(Hold::still_there));
            stays(cur, child, step, heir, refusals);
            None
        }
    }
}

/// A child of `cur` does not go: it gets another parent, which is its heir, if it has one.
#[inline(never)]
fn stays(cur: Chunk, child: Chunk, step: Step, heir: Option<Chunk>, refusals: &mut u32) {
    // If a destructor moved it, it stays where it was put.
    if step == Step::Already || walk::parent(child) != Some(cur) {
        return;
    }
    let mut new = heir.or_else(|| walk::parent(cur));
    if step == Step::Refused && (new == Some(child) || new == Some(cur)) {
        // It stays where it is, and is asked again; but not for ever.
        *refusals += 1;
        if *refusals < ASKED_AGAIN {
            return;
        }
        new = None;
    }
    *refusals = 0;
    steal::change(new, child);
}

/// Runs what stands before the death of `c`, which is `t`.  `up` is the chunk whose children
/// are being freed.
#[inline(always)]
fn begin(c: Chunk, t: Payload, up: Option<Chunk>, location: *const c_char) -> Step {
    let mut t = t;
    if t & (REF | DYING | RUNNING) != 0 {
        match without_references(c, t, location) {
            Err(step) => return step,
            Ok(now) => t = now,
        }
    }
    begin_asked(c, t, up, location)
}

/// The same for one that has no references, and is not on its way.
#[inline(always)]
fn begin_asked(c: Chunk, t: Payload, up: Option<Chunk>, location: *const c_char) -> Step {
    let mut t = t;
    if t & DTOR != 0 {
        let Some(destructor) = refs::own_destructor(c) else {
            return Step::Refused; // after a fault
        };
        let running = c.add(RUNNING);
        // SAFETY: set by the caller for this chunk. While it runs, the chunk cannot go or
        // move.
        let refuses = unsafe { destructor(c.user()) } == -1;
        if c.head() != running {
            match asked(c, refuses, location) {
                Err(step) => return step,
                Ok(now) => t = now,
            }
        } else if refuses {
            c.sub(RUNNING);
            return Step::Refused;
        }
    }
    if c.child().is_some() {
        if let Some(at) = below(c, location) {
            hide_between(c, at);
            return going(c, t, at, up);
        }
    }
    // Nobody is asked any more: it need not be hidden first.
    match leaf(c.user(), location, t & !DTOR) {
        0 => Step::Gone,
        _ => Step::Refused, // after a fault
    }
}

/// Sheds what is below `c`, if that list is its thread's alone.
#[inline(always)]
fn below(c: Chunk, location: *const c_char) -> Option<Chunk> {
    if root::is_shared(c) {
        return Some(c);
    }
    let first = c.child()?;
    let t = first.payload();
    if !shed::may_go(t) {
        return Some(c);
    }
    if first.next().is_none() && first.child().is_none() {
        leaf(first.user(), location, t);
        return c.child().map(|_| c);
    }
    shed::below_from(c, first, c, location)
}

/// What is to happen to a chunk with references, or that is dying or being asked.
#[inline(never)]
fn without_references(c: Chunk, mut t: Payload, location: *const c_char) -> Result<Payload, Step> {
    while t & REF != 0 {
        let below = refs::newest_is_below(c);
        if !refs::drop_newest(c, location) {
            return Err(Step::Refused); // after a fault
        }
        if !below {
            return Err(Step::Dereferenced);
        }
        t = c.payload();
    }
    if t & DYING != 0 {
        Err(Step::Already)
    } else if t & RUNNING != 0 {
        Err(Step::Refused)
    } else {
        Ok(t)
    }
}

/// The destructor of `c` changed it: what is it now, if it goes?
#[inline(never)]
fn asked(c: Chunk, refuses: bool, location: *const c_char) -> Result<Payload, Step> {
    let t = c.payload();
    if !is_alive(t) {
        c.bad();
        return Err(Step::Refused);
    }
    let t = t & !RUNNING;
    c.set_payload(t);
    if refuses {
        return Err(Step::Refused);
    }
    if t & REF == 0 {
        return Ok(t);
    }
    // References made meanwhile come too late.
    while refs::drop_newest(c, location) {}
    match c.payload() {
        t if t & REF == 0 => Ok(t),
        _ => Err(Step::Refused), // after a fault
    }
}

/// `c`, which is `t`, is dying from here on, and its children go next, from `at` on.
#[inline(always)]
fn going(c: Chunk, t: Payload, at: Chunk, up: Option<Chunk>) -> Step {
    hide(c, t);
    c.set_sealed(up.map_or(0, |up| up.start().addr()));
    Step::Going(at)
}

/// Takes `c` out of everybody's sight before its children go.
#[inline(always)]
fn hide(c: Chunk, t: Payload) {
    let flags = if walk::is_newest(c) { DYING } else { ORPHAN };
    c.set_payload(t | flags);
}

/// The children are gone: so is the chunk.
fn finish(c: Chunk, location: *const c_char) {
    // What is still there is dying in a walk further up the stack, which a destructor has
    // called us from.
    while let Some(orphan) = c.child() {
        if !steal::first_to_none(c, orphan) {
            break;
        }
    }
    // As it was before it began to die.
    let t = c.payload() & !ORPHAN;
    if is_alive(t) {
        c.set_payload(t);
        leaf(c.user(), location, t & !DTOR);
    } else {
        c.bad();
    }
}
