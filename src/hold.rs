//! Holding a chunk over a call out to a user's function, which may free it, or move it by
//! giving it another size: then it is freed here, too.

use crate::header::{Chunk, HELD, is_alive};
use crate::shed;

/// Keeps the memory of a chunk readable over a call out, even if it is freed meanwhile.
/// The outermost hold gives it back then.
pub struct Hold {
    c: Chunk,
    outermost: bool,
}

impl Hold {
    /// Holds `c`.
    pub fn on(c: Chunk) -> Hold {
        let t = c.payload();
        let outermost = t & HELD == 0;
        c.set_payload(t | HELD);
        Hold { c, outermost }
    }

    /// Has it not been freed meanwhile?
    pub fn still_there(&self) -> bool {
        self.c.is_live()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.outermost {
            return;
        }
        if self.still_there() {
            self.c.clear(HELD);
            return;
        }
        let t = self.c.payload_before_death();
        if is_alive(t) {
            shed::give_back(self.c, t);
        }
    }
}
