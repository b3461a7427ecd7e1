//! See the library's documentation.

use clap::{CommandFactory, Parser};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use talloc_view::cli::{Cli, Command, How};
use talloc_view::progress::Progress;
use talloc_view::rows::{self, Shown};
use talloc_view::source::{Image, Source};
use talloc_view::table::{Format, Table, plain};
use talloc_view::tree::{NONE, Problem, Tree};
use talloc_view::{compare, graph, json, leaks, manual, watch};

fn main() -> ExitCode {
    // As other tools end when nobody reads on.
    // SAFETY: no other thread is there yet.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    match run(Cli::parse().command) {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            eprintln!("talloc-view: {}", plain(&e));
            ExitCode::from(2)
        }
    }
}

fn read(what: &str, how: &How) -> Result<Tree, String> {
    match Source::open(what, how.stop)? {
        Source::Report(tree) => Ok(tree),
        Source::Image(image) => tree_of(what, &image, &Progress::default()),
    }
}

/// How often something has to be wrong in a process that runs on.
const LOOKS: u64 = 8;

/// The tree of an image of `what`, with those problems that last: what is wrong stays so; what
/// only changed between two reads does not.
fn tree_of(what: &str, image: &Image, progress: &Progress) -> Result<Tree, String> {
    let mut tree = image.tree(progress);
    for look in 1..LOOKS {
        if tree.problems.is_empty() || !image.memory.is_moving() {
            break;
        }
        // A thread may have to wait for its turn in the midst of a change.
        std::thread::sleep(Duration::from_millis(20 * look));
        // Anew: its maps may have changed, too.
        let Source::Image(again) = Source::open(what, false)? else {
            return Err(format!("{what} has gone"));
        };
        let again = again.tree(&Progress::default()).problems;
        let again: HashSet<Problem> = again.into_iter().collect();
        tree.problems.retain(|p| again.contains(p));
    }
    Ok(tree)
}

fn written(result: io::Result<()>) -> Result<(), String> {
    result.map_err(|e| format!("cannot write: {e}"))
}

/// Rows, and, among people, a line about all of it.
fn show(tree: &Tree, table: &Table, format: Format) -> Result<(), String> {
    let mut out = BufWriter::new(io::stdout().lock());
    written(table.write(format, &mut out))?;
    if format == Format::Table {
        let whole = tree.whole();
        let mut line = format!(
            "{}: {} bytes in {} blocks",
            tree.source, whole.bytes, whole.blocks
        );
        if !tree.kept.blocks.is_empty() {
            let kept = &tree.kept;
            line += &format!(
                "; {} bytes in {} freed blocks kept",
                kept.bytes(),
                kept.blocks.len()
            );
        }
        if tree.changed > 0 {
            line += &format!(
                "; {} chunks changed meanwhile and were left out",
                tree.changed
            );
        }
        if !tree.problems.is_empty() {
            line += &format!(
                "; {} PROBLEMS, see `talloc-view check`",
                tree.problems.len()
            );
        }
        written(writeln!(out, "{}", plain(&line)))?;
    }
    written(out.flush())
}

fn output(path: Option<PathBuf>) -> Result<Box<dyn Write>, String> {
    match path {
        None => Ok(Box::new(BufWriter::new(io::stdout()))),
        Some(path) => {
            let file = File::create(&path);
            let file = file.map_err(|e| format!("cannot write {}: {e}", path.display()))?;
            Ok(Box::new(BufWriter::new(file)))
        }
    }
}

fn needs_memory(tree: &Tree) -> Result<(), String> {
    if tree.is_of_memory {
        return Ok(());
    }
    Err(format!(
        "{} is a report; this needs a process or a core",
        tree.source
    ))
}

fn run(command: Command) -> Result<u8, String> {
    match command {
        Command::Tree { input, select } => {
            let tree = read(&input.source, &input.how)?;
            let shown = Shown {
                depth: select.depth,
                min: select.min,
                name: select.name.as_ref(),
                under: select.under.as_deref(),
            };
            show(&tree, &rows::tree_rows(&tree, &shown)?, input.how.format)?;
        }
        Command::Top { input, count, by } => {
            let tree = read(&input.source, &input.how)?;
            show(&tree, &rows::top_rows(&tree, count, by), input.how.format)?;
        }
        Command::Json { input } => {
            let tree = read(&input.source, &input.how)?;
            let mut out = BufWriter::new(io::stdout().lock());
            written(json::write(&tree, &mut out).and_then(|()| out.flush()))?;
        }
        Command::Check { input } => return check(&input.source, &input.how),
        Command::Diff { a, b, how } => {
            let (a, b) = (read(&a, &how)?, read(&b, &how)?);
            let table = compare::rows(&a, &b);
            if table.is_empty() && how.format == Format::Table {
                return Ok(0);
            }
            let mut out = BufWriter::new(io::stdout().lock());
            written(table.write(how.format, &mut out).and_then(|()| out.flush()))?;
            return Ok(u8::from(!table.is_empty()));
        }
        Command::Dot {
            input,
            output: to,
            under,
        } => {
            let tree = read(&input.source, &input.how)?;
            let nodes = match under {
                None => tree.order.clone(),
                Some(what) => {
                    let mut is_in = vec![false; tree.nodes.len()];
                    tree.under(&what)?
                        .iter()
                        .for_each(|&i| is_in[i as usize] = true);
                    let mut nodes = tree.order.clone();
                    nodes.retain(|&i| {
                        let parent = tree.node(i).parent;
                        is_in[i as usize] |= parent != NONE && is_in[parent as usize];
                        is_in[i as usize]
                    });
                    nodes
                }
            };
            let mut out = output(to)?;
            written(graph::dot(&tree, &nodes, &mut out).and_then(|()| out.flush()))?;
        }
        Command::Flame { input, output: to } => {
            let tree = read(&input.source, &input.how)?;
            let mut svg = Vec::new();
            graph::flame(&tree, &mut svg)?;
            let mut out = output(to)?;
            written(out.write_all(&svg).and_then(|()| out.flush()))?;
        }
        Command::Pools { input } => {
            let tree = read(&input.source, &input.how)?;
            needs_memory(&tree)?;
            show(&tree, &rows::pool_rows(&tree), input.how.format)?;
        }
        Command::Leaks { input } => {
            let progress = Progress::default();
            let (tree, leaks) = match Source::open(&input.source, input.how.stop)? {
                Source::Report(tree) => {
                    needs_memory(&tree)?;
                    (tree, Vec::new())
                }
                Source::Image(image) => {
                    let tree = tree_of(&input.source, &image, &progress)?;
                    let leaks = leaks::find(&image, &tree, &progress);
                    (tree, leaks)
                }
            };
            let table = leaks::rows(&tree, &leaks);
            show(&tree, &table, input.how.format)?;
            return Ok(u8::from(!leaks.is_empty()));
        }
        Command::Watch { pid, interval } => watch::run(pid, Duration::from_secs(interval))?,
        Command::Generate { folder } => generate(&folder)?,
    }
    Ok(0)
}

/// What is wrong.
fn check(source: &str, how: &How) -> Result<u8, String> {
    let tree = read(source, how)?;
    needs_memory(&tree)?;
    let mut table = Table::new(&["address", "name", "problem"]);
    use talloc_view::table::Cell::Text;
    for p in &tree.problems {
        table.row(vec![
            Text(format!("{:#x}", p.address)),
            Text(p.name.clone()),
            Text(p.what.clone()),
        ]);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    if how.format != Format::Table || !table.is_empty() {
        written(table.write(how.format, &mut out))?;
    }
    if how.format == Format::Table {
        let n = tree.problems.len();
        let (chunks, pools) = (tree.nodes.len(), tree.pools.len());
        let mut line = format!(
            "{}: {chunks} chunks, {pools} pools and caches, ",
            tree.source
        );
        match n {
            0 => line += "nothing wrong",
            1 => line += "1 problem",
            n => line += &format!("{n} problems"),
        }
        if tree.changed > 0 {
            line += &format!(
                "; {} chunks changed meanwhile and were left out",
                tree.changed
            );
        }
        written(writeln!(out, "{}", plain(&line)))?;
    }
    written(out.flush())?;
    Ok(u8::from(!tree.problems.is_empty()))
}

fn generate(folder: &Path) -> Result<(), String> {
    let failed = |e: io::Error| format!("cannot write to {}: {e}", folder.display());
    let mut command = Cli::command();
    manual::generate(&command, folder).map_err(failed)?;
    use clap_complete::Shell;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "talloc-view", folder).map_err(failed)?;
    }
    Ok(())
}
