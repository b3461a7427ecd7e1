//! Compiles the C files.
//!
//! `TALLOC_SOURCE_NAME`, where it is set, is what debug information calls this folder.

use std::env;
use std::ffi::OsString;

fn main() {
    for input in ["src/format.c", "src/tools.c", "include/talloc.h"] {
        println!("cargo:rerun-if-changed={input}");
    }
    println!("cargo:rerun-if-env-changed=TALLOC_SOURCE_NAME");
    let mut build = cc::Build::new();
    if let (Some(folder), Some(name)) = (
        env::var_os("CARGO_MANIFEST_DIR"),
        env::var_os("TALLOC_SOURCE_NAME"),
    ) {
        let mut flag = OsString::from("-ffile-prefix-map=");
        flag.push(folder);
        flag.push("=");
        flag.push(name);
        build.flag(flag);
    }
    build
        .file("src/format.c")
        .file("src/tools.c")
        .include("include")
        .flag("-std=gnu11")
        .flag("-fvisibility=hidden")
        .flag("-ffunction-sections")
        .opt_level(2)
        .warnings(true)
        .extra_warnings(true)
        .compile("talloc_c");
}
