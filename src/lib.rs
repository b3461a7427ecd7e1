//! `libtalloc.so.2` in Rust: hierarchical memory with names, references,
//! destructors, pools, limits and reports, behind the C functions of `talloc.h`.
//!
//! MAP
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
mod bitmap;
mod cache;
mod fault;
mod format;
mod free;
mod global;
mod header;
mod hold;
mod limit;
mod list;
mod lock;
mod mac;
mod magazine;
mod name;
mod pool;
mod realloc;
mod records;
mod refs;
mod report;
mod root;
mod steal;
mod string;
mod sysmem;
mod tools;
mod walk;
