//! The rows of `tree` and `top`. Siblings of one name are one row, and so is what is below
//! them.

use crate::table::{Cell, Table};
use crate::tree::{Kind, NONE, Totals, Tree};
use glob::Pattern;
use rustc_hash::FxHashMap;

/// What of a tree is shown.
#[derive(Default)]
pub struct Shown<'a> {
    pub depth: Option<usize>,
    pub min: u64,
    pub name: Option<&'a Pattern>,
    pub under: Option<&'a str>,
}

/// Nodes of one path and name.
struct Group {
    nodes: Vec<u32>,
    totals: Totals,
    depth: usize,
}

/// The groups of some siblings, heaviest first.
fn groups(tree: &Tree, nodes: impl Iterator<Item = u32>, depth: usize) -> Vec<Group> {
    let mut ids: FxHashMap<(u32, bool), usize> = FxHashMap::default();
    let mut groups: Vec<Group> = Vec::new();
    for i in nodes {
        let node = tree.node(i);
        let key = (node.name, node.kind == Kind::Reference);
        let at = *ids.entry(key).or_insert(groups.len());
        if at == groups.len() {
            groups.push(Group {
                nodes: Vec::new(),
                totals: Totals::default(),
                depth,
            });
        }
        let group = &mut groups[at];
        group.nodes.push(i);
        group.totals.add(tree.totals[i as usize]);
    }
    groups.sort_by_key(|g| std::cmp::Reverse((g.totals.bytes, g.totals.blocks)));
    groups
}

/// What else there is to say about the nodes of a row.
fn remarks(tree: &Tree, nodes: &[u32]) -> String {
    let mut remarks = Vec::new();
    let all = || nodes.iter().map(|&i| tree.node(i));
    if let ([i], true) = (nodes, tree.node(nodes[0]).address != 0) {
        remarks.push(format!("{:#x}", tree.node(*i).address));
    }
    let references: u64 = all().map(|n| u64::from(n.references)).sum();
    if references > 0 {
        remarks.push(format!("ref {references}"));
    }
    let destructors = all().filter(|n| n.has_destructor).count();
    if destructors > 0 {
        remarks.push("destructor".to_owned());
    }
    if all().any(|n| n.is_dying) {
        remarks.push("being freed".to_owned());
    }
    let members = all().filter(|n| n.member_of != NONE).count();
    if members == nodes.len() {
        remarks.push("in a pool".to_owned());
    } else if members > 0 {
        remarks.push(format!("{members} in pools"));
    }
    let pools = || {
        all()
            .filter(|n| n.pool != NONE)
            .map(|n| &tree.pools[n.pool as usize])
    };
    let (used, room) = pools().fold((0_u64, 0_u64), |(u, r), p| {
        (u.saturating_add(p.used), r.saturating_add(p.room))
    });
    if pools().next().is_some() {
        let kind = if pools().all(|p| p.is_cache) {
            "cache"
        } else {
            "pool"
        };
        remarks.push(format!("{kind} {used}/{room}"));
    }
    if let ([i], Some((max, used))) = (nodes, tree.node(nodes[0]).limit) {
        let _ = i;
        remarks.push(format!("limit {used}/{max}"));
    } else if all().any(|n| n.limit.is_some()) {
        remarks.push("limited".to_owned());
    }
    remarks.join(", ")
}

pub fn tree_rows(tree: &Tree, shown: &Shown) -> Result<Table, String> {
    let mut table = Table::new(&["bytes", "blocks", "count", "name", "remarks"]);
    let roots = match shown.under {
        Some(what) => tree.under(what)?,
        None => tree.roots.clone(),
    };
    // Which nodes have one of the name below them, or are one.
    let mut leads: Vec<bool> = Vec::new();
    let mut matches: Vec<Option<bool>> = Vec::new();
    if let Some(pattern) = shown.name {
        leads = vec![false; tree.nodes.len()];
        for &i in tree.order.iter().rev() {
            let name = tree.node(i).name as usize;
            if matches.len() <= name {
                matches.resize(name + 1, None);
            }
            let is_one =
                *matches[name].get_or_insert_with(|| pattern.matches(tree.text(name as u32)));
            if is_one {
                leads[i as usize] = true;
            }
            let parent = tree.node(i).parent;
            if leads[i as usize] && parent != NONE {
                leads[parent as usize] = true;
            }
        }
    }
    let is_named = |i: u32| shown.name.is_some_and(|p| p.matches(tree.name(i)));
    let mut stack: Vec<(Group, bool)> = Vec::new();
    stack.extend(
        groups(tree, roots.into_iter(), 0)
            .into_iter()
            .rev()
            .map(|g| (g, false)),
    );
    while let Some((group, is_below)) = stack.pop() {
        if group.totals.bytes < shown.min {
            continue;
        }
        let is_below = is_below || shown.name.is_none() || is_named(group.nodes[0]);
        if !is_below && !group.nodes.iter().any(|&i| leads[i as usize]) {
            continue;
        }
        let first = group.nodes[0];
        let arrow = if tree.node(first).kind == Kind::Reference {
            "-> "
        } else {
            ""
        };
        table.row(vec![
            Cell::Number(group.totals.bytes),
            Cell::Number(group.totals.blocks),
            Cell::Number(group.nodes.len() as u64),
            Cell::Deep(group.depth, format!("{arrow}{}", tree.name(first))),
            Cell::Text(remarks(tree, &group.nodes)),
        ]);
        if shown.depth.is_some_and(|depth| group.depth >= depth) {
            continue;
        }
        let below = group.nodes.iter().flat_map(|&i| tree.children(i));
        let below = groups(tree, below, group.depth + 1);
        stack.extend(below.into_iter().rev().map(|g| (g, is_below)));
    }
    Ok(table)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum By {
    /// Bytes with what is below
    Bytes,
    /// Blocks with what is below
    Blocks,
    /// Bytes without what is below
    Own,
}

/// The heaviest names: what has a name is counted with all below it, but once where it
/// lies below another of that name.
pub fn top_rows(tree: &Tree, count: usize, by: By) -> Table {
    #[derive(Default)]
    struct Sum {
        count: u64,
        own: u64,
        totals: Totals,
        heaviest: Option<u32>,
    }
    let mut sums: FxHashMap<u32, Sum> = FxHashMap::default();
    // Names of the nodes above, with how often each is there.
    let mut above: FxHashMap<u32, u32> = FxHashMap::default();
    let mut path: Vec<u32> = Vec::new();
    for &i in &tree.order {
        let node = tree.node(i);
        while path.last().is_some_and(|&last| last != node.parent) {
            let name = tree.node(path.pop().unwrap_or(i)).name;
            if let Some(n) = above.get_mut(&name) {
                *n -= 1;
            }
        }
        let again = above.get(&node.name).is_some_and(|&n| n > 0);
        *above.entry(node.name).or_default() += 1;
        path.push(i);
        if node.kind == Kind::Reference {
            continue;
        }
        let totals = tree.totals[i as usize];
        let sum = sums.entry(node.name).or_default();
        sum.count += 1;
        sum.own = sum.own.saturating_add(node.size);
        if !again {
            sum.totals.add(totals);
        }
        let bytes = |i: u32| tree.totals[i as usize].bytes;
        if sum.heaviest.is_none_or(|other| bytes(other) < totals.bytes) {
            sum.heaviest = Some(i);
        }
    }
    let mut sums: Vec<(u32, Sum)> = sums.into_iter().collect();
    sums.sort_by_key(|(name, s)| {
        let key = match by {
            By::Bytes => s.totals.bytes,
            By::Blocks => s.totals.blocks,
            By::Own => s.own,
        };
        (
            std::cmp::Reverse(key),
            std::cmp::Reverse(s.own),
            tree.text(*name).to_owned(),
        )
    });
    let mut table = Table::new(&["bytes", "blocks", "own", "count", "name", "heaviest"]);
    for (name, s) in sums.into_iter().take(count) {
        table.row(vec![
            Cell::Number(s.totals.bytes),
            Cell::Number(s.totals.blocks),
            Cell::Number(s.own),
            Cell::Number(s.count),
            Cell::Text(tree.text(name).to_owned()),
            Cell::Text(s.heaviest.map(|i| tree.path(i)).unwrap_or_default()),
        ]);
    }
    table
}

/// Pools and caches, the fullest first.
pub fn pool_rows(tree: &Tree) -> Table {
    let mut table = Table::new(&[
        "used", "room", "full", "alive", "members", "kind", "address", "pool",
    ]);
    let mut pools: Vec<_> = tree.pools.iter().collect();
    pools.sort_by_key(|p| (std::cmp::Reverse(p.room), p.address));
    for p in pools {
        let mut name = match p.node {
            NONE => "(freed, its members keep it)".to_owned(),
            node => tree.path(node),
        };
        if p.node == NONE && p.a_member != NONE {
            name += &format!(": {}", tree.path(p.a_member));
        }
        let kind = if p.is_cache {
            format!("cache of {} x {}", p.objects, p.object)
        } else {
            "pool".to_owned()
        };
        table.row(vec![
            Cell::Number(p.used),
            Cell::Number(p.room),
            Cell::Text(format!(
                "{:.0}%",
                100.0 * p.used as f64 / p.room.max(1) as f64
            )),
            Cell::Number(p.alive),
            Cell::Number(p.members),
            Cell::Text(kind),
            Cell::Text(format!("{:#x}", p.address)),
            Cell::Text(name),
        ]);
    }
    table
}
