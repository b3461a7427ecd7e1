//! The links: who is whose child.  The only file that changes them.
//!
//! Each parent leads to its newest child, the children form a list, newest first.
//! `pprev` is the address of the word that leads to a chunk, so that leaving a list is
//! the same for the first and the others, and depends neither on the number of siblings
//! nor on the parent.
//!
//! What is written through is checked first: the word at `pprev` leads here, the `pprev`
//! of the next one leads to our `next`, the `pprev` of the first one to the parent's
//! `child`.  The heads of neighbours are not looked at.
//!
//! Links are changed so that whoever looks in between, a signal handler or a child
//! forked by another thread, sees a list that can be walked: a chunk is whole before a
//! link leads to it, and out of the list before it is dead.
//!
//! The list below the null context is shared between threads: its chunks have the flag
//! `TOP`, and their links change under the lock of `root`.

use crate::header::{Chunk, Link, TOP};
use crate::lock::Locked;
use crate::root;
use core::sync::atomic::{Ordering::Release, compiler_fence};

/// What a link word holds.
#[inline(always)]
pub fn load(link: Link) -> Option<Chunk> {
    // SAFETY: the address of a link in a header; if somebody else wrote it, a wild read
    // ends the process.
    unsafe { link.read_unaligned() }
}

/// Writes a link word that was seen to lead to a chunk of ours.
#[inline(always)]
fn store(link: Link, to: Option<Chunk>) {
    compiler_fence(Release);
    // SAFETY: the caller has read it, and it held the address of a header: so it is a
    // link of ours.
    unsafe { link.write_unaligned(to) };
}

/// The newest child, if its `pprev` leads back: then a new one may come before it.
#[inline(always)]
pub fn first_below(parent: Chunk) -> Result<Option<Chunk>, ()> {
    let first = parent.child();
    match first {
        Some(f) if f.pprev() != parent.child_link() => Err(()),
        _ => Ok(first),
    }
}

/// `c`, which was born as the first child before `first`, is linked.
#[inline(always)]
pub fn link_born(parent: Chunk, first: Option<Chunk>, c: Chunk) {
    if let Some(first) = first {
        first.set_pprev(c.next_link());
    }
    parent.set_child(Some(c));
}

/// Makes `c`, which is in no list, the first child of `parent`, whose first was `first`.
#[inline(always)]
pub fn link_first(parent: Chunk, first: Option<Chunk>, c: Chunk) {
    c.set_parent_user(parent.user());
    c.set_next(first);
    c.set_pprev(parent.child_link());
    link_born(parent, first, c);
}

/// Takes `c` out of the list it is in, and leaves its own links as they are. False, and
/// nothing is done, if a neighbour does not lead to it.
#[inline(always)]
pub fn take_out(c: Chunk) -> bool {
    let (pprev, next) = (c.pprev(), c.next());
    if load(pprev) != Some(c) {
        return false;
    }
    if let Some(next) = next {
        if next.pprev() != c.next_link() {
            return false;
        }
        next.set_pprev(pprev);
    }
    store(pprev, next);
    true
}

/// Puts `c` back where [`take_out`] took it from, with links as they were then.
pub fn put_back(c: Chunk) {
    if let Some(next) = c.next() {
        next.set_pprev(c.next_link());
    }
    store(c.pprev(), Some(c));
}

/// Would [`take_out`] do it?
#[inline(always)]
pub fn can_be_taken_out(c: Chunk) -> bool {
    load(c.pprev()) == Some(c) && c.next().is_none_or(|next| next.pprev() == c.next_link())
}

/// The same for a chunk with any flags, which may be in no list.
pub fn is_intact(c: Chunk, is_top: bool) -> bool {
    let _lock = is_top.then(root::lock_links);
    is_intact_locked(c)
}

/// The same where the caller has the lock on links, if `c` has `TOP` and is in a list.
#[inline(always)]
pub fn is_intact_locked(c: Chunk) -> bool {
    if c.pprev().is_null() {
        return c.next().is_none();
    }
    can_be_taken_out(c)
}

/// Is a chunk with `TOP` in no list?  No lock is needed: siblings that leave write to its
/// `pprev`, but not to where its parent stands.
#[inline(always)]
pub fn is_alone(c: Chunk) -> bool {
    c.parent_user().is_null() && c.pprev().is_null()
}

/// A chunk that is in no list leads nowhere, and has no parent.
#[inline(always)]
pub fn set_alone(c: Chunk) {
    c.set_parent_user(core::ptr::null_mut());
    c.set_next(None);
    c.set_pprev(core::ptr::null_mut());
}

/// Takes `c`, with that `TOP` or without, out of its list, if it is in one.
#[inline]
pub fn unlink(c: Chunk, is_top: bool) -> bool {
    if !is_top {
        return take_out(c);
    }
    let _lock = root::lock_links();
    if c.pprev().is_null() {
        return true;
    }
    let out = take_out(c);
    if out {
        set_alone(c);
    }
    out
}

/// Makes `c`, which is in no list, the newest child of `parent`, which may be the null
/// context, or none.  Should there be a fault and the abort function return: what hangs
/// behind it is lost.  The flag `TOP` of `c` follows.
pub fn link(parent: Option<Chunk>, c: Chunk) {
    let was_top = c.has(TOP);
    let Some(p) = parent else {
        set_alone(c);
        if !was_top {
            c.set(TOP);
        }
        return;
    };
    let is_top = root::is_shared(p);
    if is_top != was_top {
        if is_top {
            c.set(TOP);
        } else {
            c.clear(TOP);
        }
    }
    let is_sound = {
        let _lock = is_top.then(root::lock_links);
        let first = first_below(p);
        link_first(p, first.unwrap_or(None), c);
        first.is_ok()
    };
    if !is_sound {
        p.corrupted(c"child"); // not under the lock: a user's function may run
    }
}

/// Links lead to `new` in place of `old`, which is intact, and so do the children, of which the
/// first is known there.  False if these are not as they should be: then some are lost.
#[inline(always)]
pub fn stand_in(old: Chunk, new: Chunk) -> bool {
    let (pprev, next) = (old.pprev(), old.next());
    new.set_parent_user(old.parent_user());
    new.set_pprev(pprev);
    new.set_next(next);
    if let Some(next) = next {
        next.set_pprev(new.next_link());
    }
    if !pprev.is_null() {
        store(pprev, Some(new));
    }
    take_children_along(old, new)
}

/// The same below the null context; `None`, and nothing is done, if `old` is not intact.
#[inline(never)]
pub fn stand_in_locked(old: Chunk, new: Chunk) -> Option<bool> {
    let _lock = root::lock_links();
    is_intact_locked(old).then(|| stand_in(old, new))
}

/// The children of `new`, which was `old`, follow.  False if they are not as they should be:
/// then some are lost.
#[inline(always)]
fn take_children_along(old: Chunk, new: Chunk) -> bool {
    // The first of them leads back to the old place.
    let (mut was, mut link) = (old.child_link(), new.child_link());
    let mut child = new.child();
    while let Some(ch) = child {
        if ch.pprev() != was {
            return false;
        }
        ch.set_pprev(link);
        ch.set_parent_user(new.user());
        link = ch.next_link();
        was = link;
        child = ch.next();
    }
    true
}

/// What is below `parent`, from its first child on, is about to go: nobody finds it there any
/// more.  False, and nothing is done, if that child does not lead back.
#[inline(always)]
pub fn enter(parent: Chunk, first: Chunk) -> bool {
    if first.pprev() != parent.child_link() {
        return false;
    }
    parent.set_child(None);
    true
}

/// What is left of what was [`enter`]ed, from `first` below `parent` up to `top`, is put back:
/// on each level the first one there now is the first of its parent.
#[cold]
#[inline(never)]
pub fn leave(parent: Chunk, first: Chunk, top: Chunk) {
    let (mut up, mut c) = (parent, first);
    loop {
        c.set_pprev(up.child_link());
        up.set_child(Some(c));
        if up == top {
            return;
        }
        c = up;
        up = Chunk::before(c.parent_user());
    }
}

/// Does `to`, to which the word `link` of the chunk `from` leads, lead back, or is one of
/// us just changing that?
#[inline(always)]
pub fn leads_back(from: Chunk, link: Link, to: Chunk) -> bool {
    to.pprev() == link || leads_back_meanwhile(from, link, to)
}

#[cold]
#[inline(never)]
fn leads_back_meanwhile(from: Chunk, link: Link, to: Chunk) -> bool {
    let pprev = to.pprev();
    // `from` is leaving.
    if to != from && pprev == from.pprev() && load(pprev) == Some(from) {
        return true;
    }
    // Another one comes before `to`, or `from` has just moved there, or from there.
    let is_like = |other: Chunk| other.is_live() && other.pprev() == from.pprev();
    let before = Chunk::of_next_link(pprev).is_some_and(|other| {
        (is_like(other) || other.is_live() && other.pprev() == link) && other.next() == Some(to)
    });
    before || Chunk::of_child_link(pprev).is_some_and(|o| is_like(o) && o.child() == Some(to))
}

/// A chunk that is out of its list while it moves; its own links are as they were.
pub struct Apart {
    c: Chunk,
    is_listed: bool,
    /// Nobody else may change the list meanwhile.
    _lock: Option<Locked>,
}

/// Takes `c` out of its list, if it is in one; `None`, and nothing is done, if it is not as it
/// should be there.
#[inline(always)]
pub fn set_apart(c: Chunk, is_top: bool) -> Option<Apart> {
    let lock = is_top.then(root::lock_links);
    let is_listed = !c.pprev().is_null();
    if is_listed && !take_out(c) {
        return None;
    }
    Some(Apart {
        c,
        is_listed,
        _lock: lock,
    })
}

impl Apart {
    /// It was moved to `new`, with its links, or is where it was: that comes in its place.
    #[inline(always)]
    pub fn put(self, new: Chunk) {
        let are_sound = new == self.c || take_children_along(self.c, new);
        if self.is_listed {
            put_back(new);
        }
        drop(self);
        if !are_sound {
            new.corrupted(c"child");
        }
    }
}
