//! `libtalloc.so.2` in Rust: hierarchical memory with names, references,
//! destructors, pools, limits and reports, behind the C functions of `talloc.h`.
//!
//! # The map
//!
//! Each file uses those below it, and none above, but that the header in `chunk`
//! has a field of the type of `tree`.
//!
//! | file | owns |
//! |---|---|
//! | [`abi`] | the functions of `talloc.h`: argument checks and nothing else |
//! | `format.c`, [`format`] | `va_list` and `vsnprintf`; what they call back for |
//! | [`global`] | what is switched on once: null tracking, autofree, reports at exit |
//! | [`report`] | totals, walks with a callback, the text of reports |
//! | [`name`], [`string`] | names; texts that are named by themselves |
//! | [`free`] | the free walk: destructors, refusals, new owners; unlink |
//! | [`mod@reference`] | handles and the destructor pointer; steal, reparent |
//! | [`hold`] | a chunk that a call out may free |
//! | [`parent`] | another parent: link and accounts together |
//! | [`pool`], [`cache`] | how pools and static pool caches are made |
//! | [`alloc`] | a chunk comes to be, grows, shrinks, goes |
//! | [`memlimit`] | accounts |
//! | [`arena`], [`bitmap`] | the room of a pool or cache, and who lies in it; free slots |
//! | `tools.c`, [`tools`] | what valgrind and AddressSanitizer are told of that |
//! | [`tree`] | the links: parent, child, siblings; walks without recursion |
//! | [`root`] | the null context, the autofree context, the lock |
//! | [`chunk`] | the header: its offsets and flags; pointer <-> chunk |
//! | [`fault`] | log and abort functions |
//! | [`heap`] | malloc, realloc and free; the blocks a thread keeps |
//! | [`key`] | the secret of the process; tags, seals and sums made with it |
//!
//! One owner for each invariant: only `tree` writes a link (the type of the
//! links has private fields), only `chunk` knows a byte offset, only `heap` calls
//! malloc, only `key` has the secret, only `memlimit` and `arena` look at the word
//! `home`, only `reference` and `free` at the word `hook`.
//!
//! # One allocation
//!
//! `talloc_strdup(ctx, "text")`: `string::copy` asks `alloc::new` for 5 bytes below
//! `ctx`.  The straight way: the tag before `ctx` is that of a chunk without a flag,
//! it is under no limit, and this thread keeps a block of that size.  Then the header
//! is written and becomes the newest child.  `alloc` has a list of the ways that are
//! nearly as straight.  For all else, `new_with_care` checks the pointer, and `planned` goes step
//! by step: the parent is `ctx`, or the null context for NULL; `arena::carve` is asked
//! whether that is a pool or lies in one with room left; if not,
//! `memlimit::account_of` the parent is charged, and a block comes from `heap`;
//! `Chunk::emplace` writes the header, `tree::link` makes it the newest child.
//! `string` copies the text and makes it the name.
//!
//! # One free
//!
//! `talloc_free(p)`: the straight way, for a chunk without a flag, a destructor and
//! children: `tree::take_out` sees that its neighbours are what they should be, the chunk
//! leaves the list, the block is kept.  `less_plain` first frees children that are as
//! plain.  For all else `free::chunk` looks for references; `family` frees what has
//! nothing to ask; else `begin` runs the destructor, which may refuse.  A chunk without
//! children goes then, by `remove`; another is `DYING` from here on, and out of sight.
//! `free_below` goes to its newest child, begins that one, goes down to its
//! newest child, and so on; a dying chunk remembers the one above it in its
//! `hook`, so the walk needs neither stack nor memory.  A child that refuses is
//! handed over to a new parent.  `finish` removes a chunk whose children are gone: out
//! of its list and its account; `alloc::release` gives the block to `heap`, or back to
//! the `arena` it lies in.
//!
//! # What was written over
//!
//! `key` makes tags and seals; `docs/security.md` says what they catch.  A straight
//! way that meets something odd does nothing and leaves it to the careful one, which
//! says what it is, by way of `Chunk::corrupted` and `Chunk::lost`.
//!
//! # Threads, forks, call-outs
//!
//! A tree belongs to one thread at a time.  The children of the null context are
//! the exception: their links change under the lock of `root`, which no
//! user's function ever runs under, and which a forked child begins anew.
//! Destructors, log, abort and report functions may call back in; `free` and
//! `hold` say what that means for a walk that is under way.
//!
//! # Soundness
//!
//! A [`chunk::Chunk`] is an address that is known to have a header; its safe
//! accessors rest on the two rules in `chunk`.  Callers in C can break every
//! rule; what tags and links can tell is a fault, the rest is undefined as in
//! the original.

// Without std there is no unwinder and no backtrace in the library: a fraction
// of the size.  Unit tests have it.
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
mod arena;
mod bitmap;
mod cache;
mod chunk;
mod fault;
mod format;
mod free;
mod global;
mod heap;
mod hold;
mod key;
mod memlimit;
mod name;
mod parent;
mod pool;
mod reference;
mod report;
mod root;
mod string;
mod tools;
mod tree;
