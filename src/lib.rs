//! `libtalloc.so.2` in Rust: hierarchical memory with names, references,
//! destructors, pools, limits and reports, behind the C functions of `talloc.h`.
//!
//! # The map
//!
//! | file | owns |
//! |---|---|
//! | [`chunk`] | the header: its offsets, the magic, the flags; pointer <-> chunk |
//! | [`tree`] | the links: parent, child, siblings; walks without recursion |
//! | [`alloc`] | malloc, realloc and free: a chunk comes to be, grows, shrinks, goes |
//! | [`pool`] | the `Arena` before a pool, and who lies in it |
//! | [`cache`] | static pool caches: slots and their bitmap |
//! | [`free`] | the free walk: destructors, refusals, new owners; stealing |
//! | [`reference`] | handles, unlink, reparent; the destructor pointer |
//! | [`memlimit`] | accounts |
//! | [`name`], [`string`] | names; texts that are named by themselves |
//! | [`report`] | totals, walks with a callback, the text of reports |
//! | [`global`] | magic, null context and its lock, autofree, reports at exit, fill byte, log and abort functions |
//! | [`abi`] | the functions of `talloc.h`: argument checks and nothing else |
//! | `format.c`, [`format`] | `va_list` and `vsnprintf`; what they call back for |
//!
//! Who calls whom, from the top down; nothing calls upwards, but for the two
//! callers marked with a star:
//!
//! ```text
//!   C program
//!      |
//!   abi            format.c -- format
//!      |                |        |
//!   report  name  string  free  reference  cache       what a function means
//!      |      |      |      |       |        |
//!      +------+------+--- alloc ----+---- pool         where memory comes from
//!                           |               |
//!                       memlimit ---------- +
//!                           |
//!                         tree                         links
//!                           |
//!                         chunk                        header
//!                           |
//!                         global *                     the process
//!
//!   * global also asks `free`, `report` and `alloc` for the null context and at
//!     exit; `pool` and `cache` ask `alloc` for the block they live in.
//! ```
//!
//! One owner for each invariant: only `tree` writes a link (the type of the
//! links has private fields), only `chunk` knows a byte offset, only `alloc`
//! calls malloc, only `memlimit` and `pool` look at the word `home`, only
//! `reference` and `free` at the word `hook`.
//!
//! # One allocation
//!
//! `talloc_strdup(ctx, "text")`: `abi` finds the chunk of `ctx` by its magic and
//! asks `string::copy`, which asks `alloc::chunk` for 5 bytes below it.  The
//! parent is `ctx`, or the null context for NULL.  `pool::carve` is asked whether
//! the parent is a pool or lies in one with room left.  If not,
//! `memlimit::account_of` the parent is charged, and a block comes from malloc.
//! `Chunk::emplace` writes the header, `tree::link` makes it the newest child.
//! `string` copies the text and makes it the name.
//!
//! # One free
//!
//! `talloc_free(p)`: `free::chunk` looks for references, then `begin` runs the
//! destructor, which may refuse.  From here on `p` is `DYING` and out of sight.
//! `free_below` goes to its newest child, begins that one, goes down to its
//! newest child, and so on; a dying chunk remembers the one above it in its
//! `hook`, so the walk needs neither stack nor memory.  A child that refuses is
//! handed over to a new parent.  `finish` takes a chunk without children out of
//! its list, closes its account, and `alloc::release` gives the block to free, or
//! back to the pool it came from.
//!
//! # Threads, forks, call-outs
//!
//! A tree belongs to one thread at a time.  The children of the null context are
//! the exception: their links change under the lock of `global`, which no
//! user's function ever runs under, and which a forked child begins anew.
//! Destructors, log, abort and report functions may call back in; `free` says
//! what that means for a walk that is under way.
//!
//! # Soundness
//!
//! A [`chunk::Chunk`] is an address that is known to have a header; its safe
//! accessors rest on the two rules in `chunk`.  Callers in C can break every
//! rule; what the magic can find out is a fault, the rest is undefined as in
//! the original.

// Without std there is no unwinder, no backtrace and no TLS in the library: a
// tenth of the size.  Unit tests have it.
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
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
mod cache;
mod chunk;
mod format;
mod free;
mod global;
mod memlimit;
mod name;
mod pool;
mod reference;
mod report;
mod string;
mod tree;
