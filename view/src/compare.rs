//! `diff`: what grew, by path.

use crate::table::{Cell, Table};
use crate::tree::{NONE, Tree};
use rustc_hash::FxHashMap;
use std::collections::HashMap;

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    bytes: i64,
    count: i64,
}

/// Own bytes and blocks of each path. Paths are numbered: a parent and a name.
struct Paths {
    ids: FxHashMap<(u32, u32), u32>,
    /// Name and parent of each.
    all: Vec<(u32, u32)>,
    names: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Paths {
    fn name(&mut self, name: &str) -> u32 {
        if let Some(&id) = self.names.get(name) {
            return id;
        }
        let id = self.texts.len() as u32;
        self.names.insert(name.to_owned(), id);
        self.texts.push(name.to_owned());
        id
    }

    fn sums(&mut self, tree: &Tree) -> FxHashMap<u32, Sum> {
        let mut sums: FxHashMap<u32, Sum> = FxHashMap::default();
        let mut path_of = vec![NONE; tree.nodes.len()];
        let mut ids: FxHashMap<u32, u32> = FxHashMap::default();
        for &i in &tree.order {
            let node = tree.node(i);
            let name = *ids
                .entry(node.name)
                .or_insert_with(|| self.name(tree.name(i)));
            let above = match node.parent {
                NONE => NONE,
                parent => path_of[parent as usize],
            };
            let next = self.all.len() as u32;
            let path = *self.ids.entry((above, name)).or_insert(next);
            if path == next {
                self.all.push((above, name));
            }
            path_of[i as usize] = path;
            let sum = sums.entry(path).or_default();
            sum.bytes = sum.bytes.saturating_add_unsigned(node.size);
            sum.count = sum.count.saturating_add_unsigned(node.blocks);
        }
        sums
    }

    fn text(&self, path: u32) -> String {
        let mut names = Vec::new();
        let mut at = path;
        while at != NONE && names.len() < 64 {
            let (above, name) = self.all[at as usize];
            names.push(self.texts[name as usize].as_str());
            at = above;
        }
        if at != NONE {
            names.push("...");
        }
        names.reverse();
        names.join("/")
    }
}

/// A row for each path that is not the same in both, what grew most first.
pub fn rows(a: &Tree, b: &Tree) -> Table {
    let mut paths = Paths {
        ids: FxHashMap::default(),
        all: Vec::new(),
        names: HashMap::new(),
        texts: Vec::new(),
    };
    let (before, after) = (paths.sums(a), paths.sums(b));
    let mut changes: Vec<(u32, Sum, Sum)> = Vec::new();
    for path in 0..paths.all.len() as u32 {
        let of = |sums: &FxHashMap<u32, Sum>| sums.get(&path).copied().unwrap_or_default();
        let (old, new) = (of(&before), of(&after));
        if old != new {
            changes.push((path, old, new));
        }
    }
    let mut changes: Vec<(i64, i64, Sum, String)> = changes
        .into_iter()
        .map(|(path, old, new)| {
            (
                new.bytes - old.bytes,
                new.count - old.count,
                new,
                paths.text(path),
            )
        })
        .collect();
    changes.sort_by(|a, b| (b.0, b.1).cmp(&(a.0, a.1)).then_with(|| a.3.cmp(&b.3)));
    let mut table = Table::new(&["change", "blocks", "bytes", "count", "path"]);
    for (bytes, count, new, path) in changes {
        table.row(vec![
            Cell::Change(bytes),
            Cell::Change(count),
            Cell::Number(new.bytes as u64),
            Cell::Number(new.count as u64),
            Cell::Text(path),
        ]);
    }
    table
}
