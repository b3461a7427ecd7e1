//! `dot` and `flame`.

use crate::table::plain;
use crate::tree::{Kind, NONE, Tree};
use rustc_hash::FxHashMap;
use std::io::{Result, Write};

/// The graph in the language of Graphviz, references as dashed edges.
pub fn dot(tree: &Tree, nodes: &[u32], to: &mut impl Write) -> Result<()> {
    let quoted = |text: &str| plain(text).replace('\\', "\\\\").replace('"', "\\\"");
    writeln!(to, "digraph talloc {{\n\trankdir=LR;\n\tnode [shape=box];")?;
    let mut is_in = vec![false; tree.nodes.len()];
    for &i in nodes {
        is_in[i as usize] = true;
    }
    for &i in nodes {
        let node = tree.node(i);
        if node.kind == Kind::Reference {
            // The edge from its owner to what it refers to.
            if node.target != NONE && node.parent != NONE && is_in[node.target as usize] {
                writeln!(to, "\tn{} -> n{} [style=dashed];", node.parent, node.target)?;
            }
            continue;
        }
        let shape = match node.kind {
            Kind::Pool | Kind::Cache => ", shape=box3d",
            _ => "",
        };
        let name = quoted(tree.name(i));
        writeln!(
            to,
            "\tn{i} [label=\"{name}\\n{} bytes\"{shape}];",
            node.size
        )?;
        if node.parent != NONE && is_in[node.parent as usize] {
            writeln!(to, "\tn{} -> n{i};", node.parent)?;
        }
    }
    writeln!(to, "}}")
}

/// A flame graph of own bytes by path.
pub fn flame(tree: &Tree, to: impl Write) -> std::result::Result<(), String> {
    let mut bytes: FxHashMap<String, u64> = FxHashMap::default();
    let mut path: Vec<u32> = Vec::new();
    // Names are frames: `;` parts them, and a space the count.
    let mut text = String::new();
    let mut ends: Vec<usize> = Vec::new();
    const DEEPEST: usize = 200;
    for &i in &tree.order {
        let node = tree.node(i);
        while path.last().is_some_and(|&last| last != node.parent) {
            path.pop();
            ends.pop();
            text.truncate(ends.last().copied().unwrap_or(0));
        }
        path.push(i);
        if path.len() <= DEEPEST {
            if !text.is_empty() {
                text.push(';');
            }
            text.push_str(&plain(tree.name(i)).replace(';', ","));
        }
        ends.push(text.len());
        if node.size > 0 {
            match bytes.get_mut(&text) {
                Some(sum) => *sum = sum.saturating_add(node.size),
                None => {
                    bytes.insert(text.clone(), node.size);
                }
            }
        }
    }
    if bytes.is_empty() {
        return Err(format!("{} has no bytes to draw", tree.source));
    }
    let mut lines: Vec<String> = bytes
        .into_iter()
        .map(|(path, n)| format!("{path} {n}"))
        .collect();
    lines.sort_unstable();
    let mut options = inferno::flamegraph::Options::default();
    options.title = format!("talloc: {}", tree.source);
    options.count_name = "bytes".to_owned();
    options.deterministic = true;
    let lines = lines.iter().map(String::as_str);
    inferno::flamegraph::from_lines(&mut options, lines, to)
        .map_err(|e| format!("cannot draw the flame graph: {e}"))
}
