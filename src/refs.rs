//! References, additional parents; and destructors, which they keep.
//!
//! A reference hangs a *handle* under its owner: a chunk whose user memory is a [`Handle`].
//! The handles of one chunk form a list, newest first, that begins at the chunk's `extra`,
//! with links back as in `list`.  The `extra` of a chunk without references is its
//! destructor, sealed for the chunk; the newest handle keeps it meanwhile, so that neither
//! making nor dropping a reference needs memory for it.

use crate::alloc;
use crate::header::{
    Chunk, DTOR, DYING, Destructor, EXACT, FLAGS, HANDLE, LIMIT, MEMBER, POOL, Payload, REF, ROOMY,
    TOP, is_alive, size_of_payload, user_of,
};
use crate::hold::Hold;
use crate::{fault, list, magazine, shed, walk};
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::{null_mut, with_exposed_provenance_mut};

/// The user memory of a handle.
#[repr(C, packed(4))]
struct Handle {
    target: Chunk,
    /// The word that leads to this handle: the target's `extra`, or the `older` of the next
    /// newer one.
    back: *mut u64,
    /// The next older handle on the same chunk, 0 for none.
    older: u64,
    location: *const c_char,
    /// The target's destructor, sealed for it, kept by the newest handle.
    destructor: u64,
}

/// What the head of a handle says that is nothing else.
pub const JUST_HANDLE: Payload = HANDLE | size_of::<Handle>() as u64;

/// Reads or writes a field of the record in a chunk with the flag `HANDLE`.
macro_rules! handle {
    ($chunk:expr, $field:ident) => {
        // SAFETY: a chunk with HANDLE holds a Handle, written before the flag can be seen.
        unsafe { (&raw const (*$chunk.user().cast::<Handle>()).$field).read_unaligned() }
    };
    ($chunk:expr, $field:ident = $value:expr) => {
        // SAFETY: as above.
        unsafe { (&raw mut (*$chunk.user().cast::<Handle>()).$field).write_unaligned($value) }
    };
}

fn older_place(h: Chunk) -> *mut u64 {
    // SAFETY: a field of a handle.
    unsafe { &raw mut (*h.user().cast::<Handle>()).older }
}

fn load(place: *mut u64) -> u64 {
    // SAFETY: a word of a chunk or a handle; if somebody else wrote the address, a wild
    // read ends the process.
    unsafe { place.read_unaligned() }
}

/// The handle whose address a word holds, if it is one, of `c`, and leads back to `place`.
#[inline]
fn handle_at(c: Chunk, word: u64, place: *mut u64) -> Option<Chunk> {
    let h = sound_handle_at(c, word, place);
    if h.is_none() && word != 0 {
        c.corrupted(c"record of a reference");
    }
    h
}

/// The same without a fault.
#[inline(always)]
fn sound_handle_at(c: Chunk, word: u64, place: *mut u64) -> Option<Chunk> {
    let start = with_exposed_provenance_mut::<u8>(word as usize);
    let h = Chunk::at(core::ptr::NonNull::new(start)?);
    let t = h.payload();
    let is_it = is_alive(t) && t & HANDLE != 0;
    (is_it && handle!(h, back) == place && handle!(h, target) == c).then_some(h)
}

/// The newest handle on `c`.
#[inline]
fn newest(c: Chunk) -> Option<Chunk> {
    if !c.has(REF) {
        return None;
    }
    handle_at(c, c.extra(), c.extra_place())
}

/// The handles on `c`, newest first.
fn handles(c: Chunk) -> impl Iterator<Item = Chunk> {
    core::iter::successors(newest(c), move |&h| {
        handle_at(c, handle!(h, older), older_place(h))
    })
}

/// What the handle `h` refers to; `None` after a fault.
pub fn target(h: Chunk) -> Option<Chunk> {
    let c = handle!(h, target);
    if c.is_live() {
        return Some(c);
    }
    h.corrupted(c"record of a reference");
    None
}

/// Who owns the newest reference to `c`: `None` without references, and `Some(None)` for
/// the null context that is not there.
pub fn newest_owner(c: Chunk) -> Option<Option<Chunk>> {
    newest(c).map(walk::parent)
}

/// How many references `c` has.  A signal handler may ask while one of us is about to
/// change one link of the list, and no more.
#[inline(always)]
pub fn count(c: Chunk) -> usize {
    if c.has(REF) { count_handles(c) } else { 0 }
}

#[inline(never)]
fn count_handles(c: Chunk) -> usize {
    let (mut n, mut forgiven) = (0, false);
    let (mut word, mut place) = (c.extra(), c.extra_place());
    loop {
        let start = with_exposed_provenance_mut::<u8>(word as usize);
        let Some(h) = core::ptr::NonNull::new(start).map(Chunk::at) else {
            return n;
        };
        let t = h.payload();
        let leads_back = handle!(h, back) == place;
        let is_one = is_alive(t) && t & HANDLE != 0 && handle!(h, target) == c;
        if !is_one || !leads_back && (forgiven || load(handle!(h, back)) != word) {
            c.corrupted(c"record of a reference");
            return n;
        }
        forgiven |= !leads_back;
        n += 1;
        (word, place) = (handle!(h, older), older_place(h));
    }
}

// ---- destructors ----------------------------------------------------------

/// The destructor of `c`, which has one and no references; `None` after a fault.
#[inline(always)]
pub fn own_destructor(c: Chunk) -> Option<Destructor> {
    let f = c.unseal(c.extra()).filter(|&f| f != 0);
    if f.is_none() {
        c.corrupted(c"size, destructor or reference");
    }
    let f = with_exposed_provenance_mut::<c_void>(f?);
    // SAFETY: only `set_destructor` seals a word for a chunk: it is such a function.
    Some(unsafe { core::mem::transmute::<*mut c_void, Destructor>(f) })
}

/// The destructor of a chunk that moves and has no references: `Some(None)` without one,
/// `None` after a fault.
pub fn destructor_to_move(c: Chunk, t: Payload) -> Option<Option<usize>> {
    if t & DTOR == 0 {
        return Some(None);
    }
    let f = c.unseal(c.extra());
    if f.is_none() {
        c.corrupted(c"size, destructor or reference");
        return None;
    }
    Some(f)
}

/// `talloc_set_destructor`.  A dying chunk is past it: nothing happens.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn set_destructor(ptr: *const c_void, f: Option<Destructor>) {
    if !ptr.is_null() {
        let c = Chunk::before(ptr);
        let t = c.payload();
        if is_alive(t) && t & (REF | DYING) == 0 {
            if let Some(f) = f {
                c.set_sealed((f as *mut c_void).expose_provenance());
                if t & DTOR == 0 {
                    c.add(DTOR);
                }
            } else if t & DTOR != 0 {
                c.sub(DTOR);
            }
            return;
        }
    }
    // SAFETY: the caller's promise.
    unsafe { set_destructor_slow(ptr, f) }
}

#[inline(never)]
unsafe fn set_destructor_slow(ptr: *const c_void, f: Option<Destructor>) {
    // SAFETY: the caller's promise.
    let Some(c) = (unsafe { Chunk::checked(ptr) }) else {
        return;
    };
    if c.has(DYING) {
        return;
    }
    let Some(h) = newest(c) else { return };
    match f {
        Some(f) => {
            let word = c.seal((f as *mut c_void).expose_provenance());
            handle!(h, destructor = word);
            c.set(DTOR);
        }
        None => c.clear(DTOR),
    }
}

// ---- making and dropping --------------------------------------------------

/// What a chunk may be besides for the fast ways here.
const COMMON: Payload = ((1 << FLAGS) - 1) | TOP | ROOMY | EXACT | MEMBER | POOL | LIMIT;

/// `talloc_reference`: makes `ctx` an additional parent of the chunk.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn reference(
    ctx: *const c_void,
    ptr: *const c_void,
    location: *const c_char,
) -> *mut c_void {
    if !ptr.is_null() {
        let c = Chunk::before(ptr);
        let t = c.payload();
        if t & !COMMON == 0 {
            // SAFETY: the caller's promise.
            return unsafe {
                match alloc::spot(ctx, size_of::<Handle>()) {
                    Ok(spot) => first_in(spot, ptr, location),
                    Err(0) => reference_fresh(ctx, ptr, location),
                    Err(_) => reference_slow(ctx, ptr, location),
                }
            };
        } else if t & !COMMON == REF {
            // SAFETY: as above.
            return unsafe { reference_again(ctx, ptr, location) };
        }
    }
    // SAFETY: the caller's promise.
    unsafe { reference_slow(ctx, ptr, location) }
}

/// The first reference to a chunk comes to be in that spot.
#[inline(always)]
fn first_in(spot: alloc::Spot, ptr: *const c_void, location: *const c_char) -> *mut c_void {
    let c = Chunk::before(ptr);
    write(spot.chunk(), c, 0, location);
    let h = spot.fill(size_of::<Handle>(), HANDLE, c".reference".as_ptr());
    c.set_extra(h.start().expose_provenance() as u64);
    c.add(REF);
    ptr.cast_mut()
}

/// The same in a block from malloc.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(never)]
unsafe fn reference_fresh(
    ctx: *const c_void,
    ptr: *const c_void,
    location: *const c_char,
) -> *mut c_void {
    let Some(block) = magazine::fresh_small(size_of::<Handle>()) else {
        return null_mut();
    };
    match alloc::in_block(block, Chunk::before(ctx), size_of::<Handle>()) {
        Some(spot) => first_in(spot, ptr, location),
        // SAFETY: the caller's promise.
        None => unsafe { reference_slow(ctx, ptr, location) },
    }
}

/// Another reference to a chunk that has some, and no destructor.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(never)]
unsafe fn reference_again(
    ctx: *const c_void,
    ptr: *const c_void,
    location: *const c_char,
) -> *mut c_void {
    let c = Chunk::before(ptr);
    if let Some(first) = sound_handle_at(c, c.extra(), c.extra_place()) {
        // SAFETY: the caller's promise.
        if let Ok(spot) = unsafe { alloc::spot(ctx, size_of::<Handle>()) } {
            write(spot.chunk(), c, c.extra(), location);
            let h = spot.fill(size_of::<Handle>(), HANDLE, c".reference".as_ptr());
            handle!(first, back = older_place(h));
            c.set_extra(h.start().expose_provenance() as u64);
            return ptr.cast_mut();
        }
    }
    // SAFETY: the caller's promise.
    unsafe { reference_slow(ctx, ptr, location) }
}

/// Writes the record of a handle `h` that is to be the newest on `c`, before `older`.
#[inline(always)]
fn write(h: Chunk, c: Chunk, older: u64, location: *const c_char) {
    handle!(h, target = c);
    handle!(h, back = c.extra_place());
    handle!(h, older = older);
    handle!(h, location = location);
}

#[inline(never)]
unsafe fn reference_slow(
    ctx: *const c_void,
    ptr: *const c_void,
    location: *const c_char,
) -> *mut c_void {
    if ptr.is_null() {
        return null_mut();
    }
    // SAFETY: the caller's promise.
    let Some(c) = (unsafe { Chunk::checked(ptr) }) else {
        return null_mut();
    };
    let owner = if ctx.is_null() {
        None
    } else {
        // SAFETY: the caller's promise.
        match unsafe { Chunk::checked(ctx) } {
            None => return null_mut(),
            owner => owner,
        }
    };
    if make(owner, c, location) {
        ptr.cast_mut()
    } else {
        null_mut()
    }
}

/// The same between chunks.  False without memory, or if `c` is past saving.
pub fn make(ctx: Option<Chunk>, c: Chunk, location: *const c_char) -> bool {
    let t = c.payload();
    if t & DYING != 0 {
        return false;
    }
    let first = newest(c);
    if t & REF != 0 && first.is_none() {
        return false; // after a fault
    }
    let name = c".reference".as_ptr();
    // SAFETY: a chunk, or none.
    let user = unsafe { alloc::new_user(user_of(ctx), size_of::<Handle>(), name) };
    if user.is_null() {
        return false;
    }
    let h = Chunk::before(user);
    if t & DTOR != 0 {
        handle!(
            h,
            destructor = first.map_or(c.extra(), |first| handle!(first, destructor))
        );
    }
    write(h, c, if first.is_some() { c.extra() } else { 0 }, location);
    h.add(HANDLE);
    if let Some(first) = first {
        handle!(first, back = older_place(h));
    }
    c.set_extra(h.start().expose_provenance() as u64);
    if t & REF == 0 {
        c.add(REF);
    }
    true
}

/// `talloc_unlink`, the fast way: `ctx` owns the only reference, and that is nothing else
/// than a handle.  Else `None`, and nothing is done.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn unlink_fast(
    ctx: *const c_void,
    ptr: *const c_void,
    location: *const c_char,
) -> Option<c_int> {
    if ptr.is_null() || ctx.is_null() {
        return None;
    }
    let c = Chunk::before(ptr);
    let t = c.payload();
    if t & !COMMON != REF {
        return None;
    }
    let h = Chunk::at(core::ptr::NonNull::new(with_exposed_provenance_mut(
        c.extra() as usize,
    ))?);
    if h.payload() != JUST_HANDLE
        || h.parent_user().cast_const() != ctx
        || handle!(h, back) != c.extra_place()
        || handle!(h, target) != c
        || handle!(h, older) != 0
        || !list::take_out(h)
    {
        return None;
    }
    c.sub(REF);
    h.kill(location);
    // SAFETY: the block of a plain chunk that is gone.
    unsafe { magazine::put_small(size_of::<Handle>(), h.start()) };
    Some(0)
}

/// The same where `ctx` owns the newest of several.  False, and nothing is done, if that is not
/// so, or not so simple.
///
/// # Safety
/// As for [`Chunk::checked`].
pub unsafe fn unlink_newest(
    ctx: *const c_void,
    ptr: *const c_void,
    location: *const c_char,
) -> bool {
    // SAFETY: the caller's promise.
    let Some(c) = (unsafe { Chunk::live(ptr) }) else {
        return false;
    };
    if c.payload() & !(COMMON | DTOR) != REF {
        return false;
    }
    let own = |&h: &Chunk| h.payload() == JUST_HANDLE && h.parent_user().cast_const() == ctx;
    let h = sound_handle_at(c, c.extra(), c.extra_place()).filter(own);
    h.is_some_and(|h| shed::leaf::<shed::Reference>(h, JUST_HANDLE, location))
}

/// A handle that can leave the list of its chunk `c`, which is `t`.
pub struct Leaving {
    h: Chunk,
    c: Chunk,
    t: Payload,
    is_newest: bool,
    older: Option<Chunk>,
}

/// The handle `h`, if all links lead back.
#[inline(always)]
pub fn handle_to_leave(h: Chunk) -> Option<Leaving> {
    let c = handle!(h, target);
    let t = c.payload();
    let (back, own) = (handle!(h, back), h.start().addr() as u64);
    let is_newest = back == c.extra_place();
    if !is_alive(t) || t & REF == 0 || load(back) != own || !is_newest && c.extra() == own {
        return None;
    }
    let older = match handle!(h, older) {
        0 => None,
        word => Some(sound_handle_at(c, word, older_place(h))?),
    };
    Some(Leaving {
        h,
        c,
        t,
        is_newest,
        older,
    })
}

/// Takes the handle `h` off the list of its chunk.  False if links do not lead back; then nothing
/// is done.
pub fn take_off(h: Chunk) -> bool {
    handle_to_leave(h).map(Leaving::leave).is_some()
}

impl Leaving {
    /// It leaves; the next older one keeps the destructor, or the chunk has it again.
    #[inline(always)]
    pub fn leave(self) {
        let Leaving {
            h,
            c,
            t,
            is_newest,
            older,
        } = self;
        let back = handle!(h, back);
        let mut word = handle!(h, older);
        let kept = is_newest && t & DTOR != 0;
        match older {
            Some(older) => {
                if kept {
                    handle!(older, destructor = handle!(h, destructor));
                }
                handle!(older, back = back);
            }
            None if is_newest => {
                if kept {
                    word = handle!(h, destructor);
                }
                c.sub(REF);
            }
            None => {}
        }
        // SAFETY: it was read, and held the address of `h`.
        unsafe { back.write_unaligned(word) };
    }
}

/// Drops the newest reference to `c`. False if there is none, or after a fault.
pub fn drop_newest(c: Chunk, location: *const c_char) -> bool {
    newest(c).is_some_and(|h| shed::remove(h, h.payload(), location))
}

/// Does the newest reference hang below `c` itself?
pub fn newest_is_below(c: Chunk) -> bool {
    newest(c).is_some_and(|h| walk::is_above(c, h))
}

/// The newest reference to `c` that `owner` owns.
pub fn owned_by(c: Chunk, owner: Option<Chunk>) -> Option<Chunk> {
    handles(c).find(|&h| walk::parent(h) == owner)
}

/// Logs `what` at `location`, then a line per reference, newest first. The log function
/// may do anything, so each handle is held until its line is out.
pub fn log_references(c: Chunk, what: &CStr, location: *const c_char) {
    fault::log_parts(what, location, c"\n");
    let mut at = if c.is_live() { newest(c) } else { None };
    while let Some(h) = at {
        let held = Hold::on(h);
        fault::log_parts(c"\treference at ", handle!(h, location), c"\n");
        at = if held.still_there() && c.is_live() {
            handle_at(c, handle!(h, older), older_place(h))
        } else {
            None
        };
    }
}

const _: () = assert!(size_of_payload(JUST_HANDLE) == size_of::<Handle>());
