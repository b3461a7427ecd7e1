//! The command line.

use crate::rows::By;
use crate::table::Format;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// For the help and for the man pages.
pub const EXIT_STATUS: &str = "0; 1 if `check` found something wrong, `diff` a difference or \
    `leaks` a leak; 2 if something could not be done.";

/// Show the talloc memory of a running process, of a core, or of a report
///
/// The program needs no preparation, but has to run on the libtalloc that comes with this
/// tool. It is neither written to nor stopped.
#[derive(Parser)]
#[command(name = "talloc-view", version, after_long_help = format!("Exit status: {EXIT_STATUS}"))]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args)]
pub struct Input {
    /// PID of a process, a core, or what talloc_report_full() wrote, `-` for stdin
    #[arg(value_name = "PID|CORE|REPORT")]
    pub source: String,
    #[command(flatten)]
    pub how: How,
}

#[derive(Args)]
pub struct How {
    /// Let the process stand still while it is read, for an exact picture
    #[arg(long)]
    pub stop: bool,
    /// How rows are written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

#[derive(Args)]
pub struct Select {
    /// So many levels below the first
    #[arg(long, value_name = "N")]
    pub depth: Option<usize>,
    /// Rows of at least so many bytes, with K, M or G for multiples of 1024
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, default_value = "0")]
    pub min: u64,
    /// Chunks whose name is like this, what is above and what is below them
    #[arg(long, value_name = "GLOB")]
    pub name: Option<glob::Pattern>,
    /// The chunk at this address (0x...), or all of this name, and what is below
    #[arg(long, value_name = "ADDR|NAME")]
    pub under: Option<String>,
}

#[derive(Subcommand)]
pub enum Command {
    /// The tree: siblings of one name are one row, heaviest first
    Tree {
        #[command(flatten)]
        input: Input,
        #[command(flatten)]
        select: Select,
    },
    /// The tree of a process as it grows, on a terminal
    ///
    /// Growth is since the start. Keys: q quits, s sorts by another column, up and down
    /// choose a row, right descends to what is below it, left ascends.
    Watch {
        #[arg(value_name = "PID")]
        pid: i32,
        /// Seconds from one look to the next
        #[arg(short, long, value_name = "SECONDS", default_value_t = 1,
              value_parser = clap::value_parser!(u64).range(1..=3600))]
        interval: u64,
    },
    /// The heaviest names
    Top {
        #[command(flatten)]
        input: Input,
        /// So many rows
        #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 20)]
        count: usize,
        /// What makes a name heavy
        #[arg(long, value_enum, default_value_t = By::Bytes)]
        by: By,
    },
    /// Everything, as JSON
    Json {
        #[command(flatten)]
        input: Input,
    },
    /// Is every header, link, pool, reference and limit consistent?
    Check {
        #[command(flatten)]
        input: Input,
    },
    /// What grew from A to B, by path; both are any two of PID, core and report
    Diff {
        #[arg(value_name = "A")]
        a: String,
        #[arg(value_name = "B")]
        b: String,
        #[command(flatten)]
        how: How,
    },
    /// The graph for Graphviz, references as dashed edges
    Dot {
        #[command(flatten)]
        input: Input,
        /// The file to write; stdout without
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The chunk at this address (0x...), or all of this name, and what is below
        #[arg(long, value_name = "ADDR|NAME")]
        under: Option<String>,
    },
    /// A flame graph (SVG) of bytes by path
    Flame {
        #[command(flatten)]
        input: Input,
        /// The file to write; stdout without
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// How full each pool and cache is, and which are only kept by a member that was stolen
    Pools {
        #[command(flatten)]
        input: Input,
    },
    /// Chunks that are attached, but that no pointer outside talloc leads to
    ///
    /// A leak that valgrind cannot see, since talloc still leads there. It is looked for
    /// conservatively: whatever looks like a pointer is one. `sure` says how sure it is: yes
    /// if its address is nowhere; likely if it is only where nobody reads any more; perhaps
    /// if it has a destructor, which may be all that it is for.
    Leaks {
        #[command(flatten)]
        input: Input,
    },
    /// Write the man page and the completions for bash, zsh and fish into a folder
    #[command(hide = true)]
    Generate { folder: PathBuf },
}

/// A number of bytes.
fn parse_bytes(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.char_indices().last() {
        Some((i, 'k' | 'K')) => (&text[..i], 1 << 10),
        Some((i, 'm' | 'M')) => (&text[..i], 1 << 20),
        Some((i, 'g' | 'G')) => (&text[..i], 1 << 30),
        _ => (text, 1),
    };
    let number: Option<u64> = digits.parse().ok();
    number
        .and_then(|n| n.checked_mul(factor))
        .ok_or_else(|| format!("{text:?} is no number of bytes"))
}
