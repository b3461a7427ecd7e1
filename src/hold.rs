//! Holding a chunk over a call out to a user's function, which may free it.

use crate::alloc;
use crate::chunk::{Chunk, FREE, HELD};
use core::ffi::c_char;

/// Keeps the memory of a chunk readable over a call out, even if it is freed
/// meanwhile. The outermost hold gives it back then.
pub struct Hold {
    c: Chunk,
    outermost: bool,
}

impl Hold {
    /// Holds `c`.
    pub fn on(c: Chunk) -> Hold {
        let outermost = !c.has(HELD);
        c.set(HELD);
        Hold { c, outermost }
    }

    /// Has it not been freed meanwhile?
    pub fn still_there(&self) -> bool {
        !self.c.has(FREE)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.outermost {
            self.c.clear(HELD);
            if self.c.has(FREE) {
                alloc::release(self.c, self.c.name());
            }
        }
    }
}

/// Gives memory back, now or when nobody holds it any more.
pub fn let_go(c: Chunk, location: *const c_char) {
    if c.has(HELD) {
        alloc::stamp(c, location);
    } else {
        alloc::release(c, location);
    }
}
