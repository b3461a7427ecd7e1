//! How much a thread may keep of what it frees, and what malloc is to do with the rest.
//!
//! 256 KiB, or a quarter of what was alive throughout where that is more: a program that frees
//! much and goes on with much is going to want it again.  A tree that is larger than that goes
//! back as a whole: malloc joins it to one piece, and makes the next one of it sooner than it
//! finds room between blocks that are kept.
//!
//! What is alive is known at *looks*: one for each 64 KiB that go back to malloc, for each 16 KiB
//! while it is not known whether a large tree goes or stays, and whenever much more came from
//! there than was known of.

use crate::platform::WORD;
use crate::size_class::{FIRST_LARGE, SMALL, cost, small_bytes};
use crate::sysmem;
use core::sync::atomic::{AtomicIsize, Ordering::Relaxed};

/// What goes back to malloc between two looks at what is alive.
const LOOK: usize = 64 * 1024;
/// What goes back between two samples of it, and how many of them there are to a look.
const SAMPLE: usize = 16 * 1024;
const SAMPLES_OF_LOOK: u8 = (LOOK / SAMPLE) as u8;
/// How many samples there are to the next time that malloc joins what it lists.
const SAMPLES: u8 = 32;
/// What goes back in the order it lies in goes not so far from one of them to the next.
const NEAR: usize = 16 * LOOK;
/// For how much a block counts on the way to the next sample.
#[inline(always)]
pub const fn toll(class: usize) -> usize {
    if class < FIRST_LARGE {
        cost(class)
    } else {
        LARGE_TOLL
    }
}

/// A large one counts for no more, since the looks would cost more than the blocks.
pub const LARGE_TOLL: usize = SAMPLE / 16;

/// What each class that is in use may keep whatever the bound is.
pub const FEW: usize = 4;
/// How many blocks come from malloc at a time in a class that has room for twice that.
pub const FETCHED: usize = 8;

/// Does malloc keep blocks of that class in lists of their own when they go back, last in first
/// out, and not joined with what lies beside them?
#[inline(always)]
pub const fn is_listed(class: usize) -> bool {
    class < SMALL && cost(class) + WORD <= 16 * WORD
}

/// The small blocks that are alive, of all threads, in bytes; as of their last looks.
static ALIVE: Alone = Alone(AtomicIsize::new(0));

/// Has a line of the processor's cache to itself: threads write to it.
#[repr(align(64))]
struct Alone(AtomicIsize);

/// That of a thread, in bytes; but for `reserved`, `bound` and `direct` about small blocks.
#[repr(C)]
pub struct Allowance {
    /// What full magazines and the depot would hold.
    pub reserved: usize,
    pub bound: usize,
    /// What goes back to malloc until the next sample.
    direct: usize,
    /// When so much is out of malloc it is time to see whether a large tree is built; and how
    /// much is left until then.
    mark: isize,
    below_mark: isize,
    /// What is alive here, as it was added to `ALIVE`.
    told: isize,
    /// What was alive at the last look, as far as the threads have it together.
    last: isize,
    /// The least that was at the looks since it last did not fall, and at those between that and
    /// the time before that it did not.
    least: isize,
    least_before: isize,
    /// Is there a large tree: more than the least, by more than may be kept?
    is_high: bool,
    /// Was less alive at the last look than at the one before, by half of what had gone back, and
    /// was no large tree built since?
    falls: bool,
    /// Samples since the last look.
    unseen: u8,
    /// Samples since malloc may have joined what it lists; how many of them were blocks that it
    /// lists, and how many lay near the sample before; and where the last one lay.
    samples: u8,
    listed: u8,
    near: u8,
    last_sample: usize,
    /// Was malloc seen to list all of them?
    are_listed: bool,
}

impl Allowance {
    /// A small block is going to come from malloc, and is counted; false if it is time to call
    /// [`Allowance::came`] for it all the same.
    #[inline(always)]
    pub fn comes(&mut self, class: usize) -> bool {
        // Without signs this is one instruction.
        let (left, is_passed) = (self.below_mark as usize).overflowing_sub(small_bytes(class));
        self.below_mark = left as isize;
        !is_passed
    }

    /// So many small blocks came from malloc. True if it is time for [`Allowance::rises`], and
    /// only that makes it false again.
    #[inline(always)]
    pub fn came(&mut self, class: usize, n: usize) -> bool {
        // Else `comes` has counted it.
        if self.below_mark >= 0 {
            self.below_mark -= (n * cost(class)) as isize;
        }
        self.below_mark < 0
    }

    /// So many blocks went back to malloc.
    #[inline(always)]
    pub fn went_back(&mut self, class: usize, n: usize) {
        if class < SMALL {
            self.below_mark += (n * cost(class)) as isize;
        }
    }

    /// May one of that [`toll`] go back to malloc without being a sample?
    #[inline(always)]
    pub fn is_direct(&self, toll: usize) -> bool {
        self.direct >= toll
    }

    /// One that may does.
    #[inline(always)]
    pub fn goes_directly(&mut self, toll: usize) {
        self.direct -= toll;
    }

    /// May a class have room for so many more?
    pub fn has(&self, class: usize, more: usize) -> bool {
        !(self.is_high && class < SMALL) && self.reserved + more * cost(class) <= self.bound
    }

    /// May a few blocks of that cost not be kept whatever the bound is?
    #[inline(always)]
    pub fn is_costly(&self, cost: usize) -> bool {
        FEW * cost > self.bound / 16
    }

    /// May not even one more of that cost be kept?
    #[inline(always)]
    pub fn is_beyond(&self, cost: usize) -> bool {
        self.reserved + cost > self.bound && self.is_costly(cost)
    }

    /// Is more reserved than may be?
    pub fn is_too_much(&self) -> bool {
        self.reserved > self.bound
    }

    /// What a class may keep while a large tree is built or goes.
    pub fn few(&self, class: usize) -> usize {
        if is_listed(class) && self.are_listed {
            2 * FETCHED
        } else {
            FEW
        }
    }

    /// Bytes of small blocks that malloc gave and did not get back. What another thread gave back
    /// is not known here, but in `ALIVE`.
    fn not_returned(&self) -> isize {
        self.mark - self.below_mark
    }

    /// What is alive, where `kept` is not: at most what all threads have, since others may have
    /// freed what this one made.  Below zero in one that frees what others made.
    fn alive(&mut self, kept: usize) -> isize {
        let alive = self.not_returned() - kept as isize;
        let more = alive - self.told;
        self.told = alive;
        alive.min(ALIVE.0.fetch_add(more, Relaxed) + more)
    }

    /// The least that was alive at the last looks.
    fn level(&self) -> isize {
        self.least.min(self.least_before)
    }

    /// Is so much more than the least, by more than may be kept?  Sets the mark for the next time.
    fn is_above(&mut self, alive: isize) -> bool {
        let (level, bound) = (self.level(), self.bound as isize);
        let not_returned = self.not_returned();
        self.mark = not_returned.max(level) + bound.max(LOOK as isize);
        self.below_mark = self.mark - not_returned;
        alive > level + bound
    }

    /// Is a large tree built? What is kept is told.
    pub fn rises(&mut self, kept: usize) -> bool {
        let alive = self.alive(kept);
        let is_above = self.is_above(alive);
        self.is_high |= is_above;
        self.falls &= !is_above;
        is_above
    }

    /// A block that goes back to malloc is one of those that tell what does. True if it is time
    /// for a look.
    pub fn sample(&mut self, class: usize, block: *mut u8) -> bool {
        self.direct = SAMPLE;
        self.unseen += 1;
        self.samples += 1;
        self.listed += u8::from(is_listed(class));
        self.near += u8::from(block.addr().abs_diff(self.last_sample) < NEAR);
        self.last_sample = block.addr();
        self.unseen == SAMPLES_OF_LOOK || self.is_high && !self.falls
    }

    /// Finds out how much may be kept from now on; so much is.
    pub fn look(&mut self, kept: usize) {
        let alive = self.alive(kept);
        let gone = usize::from(self.unseen) * SAMPLE;
        self.unseen = 0;
        self.falls = alive < self.last - (gone / 2) as isize;
        if !self.falls {
            (self.least_before, self.least) = (self.least, alive);
        }
        self.least = self.least.min(alive);
        self.last = alive;
        if let Some((floor, may_be_more)) = sysmem::may_keep() {
            let throughout = self.level().max(0) as usize;
            let share = if may_be_more { throughout / 4 } else { 0 };
            self.bound = floor.max(share);
        }
        // One that falls is large to its end.
        self.is_high = self.is_above(alive) || self.is_high && self.falls;
        self.join_listed();
    }

    /// When a large tree has gone, and from time to time while one goes, malloc is to join what
    /// it lists if other blocks go back, too, in the order they lie in: those between stay apart
    /// until then, and what is made of them lies in no order.
    fn join_listed(&mut self) {
        let has_gone = self.is_high && self.last < self.level() + 2 * LOOK as isize;
        if !has_gone && self.samples < SAMPLES {
            return;
        }
        self.are_listed = self.listed == self.samples;
        if self.listed != 0 && !self.are_listed && self.near > self.samples / 2 {
            sysmem::join_listed();
        }
        (self.samples, self.listed, self.near) = (0, 0, 0);
    }

    /// The thread ends. What it leaves alive, others may free.
    pub fn end(&mut self, kept: usize) {
        self.alive(kept);
    }
}
