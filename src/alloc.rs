//! How a chunk comes to be, grows, shrinks and goes.
//!
//! A block is `[front] header user-memory [behind]`; front and room behind only
//! for pools and caches, see `arena`.
//!
//! A new chunk comes by the first of these ways that is open to it.  Each calls nothing,
//! or next to nothing, and what it is not made for it leaves, by a tail call, to the next:
//!
//! | `ctx` | way |
//! |---|---|
//! | without a flag or a limit | `straight`: a kept block, a first child without a flag |
//! | | `new_fresh`: a block from malloc |
//! | | `new_kept`: a kept block, any first child |
//! | a pool, or just in one | `new_in_pool` |
//! | under a limit; or the block is large | `new_block` |
//! | a full pool; in a pool, with more flags | `new_in_any_pool` |
//! | NULL, the null context, the autofree context, no chunk | `new_with_care` |

use crate::chunk::{
    Chunk, FREE, Flag, HANDLE, HEADER, HELD, MAX_SIZE, MEMBER, OWNER, POOL, REFERENCED, ROOMY,
    SPECIAL, user_of,
};
use crate::tree::{Among, Links};
use crate::{arena, fault, heap, key, memlimit, root, tree};
use core::ffi::{c_char, c_int, c_void};
use core::ptr::{NonNull, null, null_mut};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

// ---- coming to be ---------------------------------------------------------

/// What a new chunk is to be.
#[derive(Clone, Copy)]
pub struct Plan {
    /// User bytes.
    pub size: usize,
    /// Bytes of the block before the header.
    pub front: usize,
    /// Bytes of the block behind the user's memory.
    pub behind: usize,
    /// Flags of the header.
    pub flags: Flag,
}

impl Plan {
    /// An ordinary chunk.
    pub const fn of(size: usize) -> Plan {
        Plan {
            size,
            front: 0,
            behind: 0,
            flags: 0,
        }
    }

    fn bytes(self) -> usize {
        self.front + HEADER + self.size + self.behind
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
        match Chunk::plain(ctx) {
            Some(parent) => match straight(parent, size, name) {
                Some(c) => c.user(),
                None => new_fresh(parent, size, name),
            },
            None => new_in_pool(ctx, size, name),
        }
    }
}

/// The same as a chunk.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn new(ctx: *const c_void, size: usize, name: *const c_char) -> Option<Chunk> {
    // SAFETY: the caller's promise.
    let user = unsafe { new_user(ctx, size, name) };
    (!user.is_null()).then(|| Chunk::before(user))
}

/// The straight way: a parent without a flag and under no limit, and a block that
/// is kept.  `None` does not mean that there is no memory: that is for [`new_block`]
/// to find out.
#[inline(always)]
fn straight(parent: Chunk, size: usize, name: *const c_char) -> Option<Chunk> {
    if !parent.home().is_null() || size > heap::SMALL_BYTES - HEADER {
        return None;
    }
    let kept = heap::kept(HEADER + size)?;
    let (place, mark) = (kept.block(), kept.mark()?);
    let links = tree::first_below(parent, Among::Plain)?;
    kept.take();
    // SAFETY: a block for that size.
    let c = unsafe { Chunk::emplace_marked(place, mark, size, name, 0, null_mut(), links) };
    tree::now_first_below(parent, c);
    Some(c)
}

/// The straight way for a parent in a pool with room in it.
#[inline(never)]
unsafe fn new_in_pool(ctx: *const c_void, size: usize, name: *const c_char) -> *mut c_void {
    if !ctx.is_null() && size < MAX_SIZE {
        let parent = Chunk::before(ctx);
        if let Some(room) = arena::of_plain_parent(parent) {
            return match in_room(room, parent, size, name, 0) {
                Some(c) => c.user(),
                // SAFETY: the caller's promise.
                None => unsafe { new_in_any_pool(ctx, size, name) },
            };
        }
    }
    // SAFETY: the caller's promise.
    unsafe { new_block(ctx, size, name) }
}

/// A chunk in the pool that `parent` is or lies in, if there is room.
#[inline(always)]
fn in_room(
    room: arena::Room,
    parent: Chunk,
    size: usize,
    name: *const c_char,
    flags: Flag,
) -> Option<Chunk> {
    let links = tree::first_below(parent, Among::Common)?;
    let (place, home) = room.carve_quickly(size)?;
    // SAFETY: room for that size; and there is a parent.
    Some(unsafe { below(parent, place, size, name, MEMBER | flags, home, links) })
}

/// As straight, but a fresh block.
#[inline(never)]
fn new_fresh(parent: Chunk, size: usize, name: *const c_char) -> *mut c_void {
    if parent.home().is_null() && size <= heap::SMALL_BYTES - HEADER {
        if heap::kept(HEADER + size).is_some() {
            return new_kept(parent, size, name);
        }
        if let Some(links) = tree::first_below(parent, Among::Common) {
            let Some(place) = heap::malloc_for(HEADER + size) else {
                return null_mut();
            };
            // SAFETY: a block for that size; and there is a parent.
            return unsafe { below(parent, place, size, name, 0, null_mut(), links) }.user();
        }
    }
    // SAFETY: a live chunk.
    unsafe { new_block(parent.user(), size, name) }
}

/// As straight, but the first child there has a flag.
#[inline(never)]
fn new_kept(parent: Chunk, size: usize, name: *const c_char) -> *mut c_void {
    if let Some(kept) = heap::kept(HEADER + size)
        && kept.mark().is_some()
        && let Some(links) = tree::first_below(parent, Among::Common)
    {
        let place = kept.block();
        kept.take();
        // SAFETY: a block for that size; and there is a parent.
        return unsafe { below(parent, place, size, name, 0, null_mut(), links) }.user();
    }
    // SAFETY: a live chunk.
    unsafe { new_block(parent.user(), size, name) }
}

/// Nearly as straight: a parent under a limit, or a large block.
#[inline(never)]
unsafe fn new_block(ctx: *const c_void, size: usize, name: *const c_char) -> *mut c_void {
    if !ctx.is_null() && size < MAX_SIZE {
        let parent = Chunk::before(ctx);
        if let Some((links, account)) = below_block(parent) {
            // SAFETY: there is a parent, and these are the links below it.
            return user_of(unsafe { block_below(parent, account, Plan::of(size), name, links) });
        }
    }
    // SAFETY: the caller's promise.
    unsafe { new_in_any_pool(ctx, size, name) }
}

/// The same for a pool without room, or a parent in a pool that has other flags, too.
#[inline(never)]
unsafe fn new_in_any_pool(ctx: *const c_void, size: usize, name: *const c_char) -> *mut c_void {
    if !ctx.is_null() && size < MAX_SIZE {
        let parent = Chunk::before(ctx);
        if let Some(new) = in_pool_or_block(parent, Plan::of(size), name) {
            return user_of(new);
        }
    }
    // SAFETY: the caller's promise.
    unsafe { new_with_care(ctx, size, name) }
}

/// The links of a new child of a common parent that is a block, and no pool; and the
/// account of that child.
#[inline(always)]
fn below_block(parent: Chunk) -> Option<(Links, memlimit::Nearest)> {
    if parent.added() != 0 && parent.live_flags()? & (POOL | MEMBER | SPECIAL) != 0 {
        return None;
    }
    let links = tree::first_below(parent, Among::Common)?;
    Some((links, memlimit::of_block(parent)?))
}

/// A chunk without a front below a common parent in a pool: there, or if that is full, a
/// block. `None` is for slower ways.
#[inline(always)]
fn in_pool_or_block(parent: Chunk, plan: Plan, name: *const c_char) -> Option<Option<Chunk>> {
    let room = arena::of_parent(parent)?;
    if !room.is_full_for(plan.size) {
        return in_room(room, parent, plan.size, name, plan.flags).map(Some);
    }
    let account = match parent.has(MEMBER) {
        false => memlimit::of_block(parent)?,
        true if memlimit::any() => return None,
        true => None,
    };
    let links = tree::first_below(parent, Among::Common)?;
    // SAFETY: there is a parent, and these are the links below it.
    Some(unsafe { block_below(parent, account, plan, name, links) })
}

/// # Safety
/// `links` are those for a new child of `parent`.
#[inline(always)]
unsafe fn block_below(
    parent: Chunk,
    account: memlimit::Nearest,
    plan: Plan,
    name: *const c_char,
    links: Links,
) -> Option<Chunk> {
    let block = charged(account, plan.bytes(), block)?;
    let home = memlimit::as_home(account);
    // SAFETY: a block for that plan; and there is a parent.
    unsafe {
        let place = block.add(plan.front);
        Some(below(
            parent, place, plan.size, name, plan.flags, home, links,
        ))
    }
}

/// A chunk of our own, with these flags.
pub fn special(ctx: Option<Chunk>, size: usize, name: *const c_char, flags: Flag) -> Option<Chunk> {
    let plan = Plan {
        flags,
        ..Plan::of(size)
    };
    if let Some(parent) = ctx {
        if let Some((links, account)) = below_block(parent) {
            // SAFETY: there is a parent, and these are the links below it.
            return unsafe { block_below(parent, account, plan, name, links) };
        }
        if let Some(new) = in_pool_or_block(parent, plan, name) {
            return new;
        }
    }
    planned_named(ctx, plan, name)
}

#[inline(never)]
unsafe fn new_with_care(ctx: *const c_void, size: usize, name: *const c_char) -> *mut c_void {
    fault::in_call(c"a new child");
    let parent = if ctx.is_null() {
        None
    } else {
        // SAFETY: the caller's promise.
        match unsafe { Chunk::checked(ctx) } {
            None => return null_mut(),
            parent => parent,
        }
    };
    user_of(named(parent, size, name))
}

/// A named chunk, newest child of `ctx` or of the null context.  The text of the name
/// stays the caller's. `None` when the size is refused, memory is short or a limit
/// is reached.
pub fn named(ctx: Option<Chunk>, size: usize, name: *const c_char) -> Option<Chunk> {
    if size >= MAX_SIZE {
        return None;
    }
    planned_named(ctx, Plan::of(size), name)
}

fn planned_named(ctx: Option<Chunk>, plan: Plan, name: *const c_char) -> Option<Chunk> {
    let c = planned(ctx, plan)?;
    c.set_name(name);
    Some(c)
}

/// A chunk in a place with these links, which are those for a new child of `parent`.
///
/// # Safety
/// There is room for a header and `size` bytes, and it is nobody's.
#[inline(always)]
pub unsafe fn below(
    parent: Chunk,
    place: NonNull<u8>,
    size: usize,
    name: *const c_char,
    flags: Flag,
    home: *mut c_void,
    links: Links,
) -> Chunk {
    // SAFETY: the caller's promise; `parent` is a chunk already.
    let c = unsafe { Chunk::emplace(place, size, name, flags, home, links) };
    tree::now_first_below(parent, c);
    c
}

/// A block, kept or fresh.
#[inline]
fn block(bytes: usize) -> Option<NonNull<u8>> {
    if let Some(kept) = heap::kept(bytes) {
        let block = kept.block();
        if kept.mark().is_some() {
            kept.take();
            return Some(block);
        }
        // Somebody wrote to it after the free.
        kept.forget();
        fault::report(fault::UNKNOWN);
    }
    heap::take_large(bytes).or_else(|| heap::malloc_for(bytes))
}

/// As [`named`], for the plans of pools, caches and handles. The caller has
/// checked that the plan is below [`MAX_SIZE`] or little above it.
#[inline]
pub fn planned(ctx: Option<Chunk>, plan: Plan) -> Option<Chunk> {
    let parent = root::or_null_context(ctx);
    let account = match parent {
        None => None,
        Some(p) => {
            if let Some((place, home)) = arena::carve(p, plan.front, plan.size + plan.behind) {
                // SAFETY: carve gave a place of that many bytes.
                return Some(unsafe { in_place(parent, place, plan, home) });
            }
            memlimit::account_of(p)
        }
    };
    let c = from_malloc(plan, account)?;
    tree::link(parent, c);
    Some(c)
}

#[inline]
fn from_malloc(plan: Plan, account: memlimit::Nearest) -> Option<Chunk> {
    let block = charged(account, plan.bytes(), block)?;
    // SAFETY: malloc's blocks are aligned to 16, and this one is large enough.
    Some(unsafe { emplace(block, plan, 0, memlimit::as_home(account)) })
}

/// A block that is charged to `account`.
#[inline]
fn charged(
    account: memlimit::Nearest,
    bytes: usize,
    find: impl FnOnce(usize) -> Option<NonNull<u8>>,
) -> Option<NonNull<u8>> {
    if !memlimit::charge(account, bytes) {
        return None;
    }
    let block = find(bytes);
    if block.is_none() {
        memlimit::uncharge(account, bytes);
    }
    block
}

/// # Safety
/// `block` is aligned, has `plan.bytes()` bytes and is nobody's.
#[inline]
unsafe fn emplace(block: NonNull<u8>, plan: Plan, flags: Flag, home: *mut c_void) -> Chunk {
    key::ready();
    // SAFETY: `front` lies within the block.
    unsafe {
        let place = block.add(plan.front);
        Chunk::emplace(
            place,
            plan.size,
            null(),
            plan.flags | flags,
            home,
            Links::NONE,
        )
    }
}

/// A chunk in a place that is room of an arena already, below `parent`.
///
/// # Safety
/// `place` has `plan.bytes()` bytes, taken for this chunk; `home` is the arena.
pub unsafe fn in_place(
    parent: Option<Chunk>,
    place: NonNull<u8>,
    plan: Plan,
    home: *mut c_void,
) -> Chunk {
    // SAFETY: the caller's promise.
    let c = unsafe { emplace(place, plan, MEMBER, home) };
    tree::link(parent, c);
    c
}

// ---- growing and shrinking ------------------------------------------------

/// Shrinking by less than this keeps a malloc'd block as it is.
const KEPT: usize = 1024;

/// The straight way to give a chunk a larger size: one that may grow where it is,
/// under no limit. Else `None`, and nothing is done.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn grow_straight(user: *mut c_void, size: impl FnOnce(usize) -> usize) -> Option<Chunk> {
    if user.is_null() {
        return None;
    }
    let c = Chunk::before(user);
    if !c.is_just(ROOMY) || !c.home().is_null() || c.has_hook() {
        return None;
    }
    let size = size(c.size());
    if size <= c.size() || size >= MAX_SIZE || !fits(c, size) {
        return None;
    }
    c.set_size_without_hook(size);
    Some(c)
}

/// Is the block of a chunk that is `ROOMY` large enough for so many user bytes?
#[inline(always)]
fn fits(c: Chunk, size: usize) -> bool {
    HEADER + size <= roomy(HEADER + c.size())
}

/// How large the block of a chunk is that grew and takes so many bytes: what grows once
/// often grows again.  There are eight steps to each power of two.
#[inline(always)]
fn roomy(bytes: usize) -> usize {
    let below_step = ((1_usize << (usize::BITS - 1 - bytes.leading_zeros())) - 1) >> 3;
    (bytes + below_step) & !below_step
}

/// Gives `c` the size `size`.  A chunk that grew or moved also gets the name
/// `name`; one that stayed in its place in a pool does not, nor one that shrank
/// a little without a limit.  `None` leaves everything as it was: too large, referenced, a pool,
/// no memory, a limit, or a move that a running free does not allow.
#[inline(never)]
pub fn resize(c: Chunk, size: usize, name: *const c_char) -> Option<Chunk> {
    if size >= MAX_SIZE || c.has(REFERENCED | POOL | HANDLE) {
        return None;
    }
    let old = c.size();
    if size == old {
        return Some(c);
    }
    if !c.is_hook_sound() {
        return None; // nor is the size
    }
    let (new, renamed) = if c.has(MEMBER) {
        match arena::resize(c, size) {
            Some((new, place)) => (new, place == arena::Place::New),
            None => (move_member(c, size)?, true),
        }
    } else if size < old && old - size < KEPT {
        let account = memlimit::account_of(c);
        memlimit::uncharge(account, old - size);
        keep_block(c, size);
        (c, account.is_some())
    } else {
        (reallocate(c, size)?, true)
    };
    new.set_size(size);
    if renamed {
        new.set_name(name);
    }
    Some(new)
}

#[inline(never)]
fn reallocate(c: Chunk, size: usize) -> Option<Chunk> {
    let old = c.size();
    let account = memlimit::account_of(c);
    if size > old && !memlimit::charge(account, size - old) {
        return None;
    }
    let new = if size > old && c.has(ROOMY) && fits(c, size) {
        Some(c)
    } else if c.is_pinned() {
        // It may not move, and realloc cannot promise that: a smaller size
        // keeps the block.
        (size < old).then(|| {
            keep_block(c, size);
            c
        })
    } else if c.has(HELD) {
        elsewhere(c, size, block)
    } else {
        tree::moving(c, || {
            let bytes = HEADER + size;
            let is_roomy = size > old && !heap::is_watched();
            let room = if is_roomy { roomy(bytes) } else { bytes };
            // SAFETY: a malloc'd block without a front (not a POOL), owned by
            // this chunk; `moving` mends the links to it.
            let block = unsafe { heap::realloc(c.start(), room) }?;
            // SAFETY: realloc copied the header.
            let new = unsafe { Chunk::moved_to(block, c) };
            new.clear(ROOMY);
            if is_roomy {
                new.set(ROOMY);
            }
            Some(new)
        })
    };
    match new {
        None if size > old => memlimit::uncharge(account, size - old),
        Some(_) if size < old => memlimit::uncharge(account, old - size),
        _ => {}
    }
    let new = new?;
    root::moved(c, new);
    Some(new)
}

/// A chunk that gets `size`, which is less, keeps its block.
fn keep_block(c: Chunk, size: usize) {
    if c.has(ROOMY) {
        return; // still
    }
    // SAFETY: the block of a chunk that has one of its own.
    let room = unsafe { heap::room(c.start()) };
    if room >= roomy(HEADER + size) {
        c.set(ROOMY);
        heap::counts_as(HEADER + c.size(), room);
    } else {
        heap::counts_as(HEADER + c.size(), HEADER + size);
    }
}

/// A pool member or cache object finds a new place: elsewhere in its pool, or
/// from malloc.
#[inline(never)]
fn move_member(c: Chunk, size: usize) -> Option<Chunk> {
    if c.is_pinned() {
        return None;
    }
    let account = memlimit::account_of(c);
    let mut in_pool = true;
    let new = elsewhere(c, size, |bytes| match arena::carve(c, 0, size) {
        Some((place, _)) => Some(place),
        None => {
            in_pool = false;
            charged(account, bytes, block)
        }
    })?;
    if !in_pool {
        memlimit::leave_arena(new, account);
    }
    root::moved(c, new);
    Some(new)
}

/// Moves `c` to a place of `HEADER + size` bytes that `find` finds, and frees the
/// old one.
fn elsewhere(
    c: Chunk,
    size: usize,
    find: impl FnOnce(usize) -> Option<NonNull<u8>>,
) -> Option<Chunk> {
    let keep = HEADER + c.size().min(size);
    let arena = if c.has(MEMBER) { c.arena() } else { null_mut() };
    let new = tree::moving(c, || {
        let place = find(HEADER + size)?;
        // SAFETY: both places hold `keep` bytes, and do not overlap.
        unsafe {
            place.as_ptr().copy_from_nonoverlapping(c.start(), keep);
            Some(Chunk::moved_to(place, c))
        }
    })?;
    // Who holds it holds the old place, which owns nothing any more.
    new.clear(HELD | ROOMY);
    c.clear(OWNER | SPECIAL);
    c.set_home(arena);
    release(c, c"talloc_realloc".as_ptr());
    Some(new)
}

// ---- going ----------------------------------------------------------------

/// Frees a chunk: links, account and references have been taken care of.  The
/// header says where, as far as it can still be read afterwards.  The memory of
/// a held chunk goes when it is held no more.
pub fn release(c: Chunk, location: *const c_char) {
    leave_word(c, location);
    c.set(FREE);
    if !c.has(HELD) {
        give_back(c);
    }
}

/// The straight way to free a chunk that is no chunk's parent, and to take it out
/// of its list: a block of its own without a flag and under no limit, among others
/// without a flag, for which the thread has room.  If it is another, nothing is done,
/// and the answer is false.
#[inline(always)]
pub fn release_straight(c: Chunk, location: *const c_char) -> bool {
    debug_assert!(c.is_just(0));
    if !c.home().is_null() {
        return false;
    }
    let Some(shelf) = heap::shelf(HEADER + c.size()) else {
        return false;
    };
    if !tree::take_out(c, Among::Plain) {
        return false;
    }
    leave_word(c, location);
    c.set_freed(0);
    // SAFETY: the block of a chunk that is gone, for that size.
    unsafe { shelf.keep(c.start()) };
    true
}

/// The same for one that is just a member of a pool in which more is alive.
#[inline(always)]
pub fn release_member(c: Chunk, location: *const c_char) -> bool {
    debug_assert!(c.is_just(MEMBER));
    if fills() {
        return false;
    }
    let Some(back) = arena::way_back(c, None) else {
        return false;
    };
    if !tree::take_out(c, Among::Common) {
        return false;
    }
    leave_word(c, location);
    back.take(c);
    c.set_freed(MEMBER);
    true
}

/// The same for any, common or not, but not if its list is shared between threads.
/// `added` is what its flags add to its tag.
#[inline(always)]
pub fn release_quickly(c: Chunk, added: u32, location: *const c_char) -> bool {
    if !tree::take_out(c, Among::Common) {
        return false;
    }
    match way_back(c, added, None) {
        Some(back) if !fills() => hand_back(c, back, location),
        _ => leave(c, location),
    }
    true
}

/// A chunk that is out of its list leaves all else, and goes.
pub fn leave(c: Chunk, location: *const c_char) {
    root::gone(c);
    memlimit::close(c);
    release(c, location);
}

/// The same for one that is just a handle.
#[inline]
pub fn release_handle(c: Chunk, location: *const c_char) -> bool {
    if !c.is_just(HANDLE) || fills() {
        return false;
    }
    let Some(account) = memlimit::of_block(c) else {
        return false;
    };
    if !tree::take_out(c, Among::Common) {
        return false;
    }
    c.set_just(0);
    hand_back(c, Back::Block(account), location);
    true
}

/// The same for one whose list goes, so that it need not be taken out.  The caller
/// has asked [`fills`].
#[inline(always)]
pub fn release_from_list(c: Chunk, last: &mut arena::Last, location: *const c_char) -> bool {
    let added = c.added();
    if added == 0 && c.home().is_null() {
        leave_word(c, location);
        c.set_freed(0);
        // SAFETY: the block of a chunk that is gone.
        unsafe { heap::give(c.start(), HEADER + c.size()) };
        return true;
    }
    let Some(back) = way_back(c, added, *last) else {
        // Nobody is to be called now, as a fault would do.
        let is_safe = (added == key::flags(POOL) || added == key::any_flags(POOL | MEMBER))
            && arena::is_sound(c)
            && (c.has(MEMBER) || memlimit::of_block(c).is_some());
        if is_safe {
            // Its record goes, and may be the one that is remembered.
            *last = None;
            leave(c, location);
        }
        return is_safe;
    };
    if let Back::Pool(back) = back {
        *last = Some(back);
    }
    hand_back(c, back, location);
    true
}

/// Where the memory of a chunk goes.
#[derive(Clone, Copy)]
enum Back {
    /// To its pool.
    Pool(arena::WayBack),
    /// To the heap; the block is as large as the chunk says.
    Block(memlimit::Nearest),
    /// To the heap; the block is larger.
    Roomy(memlimit::Nearest),
}

/// The quick ways.
#[inline(always)]
fn way_back(c: Chunk, added: u32, last: arena::Last) -> Option<Back> {
    if added == 0 {
        memlimit::of_block(c).map(Back::Block)
    } else if added == key::flags(MEMBER) {
        arena::way_back(c, last).map(Back::Pool)
    } else if added == key::flags(ROOMY) {
        memlimit::of_block(c).map(Back::Roomy)
    } else {
        None
    }
}

#[inline(always)]
fn hand_back(c: Chunk, back: Back, location: *const c_char) {
    leave_word(c, location);
    let bytes = HEADER + c.size();
    // SAFETY: the block of a chunk that is gone.
    unsafe {
        match back {
            Back::Pool(back) => {
                back.take(c);
                c.set_freed(MEMBER);
            }
            Back::Block(account) => {
                memlimit::uncharge(account, bytes);
                c.set_freed(0);
                heap::give(c.start(), bytes);
            }
            Back::Roomy(account) => {
                memlimit::uncharge(account, bytes);
                c.set_just(FREE);
                heap::give_roomy(c.start());
            }
        }
    }
}

/// Says in the header where it was freed.
#[inline(always)]
fn leave_word(c: Chunk, location: *const c_char) {
    if !location.is_null() {
        c.set_name(location);
    }
}

/// Gives the memory of a freed chunk back.
pub fn give_back(c: Chunk) {
    if let Some(byte) = free_fill() {
        // SAFETY: the user memory of a chunk that is going.
        unsafe { libc::memset(c.user(), byte, c.size()) };
    }
    if !c.has(POOL | MEMBER) {
        let is_roomy = c.has(ROOMY);
        c.set_just(FREE);
        // SAFETY: the block of a chunk that is gone.
        unsafe {
            if is_roomy {
                heap::give_roomy(c.start());
            } else {
                heap::give(c.start(), HEADER + c.size());
            }
        }
    } else if let Some((block, bytes)) = arena::vacate(c) {
        // A pool's block goes when nothing lies in it any more.
        // SAFETY: a malloc'd block, and nothing in it is alive.
        unsafe {
            Chunk::at(block).set_just(FREE); // the stamp on blocks that are kept
            heap::give(block, bytes);
        }
    }
}

// ---- TALLOC_FREE_FILL -----------------------------------------------------

const FILL_UNREAD: u32 = u32::MAX;
const FILL_OFF: u32 = 256;
static FILL: AtomicU32 = AtomicU32::new(FILL_UNREAD);

/// May it be that freed memory is to be filled?
#[inline(always)]
pub fn fills() -> bool {
    FILL.load(Relaxed) != FILL_OFF
}

/// The byte that freed user memory is filled with, if any.
#[inline]
pub fn free_fill() -> Option<c_int> {
    match FILL.load(Relaxed) {
        FILL_OFF => None,
        FILL_UNREAD => read_fill(),
        byte => Some(byte as c_int),
    }
}

#[cold]
#[inline(never)]
fn read_fill() -> Option<c_int> {
    // SAFETY: C strings; the environment is read as getenv allows.
    let fill = unsafe {
        let text = libc::getenv(c"TALLOC_FREE_FILL".as_ptr());
        if text.is_null() {
            FILL_OFF
        } else {
            libc::strtoul(text, null_mut(), 0) as u32 & 0xFF
        }
    };
    FILL.store(fill, Relaxed);
    if fill == FILL_OFF {
        None
    } else {
        Some(fill as c_int)
    }
}
