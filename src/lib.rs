//! `libtalloc.so.2` in Rust.

#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

#[cfg(not(any(panic = "abort", test)))]
compile_error!("build with panic = \"abort\": no panic may unwind into C");

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
