//! Who is whose child: the only file that touches links.
//!
//! Each parent points to its newest child, the children form a list, newest
//! first, and every chunk points to its parent, so that neither a step up nor a
//! removal depends on the number of siblings.  A chunk without a parent is in
//! no list.
//!
//! A `DYING` chunk stays where it is until its memory goes, so that the free of
//! its parent finds it, but looks to everybody as if it had been taken out:
//! walks pass over it, and unless it was the newest child it has no parent
//! ([`parent`] answers as the original does).
//!
//! Nothing here recurses. A loop that a caller made (a context stolen to below
//! itself) ends every walk.  The list under the null context is shared between
//! threads: it changes only under the lock of `root`.

use crate::chunk::{Chunk, DYING, MEMBER, ORPHAN, POOL, SPECIAL};
use crate::{key, root};
use core::ffi::CStr;
use core::mem::MaybeUninit;

/// The part of a header that belongs to this file.
#[repr(C)]
pub struct Links {
    child: Option<Chunk>,
    prev: Option<Chunk>,
    next: Option<Chunk>,
    parent: Option<Chunk>,
}

impl Links {
    /// A chunk that stands alone.
    pub const NONE: Links = Links {
        parent: None,
        next: None,
        prev: None,
        child: None,
    };
}

/// The links of a chunk, to read or write one field of.
macro_rules! at {
    ($chunk:expr) => {
        // SAFETY: a Chunk's header is there (chunk.rs), and the place is used
        // for one read or write of one field.
        unsafe { &mut *$chunk.links() }
    };
}

/// The chunk that the link `field` of `c` leads to, which has to be one that `leads_back`.
/// Otherwise it is a fault, and then nowhere.
#[inline(always)]
fn follow(
    c: Chunk,
    link: Option<Chunk>,
    field: &'static CStr,
    leads_back: impl Fn(Chunk) -> bool,
) -> Option<Chunk> {
    let to = link?;
    if to.is_live() && leads_back(to) {
        return link;
    }
    c.lost(field, to);
    None
}

/// Follows a link of a chunk: `follow!(c.parent)`. Links that lead back make no circle
/// down or along, whoever wrote them.
macro_rules! follow {
    ($chunk:ident.parent) => {
        follow($chunk, at!($chunk).parent, c"parent", |_| true)
    };
    ($chunk:ident.next) => {
        follow($chunk, at!($chunk).next, c"next", |to| {
            at!(to).prev == Some($chunk) && at!(to).parent == at!($chunk).parent
        })
    };
    ($chunk:ident.child) => {
        follow($chunk, at!($chunk).child, c"child", |to| {
            is_first_of($chunk, to)
        })
    };
}

/// The parent, as callers may know it.
#[inline]
pub fn parent(c: Chunk) -> Option<Chunk> {
    if c.has(ORPHAN) {
        None
    } else {
        follow!(c.parent)
    }
}

/// Makes `c`, which has no parent, the newest child of `parent`.
#[inline]
pub fn link(parent: Option<Chunk>, c: Chunk) {
    if let Some(p) = parent {
        let _lock = root::lock_links_of(p);
        // Should there be a fault and the abort function return: what hangs behind it
        // is lost.
        let first = follow!(p.child);
        let links = at!(c);
        links.parent = parent;
        links.next = first;
        if let Some(first) = first {
            at!(first).prev = Some(c);
        }
        at!(p).child = Some(c);
    }
}

/// The links of a new child of `parent`, whose list is its thread's alone; `None` if
/// the first child there is not as it should be.
#[inline(always)]
pub fn first_below(parent: Chunk, among: Among) -> Option<Links> {
    let first = at!(parent).child;
    if let Some(first) = first
        && (!among.is_sound(first) || at!(first).parent != Some(parent))
    {
        return None;
    }
    Some(Links {
        parent: Some(parent),
        next: first,
        prev: None,
        child: None,
    })
}

/// Completes that, once the header with those links is written.
#[inline(always)]
pub fn now_first_below(parent: Chunk, c: Chunk) {
    if let Some(next) = at!(c).next {
        at!(next).prev = Some(c);
    }
    at!(parent).child = Some(c);
}

/// What a neighbour may be. Others are for the slower ways.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// A chunk without a flag: the shortest check.
    Plain,
    /// Any but the null context and the autofree context.
    Common,
}

impl Among {
    /// Is it one of these?
    #[inline(always)]
    pub fn is_sound(self, c: Chunk) -> bool {
        let added = c.added();
        added == 0
            || self == Among::Common
                && (added == key::flags(MEMBER)
                    || added == key::flags(POOL)
                    || c.live_flags().is_some_and(|flags| flags & SPECIAL == 0))
    }
}

/// Takes `c` out of the list that it is in, and leaves its own links as they are. False,
/// and nothing is done, if the list is shared between threads, or a neighbour that will be
/// written to is not as it should be, or does not have `c` for its neighbour.
#[inline(always)]
pub fn take_out(c: Chunk, among: Among) -> bool {
    let Some(parent) = at!(c).parent else {
        return at!(c).prev.is_none() && at!(c).next.is_none();
    };
    if !root::is_private(parent) {
        return false;
    }
    let &mut Links { next, prev, .. } = at!(c);
    let leads_back = |next: Chunk| among.is_sound(next) && at!(next).prev == Some(c);
    match prev {
        Some(prev) => {
            if !among.is_sound(prev)
                || at!(prev).next != Some(c)
                || at!(prev).parent != Some(parent)
            {
                return false;
            }
            if let Some(next) = next {
                if !leads_back(next) {
                    return false;
                }
                at!(next).prev = Some(prev);
            }
            at!(prev).next = next;
        }
        None => {
            if !among.is_sound(parent) || at!(parent).child != Some(c) {
                return false;
            }
            if let Some(next) = next {
                if !leads_back(next) {
                    return false;
                }
                at!(next).prev = None;
            }
            at!(parent).child = next;
        }
    }
    true
}

/// 0 for none: quicker to compare than what it is of.
#[inline(always)]
fn address(c: Option<Chunk>) -> usize {
    c.map_or(0, |c| c.start().addr())
}

/// Asks for the header of a chunk that is soon to be looked at: in a large tree the
/// next one is seldom in the processor's cache.
#[inline(always)]
fn look_ahead(c: Option<Chunk>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(c) = c {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: asking for memory does nothing else, wherever it is.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(c.start().cast());
            _mm_prefetch::<_MM_HINT_T0>(c.user().cast::<i8>().wrapping_sub(1));
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = c;
}

/// The children of a chunk while they are freed, newest first, without being taken
/// out of the list one by one: nobody looks meanwhile.
pub struct Shed {
    parent: Chunk,
    first: Option<Chunk>,
    next: Option<Chunk>,
    last: Option<Chunk>,
}

impl Shed {
    /// None have been freed yet; `None` if the list is shared between threads.
    #[inline(always)]
    pub fn of(parent: Chunk) -> Option<Shed> {
        if !root::is_private(parent) {
            return None;
        }
        let first = at!(parent).child;
        Some(Shed {
            parent,
            first,
            next: first,
            last: None,
        })
    }

    /// The next one, and whether its links are as they should be. It is to go, or
    /// `stop_at` follows.
    #[inline(always)]
    pub fn next(&mut self) -> Option<(Chunk, bool)> {
        let c = self.next?;
        let &mut Links {
            prev, next, parent, ..
        } = at!(c);
        let is_sound = parent == Some(self.parent) && address(prev) == address(self.last);
        (self.last, self.next) = (Some(c), next);
        look_ahead(next);
        Some((c, is_sound))
    }

    /// All that `next` gave have gone, but for this last one, if any: now it is the first.
    #[inline(always)]
    pub fn stop_at(self, last: Option<(Chunk, bool)>) {
        let child = last.map(|(c, _)| c);
        if child != self.first {
            at!(self.parent).child = child;
            if let Some((c, true)) = last
                && c.is_live()
            {
                at!(c).prev = None;
            }
        }
    }
}

/// The first link of `c` that is not as it should be: those of its neighbours lead
/// back.
fn broken_link(c: Chunk) -> Option<&'static CStr> {
    let &mut Links {
        parent, next, prev, ..
    } = at!(c);
    let leads_back = match (prev, parent) {
        (Some(prev), _) => prev.is_live() && at!(prev).next == Some(c),
        (None, Some(parent)) => parent.is_live() && at!(parent).child == Some(c),
        (None, None) => next.is_none(),
    };
    let is_brother = |prev: Chunk| !leads_back || at!(prev).parent == parent;
    if parent.is_some_and(|parent| !parent.is_live()) || !prev.is_none_or(is_brother) {
        Some(c"parent")
    } else if !leads_back {
        Some(if prev.is_some() { c"prev" } else { c"parent" })
    } else if next.is_some_and(|next| !next.is_live() || at!(next).prev != Some(c)) {
        Some(c"next")
    } else {
        None
    }
}

/// Are the links of `c` as they should be, so that it can be taken out of its list?
/// Else it is a fault.
#[inline]
pub fn is_intact(c: Chunk) -> bool {
    // Not under the lock: a user's function may run.
    let field = {
        let _lock = at!(c).parent.map(root::lock_links_of);
        broken_link(c)
    };
    if let Some(field) = field {
        c.corrupted(field);
    }
    field.is_none()
}

/// Makes `c` the newest child of `new`, both of them common chunks, `c` not dying, if
/// that takes nothing but mending a few links; else false, and nothing is done.
#[inline(always)]
pub fn move_quickly(c: Chunk, new: Chunk, among: Among) -> bool {
    if c == new {
        return false;
    }
    if first_below(new, among).is_none() || !take_out(c, among) {
        return false;
    }
    // Only now, since `c` itself may have been the first.
    let first = at!(new).child;
    let links = at!(c);
    (links.parent, links.prev, links.next) = (Some(new), None, first);
    now_first_below(new, c);
    true
}

/// Takes `c`, which [`is_intact`], out of its parent's list.
#[inline]
pub fn unlink(c: Chunk) {
    if let Some(p) = at!(c).parent {
        let _lock = root::lock_links_of(p);
        let links = at!(c);
        match links.prev {
            Some(prev) => at!(prev).next = links.next,
            None => at!(p).child = links.next,
        }
        if let Some(next) = links.next {
            at!(next).prev = links.prev;
        }
        links.parent = None;
        links.next = None;
        links.prev = None;
    }
}

/// Runs `f`, which may move `c` in memory, and mends every link to it if it
/// did.  `None` from `f` means that `c` is where it was.
pub fn moving(c: Chunk, f: impl FnOnce() -> Option<Chunk>) -> Option<Chunk> {
    if !is_intact(c) || at!(c).child.is_some() && follow!(c.child).is_none() {
        return None;
    }
    let owner = at!(c).parent;
    // Neighbours may not change while the header is being copied.
    let lock = owner.map(root::lock_links_of);
    let new = f()?;
    if new != c {
        let &mut Links { next, prev, .. } = at!(new);
        match (prev, owner) {
            (Some(prev), _) => at!(prev).next = Some(new),
            (None, Some(p)) => at!(p).child = Some(new),
            (None, None) => {}
        }
        if let Some(next) = next {
            at!(next).prev = Some(new);
        }
        drop(lock);
        let mut child = at!(new).child;
        while let Some(ch) = child {
            // The next one has the same parent still.
            let next = follow!(ch.next);
            at!(ch).parent = Some(new);
            child = next;
        }
    }
    Some(new)
}

/// Takes `c` out of everybody's sight before its children go.
pub fn hide(c: Chunk) {
    if !is_newest(c) {
        c.set(ORPHAN);
    }
    c.set(DYING);
}

/// Is `c` the newest child that can be seen? True without a parent, too.
#[inline]
pub fn is_newest(c: Chunk) -> bool {
    let lock = at!(c).parent.map(root::lock_links_of);
    let mut at = c;
    while let Some(prev) = at!(at).prev {
        if !prev.is_live() || at!(prev).next != Some(at) {
            drop(lock); // a user's function may run
            at.lost(c"prev", prev);
            return true;
        }
        if !prev.has(DYING) {
            return false;
        }
        at = prev;
    }
    true
}

/// The newest child that is not dying.
#[inline]
pub fn newest_child(c: Chunk) -> Option<Chunk> {
    in_sight(follow!(c.child))
}

/// The same for a walk that is going to free it: should there be a fault and the abort
/// function return, what hangs behind it is lost.
#[inline]
pub fn next_to_free(c: Chunk) -> Option<Chunk> {
    let mut child = follow!(c.child);
    if child.is_none() {
        at!(c).child = None;
    }
    while let Some(x) = child
        && x.has(DYING)
    {
        child = follow!(x.next);
        if child.is_none() {
            at!(x).next = None;
        }
    }
    child
}

/// Does `child`, to which `c` leads as its newest child, lead back?
#[inline]
pub fn is_first_of(c: Chunk, child: Chunk) -> bool {
    at!(child).parent == Some(c) && at!(child).prev.is_none()
}

/// The next older sibling that is not dying.
#[inline]
pub fn older_sibling(c: Chunk) -> Option<Chunk> {
    in_sight(follow!(c.next))
}

/// The newest child, dying or not.
pub fn any_child(c: Chunk) -> Option<Chunk> {
    at!(c).child
}

#[inline]
fn in_sight(mut c: Option<Chunk>) -> Option<Chunk> {
    while let Some(x) = c
        && x.has(DYING)
    {
        c = follow!(x.next);
    }
    c
}

/// A subtree in the order of reports: a chunk, then its children, newest first.
pub struct Subtree {
    root: Chunk,
    at: Option<Chunk>,
    depth: usize,
    descend: bool,
    dying_too: bool,
}

/// The subtree of `root`, `root` included, without what is dying below it.
pub fn subtree(root: Chunk) -> Subtree {
    Subtree {
        root,
        at: None,
        depth: 0,
        descend: true,
        dying_too: false,
    }
}

/// The subtree of `root` with all that lies in it.
pub fn whole_subtree(root: Chunk) -> Subtree {
    Subtree {
        dying_too: true,
        ..subtree(root)
    }
}

impl Subtree {
    /// How far the chunk returned last lies below the root.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Leaves out what lies below the chunk returned last.
    pub fn skip_children(&mut self) {
        self.descend = false;
    }

    fn visible(&self, c: Option<Chunk>) -> Option<Chunk> {
        let shown = |c| if self.dying_too { c } else { in_sight(c) };
        // Under a loop the root is its own descendant: count it once.
        match shown(c) {
            Some(c) if c == self.root => shown(follow!(c.next)),
            c => c,
        }
    }
}

impl Iterator for Subtree {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        let Some(mut cur) = self.at else {
            self.at = Some(self.root);
            return self.at;
        };
        if core::mem::replace(&mut self.descend, true)
            && let Some(child) = self.visible(follow!(cur.child))
        {
            self.depth += 1;
            look_ahead(at!(child).next);
            self.at = Some(child);
            return self.at;
        }
        while cur != self.root {
            if let Some(sibling) = self.visible(follow!(cur.next)) {
                look_ahead(at!(sibling).next);
                self.at = Some(sibling);
                return self.at;
            }
            // Where the walk came down from: each on its way leads back there.
            cur = at!(cur).parent?;
            self.depth -= 1;
        }
        None
    }
}

/// A link of a chunk that is still to be followed.
#[derive(Clone, Copy)]
enum Link {
    ToChild(Chunk),
    ToNext(Chunk),
}

impl Link {
    #[inline(always)]
    fn to(self) -> Option<Chunk> {
        match self {
            Link::ToChild(from) => at!(from).child,
            Link::ToNext(from) => at!(from).next,
        }
    }

    #[inline(always)]
    fn follow(self) -> Option<Chunk> {
        match self {
            Link::ToChild(from) => follow!(from.child),
            Link::ToNext(from) => follow!(from.next),
        }
    }
}

/// Shows `root` and all below it, without what is dying, to `f`, in no certain order:
/// several chunks are on their way from memory at a time.
pub fn in_any_order(root: Chunk, mut f: impl FnMut(Chunk)) {
    f(root);
    if at!(root).child.is_none() {
        return;
    }
    // Links wait on a stack; a few on top of it are in a queue, and what they lead to
    // has been asked for.
    const STACK: usize = 256;
    const QUEUE: usize = 8;
    let mut stack = [const { MaybeUninit::<Link>::uninit() }; STACK];
    let mut queue = [Link::ToChild(root); QUEUE];
    let (mut height, mut first, mut last) = (0_usize, 0_usize, 1_usize);
    while first != last {
        let to = queue[first % QUEUE].follow();
        first += 1;
        if let Some(c) = to {
            // Room for both links, or else what is below comes now; for one there is
            // always room, since one has been taken.
            let is_full = height + 2 > STACK;
            if at!(c).next.is_some()
                && let Some(place) = stack.get_mut(height)
            {
                place.write(Link::ToNext(c));
                height += 1;
            }
            // Under a loop the root is its own descendant.
            if c != root && !c.has(DYING) {
                if is_full {
                    subtree(c).for_each(&mut f);
                } else {
                    f(c);
                    if at!(c).child.is_some()
                        && let Some(place) = stack.get_mut(height)
                    {
                        place.write(Link::ToChild(c));
                        height += 1;
                    }
                }
            }
        }
        while last - first < QUEUE
            && let Some(below) = height.checked_sub(1)
            && let Some(place) = stack.get(below)
        {
            height = below;
            // SAFETY: what is below the height has been written.
            let link = unsafe { place.assume_init() };
            look_ahead(link.to());
            queue[last % QUEUE] = link;
            last += 1;
        }
    }
}

/// `c` and what is above it, nearest first; each once, even in a loop.
pub struct Ancestors {
    at: Option<Chunk>,
    left: usize,
    up: fn(Chunk) -> Option<Chunk>,
}

/// `c`, its parent, and so on up.
pub fn ancestors(c: Chunk) -> Ancestors {
    Ancestors::of(c, parent)
}

/// The same along the lists the chunks are in, past those without a parent for
/// callers.
pub fn list_owners(c: Chunk) -> Ancestors {
    Ancestors::of(c, |c| follow!(c.parent))
}

impl Ancestors {
    fn of(c: Chunk, up: fn(Chunk) -> Option<Chunk>) -> Ancestors {
        Ancestors {
            at: Some(c),
            left: distinct(c, up),
            up,
        }
    }
}

impl Iterator for Ancestors {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        self.left = self.left.checked_sub(1)?;
        let c = self.at?;
        self.at = (self.up)(c);
        Some(c)
    }
}

/// How many different chunks lie on the way up from `c`, `c` included; without
/// a loop more than that many is answered.
fn distinct(c: Chunk, up: fn(Chunk) -> Option<Chunk>) -> usize {
    // Brent: a marker that jumps ahead by powers of two meets every loop.
    let (mut marker, mut walker) = (c, c);
    let (mut steps, mut power) = (0_usize, 1_usize);
    loop {
        match up(walker) {
            None => return usize::MAX,
            Some(p) => walker = p,
        }
        steps += 1;
        if walker == marker {
            break;
        }
        if steps == power {
            marker = walker;
            power *= 2;
            steps = 0;
        }
    }
    // `steps` is the length of the loop; now the way to it.
    let next = |c: Chunk| up(c).unwrap_or(c);
    let (mut ahead, mut behind, mut before) = (c, c, 0);
    for _ in 0..steps {
        ahead = next(ahead);
    }
    while ahead != behind {
        ahead = next(ahead);
        behind = next(behind);
        before += 1;
    }
    before + steps
}

/// Is `above` the chunk `c` or above it?
pub fn is_above(above: Chunk, c: Chunk) -> bool {
    ancestors(c).any(|a| a == above)
}

/// The same along the lists.
pub fn is_in_list_below(above: Chunk, c: Chunk) -> bool {
    list_owners(c).any(|a| a == above)
}
