//! `TALLOC_REPORT` in the environment: null tracking from the start, and a report at the end
//! of the process, without a change of the program.
//!
//! ```text
//!   TALLOC_REPORT=full          as talloc_enable_leak_report_full(), called first of all
//!   TALLOC_REPORT=short         as talloc_enable_leak_report()
//!   TALLOC_REPORT=full:FILE     the same to the end of that file; %p is the process
//! ```
//!
//! The handler is one of its own, so that the autofree context goes when it always goes.  It
//! is there before any of the program, and so it runs last.  The file is opened then, by each
//! process that ends.  No stream leads there: each line is to be one write, and exit may be
//! called by a signal handler that came in the midst of malloc.
//!
//! Each function of the C library that we name costs every program when it starts: here are
//! system calls in their place.

use crate::global::{self, FULL_REPORT, NO_REPORT, SHORT_REPORT};
use crate::text::Out;
use crate::{fault, sysmem};
use core::ffi::{CStr, c_char, c_int, c_long};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering::Relaxed};

/// What is wanted, `NO_REPORT` without the variable.
static WANTED: AtomicU32 = AtomicU32::new(NO_REPORT);

/// The name of the file, in pages of ours, since a program may write over its environment;
/// NULL for stderr.
static FILE: AtomicPtr<c_char> = AtomicPtr::new(null_mut());

// ---- at the start -----------------------------------------------------------------

/// What the text means: which report, and where to.
fn parse(text: &CStr) -> Option<(u32, Option<&CStr>)> {
    let bytes = text.to_bytes_with_nul();
    let (wanted, rest) = match (bytes.strip_prefix(b"full"), bytes.strip_prefix(b"short")) {
        (Some(rest), _) => (FULL_REPORT, rest),
        (_, Some(rest)) => (SHORT_REPORT, rest),
        _ => return None,
    };
    match rest {
        [0] => Some((wanted, None)),
        [b':', 0] => None,
        [b':', file @ ..] => Some((wanted, CStr::from_bytes_with_nul(file).ok())),
        _ => None,
    }
}

/// `tools.c` calls it when there can be chunks.
#[unsafe(no_mangle)]
extern "C" fn talloc_impl_look_for_report() {
    // SAFETY: C strings; the environment is read as getenv allows.
    unsafe {
        let text = libc::getenv(c"TALLOC_REPORT".as_ptr());
        if !text.is_null() {
            begin(CStr::from_ptr(text));
        }
    }
}

#[cold]
#[inline(never)]
fn begin(text: &CStr) {
    // SAFETY: it only asks.
    let has_more_rights = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    if has_more_rights || text.is_empty() {
        return;
    }
    let Some((wanted, file)) = parse(text) else {
        let allowed = c"full, short, full:FILE or short:FILE";
        // SAFETY: a C string, and a stream for the life of the process.
        unsafe {
            libc::fprintf(
                fault::stderr,
                c"talloc: TALLOC_REPORT may be %s\n".as_ptr(),
                allowed.as_ptr(),
            )
        };
        return;
    };
    if let Some(file) = file {
        let name = file.to_bytes_with_nul();
        let Some(copy) = sysmem::pages(name.len()) else {
            return complain(file.as_ptr(), libc::ENOMEM);
        };
        // SAFETY: there is room for the name.
        unsafe {
            copy.as_ptr()
                .copy_from_nonoverlapping(name.as_ptr(), name.len())
        };
        FILE.store(copy.as_ptr().cast(), Relaxed);
    }
    WANTED.store(wanted, Relaxed);
    global::enable_null_tracking(true);
    // SAFETY: a function of this library; glibc runs it at dlclose or exit, whichever comes
    // first.
    unsafe { libc::atexit(at_end) };
}

/// Says in one line why the file is not written.
fn complain(file: *const c_char, error: c_int) {
    // SAFETY: a C string, and a stream for the life of the process; errno, which %m is, is
    // this thread's.
    unsafe {
        *libc::__errno_location() = error;
        libc::fprintf(
            fault::stderr,
            c"talloc: TALLOC_REPORT: %s: %m\n".as_ptr(),
            file,
        );
    }
}

// ---- at the end -------------------------------------------------------------------

/// What stderr is to have; the program's own report there has it if there is one.
pub fn wanted_on_stderr() -> u32 {
    if FILE.load(Relaxed).is_null() {
        WANTED.load(Relaxed)
    } else {
        NO_REPORT
    }
}

extern "C" fn at_end() {
    let (wanted, name) = (WANTED.load(Relaxed), FILE.load(Relaxed));
    if !name.is_null() {
        let mut lines = Lines { name, fd: NOT_YET };
        global::report(wanted, Out::Lines(&mut lines));
    } else if !global::has_own_report() {
        // SAFETY: stderr is a stream for the life of the process.
        global::report(wanted, Out::Stream(unsafe { fault::stderr }));
    }
}

/// `tools.c` calls it when the library is unloaded.
#[unsafe(no_mangle)]
extern "C" fn talloc_impl_forget_report() {
    let name = FILE.swap(null_mut(), Relaxed);
    if !name.is_null() {
        // SAFETY: from `begin`, and nobody has it.
        unsafe { sysmem::unmap(name.cast(), libc::strlen(name) + 1) };
    }
}

/// A file that gets a line at a time.
pub struct Lines {
    name: *const c_char,
    /// The file, or one of the two below.
    fd: c_int,
}

/// The file is opened when there is a line.
const NOT_YET: c_int = -1;
const FAILED: c_int = -2;

impl Lines {
    /// Writes a text.
    pub fn write(&mut self, text: &[u8]) {
        if self.fd == NOT_YET {
            self.open();
        }
        let mut rest = text;
        while !rest.is_empty() && self.fd >= 0 {
            // SAFETY: so many bytes are there; errno is this thread's.
            unsafe {
                let (fd, at) = (c_long::from(self.fd), rest.as_ptr());
                let n = libc::syscall(libc::SYS_write, fd, at, rest.len());
                match *libc::__errno_location() {
                    _ if n > 0 => rest = rest.get(n as usize..).unwrap_or_default(),
                    libc::EINTR if n < 0 => {}
                    error => self.fail(error),
                }
            }
        }
    }

    /// Opens the file, with the number of the process for each `%p`.
    fn open(&mut self) {
        // SAFETY: the name is a C string; there is room for all of it, since a number has ten
        // digits at most.
        unsafe {
            let room = 5 * libc::strlen(self.name) + 1;
            let Some(text) = sysmem::pages(room) else {
                return self.fail(libc::ENOMEM);
            };
            let (mut from, mut to) = (self.name, text.as_ptr().cast::<c_char>());
            while *from != 0 {
                if *from as u8 == b'%' && *from.add(1) as u8 == b'p' {
                    let process = libc::syscall(libc::SYS_getpid);
                    to = to.add(libc::snprintf(to, 11, c"%ld".as_ptr(), process) as usize);
                    from = from.add(2);
                } else {
                    *to = *from;
                    (to, from) = (to.add(1), from.add(1));
                }
            }
            let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
            let fd = libc::syscall(
                libc::SYS_openat,
                c_long::from(libc::AT_FDCWD),
                text.as_ptr(),
                c_long::from(flags | libc::O_NOCTTY | libc::O_LARGEFILE),
                0o666 as c_long,
            );
            let error = *libc::__errno_location();
            sysmem::unmap(text.as_ptr(), room);
            if fd < 0 {
                return self.fail(error);
            }
            self.fd = fd as c_int;
        }
    }

    fn fail(&mut self, error: c_int) {
        if self.fd != FAILED {
            complain(self.name, error);
            self.close();
            self.fd = FAILED;
        }
    }

    fn close(&mut self) {
        if self.fd >= 0 {
            // SAFETY: opened here.
            unsafe { libc::syscall(libc::SYS_close, c_long::from(self.fd)) };
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_variable_means() {
        assert_eq!(parse(c"full"), Some((FULL_REPORT, None)));
        assert_eq!(parse(c"short"), Some((SHORT_REPORT, None)));
        assert_eq!(parse(c"full:a:b"), Some((FULL_REPORT, Some(c"a:b"))));
        assert_eq!(parse(c"short:/x/%p"), Some((SHORT_REPORT, Some(c"/x/%p"))));
        for wrong in [
            c"", c"1", c"Full", c"full:", c"fully", c"shor", c"full,x", c" full",
        ] {
            assert_eq!(parse(wrong), None);
        }
    }
}
