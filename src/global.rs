//! What a process has one of: the magic, the null context and its lock, the
//! autofree context, reports at exit, the fill byte, log and abort functions.
//!
//! The lock guards the links below the null context, nothing else, and is never
//! held while a user's function runs.

use crate::alloc;
use crate::chunk::{Chunk, FLAGS, FREE, SPECIAL, user_of};
use crate::{free, report, tree};
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

// ---- magic ---------------------------------------------------------------

// No chunk exists while it holds this; no masked tag is equal to it.
const NO_MAGIC: u32 = 1 << 31;
const _: () = assert!(NO_MAGIC & FLAGS & !FREE != 0);

static MAGIC: AtomicU32 = AtomicU32::new(NO_MAGIC);

/// The magic of this process, which differs from that of others.
#[inline]
pub fn magic() -> u32 {
    match MAGIC.load(Relaxed) {
        NO_MAGIC => make_magic(),
        magic => magic,
    }
}

/// The magic, or a value that no tag has before the first allocation.
#[inline]
pub fn magic_or_none() -> u32 {
    MAGIC.load(Relaxed)
}

#[cold]
#[inline(never)]
fn make_magic() -> u32 {
    let mut word: u32 = 0;
    // SAFETY: 4 bytes are asked for, and there is room for them. The kernel's
    // 16 random bytes stay where they are for the life of the process.
    unsafe {
        if libc::getrandom((&raw mut word).cast(), 4, libc::GRND_NONBLOCK) != 4 {
            let seed = libc::getauxval(libc::AT_RANDOM) as *const u32;
            word = if seed.is_null() {
                0x7A11_0C00
            } else {
                seed.read_unaligned()
            };
        }
    }
    // Not zero, so that zeroed memory is never a chunk.
    let magic = match word & !FLAGS {
        0 => !FLAGS,
        bits => bits,
    };
    match MAGIC.compare_exchange(NO_MAGIC, magic, Relaxed, Relaxed) {
        Ok(_) => magic,
        Err(others) => others,
    }
}

// ---- log and abort -------------------------------------------------------

/// A log or abort function as C sees it.
pub type MessageFn = unsafe extern "C" fn(*const c_char);

static LOG_FN: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
static ABORT_FN: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

fn store(to: &AtomicPtr<c_void>, f: Option<MessageFn>) {
    to.store(f.map_or(null_mut(), |f| f as *mut c_void), Release);
}

fn load(from: &AtomicPtr<c_void>) -> Option<MessageFn> {
    let f = from.load(Acquire);
    // SAFETY: only `store` writes here: NULL or a function of this type, and
    // NULL is None.
    unsafe { core::mem::transmute::<*mut c_void, Option<MessageFn>>(f) }
}

/// Sets or clears the function that gets log lines.
pub fn set_log_fn(f: Option<MessageFn>) {
    store(&LOG_FN, f);
}

/// Sets or clears the function that is called instead of `abort`.
pub fn set_abort_fn(f: Option<MessageFn>) {
    store(&ABORT_FN, f);
}

/// Sends log lines to stderr.
pub fn log_to_stderr() {
    set_log_fn(Some(write_stderr));
}

unsafe extern "C" fn write_stderr(message: *const c_char) {
    // SAFETY: `message` is a C string, as for every log function; stderr is a
    // stream for the life of the process.
    unsafe { libc::fputs(message, stderr) };
}

unsafe extern "C" {
    static mut stderr: *mut libc::FILE;
}

/// A user's function runs here: it may do anything to any chunk not held.
pub fn log(line: &CStr) {
    if let Some(f) = load(&LOG_FN) {
        // SAFETY: set by the caller as a function of this type.
        unsafe { f(line.as_ptr()) };
    }
}

/// Is anybody listening?
pub fn logs() -> bool {
    load(&LOG_FN).is_some()
}

/// Logs `BEFORE TEXT AFTER`, each as it is.
pub fn log_parts(before: &CStr, text: *const c_char, after: &CStr) {
    if !logs() {
        return;
    }
    // SAFETY: three C strings (a NULL text is replaced), and a buffer of the
    // size that the first call asks for.
    unsafe {
        let text = if text.is_null() {
            c"(NULL)".as_ptr()
        } else {
            text
        };
        let format = c"%s%s%s".as_ptr();
        let parts = (before.as_ptr(), after.as_ptr());
        let length = libc::snprintf(null_mut(), 0, format, parts.0, text, parts.1);
        let Some(line) = alloc::scratch(length as usize + 1) else {
            return log(before);
        };
        libc::snprintf(line.start(), line.len(), format, parts.0, text, parts.1);
        log(CStr::from_ptr(line.start()));
    }
}

/// Something is wrong with a chunk: logs the reason, then aborts the way the
/// user wants. May return, if the user's abort function does.
#[cold]
#[inline(never)]
pub fn fault(reason: &CStr) {
    log_parts(reason, c"\n".as_ptr(), c"");
    if let Some(f) = load(&ABORT_FN) {
        // SAFETY: set by the caller as a function of this type.
        unsafe { f(reason.as_ptr()) };
        return;
    }
    // SAFETY: a C string and a stream.
    unsafe {
        if !logs() {
            libc::fputs(reason.as_ptr(), stderr);
            libc::fputs(c"\n".as_ptr(), stderr);
        }
        libc::abort();
    }
}

/// A freed chunk was used; `at` says where it was freed.
#[cold]
#[inline(never)]
pub fn fault_after_free(at: *const c_char) {
    log_parts(
        c"talloc: access after free error - first free may be at ",
        at,
        c"\n",
    );
    fault(c"Bad talloc magic value - access after free");
}

// ---- null context and its lock -------------------------------------------

static NULL_CONTEXT: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
static AUTOFREE: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

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

fn get(from: &AtomicPtr<c_void>) -> Option<Chunk> {
    let user = NonNull::new(from.load(Acquire))?;
    // SAFETY: `put` stored the user's pointer of a live chunk, and `forget`
    // takes it out before that chunk goes.
    Some(unsafe { Chunk::at(user.as_ptr().cast::<u8>().sub(crate::chunk::HEADER)) })
}

fn put(to: &AtomicPtr<c_void>, c: Option<Chunk>) {
    if let Some(c) = c {
        c.set(SPECIAL);
    }
    to.store(user_of(c), Release);
}

/// The chunk that owns top-level chunks, while tracking is on.
#[inline]
pub fn null_context() -> Option<Chunk> {
    get(&NULL_CONTEXT)
}

/// `c`, or the null context for none.
#[inline]
pub fn or_null_context(c: Option<Chunk>) -> Option<Chunk> {
    c.or_else(null_context)
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

/// The lock, if the children of `parent` are shared between threads.
#[inline]
pub fn lock_links_of(parent: Chunk) -> Option<Locked> {
    if parent.user() == NULL_CONTEXT.load(Relaxed) {
        LINKS.lock();
        Some(Locked(()))
    } else {
        None
    }
}

/// A special chunk goes: nobody may find it here any more.
#[cold]
pub fn forget(c: Chunk) {
    replace(c, None);
}

/// A special chunk has moved to `new`, or is gone.
#[cold]
pub fn replace(c: Chunk, new: Option<Chunk>) {
    for place in [&NULL_CONTEXT, &AUTOFREE] {
        if place.load(Relaxed) == c.user() {
            place.store(user_of(new), Release);
        }
    }
}

unsafe extern "C" fn before_fork() {
    LINKS.lock();
}

unsafe extern "C" fn after_fork_in_parent() {
    // SAFETY: before_fork took it in this thread.
    unsafe { LINKS.unlock() };
}

unsafe extern "C" fn after_fork_in_child() {
    // The threads that may wait for the lock are not in this process: begin
    // with a fresh one.
    // SAFETY: the child has one thread, and a mutex owns nothing.
    unsafe { LINKS.0.get().write(libc::PTHREAD_MUTEX_INITIALIZER) };
}

fn once(done: &AtomicBool) -> bool {
    !done.swap(true, Relaxed)
}

/// Makes the null context, if there is none; a new one may take the autofree
/// context under it.
pub fn enable_null_tracking(move_autofree: bool) {
    static FORK_HANDLERS: AtomicBool = AtomicBool::new(false);
    if null_context().is_some() {
        return;
    }
    if once(&FORK_HANDLERS) {
        // SAFETY: three functions that live as long as the library.
        unsafe {
            libc::pthread_atfork(
                Some(before_fork),
                Some(after_fork_in_parent),
                Some(after_fork_in_child),
            )
        };
    }
    let null = alloc::named(None, 0, c"null_context".as_ptr());
    put(&NULL_CONTEXT, null);
    if move_autofree && let Some(autofree) = get(&AUTOFREE) {
        free::move_to(null, autofree);
    }
}

/// Gives every top-level chunk back to itself and drops the null context.
pub fn disable_null_tracking() {
    let Some(null) = null_context() else { return };
    while let Some(c) = tree::any_child(null) {
        free::detach(c);
    }
    NULL_CONTEXT.store(null_mut(), Release);
    // It may be held, or stolen to somewhere: let it go the usual way.
    free::chunk(null, c"talloc_disable_null_tracking".as_ptr());
}

// ---- autofree and exit ----------------------------------------------------

/// The context that goes at exit; made on demand.
pub fn autofree_context() -> Option<Chunk> {
    static AT_EXIT: AtomicBool = AtomicBool::new(false);
    if get(&AUTOFREE).is_none() {
        let made = alloc::named(null_context(), 0, c"autofree_context".as_ptr());
        put(&AUTOFREE, made);
        if once(&AT_EXIT) {
            at_exit(free_autofree);
        }
    }
    get(&AUTOFREE)
}

extern "C" fn free_autofree() {
    if let Some(c) = get(&AUTOFREE) {
        free::chunk(c, c"talloc_autofree_context".as_ptr());
    }
}

fn at_exit(f: extern "C" fn()) {
    // SAFETY: a function of this library; glibc runs it at dlclose or exit,
    // whichever comes first.
    unsafe { libc::atexit(f) };
}

/// What is reported at exit; a full report wins.
static LEAK_REPORT: AtomicU32 = AtomicU32::new(NO_REPORT);
const NO_REPORT: u32 = 0;
const SHORT_REPORT: u32 = 1;
const FULL_REPORT: u32 = 2;

/// Reports what is left under the null context when the process ends.
pub fn enable_leak_report(full: bool) {
    enable_null_tracking(true);
    let wanted = if full { FULL_REPORT } else { SHORT_REPORT };
    if LEAK_REPORT.fetch_max(wanted, Relaxed) == NO_REPORT {
        at_exit(report_leaks);
    }
}

extern "C" fn report_leaks() {
    free_autofree();
    let full = LEAK_REPORT.load(Relaxed) == FULL_REPORT;
    if let Some(null) = null_context()
        && report::totals(null).size != 0
    {
        // SAFETY: stderr is a stream for the life of the process.
        unsafe { report::print(null, 0, if full { -1 } else { 1 }, stderr) };
    }
}

// ---- TALLOC_FREE_FILL -----------------------------------------------------

const FILL_UNREAD: u32 = u32::MAX;
const FILL_OFF: u32 = 256;
static FILL: AtomicU32 = AtomicU32::new(FILL_UNREAD);

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
