//! What `talloc_report_full` and `talloc_report` write, of this library and the original; and
//! what Samba makes of it (`smbcontrol PID pool-usage`): texts instead of their addresses,
//! and figures of malloc at the end.

use crate::tree::{Kind, NONE, Node, Totals, Tree};
use std::io::{BufRead, Read};

/// More than any report line is, names included.
const LONGEST: u64 = 1 << 20;
/// What short names are filled up to.
const FILLED: usize = 30;
/// Lines that a name with newlines in it may take.
const JOINED: usize = 16;

enum Line {
    Head {
        name: String,
        bytes: u64,
        blocks: u64,
    },
    Chunk {
        name: String,
        bytes: u64,
        blocks: u64,
        references: u32,
        address: u64,
    },
    Reference {
        name: String,
    },
    Limit {
        max: u64,
        used: u64,
    },
}

/// Reads a report; `name` is what errors call it.
pub fn read(mut from: impl BufRead, name: &str) -> Result<Tree, String> {
    let mut tree = Tree::new(name, false);
    let mut open: Vec<u32> = Vec::new();
    let mut claimed: Vec<Totals> = Vec::new();
    let mut limit = None;
    let mut number = 0;
    let mut pending: Option<(usize, String, usize)> = None;
    let wrong = |number: usize, what: &str| Err(format!("{name}:{number}: {what}"));
    loop {
        let mut bytes = Vec::new();
        match from.by_ref().take(LONGEST).read_until(b'\n', &mut bytes) {
            Ok(0) => break,
            Ok(n) if n as u64 == LONGEST => return wrong(number + 1, "the line is too long"),
            Ok(_) => number += 1,
            Err(e) => return Err(format!("cannot read {name}: {e}")),
        }
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (begin, text, count) = match pending.take() {
            Some((begin, first, count)) => (begin, first + "\n" + &text, count + 1),
            None if text.trim().is_empty() => continue,
            None if !open.is_empty() && is_of_malloc(&text) => continue,
            None => (number, text, 1),
        };
        let Some((depth, line)) = parse(&text, open.len()) else {
            if count == JOINED {
                return wrong(begin, "this is no line of a talloc report");
            }
            pending = Some((begin, text, count));
            continue;
        };
        let is_below = matches!(line, Line::Chunk { .. } | Line::Reference { .. });
        if is_below && depth == 0 {
            return wrong(begin, "a talloc report does not begin like this");
        }
        let (own, mut node) = match line {
            Line::Limit { max, used } => {
                limit = Some((max, used));
                continue;
            }
            Line::Head {
                name,
                bytes,
                blocks,
            } => (Totals { bytes, blocks }, Node::new(tree.intern(&name))),
            Line::Chunk {
                name,
                bytes,
                blocks,
                references,
                address,
            } => {
                let mut node = Node::new(tree.intern(&name));
                node.references = references;
                node.address = address;
                (Totals { bytes, blocks }, node)
            }
            Line::Reference { name } => {
                let mut node = Node::new(tree.intern(&name));
                node.kind = Kind::Reference;
                (
                    Totals {
                        bytes: 0,
                        blocks: 1,
                    },
                    node,
                )
            }
        };
        if node.kind != Kind::Reference {
            node.limit = limit.take();
        }
        open.truncate(depth);
        if let Some(&parent) = open.last() {
            if tree.node(parent).kind == Kind::Reference {
                return wrong(begin, "nothing is below a reference");
            }
            node.parent = parent;
        }
        let Ok(i) = u32::try_from(tree.nodes.len()) else {
            return wrong(begin, "there are too many lines");
        };
        if node.parent == NONE {
            tree.roots.push(i);
        }
        open.push(i);
        claimed.push(own);
        tree.nodes.push(node);
    }
    if let Some((begin, ..)) = pending {
        return wrong(begin, "this is no line of a talloc report");
    }
    if tree.nodes.is_empty() {
        return Err(format!("{name} has no talloc report in it"));
    }
    // Last to first, so that the first child comes to be the first again; what a line
    // counts is its own and that of the lines below.
    let mut below = vec![Totals::default(); claimed.len()];
    for i in (0..tree.nodes.len()).rev() {
        let parent = tree.nodes[i].parent;
        tree.nodes[i].size = claimed[i].bytes.saturating_sub(below[i].bytes);
        tree.nodes[i].blocks = claimed[i].blocks.saturating_sub(below[i].blocks);
        if parent != NONE {
            below[parent as usize].add(claimed[i]);
            tree.nodes[i].next = tree.nodes[parent as usize].first;
            tree.nodes[parent as usize].first = i as u32;
        }
    }
    tree.finish();
    Ok(tree)
}

/// `mallinfo:`, or one of its lines.
fn is_of_malloc(text: &str) -> bool {
    let number = |(key, n): (&str, &str)| {
        let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase());
        is_key && n.parse::<i64>().is_ok()
    };
    let line = text
        .strip_prefix("    ")
        .and_then(|line| line.split_once(": "));
    text == "mallinfo:" || line.is_some_and(number)
}

/// A line, and how deep it is; no deeper than `deepest`.
fn parse(text: &str, deepest: usize) -> Option<(usize, Line)> {
    let at_depth_0 = text.strip_prefix("full ").unwrap_or(text);
    if let Some(rest) = at_depth_0.strip_prefix("talloc report on '") {
        let (name, rest) = rest.rsplit_once("' (total ")?;
        let (bytes, rest) = rest.split_once(" bytes in ")?;
        let blocks = rest.strip_suffix(" blocks)")?;
        let line = Line::Head {
            name: name.to_owned(),
            bytes: number(bytes)?,
            blocks: number(blocks)?,
        };
        return Some((0, line));
    }
    // A name may begin with spaces, or be none. Short ones were filled up: where those end
    // tells the depth.
    let spaces = (text.len() - text.trim_start_matches(' ').len()) / 4;
    let depth = text
        .rfind(" contains ")
        .and_then(|end| end.checked_sub(FILLED))
        .map(|indented| indented / 4)
        .filter(|&depth| depth <= spaces && text[4 * depth..].find(" contains ") == Some(FILLED))
        .unwrap_or(spaces)
        .min(deepest);
    let text = &text[4 * depth..];
    if let Some((name, rest)) = text.rsplit_once(" is a memlimit context (max_size = ") {
        let (max, rest) = rest.split_once(" bytes, cur_size = ")?;
        let used = rest.strip_suffix(" bytes)")?;
        let _ = name;
        return Some((
            depth,
            Line::Limit {
                max: number(max)?,
                used: number(used)?,
            },
        ));
    }
    let chunk = text.rsplit_once(" contains ");
    if let Some(line) = chunk.and_then(|(name, rest)| parse_chunk(name, rest)) {
        return Some((depth, line));
    }
    let name = text.strip_prefix("reference to: ")?.to_owned();
    Some((depth, Line::Reference { name }))
}

fn parse_chunk(name: &str, rest: &str) -> Option<Line> {
    let (bytes, rest) = rest.split_once(" bytes in ")?;
    let (blocks, rest) = rest.split_once(" blocks (ref ")?;
    let (references, address) = rest.split_once(')')?;
    let address = match address.strip_prefix(' ') {
        // Samba shows what is in a text in place of where it is.
        None if address.starts_with(": ") && name.trim_end_matches(' ') == "char" => 0,
        None => return None,
        Some("(nil)") => 0,
        Some(hex) => u64::from_str_radix(hex.strip_prefix("0x")?, 16).ok()?,
    };
    let name = if name.len() <= FILLED {
        name.trim_end_matches(' ')
    } else {
        name
    };
    Some(Line::Chunk {
        name: name.to_owned(),
        bytes: number(bytes)?,
        blocks: number(blocks)?,
        references: references.parse().ok()?,
        address,
    })
}

/// Below what sums of all lines could overflow with.
fn number(text: &str) -> Option<u64> {
    text.trim_start_matches(' ')
        .parse()
        .ok()
        .filter(|&n| n < 1 << 60)
}
