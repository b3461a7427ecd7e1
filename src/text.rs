//! Lines of text for a stream or a file: a few of the things that `printf` does, in a tenth
//! of its time.  A line goes out whole.

use crate::report_env;
use core::ffi::{CStr, c_char, c_void};
use libc::FILE;

/// Where text goes.
pub enum Out<'a> {
    /// A stream.
    Stream(*mut FILE),
    /// A file of [`report_env`].
    Lines(&'a mut report_env::Lines),
}

unsafe extern "C" {
    fn flockfile(stream: *mut FILE);
    fn funlockfile(stream: *mut FILE);
}

/// Most lines are shorter.
const ROOM: usize = 512;

/// A line after the other.
pub struct Text<'a> {
    out: Out<'a>,
    line: [u8; ROOM],
    used: usize,
    /// The stream is locked: the beginning of the line is out.
    is_locked: bool,
}

impl<'a> Text<'a> {
    /// Nothing yet.
    ///
    /// # Safety
    /// A stream is one, as long as this is there.
    pub unsafe fn new(out: Out<'a>) -> Text<'a> {
        Text {
            out,
            line: [0; ROOM],
            used: 0,
            is_locked: false,
        }
    }

    /// Adds a text.
    #[inline]
    pub fn put(&mut self, text: &[u8]) {
        match self.line.get_mut(self.used..self.used + text.len()) {
            Some(room) => {
                room.copy_from_slice(text);
                self.used += text.len();
            }
            None => self.put_long(text),
        }
    }

    #[cold]
    fn put_long(&mut self, text: &[u8]) {
        if let (Out::Stream(stream), false) = (&self.out, self.is_locked) {
            // SAFETY: a stream: see `new`.
            unsafe { flockfile(*stream) };
            self.is_locked = true;
        }
        self.write();
        for part in text.chunks(ROOM) {
            if let Some(room) = self.line.get_mut(..part.len()) {
                room.copy_from_slice(part);
                self.used = part.len();
            }
            if part.len() == ROOM {
                self.write();
            }
        }
    }

    /// Adds a text, and what it lacks to `width` characters in blanks.
    ///
    /// # Safety
    /// It is a C string.
    pub unsafe fn put_padded(&mut self, text: *const c_char, width: usize) {
        // SAFETY: the caller's promise.
        let text = unsafe { CStr::from_ptr(text) }.to_bytes();
        self.put(text);
        self.blanks(width.saturating_sub(text.len()));
    }

    /// Adds blanks.
    pub fn blanks(&mut self, mut n: usize) {
        const BLANKS: &[u8; 32] = &[b' '; 32];
        while let Some(rest) = n.checked_sub(BLANKS.len()) {
            self.put(BLANKS);
            n = rest;
        }
        self.put(BLANKS.get(..n).unwrap_or_default());
    }

    /// Adds a number, after as many blanks as it lacks to `width` characters.
    #[inline(never)]
    pub fn number(&mut self, n: usize, width: usize) {
        self.digits::<10>(n, width);
    }

    /// Adds an address.
    #[inline]
    pub fn address(&mut self, at: *const c_void) {
        self.put(b"0x");
        self.digits::<16>(at.addr(), 0);
    }

    #[inline(always)]
    fn digits<const BASE: usize>(&mut self, mut n: usize, width: usize) {
        let mut digits = [b' '; 20];
        let mut length = 0;
        for place in digits.iter_mut().rev() {
            let digit = (n % BASE) as u8;
            *place = digit + if digit < 10 { b'0' } else { b'a' - 10 };
            length += 1;
            n /= BASE;
            if n == 0 {
                break;
            }
        }
        let from = digits.len() - length.max(width);
        self.put(digits.get(from..).unwrap_or_default());
    }

    /// The line ends, and goes out.
    pub fn end_line(&mut self) {
        self.put(b"\n");
        self.write();
        if let (Out::Stream(stream), true) = (&self.out, self.is_locked) {
            // SAFETY: a stream: see `new`.
            unsafe { funlockfile(*stream) };
            self.is_locked = false;
        }
    }

    fn write(&mut self) {
        let Some(text) = self.line.get(..self.used) else {
            return;
        };
        match &mut self.out {
            // SAFETY: a stream: see `new`.
            Out::Stream(stream) => unsafe {
                libc::fwrite(text.as_ptr().cast(), 1, text.len(), *stream);
            },
            Out::Lines(lines) => lines.write(text),
        }
        self.used = 0;
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        if let Out::Stream(stream) = self.out {
            // SAFETY: a stream: see `new`.
            unsafe { libc::fflush(stream) };
        }
    }
}
