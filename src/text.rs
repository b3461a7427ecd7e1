//! Lines of text for a stream or a file: a few of the things that `printf` does, in less
//! time.  A line goes out whole.

use crate::{report_env, sysmem};
use core::ffi::{CStr, c_char, c_void};
use core::ptr::null_mut;
use libc::FILE;

/// Where text goes.
pub enum Out<'a> {
    /// A stream.
    Stream(*mut FILE),
    /// A file of [`report_env`].
    Lines(&'a mut report_env::Lines),
}

/// Most lines are shorter.
const ROOM: usize = 512;

/// A line after the other.
pub struct Text<'a> {
    out: Out<'a>,
    short: [u8; ROOM],
    /// In place of that, from the kernel: a report may be wanted where malloc cannot be called.
    long: *mut u8,
    room: usize,
    used: usize,
}

impl<'a> Text<'a> {
    /// Nothing yet.
    ///
    /// # Safety
    /// A stream is one, as long as this is there.
    pub unsafe fn new(out: Out<'a>) -> Text<'a> {
        Text {
            out,
            short: [0; ROOM],
            long: null_mut(),
            room: ROOM,
            used: 0,
        }
    }

    #[inline(always)]
    fn line(&mut self) -> &mut [u8] {
        if self.long.is_null() {
            return &mut self.short;
        }
        // SAFETY: so many bytes from `grow`, which nobody else has.
        unsafe { core::slice::from_raw_parts_mut(self.long, self.room) }
    }

    /// Adds a text.
    #[inline]
    pub fn put(&mut self, text: &[u8]) {
        let used = self.used;
        match self.line().get_mut(used..used + text.len()) {
            Some(room) => {
                room.copy_from_slice(text);
                self.used += text.len();
            }
            None => self.put_long(text),
        }
    }

    #[cold]
    fn put_long(&mut self, text: &[u8]) {
        if self.grow(text.len()).is_some() {
            return self.put(text);
        }
        // Without memory the line goes out in parts.
        self.write();
        self.out.write(text);
    }

    fn grow(&mut self, more: usize) -> Option<()> {
        let room = 2 * (self.used + more);
        let long = sysmem::pages(room)?.as_ptr();
        // SAFETY: fresh memory, larger than what is there.
        unsafe { long.copy_from_nonoverlapping(self.line().as_ptr(), self.used) };
        self.give_back();
        (self.long, self.room) = (long, room);
        Some(())
    }

    fn give_back(&mut self) {
        if !self.long.is_null() {
            // SAFETY: from `grow`, and not used any more.
            unsafe { sysmem::unmap(self.long, self.room) };
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
    }

    fn write(&mut self) {
        let used = core::mem::take(&mut self.used);
        let line: *const [u8] = self.line().get(..used).unwrap_or_default();
        // SAFETY: what is written to does not touch it.
        self.out.write(unsafe { &*line });
    }
}

impl Out<'_> {
    fn write(&mut self, text: &[u8]) {
        match self {
            // SAFETY: a stream: see `Text::new`.
            Out::Stream(stream) => unsafe {
                libc::fwrite(text.as_ptr().cast(), 1, text.len(), *stream);
            },
            Out::Lines(lines) => lines.write(text),
        }
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        self.give_back();
        if let Out::Stream(stream) = self.out {
            // SAFETY: a stream: see `new`.
            unsafe { libc::fflush(stream) };
        }
    }
}
