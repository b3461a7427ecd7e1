//! References: additional parents.
//!
//! A reference hangs a *handle* under its owner: a chunk whose user memory is a
//! [`Handle`].  The handles of one chunk form a list, newest first, that begins
//! at the chunk's `hook`.  The hook of a chunk without references is its
//! destructor; the newest handle keeps it meanwhile, so that neither making nor
//! dropping a reference needs memory for it.

use crate::alloc;
use crate::chunk::{Chunk, DYING, Destructor, FREE, HANDLE, REFERENCED};
use crate::hold::Hold;
use crate::key::Sealed;
use crate::{fault, parent, tree};
use core::ffi::{CStr, c_char, c_void};
use core::ptr::null_mut;

/// The user memory of a handle. An overrun gets here before it gets to a header.
struct Handle {
    target: Sealed,
    newer: Sealed,
    older: Sealed,
    /// The target's destructor, kept by the newest handle.
    destructor: Sealed,
    location: *const c_char,
}

/// The record in a chunk with the flag `HANDLE`.
macro_rules! handle {
    ($chunk:expr) => {
        // SAFETY: a chunk with HANDLE holds a Handle, written before the flag
        // can be seen; the place is used for one read or write of one field.
        unsafe { &mut *$chunk.user().cast::<Handle>() }
    };
}

/// The address in a word of the record in `h`. If somebody else wrote there, it is a
/// fault, and then NULL.
fn open(h: Chunk, word: &Sealed) -> *mut c_void {
    word.get().unwrap_or_else(|| {
        h.corrupted(c"record of a reference");
        null_mut()
    })
}

/// The same for a chunk, or none.
fn open_chunk(h: Chunk, word: &Sealed) -> Option<Chunk> {
    let start = open(h, word).cast::<u8>();
    // SAFETY: put there by us: the handle's target, or one of its other handles.
    (!start.is_null()).then(|| unsafe { Chunk::at(start) })
}

fn put_chunk(word: &mut Sealed, c: Option<Chunk>) {
    word.put(c.map_or(null_mut(), |c| c.start().cast()));
}

/// The newest handle on `c`.
#[inline]
fn newest(c: Chunk) -> Option<Chunk> {
    if !c.has(REFERENCED) {
        return None;
    }
    let start = c.hook().cast::<u8>();
    // SAFETY: the hook of a REFERENCED chunk is its newest handle.
    (!start.is_null()).then(|| unsafe { Chunk::at(start) })
}

/// The handles on `c`, newest first.
fn handles(c: Chunk) -> impl Iterator<Item = Chunk> {
    core::iter::successors(newest(c), |&h| open_chunk(h, &handle!(h).older))
}

/// What the handle `h` refers to; `None` after a fault.
pub fn target(h: Chunk) -> Option<Chunk> {
    open_chunk(h, &handle!(h).target)
}

/// Who owns the newest reference to `c`: `None` without references, and
/// `Some(None)` for the null context that is not there.
pub fn newest_owner(c: Chunk) -> Option<Option<Chunk>> {
    newest(c).map(tree::parent)
}

/// How many references `c` has.
pub fn count(c: Chunk) -> usize {
    handles(c).count()
}

// ---- destructors ----------------------------------------------------------

#[inline(never)]
fn hook_place(c: Chunk) -> *mut c_void {
    match newest(c) {
        Some(h) => open(h, &handle!(h).destructor),
        None if c.has(REFERENCED) => null_mut(), // after a fault
        None => c.hook(),
    }
}

/// The destructor of `c`.
#[inline]
pub fn destructor(c: Chunk) -> Option<Destructor> {
    let f = match c.has(REFERENCED) {
        false => c.hook(),
        true => hook_place(c),
    };
    // SAFETY: only `set_destructor` writes it: NULL or such a function.
    unsafe { core::mem::transmute::<*mut c_void, Option<Destructor>>(f) }
}

/// Sets or clears it. A dying chunk is past it: nothing happens.
pub fn set_destructor(c: Chunk, f: Option<Destructor>) {
    let f = f.map_or(null_mut(), |f| f as *mut c_void);
    if c.has(REFERENCED) {
        if let Some(h) = newest(c) {
            handle!(h).destructor.put(f);
        }
    } else if !c.has(DYING) && c.is_hook_sound() {
        c.set_hook(f);
    }
}

// ---- making and dropping --------------------------------------------------

/// `talloc_reference`: makes `ctx` an additional parent of `c`. False without
/// memory, or if `c` is past saving.
pub fn make(ctx: Option<Chunk>, c: Chunk, location: *const c_char) -> bool {
    if c.has(DYING) {
        return false;
    }
    let size = size_of::<Handle>();
    let Some(h) = alloc::special(ctx, size, c".reference".as_ptr(), HANDLE) else {
        return false;
    };
    let older = newest(c);
    let destructor = hook_place(c);
    let record = handle!(h);
    record.location = location;
    put_chunk(&mut record.target, Some(c));
    put_chunk(&mut record.newer, None);
    put_chunk(&mut record.older, older);
    record.destructor.put(destructor);
    if let Some(older) = older {
        put_chunk(&mut handle!(older).newer, Some(h));
    }
    c.set_hook(h.start().cast());
    c.set(REFERENCED);
    true
}

/// Takes the handle `h` off its chunk and gives it back.
pub fn drop_handle(h: Chunk, location: *const c_char) {
    let record = handle!(h);
    if let Some(c) = open_chunk(h, &record.target)
        && c.is_hook_sound()
    {
        let newer = open_chunk(h, &record.newer);
        let older = open_chunk(h, &record.older);
        let destructor = open(h, &record.destructor);
        if let Some(older) = older {
            put_chunk(&mut handle!(older).newer, newer);
        }
        match (newer, older) {
            (Some(newer), _) => put_chunk(&mut handle!(newer).older, older),
            (None, Some(older)) => {
                handle!(older).destructor.put(destructor);
                c.set_hook(older.start().cast());
            }
            (None, None) => {
                c.set_hook(destructor);
                c.clear(REFERENCED);
            }
        }
    }
    if alloc::release_handle(h, location) {
        return;
    }
    if tree::is_intact(h) {
        tree::unlink(h);
        alloc::leave(h, location);
    } else {
        h.set(DYING); // out of sight; its memory is lost
    }
}

/// Drops the newest reference to `c`. True if there was one.
pub fn drop_newest(c: Chunk, location: *const c_char) -> bool {
    match newest(c) {
        Some(h) => {
            drop_handle(h, location);
            true
        }
        None => false,
    }
}

/// Does the newest reference hang below `c` itself?
pub fn newest_is_below(c: Chunk) -> bool {
    newest(c).is_some_and(|h| tree::is_above(c, h))
}

/// The newest reference to `c` that `owner` owns.
pub fn owned_by(c: Chunk, owner: Option<Chunk>) -> Option<Chunk> {
    handles(c).find(|&h| tree::parent(h) == owner)
}

/// `talloc_reparent`: the parent `old`, or the reference that `old` owns,
/// becomes `new`'s. False if `old` is neither; it must be named: `None` does not
/// mean the null context here.
pub fn reparent(old: Option<Chunk>, new: Option<Chunk>, c: Chunk) -> bool {
    if tree::parent(c) == old {
        parent::change(new, c);
        return true;
    }
    match owned_by(c, old) {
        Some(h) => {
            parent::change(new, h);
            true
        }
        None => false,
    }
}

/// Logs `what` at `location`, then a line per reference, newest first. The log
/// function may do anything, so each handle is held until its line is out.
pub fn log_references(c: Chunk, what: &CStr, location: *const c_char) {
    fault::log_parts(what, location, c"\n");
    let mut at = if c.has(FREE) { None } else { newest(c) };
    while let Some(h) = at {
        let held = Hold::on(h);
        fault::log_parts(c"\treference at ", handle!(h).location, c"\n");
        at = if held.still_there() {
            open_chunk(h, &handle!(h).older)
        } else {
            None
        };
    }
}

/// `talloc_steal`: another parent for `c`, with a warning if it has more than
/// one.  `None` is not taken for the null context when it comes to the warning.
pub fn steal(new: Option<Chunk>, c: Chunk, location: *const c_char) {
    if !c.has(REFERENCED) || tree::parent(c) == new {
        return parent::change(new, c);
    }
    // The log function may free either of them.
    let held = (Hold::on(c), new.map(Hold::on));
    log_references(c, c"WARNING: talloc_steal with references at ", location);
    if held.0.still_there() && held.1.as_ref().is_none_or(Hold::still_there) {
        parent::change(new, c);
    }
}
