//! A lock that knows who has it from the moment that it is taken, so that a signal handler
//! that comes in the next moment goes on without it: it would wait for ever.

use crate::sysmem::keep_errno;
use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{
    AtomicU32, AtomicUsize,
    Ordering::{Acquire, Relaxed, SeqCst},
};

/// A lock.
pub struct Lock {
    /// The thread that has it, or is in `fork` with it; 0 for none.
    owner: AtomicUsize,
    /// How many wait, and what they wait on: it changes when the lock is given back.
    waiting: AtomicU32,
    turn: AtomicU32,
}

/// Holds a lock until it is dropped; or nothing, where this thread has it already, or is
/// the only one.
#[must_use]
pub struct Locked(Option<&'static Lock>);

impl Locked {
    /// For a thread that is the only one.
    pub fn nothing() -> Locked {
        Locked(None)
    }

    /// Is it a lock?
    pub fn is_held(&self) -> bool {
        self.0.is_some()
    }
}

impl Drop for Locked {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(lock) = self.0 {
            lock.unlock();
        }
    }
}

/// What the owner of a lock is known by.
pub fn this_thread() -> usize {
    // SAFETY: it answers which thread this is.
    unsafe { libc::pthread_self() as usize }
}

impl Lock {
    /// One that nobody has.
    pub const fn new() -> Lock {
        Lock {
            owner: AtomicUsize::new(0),
            waiting: AtomicU32::new(0),
            turn: AtomicU32::new(0),
        }
    }

    /// Takes it.
    #[inline(never)]
    pub fn lock(&'static self) -> Locked {
        let this = this_thread();
        match self.owner.compare_exchange(0, this, Acquire, Relaxed) {
            Ok(_) => Locked(Some(self)),
            Err(owner) if owner == this => Locked(None),
            Err(_) => self.wait(this),
        }
    }

    #[cold]
    fn wait(&'static self, this: usize) -> Locked {
        self.waiting.fetch_add(1, SeqCst);
        let mut tries = 0;
        loop {
            let turn = self.turn.load(SeqCst);
            if self.owner.compare_exchange(0, this, SeqCst, SeqCst).is_ok() {
                break;
            }
            tries += 1;
            if tries < 100 {
                core::hint::spin_loop();
            } else {
                self.futex(libc::FUTEX_WAIT, turn);
            }
        }
        self.waiting.fetch_sub(1, SeqCst);
        Locked(Some(self))
    }

    /// Gives it back.
    #[inline(never)]
    pub fn unlock(&self) {
        self.owner.store(0, SeqCst);
        if self.waiting.load(SeqCst) != 0 {
            self.turn.fetch_add(1, SeqCst);
            self.futex(libc::FUTEX_WAKE, 1);
        }
    }

    #[cold]
    fn futex(&self, what: c_int, value: u32) {
        let place = self.turn.as_ptr();
        let what = what | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: a word that lives as long as the library; whatever the call answers,
        // the caller looks again.
        keep_errno(|| unsafe {
            libc::syscall(libc::SYS_futex, place, what, value, null_mut::<c_void>())
        });
    }

    /// Makes it anew, where there is one thread.
    pub fn renew(&self) {
        self.owner.store(0, Relaxed);
        self.waiting.store(0, Relaxed);
    }
}
