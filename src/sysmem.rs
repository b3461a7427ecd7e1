//! What comes from the system: malloc, realloc and free, pages, the environment, and
//! whether somebody watches.  The only file that calls malloc.
//!
//! Blocks are asked for by size alone; how large they are besides is nobody's business.

use crate::header::{EXACT, Payload};
use crate::magazine;
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_int, c_void};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering::Relaxed};

// ---- blocks -----------------------------------------------------------------

/// A block of so many bytes.  Before there is none, all that this thread keeps is given
/// back.
pub fn malloc(bytes: usize) -> Option<NonNull<u8>> {
    match malloc_once(bytes) {
        None => malloc_again(bytes),
        block => block,
    }
}

/// A block of so many bytes, if malloc has one at once; else [`malloc_again`] is to be asked.
#[inline(always)]
pub fn malloc_once(bytes: usize) -> Option<NonNull<u8>> {
    // SAFETY: malloc takes any size.
    NonNull::new(unsafe { libc::malloc(bytes) }.cast())
}

/// The same after all that this thread keeps has been given back, if that was anything.
#[cold]
#[inline(never)]
pub fn malloc_again(bytes: usize) -> Option<NonNull<u8>> {
    if !magazine::give_all_back() {
        return None;
    }
    malloc_once(bytes)
}

/// Has malloc join the small blocks that it lists with what lies beside them, as it does before
/// it gives a large one.
#[cold]
pub fn join_listed() {
    // Larger than what is ever listed.
    const LARGE: usize = 4096;
    // SAFETY: malloc takes any size.
    keep_errno(|| unsafe { libc::free(core::hint::black_box(libc::malloc(LARGE))) });
}

/// What `f` answers; errno stays what it was.
#[inline(always)]
pub fn keep_errno<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: errno is this thread's.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        let answer = f();
        *errno = before;
        answer
    }
}

/// Gives a block another size, perhaps elsewhere. `None` leaves it as it was.
///
/// # Safety
/// `block` came from [`malloc`]; if it moves, the old one is not used any more.
pub unsafe fn realloc(block: *mut u8, bytes: usize) -> Option<NonNull<u8>> {
    // SAFETY: the caller's promise.
    let new = unsafe { libc::realloc(block.cast(), bytes) };
    if new.is_null() && magazine::give_all_back() {
        // SAFETY: it was left as it was.
        return NonNull::new(unsafe { libc::realloc(block.cast(), bytes) }.cast());
    }
    NonNull::new(new.cast())
}

/// Gives a block back.
///
/// # Safety
/// `block` came from [`malloc`] and is not used any more.
#[inline]
pub unsafe fn free(block: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { libc::free(block.cast()) };
}

/// Memory for the length of one function; given back when dropped.  It comes from pages, not
/// from malloc: a report at exit may be made in a signal handler that came in the midst of
/// malloc.
pub struct Scratch<T> {
    place: NonNull<T>,
    len: usize,
}

/// Room for `len` items, or `None` without memory.
pub fn scratch<T>(len: usize) -> Option<Scratch<T>> {
    let place = pages(len.checked_mul(size_of::<T>())?.max(1))?.cast();
    Some(Scratch { place, len })
}

impl<T> Scratch<T> {
    /// The first item.
    pub fn start(&self) -> *mut T {
        self.place.as_ptr()
    }

    /// How many there is room for.
    pub fn len(&self) -> usize {
        self.len
    }
}

impl<T> Drop for Scratch<T> {
    fn drop(&mut self) {
        // SAFETY: so many pages came from `scratch`, and the borrow checker ends their uses.
        unsafe { unmap(self.start().cast(), (self.len * size_of::<T>()).max(1)) };
    }
}

// ---- pages --------------------------------------------------------------------

/// So many bytes of address space, of which nothing can be used yet; `None` if there is
/// none.
pub fn reserve(bytes: usize) -> Option<NonNull<u8>> {
    map(bytes, libc::PROT_NONE)
}

/// So many bytes of zeros; `None` without memory.
pub fn pages(bytes: usize) -> Option<NonNull<u8>> {
    map(bytes, libc::PROT_READ | libc::PROT_WRITE)
}

fn map(bytes: usize, access: c_int) -> Option<NonNull<u8>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh mapping, wherever the kernel likes.
    let place = unsafe { libc::mmap(null_mut(), bytes, access, flags, -1, 0) };
    if place == libc::MAP_FAILED {
        return None;
    }
    NonNull::new(place.cast())
}

/// So many bytes of address space, aligned to as many, a power of two, with a page before
/// and behind that stay out of reach.  Where address space is limited, no more than its
/// eighth, and where there is none, less; `None` below `least`.
pub fn reserve_aligned(bytes: usize, least: usize) -> Option<(NonNull<u8>, usize)> {
    let mut bytes = bytes;
    // SAFETY: a record of the C library's, which it fills.
    let limit = unsafe {
        let mut limit: libc::rlimit = core::mem::zeroed();
        match libc::getrlimit(libc::RLIMIT_AS, &mut limit) {
            0 => limit.rlim_cur as usize,
            _ => usize::MAX,
        }
    };
    while bytes > limit / 8 && bytes > least {
        bytes /= 2;
    }
    let space = loop {
        match reserve(2 * bytes + 2 * PAGE) {
            Some(space) => break space.as_ptr(),
            None if bytes > least => bytes /= 2,
            None => return None,
        }
    };
    let place = space.map_addr(|at| (at + PAGE + bytes - 1) & !(bytes - 1));
    let (first, end) = (place.wrapping_sub(PAGE), place.wrapping_add(bytes + PAGE));
    let before = first.addr() - space.addr();
    let behind = space.addr() + 2 * bytes + 2 * PAGE - end.addr();
    // SAFETY: the parts of the fresh mapping that are not needed.
    unsafe {
        if before != 0 {
            unmap(space, before);
        }
        if behind != 0 {
            unmap(end, behind);
        }
    }
    Some((NonNull::new(place)?, bytes))
}

pub use crate::platform::PAGE;

/// Makes reserved pages usable; false without memory.
///
/// # Safety
/// They were reserved here.
pub unsafe fn commit(place: *mut u8, bytes: usize) -> bool {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the caller's promise.
    let protect = || unsafe { libc::mprotect(place.cast(), bytes, access) == 0 };
    protect() || magazine::give_all_back() && protect()
}

/// Gives pages back.
///
/// # Safety
/// They came from here, so many, and are not used any more.
pub unsafe fn unmap(place: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { libc::munmap(place.cast(), bytes) };
}

/// Lets the whole pages within go: they are zeros when they are used again.
///
/// # Safety
/// Memory that nobody uses.
pub unsafe fn forget(place: *mut u8, bytes: usize) {
    // SAFETY: it only asks.
    let page = unsafe { libc::getauxval(libc::AT_PAGESZ) } as usize;
    let first = place.map_addr(|at| (at + page - 1) & !(page - 1));
    let end = (place.addr() + bytes) & !(page - 1);
    if end > first.addr() {
        // SAFETY: the caller's promise.
        unsafe {
            libc::syscall(
                libc::SYS_madvise,
                first,
                end - first.addr(),
                libc::MADV_DONTNEED,
            )
        };
    }
}

// ---- who watches ----------------------------------------------------------------

unsafe extern "C" {
    fn talloc_impl_tool() -> c_int;
}

/// A tool that is in the process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// None.
    None,
    /// One that wants to see every malloc and free.
    Profiler,
    /// One that looks at every access: it is told where members of pools lie.
    Watcher,
}

const UNKNOWN: u8 = u8::MAX;
static TOOL: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Which one is there?
pub fn tool() -> Tool {
    #[cold]
    #[inline(never)]
    fn ask() -> u8 {
        // SAFETY: it only asks.
        let tool = unsafe { talloc_impl_tool() } as u8;
        TOOL.store(tool, Relaxed);
        tool
    }

    let known = TOOL.load(Relaxed);
    match if known == UNKNOWN { ask() } else { known } {
        0 => Tool::None,
        1 => Tool::Profiler,
        _ => Tool::Watcher,
    }
}

/// Is a memory tool watching?
#[inline]
pub fn is_watched() -> bool {
    TOOL.load(Relaxed) > 1 && tool() == Tool::Watcher
}

/// Flags of every chunk: `EXACT` where somebody watches, freed memory is to be filled, or a
/// thread cannot keep anything, so that no fast way is taken.  Never changes once there is a
/// chunk.
static EVERY: Every = Every(UnsafeCell::new(0));

struct Every(UnsafeCell<Payload>);

// SAFETY: written when the library is loaded, before any thread can call it.
unsafe impl Sync for Every {}

/// See [`EVERY`].
#[inline(always)]
pub fn every() -> Payload {
    // SAFETY: see `Every`.
    unsafe { *EVERY.0.get() }
}

/// Finds out what every later call wants to know; `tools.c` calls it when the library is
/// loaded.
#[unsafe(no_mangle)]
extern "C" fn talloc_impl_look_around() {
    if tool() == Tool::Watcher || free_fill().is_some() || !magazine::can_be() {
        // SAFETY: see `Every`.
        unsafe { *EVERY.0.get() = EXACT };
    }
}

// ---- the environment --------------------------------------------------------------

/// What an environment variable says as a number; `None` without it.
fn number(variable: &CStr) -> Option<usize> {
    // SAFETY: C strings; the environment is read as getenv allows.
    unsafe {
        let text = libc::getenv(variable.as_ptr());
        if text.is_null() {
            return None;
        }
        let mut end = null_mut();
        let value = libc::strtoul(text, &mut end, 0) as usize;
        let shift = match *end as u8 | 0x20 {
            b'k' => 10,
            b'm' => 20,
            b'g' => 30,
            _ => 0,
        };
        Some(value.saturating_mul(1 << shift))
    }
}

const FILL_UNREAD: u32 = u32::MAX;
const FILL_OFF: u32 = 256;
static FILL: AtomicU32 = AtomicU32::new(FILL_UNREAD);

/// The byte that freed user memory is filled with (`TALLOC_FREE_FILL`), if any.
pub fn free_fill() -> Option<c_int> {
    if FILL.load(Relaxed) == FILL_UNREAD {
        let fill = number(c"TALLOC_FREE_FILL").map_or(FILL_OFF, |byte| byte as u32 & 0xFF);
        FILL.store(fill, Relaxed);
    }
    match FILL.load(Relaxed) {
        FILL_OFF => None,
        byte => Some(byte as c_int),
    }
}

/// Fills memory that is given back, if that is wanted.
#[inline]
pub fn fill(place: *mut c_void, bytes: usize) {
    if let Some(byte) = free_fill() {
        // SAFETY: memory that nobody uses any more, of a chunk that is ours.
        unsafe { libc::memset(place, byte, bytes) };
    }
}

/// Does the user want malloc to write over what it gives and takes?  What is kept would
/// escape that.
fn is_perturbed() -> bool {
    // SAFETY: C strings; the environment is read as getenv allows.
    let tunables = unsafe {
        let text = libc::getenv(c"GLIBC_TUNABLES".as_ptr());
        !text.is_null() && !libc::strstr(text, c"malloc.perturb".as_ptr()).is_null()
    };
    tunables || number(c"MALLOC_PERTURB_").is_some_and(|byte| byte != 0)
}

/// Does that environment variable, which is there, say `auto`?
fn is_auto(variable: &CStr) -> bool {
    // SAFETY: C strings; the environment is read as getenv allows.
    unsafe { libc::strcmp(libc::getenv(variable.as_ptr()), c"auto".as_ptr()) == 0 }
}

/// How many bytes a thread may keep in any case.
pub const KEPT: usize = 256 * 1024;

/// How many bytes a thread may keep, and whether it may keep more when much is alive;
/// `None` for nothing at all.
pub fn may_keep() -> Option<(usize, bool)> {
    const UNREAD: usize = usize::MAX;
    const DEFAULT: usize = usize::MAX - 1;
    static MAY_KEEP: AtomicUsize = AtomicUsize::new(UNREAD);

    if MAY_KEEP.load(Relaxed) == UNREAD {
        let wanted = match number(c"TALLOC_THREAD_CACHE") {
            Some(_) if is_auto(c"TALLOC_THREAD_CACHE") => Some(DEFAULT),
            wanted => wanted.map(|bytes| bytes.min(DEFAULT - 1)),
        };
        let bytes = match (tool(), wanted) {
            (Tool::Watcher, _) | (Tool::Profiler, None) => 0,
            _ if free_fill().is_some() || is_perturbed() => 0,
            (_, None) => DEFAULT,
            (_, Some(bytes)) => bytes,
        };
        MAY_KEEP.store(bytes, Relaxed);
    }
    match MAY_KEEP.load(Relaxed) {
        0 => None,
        DEFAULT => Some((KEPT, true)),
        bytes => Some((bytes, false)),
    }
}
