//! The two chunks that the process itself points to, the null context and the autofree
//! context, and the locks.
//!
//! One lock guards the links below the null context, another the table of records and the
//! list of the threads' magazines.  Neither is ever held while a user's function runs.
//! What the thread that holds one is interrupted for, by a signal, goes on without it: it
//! would wait for ever.

use crate::header::{Chunk, SPECIAL, TOP};
use crate::magazine;
use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};

/// A chunk that the process points to.
pub struct Root(AtomicPtr<u8>);

/// The chunk that owns top-level chunks, while tracking is on.
pub static NULL_CONTEXT: Root = Root(AtomicPtr::new(null_mut()));

/// The chunk that is freed at exit.
pub static AUTOFREE: Root = Root(AtomicPtr::new(null_mut()));

impl Root {
    /// The chunk, if there is one.
    #[inline]
    pub fn get(&self) -> Option<Chunk> {
        // A live chunk: `moved` or `gone` is called before it is elsewhere.
        core::ptr::NonNull::new(self.0.load(Acquire)).map(Chunk::at)
    }

    /// Points to `c` from now on.
    pub fn set(&self, c: Option<Chunk>) {
        if let Some(c) = c {
            c.set(SPECIAL);
        }
        self.0.store(c.map_or(null_mut(), Chunk::start), Release);
    }

    #[inline(always)]
    fn is(&self, c: Chunk) -> bool {
        self.0.load(Relaxed) == c.start()
    }
}

/// `old`, which is `SPECIAL`, has been moved to `new`.
pub fn moved(old: Chunk, new: Chunk) {
    replace(old, Some(new));
}

/// `c`, which is `SPECIAL`, goes: nobody may find it here any more.
pub fn gone(c: Chunk) {
    replace(c, None);
}

#[cold]
fn replace(c: Chunk, new: Option<Chunk>) {
    for root in [&NULL_CONTEXT, &AUTOFREE] {
        if root.is(c) {
            root.set(new);
        }
    }
}

/// `c`, or the null context for none.
#[inline]
pub fn or_null_context(c: Option<Chunk>) -> Option<Chunk> {
    c.or_else(|| NULL_CONTEXT.get())
}

/// Is the list of the children of `parent` shared between threads?
#[inline(always)]
pub fn is_shared(parent: Chunk) -> bool {
    NULL_CONTEXT.is(parent)
}

/// The flag of a child of `parent`.
#[inline]
pub fn top_flag(parent: Option<Chunk>) -> u64 {
    match parent {
        Some(p) if !is_shared(p) => 0,
        _ => TOP,
    }
}

// ---- the locks --------------------------------------------------------------

unsafe extern "C" {
    fn talloc_impl_is_single_threaded() -> c_int;
}

/// A lock that knows who has it from the moment that it is taken, so that a signal handler
/// that comes in the next moment does, too.
struct Lock {
    /// The thread that has it, or is in `fork` with it; 0 for none.
    owner: AtomicUsize,
    /// How many wait, and what they wait on: it changes when the lock is given back.
    waiting: AtomicU32,
    turn: AtomicU32,
}

static LINKS: Lock = Lock::new();
static RECORDS: Lock = Lock::new();

fn this_thread() -> usize {
    // SAFETY: it answers which thread this is.
    unsafe { libc::pthread_self() as usize }
}

impl Lock {
    const fn new() -> Lock {
        Lock {
            owner: AtomicUsize::new(0),
            waiting: AtomicU32::new(0),
            turn: AtomicU32::new(0),
        }
    }

    #[inline(never)]
    fn lock(&'static self) -> Locked {
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

    #[inline]
    fn unlock(&self) {
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
        // the caller looks again. errno is this thread's, and stays what it was.
        unsafe {
            let errno = libc::__errno_location();
            let before = *errno;
            libc::syscall(libc::SYS_futex, place, what, value, null_mut::<c_void>());
            *errno = before;
        }
    }

    /// Makes it anew, where there is one thread.
    fn renew(&self) {
        self.owner.store(0, Relaxed);
        self.waiting.store(0, Relaxed);
    }
}

/// Holds a lock until it is dropped; or nothing, where this thread has it already, or is
/// the only one.
#[must_use]
pub struct Locked(Option<&'static Lock>);

impl Drop for Locked {
    #[inline]
    fn drop(&mut self) {
        if let Some(lock) = self.0 {
            lock.unlock();
        }
    }
}

#[inline]
fn lock(lock: &'static Lock) -> Locked {
    // SAFETY: it only asks.
    if unsafe { talloc_impl_is_single_threaded() } != 0 {
        return Locked(None);
    }
    lock.lock()
}

/// The lock on the links below the null context.
#[inline]
pub fn lock_links() -> Locked {
    lock(&LINKS)
}

/// The lock on the table of records.
pub fn lock_records() -> Locked {
    lock(&RECORDS)
}

/// Shows the list of all threads' magazines, and takes what it is from now on.
pub fn with_threads_locked(change: impl FnOnce(*mut c_void) -> *mut c_void) {
    static NEWEST: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

    let _lock = lock_records();
    NEWEST.store(change(NEWEST.load(Relaxed)), Relaxed);
}

/// Makes the locks usable in a child forked while another thread holds one. To be called
/// before there is something to share.
pub fn survive_forks() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if !DONE.load(Relaxed) && !DONE.swap(true, Relaxed) {
        // SAFETY: three functions that live as long as the library.
        unsafe {
            libc::pthread_atfork(
                Some(before_fork),
                Some(after_fork_in_parent),
                Some(after_fork_in_child),
            )
        };
    }
}

unsafe extern "C" fn before_fork() {
    for lock in [&LINKS, &RECORDS] {
        // Fork handlers of the program may run before we are back: they are of the thread
        // that has the locks.
        core::mem::forget(lock.lock());
    }
}

unsafe extern "C" fn after_fork_in_parent() {
    for lock in [&RECORDS, &LINKS] {
        lock.unlock();
    }
}

unsafe extern "C" fn after_fork_in_child() {
    // The threads that may wait for a lock are not in this process.
    LINKS.renew();
    RECORDS.renew();
    magazine::forget_other_threads();
}
