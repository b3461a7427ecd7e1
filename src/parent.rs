//! A chunk gets another parent: link and accounts together.

use crate::chunk::{Chunk, DYING, SPECIAL};
use crate::tree::{self, Among};
use crate::{memlimit, root};

/// Makes `c` the newest child of `new`, or of the null context.  A dying chunk
/// stays where it is.
pub fn change(new: Option<Chunk>, c: Chunk) {
    if c.has(DYING) {
        return;
    }
    if let Some(new) = new
        && !new.has(SPECIAL)
        && !c.has(SPECIAL)
        && change_quickly(new, c, Among::Common)
    {
        return;
    }
    let new = root::or_null_context(new);
    if new == Some(c) {
        return;
    }
    if new == tree::parent(c) && tree::is_newest(c) || !tree::is_intact(c) {
        return;
    }
    memlimit::transfer(c, new);
    tree::unlink(c);
    tree::link(new, c);
}

/// The same where it is a matter of a few links: between chunks that are `among` these,
/// `c` not dying, in a process without a limit.  Else false, and nothing is done.
#[inline(always)]
pub fn change_quickly(new: Chunk, c: Chunk, among: Among) -> bool {
    !memlimit::any() && tree::move_quickly(c, new, among)
}

/// Makes `c`, dying or not, a chunk without a parent. False after a fault.
pub fn none(c: Chunk) -> bool {
    let is_intact = tree::is_intact(c);
    if is_intact {
        memlimit::transfer(c, None);
        tree::unlink(c);
    }
    is_intact
}
