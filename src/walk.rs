//! Looking: up, down and across, without recursion.
//!
//! What is followed is checked: there is a live chunk, and it leads back, unless one of us
//! is just changing that (`list` says how), since a signal handler may look at any moment.
//!
//! A `DYING` chunk stays where it is until its memory goes, so that the free of its parent
//! finds it, but looks to everybody as if it had been taken out: walks pass over it, and
//! unless it was the newest child it has no parent ([`parent`] answers as the original
//! does).  A loop that a caller made (a context stolen to below itself) ends every walk.

use crate::header::{Chunk, DYING, HEADER, Link, ORPHAN, Payload, is_alive, user_of};
use crate::platform::{WORD, ask_for};
use crate::{list, root};
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr::null_mut;

/// The parent, as callers may know it.
#[inline]
pub fn parent(c: Chunk) -> Option<Chunk> {
    if c.payload() & ORPHAN == ORPHAN {
        None
    } else {
        list_parent(c)
    }
}

/// `talloc_parent`.  The parent itself is looked at when it is used.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn user_parent(ptr: *const c_void) -> *mut c_void {
    if !ptr.is_null() {
        let c = Chunk::before(ptr);
        let t = c.payload();
        if is_alive(t) && t & DYING == 0 {
            return c.parent_user();
        }
    }
    // SAFETY: the caller's promise.
    unsafe { user_parent_slow(ptr) }
}

#[inline(never)]
unsafe fn user_parent_slow(ptr: *const c_void) -> *mut c_void {
    if ptr.is_null() {
        return null_mut();
    }
    // SAFETY: the caller's promise.
    user_of(unsafe { Chunk::checked(ptr) }.and_then(parent))
}

/// Is `above` the chunk of `ptr` or one of the nearest above it?  `None` if that is not so
/// simple.
///
/// # Safety
/// As for [`Chunk::checked`].
#[inline(always)]
pub unsafe fn is_near(ptr: *const c_void, above: *const c_void) -> Option<bool> {
    if ptr.is_null() {
        return Some(false);
    }
    let up = |at: *const c_void| {
        let c = Chunk::before(at);
        let t = c.payload();
        (is_alive(t) && t & DYING == 0).then(|| c.parent_user())
    };
    let mut at = up(ptr)?;
    if ptr == above {
        return Some(true);
    }
    for _ in 0..NEAR {
        if at.is_null() || at.cast_const() == above {
            return Some(!at.is_null());
        }
        at = up(at)?;
    }
    None
}

/// How far up a loop is not looked for.
const NEAR: usize = 100;

/// The nearest chunk from `c` upwards of which that is so.
pub fn nearest(c: Chunk, is_it: impl Fn(Chunk) -> bool) -> Option<Chunk> {
    let mut at = c;
    for _ in 0..NEAR {
        if is_it(at) {
            return Some(at);
        }
        at = parent(at)?;
    }
    ancestors(c).find(|&a| is_it(a))
}

/// The chunk in whose list `c` is.
#[inline]
pub fn list_parent(c: Chunk) -> Option<Chunk> {
    let p = c.list_parent()?;
    if !p.is_live() {
        c.lost(c"parent", p);
        return None;
    }
    Some(p)
}

/// A link of the chunk `from` that is to be followed.
#[derive(Clone, Copy)]
struct Way {
    link: Link,
    from: Chunk,
}

impl Way {
    #[inline(always)]
    fn to_child(from: Chunk) -> Way {
        let link = from.child_link();
        Way { link, from }
    }

    #[inline(always)]
    fn to_next(from: Chunk) -> Way {
        let link = from.next_link();
        Way { link, from }
    }

    /// Where it leads to, dying or not, and what that is.
    #[inline(always)]
    fn follow(self) -> Option<(Chunk, Payload)> {
        let to = list::load(self.link)?;
        let t = to.payload();
        if is_alive(t) && list::leads_back(self.from, self.link, to) {
            return Some((to, t));
        }
        self.is_lost(to);
        None
    }

    /// The next from there on that is not dying.
    #[inline(always)]
    fn in_sight(self) -> Option<Chunk> {
        let mut way = self;
        loop {
            let (c, t) = way.follow()?;
            if t & DYING == 0 {
                return Some(c);
            }
            way = Way::to_next(c);
        }
    }

    #[cold]
    fn is_lost(self, to: Chunk) {
        let is_child = self.link == self.from.child_link();
        self.from
            .lost(if is_child { c"child" } else { c"next" }, to);
    }
}

/// Is `c` the newest child that can be seen? True without a parent, too.
#[inline]
pub fn is_newest(c: Chunk) -> bool {
    let Some(p) = c.list_parent() else {
        return true;
    };
    !root::is_shared(p) && c.pprev() == p.child_link() || is_first_in_sight(p, c)
}

#[inline(never)]
fn is_first_in_sight(p: Chunk, c: Chunk) -> bool {
    // The list below the null context may be long, and is shared; only dying ones are
    // passed over.
    let _lock = root::is_shared(p).then(root::lock_links);
    let mut at = p.child();
    while let Some(x) = at {
        if x == c {
            return true;
        }
        let t = x.shared_payload();
        if !is_alive(t) || t & DYING == 0 {
            return false;
        }
        at = x.next();
    }
    true
}

/// The newest child that is not dying.
#[inline]
pub fn newest_child(c: Chunk) -> Option<Chunk> {
    Way::to_child(c).in_sight()
}

/// The next older sibling that is not dying.
#[inline]
pub fn older_sibling(c: Chunk) -> Option<Chunk> {
    Way::to_next(c).in_sight()
}

/// The newest child that is not dying, for a walk that is going to free it, and what it is:
/// should there be a fault and the abort function return, what hangs behind it is lost.
#[inline(always)]
pub fn next_to_free(c: Chunk) -> Option<(Chunk, Payload)> {
    let Some(mut at) = Way::to_child(c).follow() else {
        c.set_child(None);
        return None;
    };
    while at.1 & DYING != 0 {
        let Some(next) = Way::to_next(at.0).follow() else {
            at.0.set_next(None);
            return None;
        };
        at = next;
    }
    Some(at)
}

/// Asks for the header of a chunk that is soon to be looked at: in a large tree the next
/// one is seldom in the processor's cache.
#[inline(always)]
pub fn look_ahead(c: Option<Chunk>) {
    if let Some(c) = c {
        ask_for(c.start());
        ask_for(c.user().cast::<u8>().wrapping_sub(1));
    }
}

/// The same of a leaf that is the next to be freed, of which the links were looked at: asks for
/// what malloc keeps before it, and for what lies a little lower. There the one behind it is
/// most often, since siblings are newest first; and the processor sees the direction, which it
/// does not where malloc has handed blocks out in small groups.
#[inline(always)]
pub fn look_ahead_of_leaf(c: Option<Chunk>) {
    if let Some(c) = c {
        ask_for(c.start().wrapping_sub(WORD));
        ask_for(c.start().wrapping_sub(WORD + 2 * HEADER));
    }
}

/// A subtree in the order of reports: a chunk, then its children, newest first.
pub struct Subtree {
    root: Chunk,
    at: Chunk,
    step: Step,
    depth: usize,
    dying_too: bool,
    /// A chunk that the walk came back up to, how many more it may come up to before there is
    /// another one, and how many there were: it comes up to none twice, unless somebody wrote
    /// over the parent of one.
    marker: Chunk,
    left: usize,
    power: usize,
}

/// What comes after a chunk.
enum Step {
    /// What is below it, if anything is.
    Down,
    /// What is behind it, or above.
    Along,
    /// The chunk itself.
    Begin,
}

/// The subtree of `root`, `root` included, without what is dying below it.
pub fn subtree(root: Chunk) -> Subtree {
    Subtree {
        root,
        at: root,
        step: Step::Begin,
        depth: 0,
        dying_too: false,
        marker: root,
        left: 1,
        power: 1,
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
    #[inline(always)]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Leaves out what lies below the chunk returned last.
    #[inline(always)]
    pub fn skip_children(&mut self) {
        self.step = Step::Along;
    }

    /// The walk comes to `c`.
    #[inline(always)]
    fn to(&mut self, c: Chunk) -> Option<Chunk> {
        look_ahead(c.next());
        self.at = c;
        Some(c)
    }

    /// The walk comes back up to `c`; nothing if it was there before.
    #[inline(always)]
    fn up_to(&mut self, c: Chunk) -> Option<Chunk> {
        self.depth = self.depth.checked_sub(1)?;
        if c == self.marker {
            return None;
        }
        self.left -= 1;
        if self.left == 0 {
            self.mark(c);
        }
        Some(c)
    }

    #[cold]
    fn mark(&mut self, c: Chunk) {
        self.marker = c;
        self.power *= 2;
        self.left = self.power;
    }

    #[inline(always)]
    fn visible(&self, way: Way) -> Option<Chunk> {
        let mut way = way;
        loop {
            let (c, t) = way.follow()?;
            // Under a loop the root is its own descendant: count it once.
            if c != self.root && (t & DYING == 0 || self.dying_too) {
                return Some(c);
            }
            way = Way::to_next(c);
        }
    }
}

impl Iterator for Subtree {
    type Item = Chunk;

    #[inline(always)]
    fn next(&mut self) -> Option<Chunk> {
        let mut cur = self.at;
        match core::mem::replace(&mut self.step, Step::Down) {
            Step::Down => {
                if let Some(child) = self.visible(Way::to_child(cur)) {
                    self.depth += 1;
                    return self.to(child);
                }
            }
            Step::Along => {}
            Step::Begin => return Some(cur),
        }
        while cur != self.root {
            if let Some(sibling) = self.visible(Way::to_next(cur)) {
                return self.to(sibling);
            }
            // Where the walk came down from.
            cur = self.up_to(list_parent(cur)?)?;
        }
        None
    }
}

/// How many of them are followed at a time: what they lead to has been asked for.
const AT_A_TIME: usize = 8;

struct Ways {
    ways: [MaybeUninit<Way>; AT_A_TIME],
    first: usize,
    last: usize,
}

impl Ways {
    #[inline(always)]
    fn are_none(&self) -> bool {
        self.first == self.last
    }

    #[inline(always)]
    fn are_all(&self) -> bool {
        self.last - self.first == AT_A_TIME
    }

    #[inline(always)]
    fn add(&mut self, way: Way) {
        look_ahead(list::load(way.link));
        self.ways[self.last % AT_A_TIME].write(way);
        self.last += 1;
    }

    #[inline(always)]
    fn take(&mut self) -> Option<Way> {
        if self.are_none() {
            return None;
        }
        // SAFETY: those from the first to the last have been written.
        let way = unsafe { self.ways[self.first % AT_A_TIME].assume_init() };
        self.first += 1;
        Some(way)
    }
}

/// How many of them there is room for; what is below another one is walked in order.
const WAITING: usize = 256;

/// Chunks whose next one is still to come to, after what is below them.
struct Waiting {
    chunks: [MaybeUninit<Chunk>; WAITING],
    height: usize,
}

impl Waiting {
    /// Room for one more.
    #[inline(always)]
    fn room(&mut self) -> Option<&mut MaybeUninit<Chunk>> {
        self.chunks.get_mut(self.height)
    }

    /// The way on from the newest.
    #[inline(always)]
    fn take(&mut self) -> Option<Way> {
        let at = self.height.checked_sub(1)?;
        let newest = self.chunks.get(at)?;
        self.height = at;
        // SAFETY: what is below the height has been written.
        Some(Way::to_next(unsafe { newest.assume_init() }))
    }
}

/// Adds what `root` and all below it are, without what is dying, to `sum`, in no certain order.
#[inline(always)]
pub fn add_up<S: Copy>(root: Chunk, sum: S, add: impl Fn(S, Payload) -> S + Copy) -> S {
    let mut sum = add(sum, root.payload());
    let mut way = Way::to_child(root);
    while let Some((c, t)) = way.follow() {
        // Under a loop the root is its own descendant.
        if c != root && t & DYING == 0 {
            if c.child().is_some() {
                return add_up_from(way, root, sum, add);
            }
            sum = add(sum, t);
        }
        way = Way::to_next(c);
    }
    sum
}

/// So many are in the processor's cache as a rule.
const SMALL: usize = 256;

/// The same, from that way on: in a tree that is not small, several chunks are on their way from
/// memory at a time.
#[inline(never)]
fn add_up_from<S: Copy>(
    mut way: Way,
    root: Chunk,
    mut sum: S,
    add: impl Fn(S, Payload) -> S + Copy,
) -> S {
    let mut waiting = Waiting {
        chunks: [const { MaybeUninit::uninit() }; WAITING],
        height: 0,
    };
    let mut ways = Ways {
        ways: [const { MaybeUninit::uninit() }; AT_A_TIME],
        first: 0,
        last: 0,
    };
    let mut small = SMALL;
    loop {
        if let Some((c, t)) = way.follow() {
            let is_shown = c != root && t & DYING == 0;
            way = Way::to_next(c);
            if is_shown && c.child().is_some() {
                match waiting.room() {
                    Some(place) => {
                        sum = add(sum, t);
                        way = Way::to_child(c);
                        if c.next().is_some() {
                            place.write(c);
                            waiting.height += 1;
                        }
                    }
                    None => sum = add_up_in_order(c, sum, add),
                }
            } else if is_shown {
                sum = add(sum, t);
            }
            if small > 0 {
                small -= 1;
                continue;
            }
            // The only one.
            if waiting.height == 0 && ways.are_none() {
                continue;
            }
            // There is room, since one was taken.
            if list::load(way.link).is_some() {
                ways.add(way);
            }
        } else if small > 0 {
            match waiting.take() {
                Some(after) => way = after,
                None => return sum,
            }
            continue;
        }
        while !ways.are_all() {
            match waiting.take() {
                Some(after) => ways.add(after),
                None => break,
            }
        }
        match ways.take() {
            Some(next) => way = next,
            None => return sum,
        }
    }
}

#[cold]
#[inline(never)]
fn add_up_in_order<S: Copy>(root: Chunk, sum: S, add: impl Fn(S, Payload) -> S) -> S {
    subtree(root).fold(sum, |sum, c| add(sum, c.payload()))
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
    Ancestors::of(c, list_parent)
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
    // SAFETY: both are chunks.
    let is_near = unsafe { is_near(c.user(), above.user()) };
    is_near.unwrap_or_else(|| ancestors(c).any(|a| a == above))
}

/// The same along the lists.
pub fn is_in_list_below(above: Chunk, c: Chunk) -> bool {
    list_owners(c).any(|a| a == above)
}
