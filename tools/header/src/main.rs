//! Makes `include/talloc.h` of `src/abi.rs` and `cbindgen.toml`.
//!
//! usage: header FILE, in the project's top folder

use std::error::Error;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args_os().nth(1).ok_or("usage: header FILE")?;
    fs::write(file, header()?)?;
    Ok(())
}

fn header() -> Result<String, Box<dyn Error>> {
    let mut text = Vec::new();
    cbindgen::Builder::new()
        .with_src("src/abi.rs")
        .with_config(cbindgen::Config::from_file("cbindgen.toml")?)
        .generate()?
        .write(&mut text);
    let text = String::from_utf8(text)?;
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
    Ok(lines.join("\n") + "\n")
}
