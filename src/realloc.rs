//! A chunk gets another size.
//!
//! The fast way is for one that grows within its block: how large that is follows from the
//! size, by its class.  The next is for a small one that moves to a kept block of another class.
//! What seems to grow by steps, or has children that would have to know of each move, gets a
//! roomy block, and the flag `ROOMY`: up to a quarter more room than its class.  What shrank in
//! its block has one of no class, and the flag `EXACT`.  A chunk that moves is whole at the new
//! place before a link leads there, and dead at the old one before that is given back.

use crate::header::{
    Chunk, DTOR, DYING, EXACT, HANDLE, HEADER, HELD, LIMIT, MAX_SIZE, MEMBER, POOL, Payload, REF,
    ROOMY, RUNNING, SPECIAL, TOP, is_alive, size_of_payload, user_of,
};
use crate::limit::{self, Account};
use crate::magazine::{self, OfThread};
use crate::pool::{self, NoPlace, Resized};
use crate::shed::{Kind, Limited, Member};
use crate::size_class::{SMALL_MAX, block_of, is_same_block, is_same_large_block, small_room};
use crate::{list, records, refs, root, shed, sysmem, tools};
use core::ffi::{CStr, c_char, c_void};
use core::ptr::{NonNull, null, null_mut};

/// Shrinking by less than this keeps a malloc'd block as it is.
const KEPT: usize = 1024;

/// What a chunk may be besides that grows within its block.
const SIMPLE: Payload = (MAX_SIZE as Payload - 1) | TOP | DTOR | HELD;

/// The fast way to give a chunk a larger size: within its block. `size` says which, given
/// the present one. Else `None`, and nothing is done.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn grow_fast(
    user: *mut c_void,
    size: impl FnOnce(usize) -> usize,
) -> Option<(Chunk, usize)> {
    if user.is_null() {
        return None;
    }
    let c = Chunk::before(user);
    let t = c.payload();
    if t & !SIMPLE != 0 {
        return None;
    }
    let old = size_of_payload(t);
    let size = size(old);
    if size <= old {
        return None;
    }
    if old <= SMALL_MAX {
        if size > small_room(old) {
            return None;
        }
    } else if size >= MAX_SIZE || !is_same_large_block(old, size) {
        return None;
    }
    c.add((size - old) as u64);
    Some((c, size))
}

/// Where a chunk was freed that moved.
const MOVED: &CStr = c"talloc_realloc";

/// Gives a chunk, of which [`grow_fast`] has answered `None`, the size `size`.  One that grew or
/// moved also gets the name `name`; one that stayed in its place in a pool does not, nor one that
/// shrank a little without a limit.  NULL leaves everything as it was: no chunk, which is a fault;
/// too large, referenced, a pool, no memory, a limit, or a move that a running free does not
/// allow.
///
/// # Safety
/// As for [`Chunk::checked`]; not for NULL.
#[inline(always)]
pub unsafe fn resize(
    ctx: *const c_void,
    ptr: *mut c_void,
    size: usize,
    name: *const c_char,
) -> *mut c_void {
    let c = Chunk::before(ptr);
    let t = c.payload();
    if t & !TOP < MAX_SIZE as Payload {
        let old = size_of_payload(t);
        if size == old {
            return ptr;
        }
        if is_little_less(t, size) {
            return shrink(ctx, ptr, size, name, t);
        }
        if may_move_small(c, t, size) {
            return small(ctx, ptr, size, name, t);
        }
        if may_move_large(c, t, size) {
            if leaps(old, size) {
                return leap(ctx, ptr, size, name, t);
            }
            return large(ctx, ptr, size, name, t);
        }
    } else if Member::is(t) {
        return member(ctx, ptr, size, name, t);
    } else if may_move_roomy(t, size) {
        return roomy(ctx, ptr, size, name, t);
    } else if t & !(TOP | ROOMY) < MAX_SIZE as Payload && may_move_large(c, t, size) {
        return large(ctx, ptr, size, name, t);
    } else if Limited::is(t) && may_move_small(c, t ^ LIMIT, size) {
        return limited(ctx, ptr, size, name, t);
    }
    any(ctx, ptr, size, name, t)
}

// The arguments of what follows are where the callers of `resize` have them.

/// A small chunk moves to a block of another class.
#[inline(never)]
fn small(
    ctx: *const c_void,
    ptr: *mut c_void,
    size: usize,
    name: *const c_char,
    t: Payload,
) -> *mut c_void {
    let c = Chunk::before(ptr);
    // Nobody watches.
    let new_t = with_size(t, size) & !ROOMY | grows_by_steps(c, size_of_payload(t), size);
    let (_, bytes) = block_of(new_t);
    let kept = OfThread::now().pop_block(bytes);
    let Some(block) = kept.or_else(|| magazine::fresh_block(bytes)) else {
        return null_mut();
    };
    let Some(new) = move_small(c, t, new_t, block, name) else {
        return any(ctx, ptr, size, name, t);
    };
    // SAFETY: the block of a small chunk that is gone.
    unsafe {
        if t & ROOMY != 0 {
            magazine::put(block_of(t).1, c.start());
        } else if kept.is_some() {
            magazine::put_small(size_of_payload(t), c.start());
        } else {
            magazine::put_replaced(size_of_payload(t), c.start());
        }
    }
    new.user()
}

/// A small chunk that has grown by steps grows again, within its block or out of that.
#[inline(never)]
fn roomy(
    ctx: *const c_void,
    ptr: *mut c_void,
    size: usize,
    name: *const c_char,
    t: Payload,
) -> *mut c_void {
    let c = Chunk::before(ptr);
    if !stays(c, t, size) {
        return small(ctx, ptr, size, name, t);
    }
    c.set_name(name);
    ptr
}

/// A large chunk moves to a kept block that is much larger, if there is one.
#[inline(never)]
fn leap(
    ctx: *const c_void,
    ptr: *mut c_void,
    size: usize,
    name: *const c_char,
    t: Payload,
) -> *mut c_void {
    let c = Chunk::before(ptr);
    let Some(block) = OfThread::now().pop_block(HEADER + size) else {
        return large(ctx, ptr, size, name, t);
    };
    let Some(new) = move_small(c, t, with_size(t, size), block, name) else {
        return any(ctx, ptr, size, name, t);
    };
    // SAFETY: the block of a large chunk that is gone.
    unsafe { magazine::put_large(size_of_payload(t), c.start()) };
    new.user()
}

/// What is just a member of a pool gets another size, there or elsewhere in the pool.
#[inline(never)]
fn member(
    ctx: *const c_void,
    ptr: *mut c_void,
    size: usize,
    name: *const c_char,
    t: Payload,
) -> *mut c_void {
    let c = Chunk::before(ptr);
    if size < MAX_SIZE {
        if let Some(r) = pool::with_others(c) {
            if pool::resize_fast(r, c, size_of_payload(t), size) {
                c.set_payload(with_size(t, size));
                return ptr;
            }
            return other_member(ctx, ptr, size, name, t);
        }
    }
    any(ctx, ptr, size, name, t)
}

/// The same where it has no room to grow, and is not the only one: it moves to the free room of
/// its pool, or else to a block of its own.
#[inline(never)]
fn other_member(
    ctx: *const c_void,
    ptr: *mut c_void,
    size: usize,
    name: *const c_char,
    t: Payload,
) -> *mut c_void {
    let c = Chunk::before(ptr);
    if !list::can_be_taken_out(c) {
        return any(ctx, ptr, size, name, t);
    }
    let (new, new_t) = match pool::carve_fast(c, HEADER + size) {
        Ok((place, r)) => {
            let new = place.take();
            new.set_home(r.cast());
            (new, MEMBER)
        }
        Err(NoPlace::Full) if !limit::any() => {
            let Some(block) = magazine::block(HEADER + size) else {
                return null_mut();
            };
            if c.child().is_some() {
                pool::scatter(c, t);
            }
            (Chunk::at(block), 0)
        }
        Err(_) => return any(ctx, ptr, size, name, t),
    };
    copy(c, t, new, new_t | size as Payload, name);
    let are_sound = list::stand_in(c, new);
    if let Some(r) = records::pool_around(c) {
        pool::Leaving::of(r).leave(c, size_of_payload(t));
    }
    moved(c, new, are_sound).user()
}

/// Does a large chunk grow by so much that it is not likely to grow by steps, and is it so small
/// that to copy it costs no more than to look for a block, as malloc does that cannot extend its?
#[inline(always)]
fn leaps(old: usize, size: usize) -> bool {
    old <= 8192 && size >= old + old / 2
}

/// A large chunk has malloc extend its block, or copy it.
#[inline(never)]
fn large(
    _ctx: *const c_void,
    ptr: *mut c_void,
    size: usize,
    name: *const c_char,
    t: Payload,
) -> *mut c_void {
    let c = Chunk::before(ptr);
    let old = size_of_payload(t);
    // For smaller steps the block of a class has room enough.
    let is_step = old / 64 < size - old && size - old <= old / 4 && size <= MOST_ROOMY;
    let new_t = t & TOP | if is_step { ROOMY } else { 0 } | size as Payload;
    let (_, bytes) = block_of(new_t);
    if t & ROOMY != 0 && bytes == block_of(t).1 {
        c.set_payload(new_t);
        c.set_name(name);
        return ptr;
    }
    match malloc_moves(c, t, new_t, bytes, None) {
        Some(new) => {
            new.set_name(name);
            new.user()
        }
        None => null_mut(),
    }
}

/// A small chunk that a limit counts moves to a block of another class.
#[inline(never)]
fn limited(
    ctx: *const c_void,
    ptr: *mut c_void,
    size: usize,
    name: *const c_char,
    t: Payload,
) -> *mut c_void {
    let c = Chunk::before(ptr);
    let old = size_of_payload(t);
    let Some(block) = magazine::block(HEADER + size) else {
        return null_mut();
    };
    if !list::can_be_taken_out(c) || !limit::charge_more(c, size - old) {
        // SAFETY: just taken, and not used.
        unsafe { magazine::put(HEADER + size, block.as_ptr()) };
        return any(ctx, ptr, size, name, t);
    }
    let new = Chunk::at(block);
    new.set_home(c.home());
    copy(c, t, new, with_size(t, size), name);
    let new = moved(c, new, list::stand_in(c, new));
    // SAFETY: the block of a small chunk that is gone.
    unsafe { magazine::put_small(old, c.start()) };
    new.user()
}

/// What becomes a little smaller keeps its block, and its name.
#[inline(never)]
fn shrink(
    _ctx: *const c_void,
    ptr: *mut c_void,
    size: usize,
    _name: *const c_char,
    t: Payload,
) -> *mut c_void {
    keep_block(Chunk::before(ptr), t, size);
    ptr
}

/// What keeps its block, or has flags, or is no chunk.
#[inline(never)]
fn any(
    _ctx: *const c_void,
    ptr: *mut c_void,
    size: usize,
    name: *const c_char,
    t: Payload,
) -> *mut c_void {
    let c = Chunk::before(ptr);
    if !is_alive(t) {
        c.bad();
        return null_mut();
    }
    user_of(resize_any(c, t, size, name))
}

fn resize_any(c: Chunk, t: Payload, size: usize, name: *const c_char) -> Option<Chunk> {
    let old = size_of_payload(t);
    if size == old && t & (REF | POOL | HANDLE) == 0 {
        return Some(c);
    }
    if t & !(SIMPLE | ROOMY | EXACT) == 0 {
        if is_little_less(t, size) {
            keep_block(c, t, size);
            return Some(c);
        }
        if stays(c, t, size) {
            return renamed(c, name);
        }
        if may_ask_malloc(c, t, size) && size < MAX_SIZE {
            return renamed(with_malloc(c, t, size)?, name);
        }
    }
    resize_odd(c, t, size, name)
}

/// Is it a small chunk, which may have no parent, and grows out of its block into one of another
/// class?
#[inline(always)]
fn may_move_small(c: Chunk, t: Payload, size: usize) -> bool {
    let is_small = t & !TOP <= SMALL_MAX as u64 && size < MAX_SIZE;
    is_small && size > small_room(size_of_payload(t)) && !is_large_with_children(c, size)
}

/// The same where it has a roomy block.
#[inline(always)]
fn may_move_roomy(t: Payload, size: usize) -> bool {
    let is_small = t & !(TOP | ROOMY) <= SMALL_MAX as u64 && size <= SMALL_MAX;
    is_small && size > size_of_payload(t)
}

/// All children have to know of each move: malloc may extend the block.
#[inline(always)]
fn is_large_with_children(c: Chunk, size: usize) -> bool {
    size > SMALL_MAX && c.child().is_some()
}

/// What grows beyond so many bytes by no more than a quarter, or has children, is likely to go on
/// like that.
const STEPS: usize = 256;

/// What is larger without children gets no more room than it wants: too much of it might be idle.
const MOST_ROOMY: usize = 1 << 20;

/// `ROOMY` if a small chunk that grows to that size gets a roomy block.
#[inline(always)]
fn grows_by_steps(c: Chunk, old: usize, size: usize) -> Payload {
    let is_step = size > STEPS && size <= SMALL_MAX;
    if is_step && (size - old <= old / 4 || c.child().is_some()) {
        ROOMY
    } else {
        0
    }
}

/// A small chunk moves to that block, where it is `new_t`; its own is left.  `None`, and the new
/// one goes back, if links do not lead back.
#[inline(always)]
fn move_small(
    c: Chunk,
    t: Payload,
    new_t: Payload,
    block: NonNull<u8>,
    name: *const c_char,
) -> Option<Chunk> {
    let new = Chunk::at(block);
    copy(c, t, new, new_t, name);
    let done = if t & TOP == 0 {
        list::can_be_taken_out(c).then(|| list::stand_in(c, new))
    } else if list::is_alone(c) {
        Some(list::stand_in(c, new))
    } else {
        list::stand_in_locked(c, new)
    };
    let Some(are_sound) = done else {
        // SAFETY: just taken, and not used.
        unsafe { magazine::put(block_of(new_t).1, block.as_ptr()) };
        return None;
    };
    Some(moved(c, new, are_sound))
}

/// What is `c`, which is `t`, is at `new`, too, as `new_t` and with that name, but for the links to
/// it, its neighbours and its parent.
#[inline(always)]
fn copy(c: Chunk, t: Payload, new: Chunk, new_t: Payload, name: *const c_char) {
    // SAFETY: both places have room for that, and do not overlap.
    unsafe {
        let user: *const u8 = c.user().cast_const().cast();
        user.copy_to_nonoverlapping(new.user().cast(), size_of_payload(t));
    }
    // Field by field: what was written as words is slow to read as a whole.
    new.set_payload(new_t);
    new.set_child(c.child());
    new.set_name(name);
}

/// The links lead to `new` in place of `c`, perhaps not those of all children.
#[inline(always)]
fn moved(c: Chunk, new: Chunk, are_sound: bool) -> Chunk {
    c.kill(MOVED.as_ptr());
    if !are_sound {
        new.corrupted(c"child");
    }
    new
}

/// Is it a large chunk without children, which may have no parent, and is to grow, not within its
/// block?
#[inline(always)]
fn may_move_large(c: Chunk, t: Payload, size: usize) -> bool {
    let old = size_of_payload(t);
    old > SMALL_MAX && old < size && size < MAX_SIZE && c.child().is_none()
}

/// The same, step by step.
#[inline(never)]
fn resize_odd(c: Chunk, t: Payload, size: usize, name: *const c_char) -> Option<Chunk> {
    if size >= MAX_SIZE || t & (REF | POOL | HANDLE) != 0 {
        return None;
    }
    let old = size_of_payload(t);
    if t & MEMBER != 0 {
        return match pool::resize(c, t, size)? {
            Resized::Same => {
                cut_off(c, t, size);
                c.set_payload(with_size(c.payload(), size));
                Some(c)
            }
            Resized::Start(new) => {
                new.set_payload(with_size(new.payload(), size));
                has_moved(c, new, t);
                new.set_name(name);
                Some(new)
            }
            Resized::No => renamed(move_member(c, t, size)?, name),
        };
    }
    let account = limit::of_child(c, t);
    if is_little_less(t, size) {
        limit::uncharge(account, old - size);
        keep_block(c, t, size);
        if !account.is_null() {
            c.set_name(name);
        }
        return Some(c);
    }
    if size > old && !limit::charge(account, size - old) {
        return None;
    }
    let new = change_block(c, t, size);
    if new.is_none() && size > old {
        limit::uncharge(account, size - old);
    } else if new.is_some() && size < old {
        limit::uncharge(account, old - size);
    }
    renamed(new?, name)
}

fn renamed(c: Chunk, name: *const c_char) -> Option<Chunk> {
    c.set_name(name);
    Some(c)
}

fn with_size(t: Payload, size: usize) -> Payload {
    t & !(MAX_SIZE as Payload - 1) | size as Payload
}

/// What a chunk that shrinks in its place loses may be a secret: it is written over if that is
/// wanted, and then every chunk is `EXACT`.
fn cut_off(c: Chunk, t: Payload, size: usize) {
    let old = size_of_payload(t);
    if t & EXACT != 0 && size < old {
        sysmem::fill(c.user().wrapping_byte_add(size), old - size);
    }
}

/// Is that less, but not by so much that another block were better?
#[inline(always)]
fn is_little_less(t: Payload, size: usize) -> bool {
    let old = size_of_payload(t);
    size < old && old - size < KEPT
}

/// Gives a chunk that size if its block is of the class for it.
#[inline(always)]
fn stays(c: Chunk, t: Payload, size: usize) -> bool {
    let is_same = is_same_class(t, size);
    if is_same {
        c.set_payload(with_size(t, size));
    }
    is_same
}

/// Is the block of a chunk, which is `t`, of the class for that size, too?
#[inline(always)]
fn is_same_class(t: Payload, size: usize) -> bool {
    if t & (ROOMY | EXACT) == 0 {
        return is_same_block(size_of_payload(t), size);
    }
    t & EXACT == 0 && block_of(t) == block_of(with_size(t, size))
}

/// A chunk gets `size`, which is less, in the block it has.  If that is larger than of the class of
/// `size`, it is of none: its size does not tell how large it is, after some steps by far.
#[inline(always)]
fn keep_block(c: Chunk, t: Payload, size: usize) {
    cut_off(c, t, size);
    let mut new_t = with_size(t, size);
    if t & EXACT == 0 && !is_same_class(t, size) {
        new_t = new_t & !ROOMY | EXACT;
        magazine::reclassify(Some(block_of(t).0), None);
    }
    c.set_payload(new_t);
}

/// A chunk with a block of its own gets another size, perhaps another block.
fn change_block(c: Chunk, t: Payload, size: usize) -> Option<Chunk> {
    if stays(c, t, size) {
        return Some(c);
    }
    if t & (DYING | RUNNING) != 0 {
        // It may not move; a smaller size keeps the block.
        if size > size_of_payload(t) {
            return None;
        }
        keep_block(c, t, size);
        return Some(c);
    }
    if may_ask_malloc(c, t, size) {
        return with_malloc(c, t, size);
    }
    to_block(
        c,
        t,
        size,
        with_size(t, size) & !(ROOMY | EXACT) | sysmem::every(),
    )
}

/// May malloc have a cheaper way than copying for a block of its own?
#[inline(always)]
fn may_ask_malloc(c: Chunk, t: Payload, size: usize) -> bool {
    let is_large = size_of_payload(t) > SMALL_MAX && size > SMALL_MAX;
    t & HELD == 0 && (is_large || t & EXACT != 0 || is_large_with_children(c, size))
}

/// A chunk of which [`may_ask_malloc`] says so gets another size.
fn with_malloc(c: Chunk, t: Payload, size: usize) -> Option<Chunk> {
    let destructor = refs::destructor_to_move(c, t)?;
    let mut new_t = with_size(t, size) & !(ROOMY | EXACT) | sysmem::every();
    let mut bytes = HEADER + size;
    if new_t & EXACT == 0 {
        if size > size_of_payload(t) && is_large_with_children(c, size) {
            new_t |= ROOMY;
        }
        bytes = block_of(new_t).1;
    }
    let new = malloc_moves(c, t, new_t, bytes, destructor)?;
    let class = |t: Payload| (t & EXACT == 0).then(|| block_of(t).0);
    magazine::reclassify(class(t), class(new_t));
    has_moved(c, new, t);
    Some(new)
}

/// The block of a chunk, which is `t` and has that destructor, gets so many bytes by malloc, and
/// the chunk becomes `new_t`.
#[inline(always)]
fn malloc_moves(
    c: Chunk,
    t: Payload,
    new_t: Payload,
    bytes: usize,
    destructor: Option<usize>,
) -> Option<Chunk> {
    let Some(apart) = list::set_apart(c, t & TOP != 0) else {
        c.corrupted(c"prev or next");
        return None;
    };
    cut_off(c, t, size_of_payload(new_t));
    // Dead before it may be given away.
    c.kill(null());
    // SAFETY: a malloc'd block, owned by this chunk, which is out of its list.
    let Some(block) = (unsafe { sysmem::realloc(c.start(), bytes) }) else {
        c.set_payload(t);
        apart.put(c);
        return None;
    };
    let new = Chunk::at(block);
    new.moved_from(c, destructor, new_t);
    apart.put(new);
    Some(new)
}

/// A pool member or cache object finds a new place: elsewhere in its pool, or from malloc.
#[inline(never)]
fn move_member(c: Chunk, t: Payload, size: usize) -> Option<Chunk> {
    if t & (DYING | RUNNING) != 0 {
        return None;
    }
    let bytes = HEADER + size;
    if let Some((place, r)) = pool::carve(c, t, bytes) {
        tools::member(r, place.as_ptr(), bytes);
        return elsewhere(c, t, size, place, with_size(t, size));
    }
    let account: *mut Account = limit::of_child(c, t);
    if !limit::charge(account, bytes) {
        return None;
    }
    if c.child().is_some() {
        pool::scatter(c, t);
    }
    let Some(new) = to_block(c, t, size, with_size(t, size)) else {
        limit::uncharge(account, bytes);
        return None;
    };
    let t = limit::leave_pool(new, new.payload(), account);
    new.set_payload(t & !EXACT | sysmem::every());
    Some(new)
}

/// Moves `c` to a block of its own.
fn to_block(c: Chunk, t: Payload, size: usize, new_t: Payload) -> Option<Chunk> {
    let bytes = HEADER + size;
    let block = magazine::get(bytes)?;
    let moved = elsewhere(c, t, size, block, new_t);
    if moved.is_none() {
        // SAFETY: just taken, and not used.
        unsafe { magazine::put(bytes, block.as_ptr()) };
    }
    moved
}

/// Moves `c` to a place of `HEADER + size` bytes, where it is `new_t`, and frees the old one.
/// `None`, and nothing is done, after a fault.
#[inline(never)]
fn elsewhere(
    c: Chunk,
    t: Payload,
    size: usize,
    place: NonNull<u8>,
    new_t: Payload,
) -> Option<Chunk> {
    let destructor = refs::destructor_to_move(c, t)?;
    let new = Chunk::at(place);
    // SAFETY: both places hold so many bytes, and do not overlap.
    unsafe {
        let user: *const u8 = c.user().cast_const().cast();
        user.copy_to_nonoverlapping(new.user().cast(), size_of_payload(t).min(size));
    }
    // Neighbours may be changing its links.
    let lock = (t & TOP != 0).then(root::lock_links);
    if !list::is_intact_locked(c) {
        drop(lock);
        c.corrupted(c"prev or next");
        return None;
    }
    // SAFETY: both places hold a header, and do not overlap.
    unsafe { place.as_ptr().copy_from_nonoverlapping(c.start(), HEADER) };
    // Who holds it holds the old place, which owns nothing any more.
    new.moved_from(c, destructor, new_t & !HELD);
    let are_sound = list::stand_in(c, new);
    drop(lock);
    if !are_sound {
        new.corrupted(c"child");
    }
    has_moved(c, new, t);
    // What is left there: a block, or a member of the pool of `new`.
    let mut left = t & !(SPECIAL | DTOR | TOP);
    if t & LIMIT != 0 {
        if let Some(pool) = limit::pool_of_owner(c) {
            c.set_home(pool);
        }
        left &= !LIMIT;
    }
    c.set_payload(left);
    shed::leave(c, left, MOVED.as_ptr());
    Some(new)
}

/// The chunk that was `old` and `t` is at `new` now.
fn has_moved(old: Chunk, new: Chunk, t: Payload) {
    if t & LIMIT != 0 {
        limit::owner_moved(old, new);
    }
    if t & SPECIAL != 0 {
        root::moved(old, new);
    }
}
