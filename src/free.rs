//! Freeing and moving: destructors, refusals, references, new owners.
//!
//! A free walks the subtree without recursion and without memory of its own.
//! A chunk whose destructor has let it go becomes `DYING`; its `hook`, which it
//! needs no more, leads to the dying chunk above it, where the walk goes on
//! when the last child is gone:
//!
//! ```text
//!   begin(c): refused?  --yes--> stays, or gets a new owner (hand_over)
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

use crate::chunk::{Chunk, DYING, FREE, HANDLE, HELD, ORPHAN, REFERENCED, RUNNING, SPECIAL};
use crate::{alloc, global, memlimit, reference, tree};
use core::ffi::{c_char, c_int, c_void};
use core::ptr::null_mut;

/// Keeps the memory of a chunk readable over a call out, even if it is freed
/// meanwhile. The outermost hold gives it back then.
pub struct Hold {
    c: Chunk,
    outermost: bool,
}

impl Hold {
    /// Holds `c`.
    pub fn on(c: Chunk) -> Hold {
        let outermost = !c.has(HELD);
        c.set(HELD);
        Hold { c, outermost }
    }

    /// Has it not been freed meanwhile?
    pub fn still_there(&self) -> bool {
        !self.c.has(FREE)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.outermost {
            self.c.clear(HELD);
            if self.c.has(FREE) {
                alloc::release(self.c, self.c.name());
            }
        }
    }
}

/// Gives memory back, now or when nobody holds it any more.
pub fn let_go(c: Chunk, location: *const c_char) {
    if c.has(HELD) {
        alloc::stamp(c, location);
    } else {
        alloc::release(c, location);
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
    /// It is dying now; its children are next.
    Going,
}

/// `talloc_free`: 0 when `c` is gone, -1 when it is not.
pub fn chunk(c: Chunk, location: *const c_char) -> c_int {
    if !c.has(REFERENCED) {
        return unreferenced(c, location);
    }
    let parent = tree::parent(c);
    if (parent.is_none() || parent == global::null_context()) && reference::count(c) == 1 {
        // There is one parent left that it can mean.
        return reference::unlink(None, c, location);
    }
    let _held = Hold::on(c);
    reference::log_references(c, c"ERROR: talloc_free with references at ", location);
    -1
}

/// The same without regard to a second parent: a reference goes before `c` does.
pub fn unreferenced(c: Chunk, location: *const c_char) -> c_int {
    match begin(c, None, location) {
        Step::Refused | Step::Dereferenced => -1,
        Step::Already => 0,
        Step::Going => {
            free_below(c, location);
            finish(c, location);
            0
        }
    }
}

/// `talloc_free_children`: all children but the one that holds the name of `c`.
pub fn children(c: Chunk, location: *const c_char) {
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
        tree::unlink(name);
        tree::link(Some(c), name);
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
    let mut cur = top;
    loop {
        if cur.has(FREE) {
            return; // only a held `top`: a destructor has freed it
        }
        if let Some(child) = tree::next_to_free(cur) {
            if child.has(HANDLE) {
                reference::drop_handle(child, location);
            } else if step_into(cur, child, location) {
                cur = child;
            }
            continue;
        }
        if cur == top {
            return;
        }
        let up = cur.hook();
        finish(cur, location);
        // SAFETY: `begin` stored the chunk that the walk came from. It is dying
        // or held, so that only we give it back.
        cur = unsafe { Chunk::at(up.cast()) };
    }
}

/// Asks a child of `cur` to go; true if it is dying now.
fn step_into(cur: Chunk, child: Chunk, location: *const c_char) -> bool {
    // The owner of a reference inherits the child, unless the destructor of the
    // child gets rid of that owner. The null context is nobody's heir.
    let heir = reference::newest_owner(child).flatten();
    let heir = heir.filter(|&heir| Some(heir) != global::null_context());
    let held = heir.map(Hold::on);
    let step = begin(child, Some(cur), location);
    if step == Step::Going {
        return true;
    }
    // If a destructor moved it, it stays where it was put.
    if step != Step::Already && tree::parent(child) == Some(cur) {
        let heir = heir.filter(|_| held.as_ref().is_some_and(Hold::still_there));
        let mut new = heir.or_else(|| tree::parent(cur));
        if step == Step::Refused && (new == Some(child) || new == Some(cur)) {
            new = None; // a loop; there it would be met again for ever
        }
        move_to(new, child);
    }
    false
}

/// Runs what stands before the death of `c`. `up` is the chunk whose children
/// are being freed.
fn begin(c: Chunk, up: Option<Chunk>, location: *const c_char) -> Step {
    while c.has(REFERENCED) {
        let below = reference::newest_is_below(c);
        reference::drop_newest(c, location);
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
    if let Some(destructor) = reference::destructor(c) {
        c.set(RUNNING);
        // SAFETY: set by the caller for this chunk. While it runs, the chunk
        // cannot go or move.
        let refuses = unsafe { destructor(c.user()) } == -1;
        c.clear(RUNNING);
        if refuses {
            return Step::Refused;
        }
        // References made meanwhile come too late.
        while reference::drop_newest(c, location) {}
    }
    tree::hide(c);
    c.set_hook(up.map_or(null_mut(), |up| up.start().cast()));
    Step::Going
}

/// The children are gone: so is the chunk.
fn finish(c: Chunk, location: *const c_char) {
    // What is still there is dying in a walk further up the stack, which a
    // destructor has called us from.
    while let Some(orphan) = tree::any_child(c) {
        detach(orphan);
    }
    if c.has(SPECIAL) {
        global::forget(c);
    }
    tree::unlink(c);
    memlimit::close(c);
    let_go(c, location);
}

/// Makes `c` a chunk without a parent.
pub fn detach(c: Chunk) {
    memlimit::transfer(c, None);
    tree::unlink(c);
}

// ---- moving ---------------------------------------------------------------

/// Makes `c` the newest child of `new`, or of the null context.  A dying chunk
/// stays where it is.
pub fn move_to(new: Option<Chunk>, c: Chunk) {
    let new = global::or_null_context(new);
    if c.has(DYING) || new == Some(c) {
        return;
    }
    if new == tree::parent(c) && tree::is_newest(c) {
        return;
    }
    memlimit::transfer(c, new);
    tree::unlink(c);
    tree::link(new, c);
}

/// `talloc_steal`: the same, with a warning if `c` has other parents.  `None` is
/// not taken for the null context when it comes to the warning.
pub fn steal(new: Option<Chunk>, c: Chunk, location: *const c_char) {
    if !c.has(REFERENCED) || tree::parent(c) == new {
        return move_to(new, c);
    }
    // The log function may free either of them.
    let held = (Hold::on(c), new.map(Hold::on));
    reference::log_references(c, c"WARNING: talloc_steal with references at ", location);
    if held.0.still_there() && held.1.as_ref().is_none_or(Hold::still_there) {
        move_to(new, c);
    }
}
