//! The man pages: clap_mangen's, completed by what a description of the command line does
//! not have, and in the form that `mandoc -Tlint` wants.

use crate::cli::EXIT_STATUS;
use clap::Command;
use clap_mangen::Man;
use std::path::Path;
use std::{fs, io};

/// Of the last change; a build must not depend on the day.
const DATE: &str = "2026-11-26";

const EXAMPLES: &str = r#".SH EXAMPLES
What a server holds, two levels deep, and only what is large:
.PP
.RS 4
.nf
talloc\-view tree $(pidof \-s smbd) \-\-depth 2 \-\-min 1000
.fi
.RE
.PP
What an hour of work left behind, by path:
.PP
.RS 4
.nf
gcore \-o before 1234
sleep 3600
talloc\-view diff before.1234 1234
.fi
.RE
.PP
A process, and a report that a process wrote about itself:
.PP
.RS 4
.nf
talloc\-view tree 1234
smbcontrol 1234 pool\-usage | talloc\-view tree \-
.fi
.RE
.PP
A flame graph of a core:
.PP
.RS 4
.nf
talloc\-view flame core \-o memory.svg
.fi
.RE
"#;

/// Writes a page for the command and for each below it.
pub fn generate(command: &Command, folder: &Path) -> io::Result<()> {
    let mut command = command.clone().disable_help_subcommand(true);
    command.build();
    for sub in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        write(sub, &[], "talloc\\-view(1)", folder)?;
    }
    write(
        &command,
        &[EXAMPLES],
        "gcore(1), gdb(1), proc(5), talloc(3), talloc_debug(3)",
        folder,
    )
}

fn write(command: &Command, more: &[&str], see_also: &str, folder: &Path) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .date(DATE)
        .source(concat!("talloc-view ", env!("CARGO_PKG_VERSION")))
        .manual("talloc");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut page = String::from_utf8(page).map_err(io::Error::other)?;
    page += &format!(".SH EXIT STATUS\n{EXIT_STATUS}\n");
    page.extend(more.iter().copied());
    page += &format!(".SH SEE ALSO\n{see_also}\n");
    fs::write(folder.join(man.get_filename()), tidy(&page))
}

/// Longer lines of text go on in the next one.
const WIDTH: usize = 78;

/// The same page without empty lines, spaces at the ends of lines and long lines; the
/// preamble, which each section has, is there once.
fn tidy(page: &str) -> String {
    // Two breaks with an empty line between are a paragraph within an option.
    let page = page.replace(".br\n\n.br\n", ".sp\n");
    let mut tidy = String::new();
    let mut before = "";
    for (number, line) in page.lines().enumerate() {
        let line = line.trim_end();
        let repeated = number >= 2 && (line.starts_with(".ie ") || line.starts_with(".el "));
        if line.is_empty() || repeated {
            continue;
        }
        // A macro, or the one line that is the tag of a paragraph, has to stay whole.
        if line.starts_with('.') || before == ".TP" {
            tidy += line;
        } else {
            let mut length = 0;
            for word in line.split(' ') {
                let ended = tidy.ends_with('.') && !tidy.ends_with("..");
                if length > 0 && (length + 1 + word.len() > WIDTH || ended) {
                    tidy.push('\n');
                    // Not to be taken for a macro.
                    if word.starts_with(['.', '\'']) {
                        tidy += "\\&";
                    }
                    length = 0;
                } else if length > 0 {
                    tidy.push(' ');
                    length += 1;
                }
                tidy += word;
                length += word.len();
            }
        }
        tidy.push('\n');
        before = line;
    }
    tidy
}
