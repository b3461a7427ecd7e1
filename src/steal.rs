//! A chunk gets another parent: link and accounts together.

use crate::header::{Chunk, DYING, LIMIT, MEMBER, Payload, REF, SPECIAL, TOP, is_alive};
use crate::hold::Hold;
use crate::root::{self, NULL_CONTEXT};
use crate::{limit, list, pool, refs, walk};
use core::ffi::{c_char, c_void};
use core::ptr::null_mut;

/// `talloc_steal`: another parent for a chunk.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn user(ctx: *const c_void, ptr: *const c_void, location: *const c_char) -> *mut c_void {
    if !ctx.is_null() && !ptr.is_null() && move_fast(Chunk::before(ctx), Chunk::before(ptr)) {
        return ptr.cast_mut();
    }
    // SAFETY: the caller's promise.
    unsafe { top(ctx, ptr, location) }
}

/// The same where one of the parents is none, or the null context.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(never)]
unsafe fn top(ctx: *const c_void, ptr: *const c_void, location: *const c_char) -> *mut c_void {
    let new = if ctx.is_null() {
        NULL_CONTEXT.get()
    } else {
        Some(Chunk::before(ctx))
    };
    if !ptr.is_null() && move_top(new, Chunk::before(ptr)) {
        return ptr.cast_mut();
    }
    // SAFETY: the caller's promise.
    unsafe { slow(ctx, ptr, location) }
}

/// Flags of what cannot be moved by a few links.
const C_HARD: Payload = !(LIMIT - 1) | TOP | REF | DYING;
const NEW_HARD: Payload = !(LIMIT - 1) | SPECIAL;

/// Between chunks that are not under a limit, if it is a matter of a few links; else false,
/// and nothing is done.
#[inline(always)]
fn move_fast(new: Chunk, c: Chunk) -> bool {
    let (t, new_t) = (c.payload(), new.payload());
    if t & C_HARD != 0 || new_t & NEW_HARD != 0 || new == c {
        return false;
    }
    may_part(c, t, new_t) && move_links(new, c, || {})
}

/// May a chunk without an account, which is `t`, go to a parent that is `new_t`?  Where there are
/// limits, the accounts are looked at; where there are none yet, the pool of a member notes that
/// it may be apart from it when there are.
#[inline(always)]
fn may_part(c: Chunk, t: Payload, new_t: Payload) -> bool {
    (t | new_t) & MEMBER == 0 || !limit::any() && pool::scatter_fast(c, t)
}

/// As [`move_fast`], where one of the parents is none, or the null context.
#[inline(always)]
fn move_top(new: Option<Chunk>, c: Chunk) -> bool {
    let is_shared = new.is_some_and(root::is_shared);
    let new_t = new.map_or(0, |new| {
        // Only that of a chunk can be read at once everywhere: `new` may be no pointer to one.
        if is_shared {
            new.shared_payload()
        } else {
            new.payload()
        }
    });
    let t = c.payload();
    let new_is_hard = new_t & NEW_HARD != 0 && !(is_shared && new_t & NEW_HARD == SPECIAL);
    if t & (C_HARD & !TOP) != 0 || new_is_hard || new == Some(c) || !may_part(c, t, new_t) {
        return false;
    }
    let _lock = (is_shared || t & TOP != 0 && !list::is_alone(c)).then(root::lock_links);
    // Another thread may have switched null tracking off.
    if is_shared && !new.is_some_and(root::is_shared) {
        return false;
    }
    let is_listed = !c.pprev().is_null();
    if new.is_some_and(|new| list::first_below(new).is_err()) || is_listed && !list::take_out(c) {
        return false;
    }
    let is_top = is_shared || new.is_none();
    if is_top != (t & TOP != 0) {
        c.set_payload(t ^ TOP);
    }
    match new {
        Some(new) => list::link_first(new, new.child(), c),
        None => list::set_alone(c),
    }
    true
}

/// As [`move_fast`], where there are limits: what moves stays in its account, or is a leaf, and
/// not the owner of one.
#[inline(never)]
fn move_counted(new: Chunk, c: Chunk) -> bool {
    let (t, new_t) = (c.payload(), new.payload());
    let is_hard = t & (C_HARD & !LIMIT) != 0 || new_t & (NEW_HARD & !LIMIT) != 0 || new == c;
    if is_hard || !is_alive(t) || !is_alive(new_t) {
        return false;
    }
    match limit::leaf_to_transfer(c, t, new, new_t) {
        Some(transfer) => move_links(new, c, || transfer.go(c, t, new, new_t)),
        None => false,
    }
}

/// `c` gets out of its list, and then to the front of that of `new`; false after a fault.
#[inline(always)]
fn move_links(new: Chunk, c: Chunk, between: impl FnOnce()) -> bool {
    if list::first_below(new).is_err() || !list::take_out(c) {
        return false;
    }
    between();
    // Only now, since `c` itself may have been the first.
    list::link_first(new, new.child(), c);
    true
}

#[inline(never)]
unsafe fn slow(ctx: *const c_void, ptr: *const c_void, location: *const c_char) -> *mut c_void {
    if ptr.is_null() {
        return null_mut();
    }
    // SAFETY: the caller's promise.
    let Some(c) = (unsafe { Chunk::checked(ptr) }) else {
        return null_mut();
    };
    let new = if ctx.is_null() {
        None
    } else {
        // SAFETY: the caller's promise.
        match unsafe { Chunk::checked(ctx) } {
            None => return null_mut(),
            new => new,
        }
    };
    with_warning(new, c, location);
    ptr.cast_mut()
}

/// The same between chunks, with a warning if `c` has more than one parent.  `None` is not
/// taken for the null context when it comes to the warning.
fn with_warning(new: Option<Chunk>, c: Chunk, location: *const c_char) {
    if !c.has(REF) || walk::parent(c) == new {
        return change(new, c);
    }
    // The log function may free either of them.
    let held = (Hold::on(c), new.map(Hold::on));
    refs::log_references(c, c"WARNING: talloc_steal with references at ", location);
    if held.0.still_there() && held.1.as_ref().is_none_or(Hold::still_there) {
        change(new, c);
    }
}

/// `talloc_reparent` from the parent proper, if it is a matter of a few links; else false, and
/// nothing is done.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn reparent_fast(old: *const c_void, new: *const c_void, ptr: *const c_void) -> bool {
    if old.is_null() || new.is_null() || ptr.is_null() {
        return false;
    }
    let c = Chunk::before(ptr);
    c.parent_user().cast_const() == old && move_fast(Chunk::before(new), c)
}

/// `talloc_reparent`: the parent `old`, or the reference that `old` owns, becomes `new`'s.
/// False if `old` is neither; it must be named: `None` does not mean the null context here.
pub fn reparent(old: Option<Chunk>, new: Option<Chunk>, c: Chunk) -> bool {
    if walk::parent(c) == old {
        change(new, c);
        return true;
    }
    match refs::owned_by(c, old) {
        Some(h) => {
            change(new, h);
            true
        }
        None => false,
    }
}

/// Makes `c` the newest child of `new`, or of the null context.  A dying chunk stays where
/// it is.
#[inline]
pub fn change(new: Option<Chunk>, c: Chunk) {
    if !new.is_some_and(|new| move_fast(new, c) || move_counted(new, c)) {
        change_any(new, c);
    }
}

#[inline(never)]
fn change_any(new: Option<Chunk>, c: Chunk) {
    let t = c.payload();
    if t & DYING != 0 {
        return;
    }
    let new = root::or_null_context(new);
    if new == Some(c) || new == walk::parent(c) && walk::is_newest(c) {
        return;
    }
    if !list::is_intact(c, t & TOP != 0) {
        return c.corrupted(c"prev or next");
    }
    limit::transfer(c, t, new);
    if list::unlink(c, t & TOP != 0) {
        list::link(new, c);
    }
}

/// Makes the first child `c` of `parent`, dying or not, a chunk without a parent. False after
/// a fault.
pub fn first_to_none(parent: Chunk, c: Chunk) -> bool {
    let t = c.payload();
    let is_top = t & TOP != 0;
    if !is_alive(t) || !list::is_intact(c, is_top) {
        c.corrupted(c"prev or next");
        return false;
    }
    limit::transfer(c, t, None);
    let out = list::unlink(c, is_top);
    list::link(None, c);
    if out && parent.child() == Some(c) {
        parent.corrupted(c"child"); // it was in another list
        return false;
    }
    out
}
