//! How a chunk comes to be.
//!
//! The fast way, [`spot`], is for an easy parent, a small size, and a block that this
//! thread keeps.  All else goes to [`slow`], which knows the parent's flags by then: a
//! member of a pool, a block from malloc, a chunk without a parent, one below a limit; what
//! has more than one of these, or is watched, goes step by step, by [`Site`].

use crate::header::{
    Chunk, EASY, EXACT, HEADER, LIMIT, MAX_SIZE, MEMBER, POOL, Payload, TOP, user_of,
};
use crate::limit::{self, Account};
use crate::magazine::{self, OfThread};
use crate::pool::{self, NoPlace};
use crate::root::{self, NULL_CONTEXT};
use crate::size_class::SMALL_MAX;
use crate::{list, mac, sysmem, tools};
use core::ffi::{c_char, c_void};
use core::ptr::{NonNull, null_mut};

/// Where a new chunk can be put at once.
pub struct Spot {
    c: Chunk,
    parent: Chunk,
    first: Option<Chunk>,
}

impl Spot {
    /// The chunk comes to be there.
    #[inline(always)]
    pub fn fill(self, size: usize, flags: u64, name: *const c_char) -> Chunk {
        self.c
            .born(self.parent, self.first, size as u64 | flags, name);
        list::link_born(self.parent, self.first, self.c);
        self.c
    }

    /// Where it will be.
    #[inline(always)]
    pub fn chunk(&self) -> Chunk {
        self.c
    }
}

/// The flags of a parent that make it no easy one.
pub type Obstacles = u64;

/// The fast way; else the obstacles, for [`slow`].
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn spot(ctx: *const c_void, size: usize) -> Result<Spot, Obstacles> {
    if ctx.is_null() {
        return Err(Obstacles::MAX);
    }
    let parent = Chunk::before(ctx);
    let obstacles = parent.payload() >> EASY;
    if obstacles != 0 {
        return Err(obstacles);
    }
    if size > SMALL_MAX {
        return Err(0);
    }
    kept(parent, size).ok_or(0)
}

/// Below `parent`, in a small block that this thread keeps.
#[inline(always)]
fn kept(parent: Chunk, size: usize) -> Option<Spot> {
    let first = list::first_below(parent).ok()?;
    let c = Chunk::at(OfThread::now().pop(size)?);
    Some(Spot { c, parent, first })
}

/// What a caller of `talloc.h` wants: the user's pointer to a chunk below its context
/// `ctx`, NULL for none.  NULL also when that turns out to be no chunk.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn new_user(ctx: *const c_void, size: usize, name: *const c_char) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe {
        match spot(ctx, size) {
            Ok(spot) => spot.fill(size, 0, name).user(),
            Err(0) if size <= SMALL_MAX => fresh(ctx, size, name),
            Err(obstacles) => slow(ctx, size, name, obstacles),
        }
    }
}

const IN_POOL: Obstacles = MEMBER >> EASY;
const POOL_IN_POOL: Obstacles = (MEMBER | POOL) >> EASY;
const LIMITED: Obstacles = LIMIT >> EASY;
const SHRUNK: Obstacles = EXACT >> EASY;

/// All that [`spot`] is not for; it found these obstacles.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(never)]
pub unsafe fn slow(
    ctx: *const c_void,
    size: usize,
    name: *const c_char,
    obstacles: Obstacles,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe {
        // A pool, in a pool, or both, and nothing else but `EXACT`.
        if obstacles.wrapping_sub(IN_POOL) <= POOL_IN_POOL - IN_POOL {
            if size >= MAX_SIZE {
                return any(ctx, size, name);
            }
            return match member(Chunk::before(ctx), size, name) {
                Ok(c) => c.user(),
                Err(NoPlace::Full) if !limit::any() => as_below_easy(ctx, size, name),
                Err(_) => any(ctx, size, name),
            };
        }
        if ctx.is_null() {
            return top(ctx, size, name);
        }
        if obstacles == 0 {
            return if size <= SMALL_MAX {
                fresh(ctx, size, name)
            } else {
                large(ctx, size, name)
            };
        }
        if obstacles == LIMITED {
            return limited(ctx, size, name);
        }
        if obstacles == SHRUNK {
            return as_below_easy(ctx, size, name);
        }
        any(ctx, size, name)
    }
}

/// A small block from malloc below an easy parent.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(never)]
unsafe fn fresh(ctx: *const c_void, size: usize, name: *const c_char) -> *mut c_void {
    let Some(block) = magazine::fresh_small(size) else {
        return null_mut();
    };
    match in_block(block, Chunk::before(ctx), size) {
        // Nobody watches, so the chunk has no `EXACT`.
        Some(spot) => spot.fill(size, 0, name).user(),
        // SAFETY: the caller's promise.
        None => unsafe { any(ctx, size, name) },
    }
}

/// As [`spot`], where that has found no obstacle, in that small block; or the block goes back, if
/// the children of `parent` are not as they should be.
#[inline(always)]
pub fn in_block(block: NonNull<u8>, parent: Chunk, size: usize) -> Option<Spot> {
    let c = Chunk::at(block);
    match list::first_below(parent) {
        Ok(first) => Some(Spot { c, parent, first }),
        Err(()) => {
            not_used(c, size);
            None
        }
    }
}

/// No chunk comes to be there: the block goes back.
#[cold]
#[inline(never)]
fn not_used(c: Chunk, size: usize) {
    // SAFETY: just taken for a small chunk that has not come.
    unsafe { magazine::put_small(size, c.start()) };
}

/// A large block below an easy parent.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(never)]
unsafe fn large(ctx: *const c_void, size: usize, name: *const c_char) -> *mut c_void {
    let parent = Chunk::before(ctx);
    if size < MAX_SIZE {
        if let Ok(first) = list::first_below(parent) {
            if let Some(block) = OfThread::now().pop_large(size) {
                let c = Chunk::at(block);
                return Spot { c, parent, first }.fill(size, 0, name).user();
            }
            return fresh_large(parent, size, name, first);
        }
    }
    // SAFETY: the caller's promise.
    unsafe { any(ctx, size, name) }
}

/// The same with a block from malloc.
#[inline(never)]
fn fresh_large(
    parent: Chunk,
    size: usize,
    name: *const c_char,
    first: Option<Chunk>,
) -> *mut c_void {
    let Some(block) = magazine::fresh_large(size) else {
        return null_mut();
    };
    let c = Chunk::at(block);
    Spot { c, parent, first }.fill(size, 0, name).user()
}

/// A member below a parent that is a pool or in one, if there is room; `size` is not too
/// large for any chunk.
#[inline(always)]
fn member(parent: Chunk, size: usize, name: *const c_char) -> Result<Chunk, NoPlace> {
    let (place, r) = pool::carve_fast(parent, HEADER + size)?;
    let first = list::first_below(parent).map_err(|()| NoPlace::Lost)?;
    let c = place.take();
    c.set_home(r.cast());
    let spot = Spot { c, parent, first };
    Ok(spot.fill(size, MEMBER, name))
}

/// As below an easy parent, which `ctx` is not, unless somebody watches.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(never)]
unsafe fn as_below_easy(ctx: *const c_void, size: usize, name: *const c_char) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe {
        if sysmem::every() != 0 {
            return any(ctx, size, name);
        }
        if size > SMALL_MAX {
            return large(ctx, size, name);
        }
        match kept(Chunk::before(ctx), size) {
            Some(spot) => spot.fill(size, 0, name).user(),
            None => fresh(ctx, size, name),
        }
    }
}

/// A small block below a parent whose account counts it, if that has room; or any.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(never)]
unsafe fn limited(ctx: *const c_void, size: usize, name: *const c_char) -> *mut c_void {
    let parent = Chunk::before(ctx);
    if size <= SMALL_MAX {
        if let Ok(first) = list::first_below(parent) {
            if let Some(charge) = limit::charge_fast(parent, HEADER + size) {
                let Some(block) = OfThread::now().pop(size) else {
                    // SAFETY: the caller's promise.
                    return unsafe { limited_fresh(ctx, size, name, charge) };
                };
                let c = Chunk::at(block);
                charge.of(c);
                return Spot { c, parent, first }.fill(size, LIMIT, name).user();
            }
        }
    }
    // SAFETY: the caller's promise.
    unsafe { any(ctx, size, name) }
}

/// The same from malloc, charged already.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(never)]
unsafe fn limited_fresh(
    ctx: *const c_void,
    size: usize,
    name: *const c_char,
    charge: limit::Charge,
) -> *mut c_void {
    let Some(block) = magazine::fresh_small(size) else {
        charge.undo(HEADER + size);
        return null_mut();
    };
    let Some(spot) = in_block(block, Chunk::before(ctx), size) else {
        charge.undo(HEADER + size);
        // SAFETY: the caller's promise.
        return unsafe { any(ctx, size, name) };
    };
    charge.of(spot.c);
    spot.fill(size, LIMIT, name).user()
}

/// A small block for a chunk without a parent, while nothing is tracked; or any.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
unsafe fn top(ctx: *const c_void, size: usize, name: *const c_char) -> *mut c_void {
    if NULL_CONTEXT.is_set() {
        // SAFETY: the caller's promise.
        return unsafe { tracked(ctx, size, name) };
    }
    if size <= SMALL_MAX && is_top_easy() {
        if let Some(block) = OfThread::now().pop(size) {
            return alone(block, size, name);
        }
    }
    // SAFETY: the caller's promise.
    unsafe { top_slow(ctx, size, name) }
}

/// May a chunk without a parent come to be in a kept block: is there a secret, and does nobody
/// watch?
#[inline(always)]
pub fn is_top_easy() -> bool {
    mac::is_ready() && sysmem::every() == 0
}

/// A chunk, which is that, comes to be at `c` without a parent, or below the null context; false
/// if that is in the way.
#[inline(always)]
pub fn come_to_top(c: Chunk, t: Payload, name: *const c_char) -> bool {
    match NULL_CONTEXT.get() {
        Some(null) => below_null(null, c, t, name),
        None => {
            c.born_alone(t | TOP, name);
            true
        }
    }
}

/// The same in a block from malloc; or any.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(never)]
unsafe fn top_slow(ctx: *const c_void, size: usize, name: *const c_char) -> *mut c_void {
    if size > SMALL_MAX || !is_top_easy() {
        // SAFETY: the caller's promise.
        return unsafe { any(ctx, size, name) };
    }
    match magazine::fresh_small(size) {
        Some(block) => alone(block, size, name),
        None => null_mut(),
    }
}

/// A chunk without a parent comes to be in that block.
#[inline(always)]
fn alone(block: NonNull<u8>, size: usize, name: *const c_char) -> *mut c_void {
    let c = Chunk::at(block);
    c.born_alone(size as u64 | TOP, name);
    c.user()
}

/// The same below the null context; or any.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(never)]
unsafe fn tracked(ctx: *const c_void, size: usize, name: *const c_char) -> *mut c_void {
    if let Some(null) = NULL_CONTEXT.get() {
        if size <= SMALL_MAX && sysmem::every() == 0 {
            let kept = OfThread::now().pop(size);
            let Some(block) = kept.or_else(|| magazine::fresh_small(size)) else {
                return null_mut();
            };
            let c = Chunk::at(block);
            if below_null(null, c, size as u64, name) {
                return c.user();
            }
            not_used(c, size);
        }
    }
    // SAFETY: the caller's promise.
    unsafe { any(ctx, size, name) }
}

/// A chunk, which is that, comes to be at `c`, below the null context, if that is nothing else.
#[inline(always)]
fn below_null(null: Chunk, c: Chunk, t: Payload, name: *const c_char) -> bool {
    if null.shared_payload() & (LIMIT | MEMBER | POOL) != 0 {
        return false;
    }
    let _lock = root::lock_links();
    // Another thread may have switched null tracking off.
    if !root::is_shared(null) {
        return false;
    }
    let Ok(first) = list::first_below(null) else {
        return false;
    };
    c.born(null, first, t | TOP, name);
    list::link_born(null, first, c);
    true
}

/// Anything, step by step.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(never)]
unsafe fn any(ctx: *const c_void, size: usize, name: *const c_char) -> *mut c_void {
    let parent = if ctx.is_null() {
        None
    } else {
        // SAFETY: the caller's promise.
        match unsafe { Chunk::checked(ctx) } {
            None => return null_mut(),
            parent => parent,
        }
    };
    if size >= MAX_SIZE {
        return null_mut();
    }
    user_of(new(parent, size, name, 0))
}

/// A chunk of our own: newest child of `ctx`, or of the null context.  The text of the name
/// stays the caller's. `None` when memory is short or a limit is reached.
pub fn new(ctx: Option<Chunk>, size: usize, name: *const c_char, flags: u64) -> Option<Chunk> {
    let parent = root::or_null_context(ctx);
    let site = Site::below(parent, HEADER + size)?;
    if site.flags & MEMBER != 0 {
        tools::member(site.home.cast(), site.c.start(), HEADER + size);
    }
    if site.flags & (MEMBER | LIMIT) != 0 {
        site.c.set_home(site.home);
    }
    site.open(parent, size as u64 | flags, name);
    Some(site.c)
}

/// A place for a chunk and what is to lie behind it.
pub struct Site {
    /// Where it is.
    pub c: Chunk,
    /// What follows from that: `MEMBER`, `LIMIT`, `TOP`, `EXACT`.
    pub flags: u64,
    /// The record of its pool, or the account that counts it, or NULL.
    pub home: *mut c_void,
}

impl Site {
    /// One of `bytes` bytes, header included: in the pool that `parent` is or lies in, or
    /// from malloc.
    #[inline(always)]
    pub fn below(parent: Option<Chunk>, bytes: usize) -> Option<Site> {
        let top = root::top_flag(parent);
        let mut account = null_mut::<Account>();
        if let Some(p) = parent {
            let t = p.payload();
            if t >> EASY == 0 {
                // Nothing to look for.
                return Some(Site {
                    c: Chunk::at(magazine::get(bytes)?),
                    flags: sysmem::every(),
                    home: null_mut(),
                });
            }
            if let Some((place, r)) = pool::carve(p, t, bytes) {
                return Some(Site {
                    c: Chunk::at(place),
                    flags: MEMBER | top | sysmem::every(),
                    home: r.cast(),
                });
            }
            account = limit::of_child(p, t);
        }
        if !limit::charge(account, bytes) {
            return None;
        }
        let Some(block) = magazine::get(bytes) else {
            limit::uncharge(account, bytes);
            return None;
        };
        mac::ready();
        Some(Site {
            c: Chunk::at(block),
            flags: limit::flag(account) | top | sysmem::every(),
            home: account.cast(),
        })
    }

    /// The chunk comes to be, as the newest child of `parent`.
    #[inline(always)]
    pub fn open(&self, parent: Option<Chunk>, t: Payload, name: *const c_char) {
        let t = t | self.flags;
        if let Some(p) = parent {
            if t & TOP == 0 {
                if let Ok(first) = list::first_below(p) {
                    self.c.born(p, first, t, name);
                    return list::link_born(p, first, self.c);
                }
            }
        }
        self.c.born_alone(t, name);
        list::link(parent, self.c);
    }
}
