//! What happens when something is wrong with a chunk: log and abort functions.

use crate::sysmem;
use core::ffi::{CStr, c_char, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{
    AtomicPtr,
    Ordering::{Acquire, Release},
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

/// Logs `BEFORE TEXT AFTER`, each as it is. A line that is longer than most and
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
            c"(NULL)".as_ptr()
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

/// A freed chunk was used; `at` says where it was freed.
#[cold]
#[inline(never)]
pub fn after_free(at: *const c_char) {
    log_parts(
        c"talloc: access after free error - first free may be at ",
        at,
        c"\n",
    );
    report(c"Bad talloc magic value - access after free");
}
