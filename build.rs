//! Compiles the C files.

fn main() {
    for input in ["src/format.c", "src/tools.c", "include/talloc.h"] {
        println!("cargo:rerun-if-changed={input}");
    }
    cc::Build::new()
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
