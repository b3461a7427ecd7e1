//! Memory limits: an account per limited context, exact at every moment.
//!
//! The account of a context is the sum of [`weight`] over its subtree.  The `home` of every
//! block with the flag `LIMIT` leads to its nearest account (that of a pool by way of the
//! pool's record); accounts lead to the next one above.  A member of a pool weighs nothing:
//! where its account is needed, for a child that comes from malloc, that is the one of its
//! pool; where members may count for others, it is looked for among its ancestors.  An owner
//! that is a pool, or lies in one, keeps that in its account.

use crate::header::{Chunk, HEADER, LIMIT, MEMBER, POOL, Payload, is_alive, size_of_payload};
use crate::records::{self, Kind, Record, record};
use crate::{pool, root, walk};
use core::mem::offset_of;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What a limited context has used, and what it may: a record.
#[repr(C, align(64))]
pub struct Account {
    above: *mut Account,
    used: AtomicUsize,
    owner: *mut u8,
    /// Always NULL: no chunk is a member of an account.
    top: *mut u8,
    /// 1 if more than one thread may charge it.
    shared: u32,
    kind: Kind,
    /// 0 is no limit.
    max: usize,
    /// The pool that its owner is, or lies in.
    pool: *mut Record,
}

const _: () = assert!(size_of::<Account>() <= size_of::<Record>());
const _: () = assert!(offset_of!(Account, kind) == offset_of!(Record, kind));
const _: () = assert!(offset_of!(Account, owner) == offset_of!(Record, base));
const _: () = assert!(offset_of!(Account, top) == offset_of!(Record, top));

/// How many accounts there are. None spares the search for one.
static ACCOUNTS: AtomicUsize = AtomicUsize::new(0);

/// Is there any account?
#[inline]
pub fn any() -> bool {
    ACCOUNTS.load(Relaxed) != 0
}

/// The flag of a block that this account counts, if it is one.
#[inline]
pub fn flag(account: *mut Account) -> u64 {
    if account.is_null() { 0 } else { LIMIT }
}

/// The record that the `home` of `c` leads to, if it is an account.
#[inline(always)]
pub fn at_home(c: Chunk) -> Option<*mut Account> {
    let r = records::at(c.home());
    is_account(r).then(|| r.cast())
}

/// The account of a chunk with `LIMIT`; NULL after a fault.
#[inline]
fn of_limited(c: Chunk, t: Payload) -> *mut Account {
    if let Some(a) = at_home(c) {
        return a;
    }
    if t & POOL != 0 {
        if let Some(r) = pool::record_of(c, t) {
            return record!(r).account.cast();
        }
        return null_mut();
    }
    c.corrupted(c"home, its memory limit,");
    null_mut()
}

/// The account that a malloc'd child of `c` would belong to; NULL for none.
#[inline]
pub fn of_child(c: Chunk, t: Payload) -> *mut Account {
    if t & LIMIT != 0 {
        of_limited(c, t)
    } else if t & MEMBER != 0 && any() {
        of_member(c, t)
    } else {
        null_mut()
    }
}

#[cold]
fn of_member(mut c: Chunk, mut t: Payload) -> *mut Account {
    while let Some(pool) = pool::pool_above(c, t) {
        let above = pool.payload();
        if !is_alive(above) {
            break; // somebody wrote to it
        }
        (c, t) = (pool, above);
        if t & LIMIT != 0 {
            return of_limited(c, t);
        }
        if t & MEMBER == 0 {
            return null_mut();
        }
    }
    for a in walk::list_owners(c) {
        let t = a.payload();
        if t & LIMIT != 0 {
            return of_limited(a, t);
        }
        if t & MEMBER == 0 {
            break;
        }
    }
    null_mut()
}

/// The account that `c` owns, if any.
fn own(c: Chunk) -> Option<*mut Account> {
    if !c.has(LIMIT) {
        return None;
    }
    at_home(c).filter(|&a| record!(a).owner == records::stands_for(c))
}

/// The bytes of a malloc'd block that a limit counts for this chunk.
fn weight(c: Chunk, t: Payload) -> usize {
    if t & MEMBER != 0 {
        0
    } else if t & POOL != 0 {
        pool::record_of(c, t).map_or(0, pool::bytes_of)
    } else {
        HEADER + size_of_payload(t)
    }
}

/// A member, with its present payload `t`, got a place of its own from malloc, charged to
/// `account`; answers what it is now.
pub fn leave_pool(c: Chunk, t: Payload, account: *mut Account) -> Payload {
    let t = t & !MEMBER;
    match own(c) {
        Some(a) => {
            record!(a).pool = null_mut();
            t
        }
        None => {
            c.set_home(account.cast());
            t | flag(account)
        }
    }
}

/// The owner of an account has moved from `old` to `new`.
pub fn owner_moved(old: Chunk, new: Chunk) {
    if let Some(a) = at_home(new) {
        if record!(a).owner == records::stands_for(old) {
            record!(a).owner = records::stands_for(new);
        }
    }
}

/// The record of the pool that the owner of the account at the `home` of `c` is or lies in,
/// as a `home`.
pub fn pool_of_owner(c: Chunk) -> Option<*mut core::ffi::c_void> {
    at_home(c).map(|a| record!(a).pool.cast())
}

// ---- sums ---------------------------------------------------------------------

/// An account and those above it.
fn up(account: *mut Account) -> impl Iterator<Item = *mut Account> {
    let some = |a: *mut Account| (!a.is_null()).then_some(a);
    core::iter::successors(some(account), move |&a| some(record!(a).above))
}

/// Changes a sum.  Most are one thread's alone.
#[inline(always)]
fn change(a: *mut Account, by: usize) {
    let used = &record!(a).used;
    if record!(a).shared != 0 {
        used.fetch_add(by, Relaxed);
    } else {
        used.store(used.load(Relaxed).wrapping_add(by), Relaxed);
    }
}

/// Adds `bytes` to an account and all above it, if none would go beyond its limit; else
/// errno says ENOMEM.
pub fn charge(account: *mut Account, bytes: usize) -> bool {
    if account.is_null() {
        return true;
    }
    add(account, bytes);
    let is_over = |a: *mut Account| {
        let a = record!(a);
        a.max != 0 && a.used.load(Relaxed) > a.max
    };
    if !up(account).any(is_over) {
        return true;
    }
    uncharge(account, bytes);
    // SAFETY: errno is this thread's.
    unsafe { *libc::__errno_location() = libc::ENOMEM };
    false
}

/// A charge of the fast way, to an account that stands alone.
pub struct Charge(*mut Account);

/// Charges a block of `bytes` bytes that is to come below `parent`, which an account counts;
/// or `None`, also if the fast way is not for that.
#[inline(always)]
pub fn charge_fast(parent: Chunk, bytes: usize) -> Option<Charge> {
    let account = records::at(parent.home()).cast::<Account>();
    let a = record!(account);
    let used = a.used.load(Relaxed).wrapping_add(bytes);
    if a.kind != Kind::Account || used > a.max {
        return None;
    }
    a.used.store(used, Relaxed);
    Some(Charge(account))
}

impl Charge {
    /// It is for this chunk.
    #[inline(always)]
    pub fn of(self, c: Chunk) {
        c.set_home(self.0.cast());
    }

    /// It is for none.
    pub fn undo(self, bytes: usize) {
        uncharge(self.0, bytes);
    }
}

/// Charges so many bytes more for the block of `c`, if the account that stands alone and counts it
/// has room for that; not if `c` owns it.
#[inline(always)]
pub fn charge_more(c: Chunk, bytes: usize) -> bool {
    let a = record!(records::at(c.home()).cast::<Account>());
    let used = a.used.load(Relaxed).wrapping_add(bytes);
    if a.kind != Kind::Account || used > a.max || a.owner == records::stands_for(c) {
        return false;
    }
    a.used.store(used, Relaxed);
    true
}

/// A block that can leave an account that stands alone.
pub struct Leaving {
    account: *mut Account,
    used: usize,
}

/// The block of `c`, of `bytes` bytes, if it is that; not the owner of an account.
#[inline(always)]
pub fn block_to_leave(c: Chunk, bytes: usize) -> Option<Leaving> {
    let account = records::at(c.home()).cast::<Account>();
    let a = record!(account);
    let used = a.used.load(Relaxed).wrapping_sub(bytes);
    (a.kind == Kind::Account && a.owner != records::stands_for(c))
        .then_some(Leaving { account, used })
}

impl Leaving {
    /// It leaves.
    #[inline(always)]
    pub fn leave(self) {
        record!(self.account).used.store(self.used, Relaxed);
    }
}

/// See [`Kind::Account`].
fn kind_of(above: *mut Account, shared: u32) -> Kind {
    if above.is_null() && shared == 0 {
        Kind::Account
    } else {
        Kind::Linked
    }
}

/// Is this record an account?
pub fn is_account(r: *mut Record) -> bool {
    matches!(record!(r).kind, Kind::Account | Kind::Linked)
}

/// Takes `bytes` off an account and all above it.
pub fn uncharge(account: *mut Account, bytes: usize) {
    add(account, bytes.wrapping_neg());
}

/// Adds `bytes` to an account and all above it.
pub fn add(account: *mut Account, bytes: usize) {
    let mut at = account;
    while !at.is_null() {
        change(at, bytes);
        at = record!(at).above;
    }
}

/// Limit and use of the account that `c` owns, if any, for reports.
pub fn figures(c: Chunk) -> Option<(usize, usize)> {
    own(c).map(|a| (record!(a).max, record!(a).used.load(Relaxed)))
}

// ---- accounts come, move and go -------------------------------------------------

/// `talloc_set_memlimit`: limits `c` and what is below it to `max` bytes.  False without
/// memory for the account.
pub fn set(c: Chunk, max: usize) -> bool {
    if let Some(a) = own(c) {
        record!(a).max = max;
        return true;
    }
    let t = c.payload();
    let nearest = of_child(c, t);
    let pool = if t & (MEMBER | POOL) != 0 {
        match pool::record_of(c, t) {
            None => return false, // after a fault
            Some(r) => r,
        }
    } else {
        null_mut()
    };
    let Some(place) = records::make() else {
        return false;
    };
    let account = place.cast::<Account>().as_ptr();
    let shared = root::is_shared(c).into();
    // SAFETY: a fresh record, which an account fits into.
    unsafe {
        account.write(Account {
            above: nearest,
            used: AtomicUsize::new(0),
            owner: records::stands_for(c),
            top: null_mut(),
            shared,
            kind: kind_of(nearest, shared),
            max,
            pool,
        });
    }
    ACCOUNTS.fetch_add(1, Relaxed);
    let moved = rehome(c, nearest, account);
    record!(account).used.fetch_add(moved.into, Relaxed);
    if t & MEMBER != 0 {
        pool::scatter(c, t);
    }
    c.set_home(account.cast());
    c.set(LIMIT);
    true
}

/// What a subtree was to the account that it left, and is to the one it came to.
#[derive(Default)]
struct Moved {
    out: usize,
    into: usize,
}

/// Moves what `from` counts first in the subtree of `c` over to `to`; answers how many
/// bytes that is, nested accounts included. Sums are left alone.  In a loop an account may
/// lie below itself: there it has none above.
fn rehome(c: Chunk, from: *mut Account, to: *mut Account) -> Moved {
    let mut moved = Moved::default();
    let mut walk = walk::whole_subtree(c);
    while let Some(x) = walk.next() {
        if let Some(a) = own(x) {
            let used = record!(a).used.load(Relaxed);
            // Nor is `from` a part of itself.
            if record!(a).above == from && from != a {
                moved.out += used;
            }
            let looped = up(to).any(|above| above == a);
            if !looped {
                moved.into += used;
            }
            let above = if looped { null_mut() } else { to };
            record!(a).above = above;
            record!(a).kind = kind_of(above, record!(a).shared);
            walk.skip_children();
            continue;
        }
        let t = x.payload();
        let bytes = weight(x, t);
        moved.into += bytes;
        if t & MEMBER == 0 {
            // Below a dying chunk, in a loop, may be what no account counts.
            if of_child(x, t) == from {
                moved.out += bytes;
            }
            if t & POOL == 0 {
                x.set_home(to.cast());
            } else if let Some(r) = pool::record_of(x, t) {
                record!(r).account = to.cast();
            }
            x.set_payload(t & !LIMIT | flag(to));
        }
    }
    moved
}

/// `c`, with its payload `t`, is about to get the parent `new`: its subtree changes accounts.
#[inline]
pub fn transfer(c: Chunk, t: Payload, new: Option<Chunk>) {
    if t & MEMBER != 0 {
        match new {
            Some(new) => pool::moves(c, t, new, new.payload()),
            None => pool::scatter(c, t),
        }
    }
    if any() {
        transfer_subtree(c, new);
    }
}

#[cold]
fn transfer_subtree(c: Chunk, new: Option<Chunk>) {
    let from = match own(c) {
        Some(a) => record!(a).above,
        None => of_child(c, c.payload()),
    };
    let to = new.map_or(null_mut(), |new| account_below(new, c));
    if from == to {
        return;
    }
    let moved = rehome(c, from, to);
    // In this order, since in a loop `from` may now be below `to`.
    add(to, moved.into);
    uncharge(from, moved.out);
}

/// What is to be done to the accounts for a chunk to get another parent.
pub struct Transfer {
    from: *mut Account,
    to: *mut Account,
}

/// That for `c` to come below `new`, if it is a matter of `c` alone.
#[inline(always)]
pub fn leaf_to_transfer(c: Chunk, t: Payload, new: Chunk, new_t: Payload) -> Option<Transfer> {
    if own(c).is_some() {
        return None;
    }
    let (from, to) = (of_child(c, t), of_child(new, new_t));
    let is_leaf = c.child().is_none() && (t & POOL == 0 || from == to);
    (is_leaf || from.is_null() && to.is_null()).then_some(Transfer { from, to })
}

impl Transfer {
    /// It is done.
    #[inline(always)]
    pub fn go(self, c: Chunk, t: Payload, new: Chunk, new_t: Payload) {
        let Transfer { from, to } = self;
        if t & MEMBER != 0 {
            return pool::moves(c, t, new, new_t);
        }
        if from != to {
            let bytes = weight(c, t);
            add(to, bytes);
            uncharge(from, bytes);
            c.set_home(to.cast());
            c.set_payload(t & !LIMIT | flag(to));
        }
    }
}

/// The account that `c` is to belong to below `new`.
fn account_below(new: Chunk, c: Chunk) -> *mut Account {
    let account = of_child(new, new.payload());
    if account.is_null() || c.child().is_none() || !walk::is_in_list_below(c, new) {
        return account;
    }
    // A loop: what is in it has nothing above it.
    if walk::is_above(c, new) {
        return null_mut();
    }
    // None for callers, since it goes through a dying chunk that has no parent any more;
    // then only owners on this side of that one count.
    walk::ancestors(new).find_map(own).unwrap_or(null_mut())
}

/// `c`, with its flags `t`, goes, with nothing below it any more: its bytes leave every
/// account, and its own account ends.
#[inline]
pub fn close(c: Chunk, t: Payload) {
    if t & LIMIT != 0 {
        close_limited(c, t);
    }
}

fn close_limited(c: Chunk, t: Payload) {
    if t & MEMBER == 0 {
        let account = of_limited(c, t);
        if !account.is_null() {
            uncharge(account, weight(c, t));
        }
    }
    if let Some(a) = own(c) {
        c.set_home(record!(a).pool.cast());
        records::put(a.cast());
        ACCOUNTS.fetch_sub(1, Relaxed);
    }
}
