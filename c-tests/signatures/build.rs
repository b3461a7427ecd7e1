//! Derives C declarations from the definitions in src/abi.rs, and has ctest2
//! write and compile a C file that gives each function of a `talloc.h` the type
//! declared here. gcc refuses the file if one differs, and so this build fails.
//!
//! The environment says what to compare, paths being relative to this crate:
//!
//! - `TALLOC_INCLUDE`: the folder of the header (../../include)
//! - `TALLOC_SINCE`: 25 (the default), or 24 to leave out what a 2.4.0 header lacks
//! - `TALLOC_LIBDIR`: the folder of libtalloc.so (../../build/stage/lib)

use quote::quote;
use std::path::{Path, PathBuf};
use std::{env, fs};
use syn::{Item, ItemFn, Visibility};

const DEFINITIONS: &str = "../../src/abi.rs";

/// In the library, but not in release 2.4.0 of the original.
const NEWER_THAN_24: [&str; 5] = [
    "_talloc_realloc_array_zero",
    "talloc_asprintf_addsep",
    "talloc_cache",
    "talloc_cache_zero",
    "talloc_pool_cache",
];

fn main() {
    let header = file_in("TALLOC_INCLUDE", "../../include", "talloc.h");
    let library = file_in("TALLOC_LIBDIR", "../../build/stage/lib", "libtalloc.so.2");
    let left_out: &[&str] = match setting("TALLOC_SINCE", "25").as_str() {
        "25" => &[],
        "24" => &NEWER_THAN_24,
        other => panic!("TALLOC_SINCE is 25 or 24, not {other}"),
    };
    println!("cargo:rerun-if-changed={DEFINITIONS}");
    let source = fs::read_to_string(DEFINITIONS).expect("src/abi.rs can be read");
    let declarations = declarations(&source, left_out);

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let derived = out.join("declarations.rs");
    fs::write(&derived, &declarations).expect("OUT_DIR is writable");
    // By its full path, so that no other talloc.h can take its place.
    ctest2::TestGenerator::new()
        .header(header.to_str().expect("a path in UTF-8"))
        .generate(&derived, "ctest.rs");

    // ctest2 neither reads nor writes the `unsafe extern` of edition 2024.
    let tests = fs::read_to_string(out.join("ctest.rs")).expect("ctest2 wrote it");
    let program = (declarations + &tests).replace("extern \"C\" {", "unsafe extern \"C\" {");
    fs::write(out.join("program.rs"), program).expect("OUT_DIR is writable");
    println!("cargo:rustc-env=TALLOC_HEADER={}", header.display());

    // The program takes the functions' addresses. Not from libtalloc.a, which
    // would be a second Rust runtime in it.
    let folder = library.parent().expect("a file in a folder").display();
    println!("cargo:rustc-link-search=native={folder}");
    println!("cargo:rustc-link-lib=dylib=talloc");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
}

fn setting(variable: &str, default: &str) -> String {
    println!("cargo:rerun-if-env-changed={variable}");
    env::var(variable).unwrap_or_else(|_| default.to_owned())
}

/// The full path of a file that is in the folder a variable names.
fn file_in(variable: &str, default: &str, name: &str) -> PathBuf {
    let path = Path::new(&setting(variable, default)).join(name);
    println!("cargo:rerun-if-changed={}", path.display());
    path.canonicalize()
        .unwrap_or_else(|e| panic!("{variable}: {}: {e}", path.display()))
}

/// A declaration for each exported function. Those for C, variadic or with a
/// va_list, are stubs for cbindgen in src/abi.rs, but have a signature as well.
fn declarations(source: &str, left_out: &[&str]) -> String {
    let file = syn::parse_file(source).expect("src/abi.rs is valid Rust");
    let mut text = "extern \"C\" {\n".to_owned();
    for item in file.items {
        if let Item::Fn(ItemFn { vis, sig, .. }) = item
            && matches!(vis, Visibility::Public(_))
            && !left_out.iter().any(|name| sig.ident == name)
        {
            assert!(sig.abi.is_some(), "{} is not extern \"C\"", sig.ident);
            let (name, result) = (&sig.ident, &sig.output);
            let arguments = sig.inputs.iter();
            let rest = sig.variadic.map(|_| quote!(...));
            let declaration = quote!(pub fn #name(#(#arguments,)* #rest) #result;);
            text += &format!("    {declaration}\n");
        }
    }
    text + "}\n"
}
