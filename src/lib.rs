//! `libtalloc.so.2` in Rust: hierarchical memory with names, references,
//! destructors, pools, limits and reports, behind the C functions of `talloc.h`.
//!
//! # The map
//!
//! Each file uses those below it, and few above.
//!
//! | file | owns |
//! |---|---|
//! | [`abi`] | the functions of `talloc.h`: argument checks and nothing else |
//! | `format.c`, [`format`] | `va_list` and `vsnprintf`; what they call back for |
//! | [`global`] | what is switched on once: null tracking, autofree, reports at exit |
//! | [`report`], [`lines`], [`text`] | totals, walks with a callback, reports; their lines; their text |
//! | [`report_env`] | a report at exit that the environment asks for |
//! | [`name`], [`string`] | names; texts that are named by themselves |
//! | [`free`] | the free walk: destructors, refusals, new owners; unlink |
//! | [`shed`] | what goes without being asked: leaves, and trees of one kind |
//! | [`realloc`] | another size, perhaps another place |
//! | [`steal`] | another parent: link and accounts together |
//! | [`refs`] | handles, and the destructors that they keep |
//! | [`hold`] | a chunk that a call out may free |
//! | [`alloc`] | a chunk comes to be |
//! | [`pool`], [`cache`], [`bitmap`] | members of pools; objects of static pool caches; free slots |
//! | [`limit`] | accounts |
//! | [`records`] | the table in which pools, caches and accounts are kept, out of reach |
//! | `tools.c`, [`tools`] | what valgrind and AddressSanitizer are told |
//! | [`walk`] | looking: up, down and across, without recursion |
//! | [`list`] | the links, and the only file that writes one |
//! | [`root`], [`lock`] | the null context, the autofree context; the two locks |
//! | [`header`] | the header: its offsets and flags; pointer <-> chunk |
//! | [`mac`] | the secret of the process, and the one formula that uses it |
//! | [`fault`] | log and abort functions |
//! | [`magazine`], [`depot`] | the blocks that a thread keeps, at hand and further off |
//! | [`allowance`] | how much that may be |
//! | [`size_class`] | which blocks may stand for each other |
//! | `note` | what tells a tool from outside where all that is |
//! | [`platform`] | what a platform gives: pointers, alignment, pages, addresses |
//! | [`sysmem`] | malloc, pages, the environment, who watches |
//!
//! One owner for each invariant: only `list` writes a link, only `header` knows a byte
//! offset, only `sysmem` calls malloc and mmap, only `mac` has the secret, only `records`
//! follows a `home`, only `refs` and `free` look at the word `extra`.
//!
//! # The header
//!
//! ```text
//!   head | parent | next | child | pprev | extra | home | name | user memory ...
//! ```
//!
//! One word says all: `head` holds the size and thirteen flags, enciphered with the place
//! and the secret.  To decode it takes five instructions and tells whether this is a chunk
//! of ours at all, whether it is plain, and how large it is.
//!
//! # Two levels
//!
//! Each operation has a fast way of a screenful for the plain case, which calls nothing,
//! and tail-calls one slow function for all else.  The slow one has what was decoded, and
//! goes through the flags in order.
//!
//! `talloc_strdup(ctx, "text")`: [`alloc::spot`] decodes the head of `ctx`: nothing that is
//! an obstacle to children.  The first child leads back; the magazine of this size has a
//! block: the header is written, and linked.  Else `alloc::slow` sees at a glance which of
//! these it is: a member of the pool that `ctx` is or lies in, a block from malloc, a large
//! one, one below a limit, one without a parent; `alloc::any` does all else step by step.
//!
//! `talloc_free(p)`: [`free::user`] decodes the head: plain and small; no child; the
//! neighbours lead back: out of the list, the head is dead, the block goes to its magazine.
//! Else `free::slow`: trees of one kind go in one loop of [`shed`]; a destructor is asked;
//! what is left to ask is walked as `free` tells.
//!
//! A chunk without the flag `EXACT` tells that nobody watches and that it is known where a
//! thread's magazines are: every chunk would have it otherwise.  The fast ways see such a
//! chunk first, and so ask for neither.
//!
//! # What was written over
//!
//! A head that does not decode, a link that does not lead back, a destructor that was not
//! sealed here, a `home` without a record: the fast way does nothing and leaves it to the
//! slow one, which says what it is.  `docs/security.md` says what that is good for.
//!
//! # Threads, forks, signals, call-outs
//!
//! A tree belongs to one thread at a time.  The children of the null context are the
//! exception: their links change under a lock, which no user's function ever runs under,
//! which a forked child begins anew, and which a signal handler of its owner passes by.
//! Whoever looks in between sees lists that can be walked: `list` says in what order words
//! are written.  Destructors, log, abort and report functions may call back in; `free` and
//! `hold` say what that means for a walk that is under way.
//!
//! # Soundness
//!
//! A [`header::Chunk`] is an address that is known to have a header; its safe accessors
//! rest on the two rules in `header`.  Callers in C can break every rule; what heads and
//! links can tell is a fault, the rest is undefined as in the original.
// Without std there is no unwinder and no backtrace in the library: a fraction
// of the size.  Unit tests have it.
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
// The macros that read or write one field are used within larger unsafe blocks, too.
#![allow(unused_unsafe)]
#![warn(rustdoc::broken_intra_doc_links)]
#![allow(rustdoc::private_intra_doc_links)]

#[cfg(not(any(panic = "abort", test, doc)))]
compile_error!("build with panic = \"abort\": no panic may unwind into C");

/// Never called: the tests see to it that the linker finds no way here.
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // SAFETY: abort has no conditions.
    unsafe { libc::abort() }
}

pub mod abi;
mod alloc;
mod allowance;
mod bitmap;
mod cache;
mod depot;
mod fault;
mod format;
mod free;
mod global;
mod header;
mod hold;
mod limit;
mod lines;
mod list;
mod lock;
mod mac;
mod magazine;
mod name;
#[cfg(all(
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    ),
    not(test)
))]
mod note;
mod platform;
mod pool;
mod realloc;
mod records;
mod refs;
mod report;
mod report_env;
mod root;
mod shed;
mod size_class;
mod steal;
mod string;
mod sysmem;
mod text;
mod tools;
mod walk;
