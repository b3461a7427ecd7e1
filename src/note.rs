//! An ELF note that tells a tool which looks at a process from outside where the library
//! keeps what proves a header: `talloc-view` reads it.  It is a part of what is loaded, so
//! that `strip` leaves it, it has no symbol, and nothing here ever reads it.
//!
//! ```text
//!   owner "talloc", type 1; the description:
//!   u32  version of the layout       u32  bytes of a header
//!   i64  from this word to:  the keys, the null context, the autofree context, the address
//!        of the table of records, its mask, the newest of the threads' magazines
//!   u32  offsets of the keys: place, head_back, seal_back, public
//!   u32  offsets in the magazines of a thread: top, depot, loads, room, older, arrays; of
//!        large classes top, arrays
//!   u32  classes of small blocks, first large class, all classes, places of an array, blocks
//!        of a load
//! ```
//!
//! What a header, a handle, a record and the slots of a cache look like goes with the
//! version: [`VERSION`] is one more for each change of these, and for each one here.
//!
//! There is none where the tool cannot read it, which knows 64 bits and the low byte first
//! alone, and none where Rust 1.85 takes no assembly.

use crate::header::HEADER;
use crate::magazine::layout::{
    ARRAYS, CLASSES, DEPOT, FIRST_LARGE, HALF, LARGE_ARRAYS, LARGE_TOP, LOADS, OLDER, PLACES, ROOM,
    SMALL, TOP,
};
use crate::{mac, records, root};

/// The version of the layout.
const VERSION: usize = 2;

core::arch::global_asm!(
    ".pushsection .note.talloc, \"a\", %note",
    ".balign 4",
    ".long 7, 2f - 1f, 1",
    ".asciz \"talloc\"",
    ".balign 4",
    "1:",
    ".long {version}, {header}",
    ".quad {keys} - .",
    ".quad {null_context} - .",
    ".quad {autofree} - .",
    ".quad {table} - .",
    ".quad {mask} - .",
    ".quad {newest} - .",
    ".long {place}, {head_back}, {seal_back}, {public}",
    ".long {top}, {depot}, {loads}, {room}, {older}, {arrays}, {large_top}, {large_arrays}",
    ".long {small}, {first_large}, {classes}, {places}, {half}",
    "2:",
    ".balign 4",
    ".popsection",
    version = const VERSION,
    header = const HEADER,
    keys = sym mac::SECRET,
    null_context = sym root::NULL_CONTEXT,
    autofree = sym root::AUTOFREE,
    table = sym records::TABLE,
    mask = sym records::MASK,
    newest = sym root::NEWEST,
    place = const mac::OFFSETS[0],
    head_back = const mac::OFFSETS[1],
    seal_back = const mac::OFFSETS[2],
    public = const mac::OFFSETS[3],
    top = const TOP,
    depot = const DEPOT,
    loads = const LOADS,
    room = const ROOM,
    older = const OLDER,
    arrays = const ARRAYS,
    large_top = const LARGE_TOP,
    large_arrays = const LARGE_ARRAYS,
    small = const SMALL,
    first_large = const FIRST_LARGE,
    classes = const CLASSES,
    places = const PLACES,
    half = const HALF,
);
