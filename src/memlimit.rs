//! Memory limits: an account per limited context, exact at every moment.
//!
//! The account of a context is the sum of [`weight`] over its subtree.
//! Every malloc'd chunk points to its nearest account with its `home` word;
//! accounts point to the next one above.  The `home` of a pool member leads to
//! its arena instead: it weighs nothing, and where its account is needed (for a
//! child that comes from malloc) it is looked for among its ancestors.  An owner
//! of an account that is a pool member keeps its arena in the account.

use crate::chunk::{Chunk, Instead, MEMBER, OWNER};
use crate::key::Sealed;
use crate::{arena, fault, heap, tree};
use core::ffi::c_void;
use core::ptr::{NonNull, null, null_mut};
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What a limited context has used, and what it may.
#[repr(C)]
pub struct Account {
    /// Comes first: see [`Chunk::arena`].
    instead: Instead,
    above: Sealed,
    /// 0 is no limit.
    max: usize,
    used: usize,
}

/// The account that counts a chunk first; those above follow from it.
pub type Nearest = Option<NonNull<Account>>;

macro_rules! account {
    ($account:expr) => {
        // SAFETY: an account is there as long as its owner is, and nobody
        // points to it longer (`close`); used for one field at a time.
        unsafe { &mut *$account.as_ptr() }
    };
}

/// Has there ever been a limit in this process? Spares the search for one.
static LIMITS: AtomicBool = AtomicBool::new(false);

fn above(a: NonNull<Account>) -> Nearest {
    let above = account!(a).above.get();
    NonNull::new(above.map_or_else(broken, |above| above.cast()))
}

#[cold]
fn broken() -> *mut Account {
    fault::corrupted(null(), c"memory limit", c"is not what it was");
    fault::report(fault::UNKNOWN);
    null_mut()
}

fn set_above(a: NonNull<Account>, above: Nearest) {
    account!(a).above.put(as_home(above));
}

/// The account that a malloc'd child of `c` would belong to.
#[inline]
pub fn account_of(c: Chunk) -> Nearest {
    if !c.has(MEMBER) {
        return at_home(c);
    }
    if any() { search(c) } else { None }
}

#[cold]
fn search(c: Chunk) -> Nearest {
    at_home(tree::list_owners(c).find(|a| !a.has(MEMBER) || a.has(OWNER))?)
}

/// The account that the `home` of `c`, which is not just a member, leads to.
#[inline(always)]
fn at_home(c: Chunk) -> Nearest {
    of_block(c).unwrap_or_else(|| {
        c.corrupted(c"home, its memory limit,");
        None
    })
}

/// The same for a block; `None` if what it leads to is no account.
#[inline(always)]
pub fn of_block(c: Chunk) -> Option<Nearest> {
    let home = c.home();
    if !home.is_null() {
        Instead::at(home)?;
    }
    Some(NonNull::new(home.cast()))
}

/// The `home` of a malloc'd chunk in this account.
#[inline]
pub fn as_home(account: Nearest) -> *mut c_void {
    account.map_or(null_mut(), |a| a.as_ptr().cast())
}

/// The bytes of a malloc'd block that a limit counts for this chunk.
fn weight(c: Chunk) -> usize {
    if c.has(MEMBER) {
        0
    } else {
        arena::front(c) + arena::extent(c)
    }
}

/// A member got a place of its own from malloc, charged to `account`.
pub fn leave_arena(c: Chunk, account: Nearest) {
    c.clear(MEMBER);
    match own(c) {
        Some(a) => account!(a).instead.set(null_mut()),
        None => c.set_home(as_home(account)),
    }
}

fn own(c: Chunk) -> Nearest {
    if c.has(OWNER) { at_home(c) } else { None }
}

/// Adds `bytes` to an account and all above it, if none would go beyond its
/// limit; else errno says ENOMEM.
#[inline]
pub fn charge(account: Nearest, bytes: usize) -> bool {
    let fits = fits(account, bytes);
    if fits {
        add(account, bytes);
    } else {
        // SAFETY: errno is this thread's.
        unsafe { *libc::__errno_location() = libc::ENOMEM };
    }
    fits
}

/// Would no account from this one up go beyond its limit?
#[inline(always)]
pub fn fits(account: Nearest, bytes: usize) -> bool {
    up(account).all(|a| {
        let a = account!(a);
        a.max == 0 || a.used.saturating_add(bytes) <= a.max
    })
}

/// Takes `bytes` off an account and all above it.
#[inline(always)]
pub fn uncharge(account: Nearest, bytes: usize) {
    for a in up(account) {
        let a = account!(a);
        a.used = a.used.saturating_sub(bytes);
    }
}

/// Adds `bytes` to an account and all above it.
#[inline(always)]
pub fn add(account: Nearest, bytes: usize) {
    for a in up(account) {
        account!(a).used += bytes;
    }
}

fn up(account: Nearest) -> impl Iterator<Item = NonNull<Account>> {
    core::iter::successors(account, |&a| above(a))
}

/// Limit and use of the account that `c` owns, if any, for reports.
pub fn figures(c: Chunk) -> Option<(usize, usize)> {
    own(c).map(|a| (account!(a).max, account!(a).used))
}

/// `talloc_set_memlimit`: limits `c` and what is below it to `max` bytes.
/// False without memory for the account.
pub fn set(c: Chunk, max: usize) -> bool {
    if let Some(a) = own(c) {
        account!(a).max = max;
        return true;
    }
    let nearest = account_of(c);
    let home = if c.has(MEMBER) { c.home() } else { null_mut() };
    let made = heap::record(Account {
        instead: Instead::BLANK,
        above: Sealed::EMPTY,
        max,
        used: 0,
    });
    let Some(account) = made else { return false };
    account!(account).instead.set(home);
    set_above(account, nearest);
    LIMITS.store(true, Relaxed);
    account!(account).used = rehome(c, nearest, made).into;
    c.set_home(account.as_ptr().cast());
    c.set(OWNER);
    true
}

/// What a subtree was to the account that it left, and is to the one it came to.
#[derive(Default)]
struct Moved {
    out: usize,
    into: usize,
}

/// Moves what `from` counts first in the subtree of `c` over to `to`; answers
/// how many bytes that is, nested accounts included. Sums are left alone.  In a
/// loop an account may lie below itself: there it has none above.
fn rehome(c: Chunk, from: Nearest, to: Nearest) -> Moved {
    let mut moved = Moved::default();
    let mut walk = tree::whole_subtree(c);
    while let Some(x) = walk.next() {
        if let Some(a) = own(x) {
            let used = account!(a).used;
            // Nor is `from` a part of itself.
            if above(a) == from && from != Some(a) {
                moved.out += used;
            }
            let looped = up(to).any(|above| above == a);
            if !looped {
                moved.into += used;
            }
            set_above(a, to.filter(|_| !looped));
            walk.skip_children();
            continue;
        }
        moved.out += weight(x);
        moved.into += weight(x);
        if !x.has(MEMBER) {
            debug_assert!(at_home(x) == from);
            x.set_home(as_home(to));
        }
    }
    moved
}

/// Has there ever been a limit?
#[inline]
pub fn any() -> bool {
    LIMITS.load(Relaxed)
}

/// `c` is about to get the parent `new`: its subtree changes accounts.
#[inline]
pub fn transfer(c: Chunk, new: Option<Chunk>) {
    if any() {
        transfer_subtree(c, new);
    }
}

#[cold]
fn transfer_subtree(c: Chunk, new: Option<Chunk>) {
    let from = match own(c) {
        Some(a) => above(a),
        None => account_of(c),
    };
    let to = new.and_then(|new| account_below(new, c));
    if from == to {
        return;
    }
    let moved = rehome(c, from, to);
    // In this order, since in a loop `from` may now be below `to`.
    add(to, moved.into);
    uncharge(from, moved.out);
}

/// The account that `c` is to belong to below `new`.
fn account_below(new: Chunk, c: Chunk) -> Nearest {
    let account = account_of(new);
    if account.is_none() || tree::any_child(c).is_none() || !tree::is_in_list_below(c, new) {
        return account;
    }
    // A loop: what is in it has nothing above it.
    if tree::is_above(c, new) {
        return None;
    }
    // None for callers, since it goes through a dying chunk that has no parent
    // any more; then only owners on this side of that one count.
    tree::ancestors(new).find_map(own)
}

/// `c` goes, with nothing below it any more: its bytes leave every account, and
/// its own account ends.
#[inline]
pub fn close(c: Chunk) {
    if c.has(OWNER) || !c.has(MEMBER) && !c.home().is_null() {
        close_limited(c);
    }
}

fn close_limited(c: Chunk) {
    if !c.has(MEMBER) {
        uncharge(account_of(c), weight(c));
    }
    if let Some(a) = own(c) {
        c.set_home(c.arena());
        c.clear(OWNER);
        // SAFETY: made by `set`; its owner goes and nobody is below it.
        unsafe { heap::free_record(a) };
    }
}
