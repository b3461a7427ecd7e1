//! Holding a chunk over a call out to a user's function, which may free it, or
//! move it by giving it another size: then it is freed here, too.

use crate::alloc;
use crate::chunk::{Chunk, FREE, HELD};

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
                alloc::give_back(self.c);
            }
        }
    }
}
