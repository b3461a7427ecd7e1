//! Freeing: destructors, refusals, references, new owners.
//!
//! A free walks the subtree without recursion and without memory of its own.
//! A chunk whose destructor has let it go becomes `DYING`; its `hook`, which it
//! needs no more, leads to the dying chunk above it, where the walk goes on
//! when the last child is gone:
//!
//! ```text
//!   begin(c): refused?  --yes--> stays, or gets a new owner (step_into)
//!       | no: DYING
//!   each child: begin(child) ... finish(child)
//!       | none left
//!   finish(c): out of the list, accounts closed, memory back
//! ```
//!
//! A destructor may do anything.  A dying chunk is out of its reach: freeing it
//! again is 0, moving or resizing it does nothing, and only its own walk gives
//! it back.  What else a function of ours needs after a call out it puts on
//! [`Hold`].

use crate::chunk::{
    Chunk, DYING, FREE, Flag, HANDLE, MEMBER, ORPHAN, REFERENCED, RUNNING, SPECIAL,
};
use crate::hold::Hold;
use crate::root::{self, NULL_CONTEXT};
use crate::{alloc, fault, key, parent, reference, tree};
use core::ffi::{c_char, c_int, c_void};
use core::ptr::null_mut;

/// Frees a chunk that has nothing to be asked and nothing below; false for others.
#[inline]
fn plainly(c: Chunk, location: *const c_char) -> bool {
    let plain = is_unasked(c) && tree::any_child(c).is_none();
    if plain {
        remove(c, location);
    }
    plain
}

/// `talloc_free` of a chunk without a flag.  The straight way: nothing to ask, and
/// nothing below.
#[inline(always)]
pub fn plain(c: Chunk, location: *const c_char) -> c_int {
    if c.has_hook() {
        return chunk(c, location);
    }
    if tree::any_child(c).is_none() && alloc::release_straight(c, location) {
        return 0;
    }
    less_plain::<0>(c, location)
}

/// The same for one that is just a member of a pool.
#[inline(always)]
pub fn member(c: Chunk, location: *const c_char) -> c_int {
    if c.has_hook() {
        return chunk(c, location);
    }
    if tree::any_child(c).is_none() && alloc::release_member(c, location) {
        return 0;
    }
    less_plain::<MEMBER>(c, location)
}

/// For either, which have just these flags, and nothing to ask: with leaves below, which
/// go first.
#[inline(never)]
fn less_plain<const FLAGS: Flag>(c: Chunk, location: *const c_char) -> c_int {
    leaves(c, None, location);
    let is_gone = tree::any_child(c).is_none()
        && match FLAGS {
            MEMBER => alloc::release_member(c, location),
            _ => alloc::release_quickly(c, key::flags(FLAGS), location),
        };
    if is_gone {
        return 0;
    }
    chunk(c, location)
}

/// Nothing to ask, and nothing below.
#[inline(always)]
fn is_leaf(c: Chunk) -> bool {
    !c.has_hook() && tree::any_child(c).is_none()
}

/// The same, and first its leaves, as long as there is nothing to ask.  Perhaps some are
/// gone even if it is false.
#[inline(never)]
fn family(c: Chunk, location: *const c_char) -> bool {
    if !is_unasked(c) {
        return false;
    }
    leaves(c, None, location);
    let is_leaf = tree::any_child(c).is_none();
    if is_leaf {
        remove(c, location);
    }
    is_leaf
}

/// The newest children of `p`, as long as there is nothing to ask of them and nothing
/// below, or nothing any more, as is known of `done`.
#[inline(always)]
fn leaves(p: Chunk, done: Option<Chunk>, location: *const c_char) {
    if alloc::fills() {
        return;
    }
    let Some(mut list) = tree::Shed::of(p) else {
        return;
    };
    let mut last = None;
    loop {
        let next = list.next();
        if let Some((c, is_sound)) = next
            && is_sound
            && (is_leaf(c) || Some(c) == done)
            && alloc::release_from_list(c, &mut last, location)
        {
            continue;
        }
        return list.stop_at(next);
    }
}

/// Frees what is below `from`, whose list is its thread's alone, as long as there is
/// nothing to ask, in which case nobody sees in what state the tree is meanwhile.
/// Answers where that ended: `from`, or a chunk below it that is dying now, as are those
/// between the two, and that has a child to be asked or is to be finished.
#[inline(never)]
fn unasked_below(from: Chunk, location: *const c_char) -> Chunk {
    if alloc::fills() {
        return from;
    }
    let mut cur = from;
    let mut done = None; // a child of `cur` below which nothing is left
    loop {
        leaves(cur, done, location);
        match tree::any_child(cur) {
            None if cur == from => return from,
            None => {
                done = Some(cur);
                let Some(up) = above_in_walk(cur) else {
                    return from;
                };
                cur = up;
            }
            Some(child) if Some(child) == done => {
                cur = child;
                break;
            }
            Some(child)
                if child.is_live() && is_unasked(child) && tree::is_first_of(cur, child) =>
            {
                child.set_hook(cur.start().cast());
                cur = child;
                done = None;
            }
            Some(_) => break,
        }
    }
    let mut begun = cur;
    while begun != from {
        tree::hide(begun);
        let Some(up) = above_in_walk(begun) else {
            return from;
        };
        begun = up;
    }
    cur
}

/// Has a live chunk neither a destructor nor references, and is it on nobody's way?
#[inline]
fn is_unasked(c: Chunk) -> bool {
    !c.has(REFERENCED | HANDLE | DYING | RUNNING | SPECIAL) && !c.has_hook()
}

/// The chunk that a walk came from to `c`; `None` after a fault.
fn above_in_walk(c: Chunk) -> Option<Chunk> {
    let up = c.hook().cast::<u8>();
    // SAFETY: stored by the walk itself, on the way down. What lies on its way is
    // dying or held, or nobody has been asked since, so that only we give it back.
    (!up.is_null()).then(|| unsafe { Chunk::at(up) })
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
    /// It is dying now; its children are next.
    Going,
    /// It had none, and is gone.
    Gone,
}

/// `talloc_free`: 0 when `c` is gone, -1 when it is not.
#[inline(never)]
pub fn chunk(c: Chunk, location: *const c_char) -> c_int {
    fault::in_call(c"talloc_free");
    if !c.has(REFERENCED) {
        return unreferenced(c, location);
    }
    if tree::parent(c) == NULL_CONTEXT.get() && reference::count(c) == 1 {
        // There is one parent left that it can mean.
        return unlink(None, c, location);
    }
    let _held = Hold::on(c);
    reference::log_references(c, c"ERROR: talloc_free with references at ", location);
    -1
}

/// The same without regard to a second parent: a reference goes before `c` does.
#[inline]
pub fn unreferenced(c: Chunk, location: *const c_char) -> c_int {
    if !c.has_hook() && family(c, location) {
        return 0;
    }
    with_all_below(c, location)
}

#[inline(never)]
fn with_all_below(c: Chunk, location: *const c_char) -> c_int {
    match begin(c, None, location) {
        Step::Refused | Step::Dereferenced => -1,
        Step::Already | Step::Gone => 0,
        Step::Going => {
            free_below(c, location);
            finish(c, location);
            0
        }
    }
}

/// `talloc_unlink`: `ctx` stops being a parent of `c`. 0, or -1 if it is none
/// or `c` refuses to go.
pub fn unlink(ctx: Option<Chunk>, c: Chunk, location: *const c_char) -> c_int {
    let ctx = root::or_null_context(ctx);
    if let Some(h) = reference::owned_by(c, ctx) {
        reference::drop_handle(h, location);
        return 0;
    }
    if tree::parent(c) != ctx {
        return -1;
    }
    match reference::newest_owner(c) {
        Some(owner) => {
            // The owner that is none is not the null context of later.
            let owner = root::or_null_context(owner);
            let Some(h) = reference::owned_by(c, owner) else {
                return -1;
            };
            reference::drop_handle(h, location);
            parent::change(owner, c);
            0
        }
        None => unreferenced(c, location),
    }
}

/// `talloc_free_children`: all children but the one that holds the name of `c`.
pub fn children(c: Chunk, location: *const c_char) {
    if root::is_private(c) && tree::any_child(c).is_none() {
        return;
    }
    let held = Hold::on(c);
    let name = name_child(c);
    if let Some(name) = name {
        // Out of sight, as in the original, while the others go.
        tree::hide(name);
    }
    free_below(c, location);
    let Some(name) = name else { return };
    name.clear(DYING | ORPHAN);
    if held.still_there() {
        if tree::is_intact(name) {
            tree::unlink(name);
            tree::link(Some(c), name);
        }
    } else {
        unreferenced(name, location);
    }
}

fn name_child(c: Chunk) -> Option<Chunk> {
    let mut child = tree::newest_child(c);
    while let Some(ch) = child {
        if ch.user().cast_const() == c.name().cast::<c_void>() {
            return child;
        }
        child = tree::older_sibling(ch);
    }
    None
}

/// Frees what is below `top`, which is dying or held.
fn free_below(top: Chunk, location: *const c_char) {
    let is_dying = top.has(DYING);
    let mut cur = top;
    loop {
        if cur.has(FREE) {
            return; // only a held `top`: a destructor has freed it
        }
        if root::is_private(cur) && tree::any_child(cur).is_some_and(|child| !child.has_hook()) {
            cur = unasked_below(cur, location);
        }
        if let Some(child) = tree::next_to_free(cur) {
            if plainly(child, location) {
                continue;
            }
            if child.has(HANDLE) {
                reference::drop_handle(child, location);
            } else if step_into(cur, child, location) {
                cur = child;
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

/// Asks a child of `cur` to go; true if it is dying now.
fn step_into(cur: Chunk, child: Chunk, location: *const c_char) -> bool {
    // The owner of a reference inherits the child, unless the destructor of the
    // child gets rid of that owner. The null context is nobody's heir.
    let heir = reference::newest_owner(child).flatten();
    let heir = heir.filter(|&heir| Some(heir) != NULL_CONTEXT.get());
    let held = heir.map(Hold::on);
    let step = begin(child, Some(cur), location);
    if step == Step::Going || step == Step::Gone {
        return step == Step::Going;
    }
    // If a destructor moved it, it stays where it was put.
    if step != Step::Already && tree::parent(child) == Some(cur) {
        let heir = heir.filter(|_| held.as_ref().is_some_and(Hold::still_there));
        let mut new = heir.or_else(|| tree::parent(cur));
        if step == Step::Refused && (new == Some(child) || new == Some(cur)) {
            new = None; // a loop; there it would be met again for ever
        }
        parent::change(new, child);
    }
    false
}

/// Runs what stands before the death of `c`. `up` is the chunk whose children
/// are being freed.
fn begin(c: Chunk, up: Option<Chunk>, location: *const c_char) -> Step {
    while c.has(REFERENCED) {
        let below = reference::newest_is_below(c);
        if !reference::drop_newest(c, location) {
            return Step::Refused; // after a fault
        }
        if !below {
            return Step::Dereferenced;
        }
    }
    if c.has(DYING | RUNNING) {
        return if c.has(DYING) {
            Step::Already
        } else {
            Step::Refused
        };
    }
    if c.has_hook() {
        let Some(destructor) = reference::destructor(c) else {
            return Step::Refused; // after a fault
        };
        let was = c.set_for_a_while(RUNNING);
        // SAFETY: set by the caller for this chunk. While it runs, the chunk
        // cannot go or move.
        let refuses = unsafe { destructor(c.user()) } == -1;
        let is_same = c.clear_again(RUNNING, was);
        if refuses {
            return Step::Refused;
        }
        if !is_same {
            // References made meanwhile come too late.
            while reference::drop_newest(c, location) {}
            if !c.is_hook_sound() {
                return Step::Refused; // after a fault
            }
        }
    }
    if tree::any_child(c).is_none() {
        // Nobody is asked any more: it need not be hidden first.
        c.set_hook(null_mut());
        remove(c, location);
        return Step::Gone;
    }
    tree::hide(c);
    c.set_hook(up.map_or(null_mut(), |up| up.start().cast()));
    Step::Going
}

/// The children are gone: so is the chunk.
fn finish(c: Chunk, location: *const c_char) {
    // What is still there is dying in a walk further up the stack, which a
    // destructor has called us from.
    while let Some(orphan) = tree::any_child(c)
        && parent::none(orphan)
    {}
    // As it was before it began to die.
    c.clear(DYING | ORPHAN);
    c.set_hook(null_mut());
    remove(c, location);
}

/// Out of the list and the accounts; the memory goes back.
#[inline]
fn remove(c: Chunk, location: *const c_char) {
    if alloc::release_quickly(c, c.added(), location) {
        return;
    }
    if tree::is_intact(c) {
        tree::unlink(c);
        alloc::leave(c, location);
    } else {
        c.set(DYING); // out of sight; its memory is lost
    }
}
