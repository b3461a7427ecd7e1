//! How a chunk comes to be.
//!
//! The fast way, [`spot`], is for an easy parent, a small size, and a block that this
//! thread keeps.  All else goes to [`slow`], which knows the parent's flags by then: a
//! member of a pool, a block from malloc, a chunk without a parent, one below a limit; what
//! has more than one of these, or is watched, goes step by step, by [`Site`].

use crate::header::{Chunk, EASY, HEADER, LIMIT, MAX_SIZE, MEMBER, POOL, Payload, TOP, user_of};
use crate::limit::{self, Account};
use crate::magazine::{self, SMALL_MAX};
use crate::root::{self, NULL_CONTEXT};
use crate::{list, mac, pool, sysmem, tools};
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
    if obstacles != 0 || size > SMALL_MAX {
        return Err(obstacles);
    }
    let Ok(first) = list::first_below(parent) else {
        return Err(0);
    };
    match magazine::pop(size) {
        Some(block) => Ok(Spot {
            c: Chunk::at(block),
            parent,
            first,
        }),
        None => Err(0),
    }
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
            Err(obstacles) => slow(ctx, size, name, obstacles),
        }
    }
}

const IN_POOL: Obstacles = MEMBER >> EASY;
const POOL_IN_POOL: Obstacles = (MEMBER | POOL) >> EASY;
const LIMITED: Obstacles = LIMIT >> EASY;

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
    // A pool, in a pool, or both, and nothing else.
    if obstacles.wrapping_sub(IN_POOL) <= POOL_IN_POOL - IN_POOL {
        if size < MAX_SIZE {
            if let Some(c) = member(Chunk::before(ctx), size, name) {
                return c.user();
            }
        }
    } else if obstacles == 0 && size <= SMALL_MAX {
        let parent = Chunk::before(ctx);
        if let Ok(first) = list::first_below(parent) {
            return fresh(parent, first, size, name);
        }
    }
    // SAFETY: the caller's promise.
    unsafe { slower(ctx, size, name, obstacles) }
}

/// All but these.
#[inline(never)]
unsafe fn slower(
    ctx: *const c_void,
    size: usize,
    name: *const c_char,
    obstacles: Obstacles,
) -> *mut c_void {
    if size < MAX_SIZE {
        let parent = Chunk::before(ctx);
        match obstacles {
            0 => {
                if let Ok(first) = list::first_below(parent) {
                    return large(parent, first, size, name);
                }
            }
            LIMITED => {
                if let Some(user) = limited(parent, size, name) {
                    return user;
                }
            }
            _ if ctx.is_null() => match NULL_CONTEXT.get() {
                None => return top(size, name),
                Some(null) => {
                    if let Some(user) = below_null(null, size, name) {
                        return user;
                    }
                }
            },
            _ => {}
        }
    }
    // SAFETY: the caller's promise.
    unsafe { any(ctx, size, name) }
}

/// A small block from malloc below an easy parent.
#[inline(never)]
fn fresh(parent: Chunk, first: Option<Chunk>, size: usize, name: *const c_char) -> *mut c_void {
    let Some(block) = magazine::get_small_fresh(size) else {
        return null_mut();
    };
    let c = Chunk::at(block);
    let spot = Spot { c, parent, first };
    spot.fill(size, sysmem::every(), name).user()
}

/// A large block.
#[inline(always)]
fn large(parent: Chunk, first: Option<Chunk>, size: usize, name: *const c_char) -> *mut c_void {
    let Some(block) = block_for(size) else {
        return null_mut();
    };
    let c = Chunk::at(block);
    let spot = Spot { c, parent, first };
    spot.fill(size, sysmem::every(), name).user()
}

/// A member below a parent that is a pool or in one, if there is room; `size` is not too
/// large for any chunk.
#[inline(always)]
fn member(parent: Chunk, size: usize, name: *const c_char) -> Option<Chunk> {
    let (place, r) = pool::carve_fast(parent, HEADER + size)?;
    let first = list::first_below(parent).ok()?;
    let c = place.take();
    c.set_home(r.cast());
    let spot = Spot { c, parent, first };
    Some(spot.fill(size, MEMBER, name))
}

/// A block below a parent whose account counts it; NULL without memory, `None` for the
/// slower way.
#[inline(always)]
fn limited(parent: Chunk, size: usize, name: *const c_char) -> Option<*mut c_void> {
    let account = limit::at_home(parent)?;
    let first = list::first_below(parent).ok()?;
    if sysmem::every() != 0 || !limit::charge_fast(account, HEADER + size) {
        return None;
    }
    let Some(block) = block_for(size) else {
        limit::uncharge(account, HEADER + size);
        return Some(null_mut());
    };
    let c = Chunk::at(block);
    c.set_home(account.cast());
    let spot = Spot { c, parent, first };
    Some(spot.fill(size, LIMIT, name).user())
}

/// A block, kept or fresh.
#[inline(always)]
fn block_for(size: usize) -> Option<NonNull<u8>> {
    if size <= SMALL_MAX {
        match magazine::pop(size) {
            None => magazine::get_small_fresh(size),
            block => block,
        }
    } else {
        magazine::get(HEADER + size)
    }
}

/// A chunk without a parent, in a process without a null context.
#[inline(always)]
fn top(size: usize, name: *const c_char) -> *mut c_void {
    let Some(block) = block_for(size) else {
        return null_mut();
    };
    mac::ready();
    let c = Chunk::at(block);
    c.born_alone(size as u64 | TOP | sysmem::every(), name);
    c.user()
}

/// A child of the null context, if that is nothing else; NULL without memory, `None` for
/// the slower way.
#[inline(never)]
fn below_null(null: Chunk, size: usize, name: *const c_char) -> Option<*mut c_void> {
    let t = null.shared_payload();
    if sysmem::every() != 0 || t & (LIMIT | MEMBER | POOL) != 0 {
        return None;
    }
    let Some(block) = block_for(size) else {
        return Some(null_mut());
    };
    let lock = root::lock_links();
    let Ok(first) = list::first_below(null) else {
        drop(lock);
        // SAFETY: just taken, and not used.
        unsafe { magazine::put(HEADER + size, block.as_ptr()) };
        return None;
    };
    let spot = Spot {
        c: Chunk::at(block),
        parent: null,
        first,
    };
    Some(spot.fill(size, TOP, name).user())
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
        let block = charged(account, bytes, magazine::get)?;
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

/// A block of so many bytes that is charged to `account`.
#[inline]
pub fn charged(
    account: *mut Account,
    bytes: usize,
    find: impl FnOnce(usize) -> Option<NonNull<u8>>,
) -> Option<NonNull<u8>> {
    if !limit::charge(account, bytes) {
        return None;
    }
    let block = find(bytes);
    if block.is_none() {
        limit::uncharge(account, bytes);
    }
    block
}
