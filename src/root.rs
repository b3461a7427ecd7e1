//! The two chunks that the process itself points to, the null context and the
//! autofree context, and the lock on the links below the null context.
//!
//! The lock guards those links, nothing else, and is never held while a user's
//! function runs.

use crate::chunk::{Chunk, SPECIAL};
use core::cell::UnsafeCell;
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
        let start = self.0.load(Acquire);
        // SAFETY: a live chunk: `moved` or `gone` is called before it is elsewhere.
        (!start.is_null()).then(|| unsafe { Chunk::at(start) })
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

/// `old` has been moved to `new`.
pub fn moved(old: Chunk, new: Chunk) {
    if new.has(SPECIAL) {
        replace(old, Some(new));
    }
}

/// `c` goes: nobody may find it here any more.
#[inline]
pub fn gone(c: Chunk) {
    if c.has(SPECIAL) {
        replace(c, None);
    }
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

// ---- the lock ---------------------------------------------------------------

/// A mutex in the place that pthread functions want.
struct Mutex(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: a pthread mutex is made to be used from all threads.
unsafe impl Sync for Mutex {}

static LINKS: Mutex = Mutex(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));

impl Mutex {
    fn lock(&self) {
        // SAFETY: an initialised mutex; locking it cannot fail, since we never
        // lock it twice.
        unsafe { libc::pthread_mutex_lock(self.0.get()) };
    }

    /// # Safety
    /// This thread has locked it.
    unsafe fn unlock(&self) {
        // SAFETY: the caller's promise.
        unsafe { libc::pthread_mutex_unlock(self.0.get()) };
    }
}

/// Holds the lock until it is dropped.
pub struct Locked(());

impl Drop for Locked {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `lock_links_of` took it, in this thread.
        unsafe { LINKS.unlock() };
    }
}

/// Is the list of the children of `parent` one thread's alone?
#[inline(always)]
pub fn is_private(parent: Chunk) -> bool {
    !NULL_CONTEXT.is(parent)
}

/// The lock, if the children of `parent` are shared between threads.
#[inline]
pub fn lock_links_of(parent: Chunk) -> Option<Locked> {
    if NULL_CONTEXT.is(parent) {
        lock()
    } else {
        None
    }
}

fn lock() -> Option<Locked> {
    // SAFETY: it answers which thread this is.
    if FORKING.load(Relaxed) == unsafe { libc::pthread_self() } as usize {
        return None; // it has the lock
    }
    LINKS.lock();
    Some(Locked(()))
}

/// The thread that is in `fork`, between our handlers, with the lock: fork
/// handlers of the program may run there too. 0 for none.
static FORKING: AtomicUsize = AtomicUsize::new(0);

/// Makes the lock usable in a child forked while another thread holds it. To be
/// called before there are links to share.
pub fn survive_forks() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if !DONE.swap(true, Relaxed) {
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
    LINKS.lock();
    // SAFETY: it answers which thread this is.
    FORKING.store(unsafe { libc::pthread_self() } as usize, Relaxed);
}

unsafe extern "C" fn after_fork_in_parent() {
    FORKING.store(0, Relaxed);
    // SAFETY: before_fork took it in this thread.
    unsafe { LINKS.unlock() };
}

unsafe extern "C" fn after_fork_in_child() {
    FORKING.store(0, Relaxed);
    // The threads that may wait for the lock are not in this process: begin
    // with a fresh one.
    // SAFETY: the child has one thread, and a mutex owns nothing.
    unsafe { LINKS.0.get().write(libc::PTHREAD_MUTEX_INITIALIZER) };
}
