//! The two chunks that the process itself points to, the null context and the autofree
//! context, and the locks.
//!
//! One lock guards the links below the null context, another the table of records and the
//! list of the threads' magazines.  Neither is ever held while a user's function runs.
//! What the thread that holds one is interrupted for, by a signal, goes on without it: it
//! would wait for ever.

use crate::header::{Chunk, SPECIAL, TOP};
use crate::lock::{Lock, Locked, this_thread};
use crate::magazine;
use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
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

    /// Is there one?
    #[inline(always)]
    pub fn is_set(&self) -> bool {
        !self.0.load(Relaxed).is_null()
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

static LINKS: Lock = Lock::new();
static RECORDS: Lock = Lock::new();

#[inline]
fn lock(lock: &'static Lock) -> Locked {
    // SAFETY: it only asks.
    if unsafe { talloc_impl_is_single_threaded() } != 0 {
        return Locked::nothing();
    }
    lock.lock()
}

/// The lock on the links below the null context.
#[inline]
pub fn lock_links() -> Locked {
    lock(&LINKS)
}

/// The thread that has the lock on links for a walk, which may meet a fault; 0 for none.
static WALKER: AtomicUsize = AtomicUsize::new(0);

/// Keeps what is below the null context where it is until it is dropped.
pub struct Still(Locked);

/// For a walk from `root` that runs no user's function: other threads neither free nor move
/// what it comes to in the list of the null context.
#[inline]
pub fn keep_still(root: Chunk) -> Option<Still> {
    is_shared(root).then(|| {
        let lock = lock_links();
        if lock.is_held() {
            WALKER.store(this_thread(), Relaxed);
        }
        Still(lock)
    })
}

impl Drop for Still {
    fn drop(&mut self) {
        if self.0.is_held() {
            WALKER.store(0, Relaxed);
        }
    }
}

/// Runs `f`, which calls a user's function because of a fault, without the lock that a walk
/// of this thread has.
pub fn unlocked(f: impl FnOnce()) {
    let this = this_thread();
    if WALKER.load(Relaxed) != this {
        return f();
    }
    WALKER.store(0, Relaxed);
    LINKS.unlock();
    f();
    core::mem::forget(LINKS.lock());
    WALKER.store(this, Relaxed);
}

/// The lock on the table of records.
pub fn lock_records() -> Locked {
    lock(&RECORDS)
}

/// The newest of the magazines of all threads, under the lock on records.
pub static NEWEST: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// Shows the list of all threads' magazines, and takes what it is from now on.
pub fn with_threads_locked(change: impl FnOnce(*mut c_void) -> *mut c_void) {
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
    // Fork handlers of the program may run before we are back: they are of the thread that
    // has the locks.
    core::mem::forget(LINKS.lock());
    core::mem::forget(RECORDS.lock());
}

unsafe extern "C" fn after_fork_in_parent() {
    RECORDS.unlock();
    LINKS.unlock();
}

unsafe extern "C" fn after_fork_in_child() {
    // The threads that may wait for a lock are not in this process, nor are those whose
    // magazines were left in any state.
    LINKS.renew();
    RECORDS.renew();
    NEWEST.store(magazine::alone(), Relaxed);
}
