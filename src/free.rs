//! Freeing: destructors, refusals, references, new owners.
//!
//! The fast way is for a plain small chunk without children.  Then comes [`slow`]:
//!
//! ```text
//!   shed(c)      what is below c goes, leaf by leaf, as long as nobody is to be asked
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
    Chunk, DTOR, DYING, EXACT, FLAGS, HANDLE, HEADER, HELD, LIMIT, MEMBER, ORPHAN, POOL, Payload,
    REF, RUNNING, SPECIAL, TOP, is_alive, size_of_payload,
};
use crate::hold::Hold;
use crate::magazine::{self, SMALL_MAX};
use crate::root::{self, NULL_CONTEXT};
use crate::{cache, limit, list, pool, records, refs, steal, sysmem, walk};
use core::ffi::{c_char, c_int, c_void};

/// What a payload may be of a chunk that has nothing to be asked, and is on nobody's way.
const UNASKED: Payload = ((1 << FLAGS) - 1) | TOP | EXACT | MEMBER | POOL | LIMIT;
/// The same without `TOP`: of one that is shed.
const IS_SHED: Payload = UNASKED & !TOP;
const JUST_LIMITED: u64 = LIMIT >> FLAGS;

#[inline(always)]
const fn is_plain(t: Payload) -> bool {
    t <= SMALL_MAX as u64
}

#[inline(always)]
const fn is_shed(t: Payload) -> bool {
    t & !IS_SHED == 0
}

#[inline(always)]
const fn is_just_member(t: Payload) -> bool {
    t >> FLAGS == MEMBER >> FLAGS
}

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
    if is_plain(t) {
        if c.child().is_some() {
            return plain_tree(ptr, location, t);
        }
        if list::take_out(c) {
            c.kill(location);
            match magazine::room(t as usize) {
                Some(room) => room.keep(c.start()),
                None => return put_plain(ptr, location, t),
            }
            return 0;
        }
    }
    slow(ptr, location, t)
}

// Their arguments are where the fast way has them.

#[inline(never)]
fn put_plain(ptr: *mut c_void, _location: *const c_char, t: Payload) -> c_int {
    // SAFETY: the block of a plain chunk that is gone.
    unsafe { magazine::put_small(t as usize, Chunk::before(ptr).start()) };
    0
}

/// All that the fast way is not for; `t` is what it found.
#[inline(never)]
fn slow(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    if is_just_member(t) {
        return member(ptr, location, t);
    }
    let c = Chunk::before(ptr);
    if t & !UNASKED == 0 {
        if c.child().is_none() {
            return any_leaf(ptr, location, t);
        }
        if t & POOL != 0 {
            return member_tree(ptr, location, t);
        }
        return any_tree(ptr, location, t);
    }
    if t & !(UNASKED | DTOR) == 0 {
        return unreferenced(c, t, location);
    }
    odd(c, t, location)
}

/// What is just a member.
#[inline(always)]
fn member(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    let c = Chunk::before(ptr);
    if c.child().is_some() {
        return member_tree(ptr, location, t);
    }
    if let Some(r) = records::pool_around(c) {
        if let Some(left) = pool::member_to_leave(r, c, size_of_payload(t)) {
            if list::take_out(c) {
                c.kill(location);
                left.leave();
                return 0;
            }
        } else if let Some(left) = cache::object_to_leave(r, c) {
            if list::take_out(c) {
                c.kill(location);
                left.leave();
                return 0;
            }
        }
    }
    any_leaf(ptr, location, t)
}

#[inline(never)]
fn any_leaf(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    result(release(Chunk::before(ptr), t, location))
}

/// A plain chunk with children goes with all that is below it, if all of that is plain.
#[inline(never)]
fn plain_tree(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    let c = Chunk::before(ptr);
    if shed_by(c, is_plain, leave_plain, location).is_some() || !list::take_out(c) {
        return any_tree(ptr, location, t);
    }
    c.kill(location);
    match magazine::room(t as usize) {
        Some(room) => {
            room.keep(c.start());
            0
        }
        None => put_plain(ptr, location, t),
    }
}

/// The same for a pool, or in one, where no member is the last.
#[inline(never)]
fn member_tree(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    let c = Chunk::before(ptr);
    let are_gone = shed_by(c, is_just_member, leave_member, location).is_none();
    if are_gone && is_just_member(t) {
        let left =
            records::pool_around(c).and_then(|r| pool::member_to_leave(r, c, size_of_payload(t)));
        if let Some(left) = left {
            if list::take_out(c) {
                c.kill(location);
                left.leave();
                return 0;
            }
        }
    }
    any_tree(ptr, location, t)
}

#[inline(never)]
fn any_tree(ptr: *mut c_void, location: *const c_char, t: Payload) -> c_int {
    let c = Chunk::before(ptr);
    let Some(at) = shed(c, location) else {
        return result(release(c, t, location));
    };
    hide_between(c, at);
    going(c, at, None);
    free_below(c, at, location);
    finish(c, location);
    0
}

#[inline(always)]
fn result(is_gone: bool) -> c_int {
    if is_gone { 0 } else { -1 }
}

#[inline(never)]
fn odd(c: Chunk, t: Payload, location: *const c_char) -> c_int {
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

// ---- without asking ---------------------------------------------------------

/// Frees what is below `top`, whose list is its thread's alone, as long as there is nothing
/// to ask, so that nobody sees in what state the tree is.  `None` if that was all; else the
/// chunk, `top` or below it, whose first child is to be asked, or is not as it should be.
#[inline(never)]
fn shed(top: Chunk, location: *const c_char) -> Option<Chunk> {
    shed_by(top, is_shed, leave_first, location)
}

/// Frees the first child of a chunk, before its next one, which is so and a leaf; or answers
/// false.
type Leave = fn(Chunk, Chunk, Option<Chunk>, Payload, *const c_char) -> bool;

/// The same for what is of a kind.
#[inline(always)]
fn shed_by(
    top: Chunk,
    is_kind: fn(Payload) -> bool,
    leave: Leave,
    location: *const c_char,
) -> Option<Chunk> {
    let mut up = top;
    let Some(mut c) = up.child() else {
        return None;
    };
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
fn leave_plain(
    up: Chunk,
    c: Chunk,
    next: Option<Chunk>,
    t: Payload,
    location: *const c_char,
) -> bool {
    let Some(room) = magazine::room(t as usize) else {
        return false;
    };
    list::drop_first(up, next);
    walk::look_ahead(next);
    c.kill(location);
    room.keep(c.start());
    true
}

#[inline(always)]
fn leave_member(
    up: Chunk,
    c: Chunk,
    next: Option<Chunk>,
    t: Payload,
    location: *const c_char,
) -> bool {
    let Some(r) = records::pool_around(c) else {
        return false;
    };
    let Some(left) = pool::member_to_leave(r, c, size_of_payload(t)) else {
        return false;
    };
    list::drop_first(up, next);
    c.kill(location);
    left.leave();
    true
}

/// Any that nobody is to be asked about.
#[inline(always)]
fn leave_first(
    up: Chunk,
    c: Chunk,
    next: Option<Chunk>,
    t: Payload,
    location: *const c_char,
) -> bool {
    if is_plain(t) {
        list::drop_first(up, next);
        walk::look_ahead(next);
        c.kill(location);
        // SAFETY: the block of a plain chunk that is gone.
        unsafe { magazine::put_small(t as usize, c.start()) };
        return true;
    }
    if is_just_member(t) {
        let Some(r) = pool::of_member(c) else {
            return false;
        };
        list::drop_first(up, next);
        c.kill(location);
        pool::member_left(r, c, size_of_payload(t));
        return true;
    }
    if t >> FLAGS == JUST_LIMITED && limit::leave_fast(c, size_of_payload(t)) {
        list::drop_first(up, next);
        c.kill(location);
        // SAFETY: the block of a chunk that is gone.
        unsafe { magazine::put(HEADER + size_of_payload(t), c.start()) };
        return true;
    }
    shed_flagged(up, c, t, location)
}

/// Frees the first child `c` of `cur`, a leaf with some flags.  False if it cannot go.
#[inline(never)]
fn shed_flagged(cur: Chunk, c: Chunk, t: Payload, location: *const c_char) -> bool {
    // Nobody is to be called now, as a fault would do.
    if t & (MEMBER | POOL) != 0 && !pool::may_leave(c, t) {
        return false;
    }
    list::drop_first(cur, c.next());
    leave(c, t, location);
    true
}

/// All between `at` and `top`, which are on the way of a walk now, are dying.
fn hide_between(top: Chunk, at: Chunk) {
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
        let (t, before) = (up.payload(), up.payload_before_death());
        is_alive(t) && t & (DYING | HELD) != 0 || is_alive(before) && before & HELD != 0
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

/// `talloc_unlink`: `ctx` stops being a parent of `c`. 0, or -1 if it is none or `c`
/// refuses to go.
pub fn unlink(ctx: Option<Chunk>, c: Chunk, location: *const c_char) -> c_int {
    let ctx = root::or_null_context(ctx);
    if let Some(h) = refs::owned_by(c, ctx) {
        refs::drop_handle(h, location);
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
            refs::drop_handle(h, location);
            steal::change(owner, c);
            0
        }
        None => unreferenced(c, c.payload(), location),
    }
}

/// `talloc_free_children`: all children but the one that holds the name of `c`.
pub fn children(c: Chunk, location: *const c_char) {
    if !root::is_shared(c) && c.child().is_none() {
        return;
    }
    let held = Hold::on(c);
    let name = name_child(c);
    if let Some(name) = name {
        // Out of sight, as in the original, while the others go.
        hide(name);
    }
    free_below(c, c, location);
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
    loop {
        if !cur.is_live() {
            return; // only a held `top`: a destructor has freed it
        }
        if !root::is_shared(cur) {
            if let Some(at) = shed(cur, location) {
                hide_between(cur, at);
                cur = at;
            }
        }
        if let Some(child) = walk::next_to_free(cur) {
            if child.has(HANDLE) {
                refs::drop_handle(child, location);
            } else if let Some(at) = step_into(cur, child, &mut refusals, location) {
                cur = at;
            }
            continue;
        }
        // In a loop, a held `top` may be met again below itself, and die there.
        if cur == top && top.has(DYING) == is_dying {
            return;
        }
        let Some(up) = above_in_walk(cur) else {
            return;
        };
        finish(cur, location);
        cur = up;
    }
}

/// Asks a child of `cur` to go; if it is dying now, where that goes on.
fn step_into(
    cur: Chunk,
    child: Chunk,
    refusals: &mut u32,
    location: *const c_char,
) -> Option<Chunk> {
    // The owner of a reference inherits the child, unless the destructor of the child gets
    // rid of that owner. The null context is nobody's heir.
    let heir = refs::newest_owner(child).flatten();
    let heir = heir.filter(|&heir| Some(heir) != NULL_CONTEXT.get());
    let held = heir.map(Hold::on);
    let step = begin(child, child.payload(), Some(cur), location);
    match step {
        Step::Going(at) => return Some(at),
        Step::Gone => return None,
        _ => {}
    }
    // If a destructor moved it, it stays where it was put.
    if step != Step::Already && walk::parent(child) == Some(cur) {
        let heir = heir.filter(|_| held.as_ref().is_some_and(Hold::still_there));
        let mut new = heir.or_else(|| walk::parent(cur));
        if step == Step::Refused && (new == Some(child) || new == Some(cur)) {
            // It stays where it is, and is asked again; but not for ever.
            *refusals += 1;
            if *refusals < ASKED_AGAIN {
                return None;
            }
            new = None;
        }
        *refusals = 0;
        steal::change(new, child);
    }
    None
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
    if t & DTOR != 0 {
        let Some(destructor) = refs::destructor(c, t) else {
            return Step::Refused; // after a fault
        };
        let running = c.set_payload(t | RUNNING);
        // SAFETY: set by the caller for this chunk. While it runs, the chunk cannot go or
        // move.
        let refuses = unsafe { destructor(c.user()) } == -1;
        if refuses || c.head() != running {
            match asked(c, refuses, location) {
                Err(step) => return step,
                Ok(now) => t = now,
            }
        }
    }
    if c.child().is_some() {
        if let Some(at) = below(c, location) {
            c.set_payload(t);
            hide_between(c, at);
            return going(c, at, up);
        }
    }
    // Nobody is asked any more: it need not be hidden first.
    if release(c, t & !DTOR, location) {
        Step::Gone
    } else {
        Step::Refused // after a fault
    }
}

/// Sheds what is below `c`, if that list is its thread's alone.
#[inline(always)]
fn below(c: Chunk, location: *const c_char) -> Option<Chunk> {
    if root::is_shared(c) {
        return Some(c);
    }
    shed(c, location)
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

/// The destructor of `c` refused, or changed it: what is it now, if it goes?
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
    Ok(c.payload())
}

fn going(c: Chunk, at: Chunk, up: Option<Chunk>) -> Step {
    hide(c);
    c.set_sealed(up.map_or(0, |up| up.start().addr()));
    Step::Going(at)
}

/// Takes `c` out of everybody's sight before its children go.
fn hide(c: Chunk) {
    let flags = if walk::is_newest(c) { DYING } else { ORPHAN };
    c.set_payload(c.payload() | flags);
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
        remove(c, t, location);
    } else {
        c.bad();
    }
}

/// Out of the list and the accounts; the memory goes back.  False after a fault.  `t` is
/// without `DTOR`.
#[inline(always)]
fn release(c: Chunk, t: Payload, location: *const c_char) -> bool {
    if is_plain(t) && list::take_out(c) {
        c.kill(location);
        // SAFETY: the block of a plain chunk that is gone.
        unsafe { magazine::put_small(t as usize, c.start()) };
        return true;
    }
    if is_just_member(t) {
        if let Some(r) = pool::of_member(c) {
            if list::take_out(c) {
                c.kill(location);
                pool::member_left(r, c, size_of_payload(t));
                return true;
            }
        }
    }
    remove(c, t, location)
}

/// The same for any chunk.
#[inline(never)]
fn remove(c: Chunk, t: Payload, location: *const c_char) -> bool {
    if t & TOP != 0 && t & !TOP <= SMALL_MAX as u64 && list::unlink(c, true) {
        c.kill(location);
        // SAFETY: the block of a plain chunk that is gone.
        unsafe { magazine::put_small(size_of_payload(t), c.start()) };
        return true;
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
