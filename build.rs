//! Compiles the C files, generates the header, and refuses to build with a
//! committed header that is not the generated one (`make header` mends that).

use std::path::{Path, PathBuf};
use std::{env, fs};

const COMMITTED: &str = "include/talloc.h";

fn main() {
    for input in [
        "src/abi.rs",
        "src/format.c",
        "src/tools.c",
        "cbindgen.toml",
        COMMITTED,
    ] {
        println!("cargo:rerun-if-changed={input}");
    }
    println!("cargo:rerun-if-env-changed=TALLOC_WRITE_HEADER");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let header = out.join("include/talloc.h");
    generate(&header);
    if env::var_os("TALLOC_WRITE_HEADER").is_some() {
        fs::copy(&header, COMMITTED).expect("include/talloc.h can be written");
    } else if fs::read(&header).ok() != fs::read(COMMITTED).ok() {
        panic!("{COMMITTED} is not what src/abi.rs and cbindgen.toml say: run `make header`");
    }
    cc::Build::new()
        .file("src/format.c")
        .file("src/tools.c")
        .include(out.join("include"))
        .flag("-std=gnu11")
        .flag("-fvisibility=hidden")
        .flag("-ffunction-sections")
        .opt_level(2)
        .warnings(true)
        .extra_warnings(true)
        .compile("talloc_c");
}

fn generate(header: &Path) {
    let mut text = Vec::new();
    let config = cbindgen::Config::from_file("cbindgen.toml").expect("cbindgen.toml is valid");
    cbindgen::Builder::new()
        .with_src("src/abi.rs")
        .with_config(config)
        .generate()
        .expect("a header can be made of src/abi.rs")
        .write(&mut text);
    let text = String::from_utf8(text).expect("cbindgen writes UTF-8");
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        // C89 has no `//` comments; cbindgen ends blocks with them.
        let line = match line.split_once("//") {
            Some((code, comment)) if code.starts_with("#endif") || code.trim() == "}" => {
                format!("{} /* {} */", code.trim_end(), comment.trim())
            }
            _ => line.to_owned(),
        };
        // Where a doc comment ended with a directive to cbindgen.
        if line == " */" && lines.last().is_some_and(|last| last == " *") {
            lines.pop();
        }
        lines.push(line);
    }
    fs::create_dir_all(header.parent().expect("a file in a folder")).expect("OUT_DIR is writable");
    fs::write(header, lines.join("\n") + "\n").expect("OUT_DIR is writable");
}
