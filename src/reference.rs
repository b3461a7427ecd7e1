//! References: additional parents.
//!
//! A reference hangs a *handle* under its owner: a chunk whose user memory is a
//! [`Handle`].  The handles of one chunk form a list, newest first, that begins
//! at the chunk's `hook`.  The hook of a chunk without references is its
//! destructor; the newest handle keeps it meanwhile, so that neither making nor
//! dropping a reference needs memory for it.

use crate::alloc::{self, Plan};
use crate::chunk::{Chunk, DYING, Destructor, HANDLE, REFERENCED};
use crate::{free, global, memlimit, tree};
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::null_mut;

/// The user memory of a handle.
struct Handle {
    target: Chunk,
    newer: Option<Chunk>,
    older: Option<Chunk>,
    location: *const c_char,
    /// The target's destructor, kept by the newest handle.
    destructor: *mut c_void,
}

/// The record in a chunk with the flag `HANDLE`.
macro_rules! handle {
    ($chunk:expr) => {
        // SAFETY: a chunk with HANDLE holds a Handle, written before the flag
        // can be seen; the place is used for one read or write of one field.
        unsafe { &mut *$chunk.user().cast::<Handle>() }
    };
}

/// The newest handle on `c`.
#[inline]
fn newest(c: Chunk) -> Option<Chunk> {
    if c.has(REFERENCED) {
        // SAFETY: the hook of a REFERENCED chunk is its newest handle.
        Some(unsafe { Chunk::at(c.hook().cast()) })
    } else {
        None
    }
}

/// The handles on `c`, newest first.
fn handles(c: Chunk) -> impl Iterator<Item = Chunk> {
    core::iter::successors(newest(c), |&h| handle!(h).older)
}

/// What the handle `h` refers to.
pub fn target(h: Chunk) -> Chunk {
    handle!(h).target
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

fn hook_place(c: Chunk) -> *mut c_void {
    match newest(c) {
        Some(h) => handle!(h).destructor,
        None => c.hook(),
    }
}

/// The destructor of `c`.
#[inline]
pub fn destructor(c: Chunk) -> Option<Destructor> {
    let f = hook_place(c);
    // SAFETY: only `set_destructor` writes it: NULL or such a function.
    unsafe { core::mem::transmute::<*mut c_void, Option<Destructor>>(f) }
}

/// Sets or clears it. A dying chunk is past it: nothing happens.
pub fn set_destructor(c: Chunk, f: Option<Destructor>) {
    let f = f.map_or(null_mut(), |f| f as *mut c_void);
    if let Some(h) = newest(c) {
        handle!(h).destructor = f;
    } else if !c.has(DYING) {
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
    let plan = Plan {
        flags: HANDLE,
        ..Plan::of(size_of::<Handle>())
    };
    let Some(h) = alloc::planned(ctx, plan) else {
        return false;
    };
    h.set_name(c".reference".as_ptr());
    let older = newest(c);
    // SAFETY: a fresh chunk of that size.
    unsafe {
        h.user().cast::<Handle>().write(Handle {
            target: c,
            newer: None,
            older,
            location,
            destructor: hook_place(c),
        });
    }
    if let Some(older) = older {
        handle!(older).newer = Some(h);
    }
    c.set_hook(h.start().cast());
    c.set(REFERENCED);
    true
}

/// Takes the handle `h` off its chunk and gives it back.
pub fn drop_handle(h: Chunk, location: *const c_char) {
    let &mut Handle {
        target: c,
        newer,
        older,
        destructor,
        ..
    } = handle!(h);
    if let Some(older) = older {
        handle!(older).newer = newer;
    }
    match (newer, older) {
        (Some(newer), _) => handle!(newer).older = older,
        (None, Some(older)) => {
            handle!(older).destructor = destructor;
            c.set_hook(older.start().cast());
        }
        (None, None) => {
            c.set_hook(destructor);
            c.clear(REFERENCED);
        }
    }
    tree::unlink(h);
    memlimit::close(h);
    free::let_go(h, location);
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

fn owned_by(c: Chunk, owner: Option<Chunk>) -> Option<Chunk> {
    handles(c).find(|&h| tree::parent(h) == owner)
}

/// `talloc_unlink`: `ctx` stops being a parent of `c`. 0, or -1 if it is none
/// or `c` refuses to go.
pub fn unlink(ctx: Option<Chunk>, c: Chunk, location: *const c_char) -> c_int {
    let ctx = global::or_null_context(ctx);
    if let Some(h) = owned_by(c, ctx) {
        drop_handle(h, location);
        return 0;
    }
    if tree::parent(c) != ctx {
        return -1;
    }
    match newest_owner(c) {
        Some(owner) => {
            drop_newest(c, location);
            free::move_to(owner, c);
            0
        }
        None => free::unreferenced(c, location),
    }
}

/// `talloc_reparent`: the parent `old`, or the reference that `old` owns,
/// becomes `new`'s. False if `old` is neither; it must be named: `None` does not
/// mean the null context here.
pub fn reparent(old: Option<Chunk>, new: Option<Chunk>, c: Chunk) -> bool {
    if tree::parent(c) == old {
        free::move_to(new, c);
        return true;
    }
    match owned_by(c, old) {
        Some(h) => {
            free::move_to(new, h);
            true
        }
        None => false,
    }
}

/// Logs `what` at `location`, then a line per reference, newest first. The log
/// function may do anything, so each handle is held until its line is out.
pub fn log_references(c: Chunk, what: &CStr, location: *const c_char) {
    global::log_parts(what, location, c"\n");
    let mut at = if c.has(crate::chunk::FREE) {
        None
    } else {
        newest(c)
    };
    while let Some(h) = at {
        let held = free::Hold::on(h);
        global::log_parts(c"\treference at ", handle!(h).location, c"\n");
        at = if held.still_there() {
            handle!(h).older
        } else {
            None
        };
    }
}
