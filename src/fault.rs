//! What happens when something is wrong with a chunk: log and abort functions.

use crate::{root, sysmem};
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{
    AtomicPtr, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

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
    pub static mut stderr: *mut libc::FILE;
    fn ftrylockfile(stream: *mut libc::FILE) -> c_int;
    fn funlockfile(stream: *mut libc::FILE);
}

/// A user's function runs here: it may do anything to any chunk not held.
pub fn log(line: &CStr) {
    if let Some(f) = load(&LOG_FN) {
        // SAFETY: set by the caller as a function of this type.
        root::unlocked(|| unsafe { f(line.as_ptr()) });
    }
}

/// Is anybody listening?
pub fn logs() -> bool {
    load(&LOG_FN).is_some()
}

/// Logs `BEFORE TEXT AFTER`, each as it is, `(null)` for a NULL text. A line that is longer than most and
/// for which there is no memory is cut.
pub fn log_parts(before: &CStr, text: *const c_char, after: &CStr) {
    if !logs() {
        return;
    }
    let mut short = [0 as c_char; 512];
    // SAFETY: three C strings (a NULL text is replaced), and buffers of the
    // length that is given.
    unsafe {
        let text = if text.is_null() {
            c"(null)".as_ptr()
        } else {
            text
        };
        let print = |place: *mut c_char, room: usize| {
            let (before, after) = (before.as_ptr(), after.as_ptr());
            libc::snprintf(place, room, c"%s%s%s".as_ptr(), before, text, after) as usize
        };
        let room = print(short.as_mut_ptr(), short.len()) + 1;
        if room > short.len() {
            if let Some(long) = sysmem::scratch(room) {
                print(long.start(), room);
                return log(CStr::from_ptr(long.start()));
            }
            let [.., last, _] = &mut short;
            *last = b'\n' as c_char;
        }
        log(CStr::from_ptr(short.as_ptr()));
    }
}

/// Something is wrong with a chunk: logs the reason, then aborts the way the
/// user wants. May return, if the user's abort function does.
#[cold]
#[inline(never)]
pub fn report(reason: &CStr) {
    log_parts(reason, c"\n".as_ptr(), c"");
    if let Some(f) = load(&ABORT_FN) {
        // SAFETY: set by the caller as a function of this type.
        root::unlocked(|| unsafe { f(reason.as_ptr()) });
        return;
    }
    last_words((!logs()).then_some(reason));
    // SAFETY: abort has no conditions.
    unsafe { libc::abort() };
}

/// Writes the reason, if it has not been logged, to stderr, and what else waits in
/// that stream's buffer, such as the reason that a log function wrote.
fn last_words(reason: Option<&CStr>) {
    /// The thread that is writing: the stream's write function may be the program's, and
    /// be at fault itself. 0 for none.
    static WRITING: AtomicUsize = AtomicUsize::new(0);
    // SAFETY: it answers which thread this is.
    let me = unsafe { libc::pthread_self() } as usize;
    if WRITING.load(Relaxed) == me {
        return;
    }
    // SAFETY: stderr is a stream for the life of the process.
    unsafe {
        let stream = stderr;
        // Another thread may have it for a moment, or for ever: blocked in a write.
        let mut tries = 200;
        while ftrylockfile(stream) != 0 {
            tries -= 1;
            if tries == 0 {
                return;
            }
            let millisecond = libc::timespec {
                tv_sec: 0,
                tv_nsec: 1_000_000,
            };
            let rest = core::ptr::null_mut::<libc::timespec>();
            libc::syscall(libc::SYS_nanosleep, &raw const millisecond, rest);
        }
        WRITING.store(me, Relaxed);
        if let Some(reason) = reason {
            libc::fprintf(stream, c"%s\n".as_ptr(), reason.as_ptr());
        }
        libc::fflush(stream);
        // abort() may be left by a signal handler that jumps.
        WRITING.store(0, Relaxed);
        funlockfile(stream);
    }
}

/// Says in the log, before a report, which field of the chunk called `name` is wrong, and
/// how.
#[cold]
#[inline(never)]
pub fn corrupted(name: *const c_char, field: &CStr, how: &CStr) {
    let mut line = [0 as c_char; 512];
    // SAFETY: C strings (a name that is NULL is replaced), and a buffer of the length
    // that is given.
    unsafe {
        let name = if name.is_null() {
            c"UNNAMED".as_ptr()
        } else {
            name
        };
        libc::snprintf(
            line.as_mut_ptr(),
            line.len(),
            c"talloc: chunk '%.200s': its %s %s\n".as_ptr(),
            name,
            field.as_ptr(),
            how.as_ptr(),
        );
        log(CStr::from_ptr(line.as_ptr()));
    }
}

/// What the contract says of every pointer behind which there is no chunk.
pub const UNKNOWN: &CStr = c"Bad talloc magic value - unknown value";

/// A freed chunk was used; `at` says where it was freed, unless that lay in an object
/// that is no longer loaded.
#[cold]
#[inline(never)]
pub fn after_free(at: *const c_char) {
    let is_there = at.is_null() || !logs() || is_loaded(at.addr()) || is_readable(at);
    log_parts(
        c"talloc: access after free error - first free may be at ",
        if is_there { at } else { c"(unloaded)".as_ptr() },
        c"\n",
    );
    report(c"Bad talloc magic value - access after free");
}

/// Does it lie in what the loader has in memory now, as a string constant does?
fn is_loaded(address: usize) -> bool {
    unsafe extern "C" fn has(
        object: *mut libc::dl_phdr_info,
        _size: usize,
        wanted: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader describes one of its objects, with so many headers.
        unsafe {
            let address = *wanted.cast::<usize>();
            let base = (*object).dlpi_addr as usize;
            let headers = (*object).dlpi_phdr;
            (0..usize::from((*object).dlpi_phnum)).any(|i| {
                let part = &*headers.add(i);
                let start = base.wrapping_add(part.p_vaddr as usize);
                part.p_type == libc::PT_LOAD
                    && part.p_flags & libc::PF_R != 0
                    && address.wrapping_sub(start) < part.p_memsz as usize
            }) as c_int
        }
    }

    let mut wanted = address;
    // SAFETY: it calls back during the call alone.
    unsafe { libc::dl_iterate_phdr(Some(has), (&raw mut wanted).cast()) != 0 }
}

/// Can a text be read to its end? No signal is provoked.
fn is_readable(text: *const c_char) -> bool {
    // No page is smaller.
    const PAGE: usize = 4096;
    let mut at = text;
    loop {
        if !is_readable_at(at.cast()) {
            return false;
        }
        let rest = PAGE - at.addr() % PAGE;
        // SAFETY: a page can be read as a whole or not at all.
        if unsafe { libc::strnlen(at, rest) } < rest {
            return true;
        }
        at = at.wrapping_add(rest);
    }
}

/// Can the byte there be read? The kernel is asked; if it does not say, yes.
fn is_readable_at(place: *const c_void) -> bool {
    let mut byte = 0_u8;
    let to = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    let from = libc::iovec {
        iov_base: place.cast_mut(),
        iov_len: 1,
    };
    // SAFETY: the kernel writes one byte to `byte`, and reads the other if it can. A
    // pipe's end that is written to has a reader here. Raw calls are no places where a
    // thread is cancelled.
    unsafe {
        let (me, none) = (libc::syscall(libc::SYS_getpid), 0_usize);
        let (to, from) = (&raw const to, &raw const from);
        if libc::syscall(
            libc::SYS_process_vm_readv,
            me,
            to,
            1_usize,
            from,
            1_usize,
            none,
        ) == 1
        {
            return true;
        }
        if *libc::__errno_location() == libc::EFAULT {
            return false;
        }
        // Not allowed here, then.
        let mut ends = [0 as c_int; 2];
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
        if libc::syscall(libc::SYS_pipe2, ends.as_mut_ptr(), flags) != 0 {
            return true;
        }
        let written = libc::syscall(libc::SYS_write, ends[1], place, 1_usize);
        let is_unreadable = written < 0 && *libc::__errno_location() == libc::EFAULT;
        for end in ends {
            libc::syscall(libc::SYS_close, end);
        }
        !is_unreadable
    }
}
