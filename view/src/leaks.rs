//! `leaks`: chunks that are attached, but that nothing leads to any more.
//!
//! Each word of memory that lies within a chunk's user bytes is taken for a pointer to it.
//! Words in talloc's own headers are none.  What stacks, registers, data and blocks of
//! others lead to is in use, and so is what a chunk in use leads to; a chunk with one in
//! use below it is left alone.  What remains is a leak, reported where it begins.

use crate::memory::{Memory, map_of, word_at};
use crate::note::HEADER;
use crate::progress::Progress;
use crate::scan;
use crate::source::Image;
use crate::table::{Cell, Table};
use crate::tree::{Kind, NONE, Totals, Tree};
use std::collections::HashMap;
use std::ops::Range;

/// What may be used below the stack pointer of a thread.
const RED_ZONE: u64 = 128;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Sure {
    /// Its address is nowhere.
    Yes,
    /// Its address is where nobody reads it any more: in another leak, in memory that was
    /// freed, below the end of a stack.
    Likely,
    /// Its destructor may be all that it is for.
    Perhaps,
}

impl Sure {
    fn text(self) -> &'static str {
        match self {
            Sure::Yes => "yes",
            Sure::Likely => "likely",
            Sure::Perhaps => "perhaps",
        }
    }
}

pub struct Leak {
    /// The chunk; what is below it leaks, too.
    pub node: u32,
    pub sure: Sure,
}

/// Where user bytes begin and end, in the order of addresses.
struct Spans(Vec<(u64, u64, u32)>);

impl Spans {
    fn new(tree: &Tree) -> Spans {
        let span = |i: u32| {
            let node = tree.node(i);
            let size = match node.kind {
                Kind::Reference => 40,
                _ => node.size.max(1), // a pointer to no bytes is one
            };
            (node.address, node.address.saturating_add(size), i)
        };
        let mut all: Vec<_> = (0..tree.nodes.len() as u32).map(span).collect();
        all.sort_unstable();
        Spans(all)
    }

    /// The chunk that an address lies in.
    fn find(&self, at: u64) -> Option<u32> {
        let i = self.0.partition_point(|s| s.0 <= at).checked_sub(1)?;
        let (_, end, node) = self.0[i];
        (at < end).then_some(node)
    }
}

/// Ranges that do not overlap, in their order.
fn holds(ranges: &[Range<u64>], at: u64) -> bool {
    let i = ranges.partition_point(|r| r.end <= at);
    ranges.get(i).is_some_and(|r| r.contains(&at))
}

fn sorted(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_by_key(|r| r.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// The unused parts of stacks. Where chunks lie is no stack of the C library's.
fn below_stacks(memory: &dyn Memory, spans: &Spans) -> Vec<Range<u64>> {
    let maps = memory.maps();
    let part = |stack: u64| {
        let map = map_of(maps, stack)?;
        let first = spans.0.partition_point(|s| s.0 < map.range.start);
        let has_chunks = spans.0.get(first).is_some_and(|s| s.0 < map.range.end);
        let end = stack.saturating_sub(RED_ZONE);
        (!has_chunks && map.writable && end > map.range.start).then_some(map.range.start..end)
    };
    memory
        .threads()
        .iter()
        .filter_map(|thread| part(thread.stack))
        .collect()
}

/// From where a word leads to a chunk.
#[derive(Clone, Copy)]
enum From {
    Use,
    Dead,
    Chunk(u32),
}

/// The leaks of an image, whose tree this is.
pub fn find(image: &Image, tree: &Tree, progress: &Progress) -> Vec<Leak> {
    let memory = &*image.memory;
    let spans = Spans::new(tree);
    let (Some(first), Some(last)) = (spans.0.first(), spans.0.last()) else {
        return Vec::new();
    };
    let all = first.0..last.1;
    // What is free: kept blocks, the room of pools that is not a member's.
    let mut free: Vec<Range<u64>> = below_stacks(memory, &spans);
    free.extend(
        tree.kept
            .blocks
            .iter()
            .map(|&(at, size)| at..at.saturating_add(size)),
    );
    free.extend(
        tree.pools
            .iter()
            .map(|p| p.end.saturating_sub(p.room)..p.end),
    );
    let free = sorted(free);
    // What is the library's.
    let library = &image.library;
    let mut own = vec![library.data.clone()];
    if library.mask != 0 {
        own.push(
            library.table
                ..library
                    .table
                    .saturating_add(library.mask)
                    .saturating_add(64),
        );
    }
    let own = sorted(own);
    let from = |at: u64| match spans.find(at) {
        Some(i) if tree.node(i).kind == Kind::Reference => None,
        Some(i) => Some(From::Chunk(i)),
        None if holds(&own, at) => None,
        None if holds(&free, at) => Some(From::Dead),
        None => Some(From::Use),
    };
    let found = scan::sweep(memory, 0, progress, |start, bytes, _| {
        let mut found = Vec::new();
        // The next header: it is passed over.
        let mut next = spans.0.partition_point(|s| s.0 <= start);
        let mut i = 0;
        while let Some(word) = word_at(bytes, i) {
            let at = start + 8 * i as u64;
            while spans.0.get(next).is_some_and(|s| s.0 <= at) {
                next += 1;
            }
            let header = spans.0.get(next).filter(|span| at + HEADER >= span.0);
            if let Some(span) = header {
                i += ((span.0 - at) as usize).div_ceil(8);
                continue;
            }
            i += 1;
            if !all.contains(&word) {
                continue;
            }
            if let Some(to) = spans.find(word) {
                found.extend(from(at).map(|from| (from, to)));
            }
        }
        found
    });
    let mut edges: Vec<(u32, u32)> = Vec::new();
    let mut is_used = vec![false; tree.nodes.len()];
    let mut is_told = vec![false; tree.nodes.len()];
    for (from, to) in found.into_iter().flatten() {
        match from {
            From::Use => is_used[to as usize] = true,
            From::Dead => is_told[to as usize] = true,
            From::Chunk(i) if i != to => edges.push((i, to)),
            From::Chunk(_) => {}
        }
    }
    for word in memory.threads().iter().flat_map(|t| &t.registers) {
        if let Some(to) = spans.find(*word) {
            is_used[to as usize] = true;
        }
    }
    edges.sort_unstable();
    edges.dedup();
    let mut work: Vec<u32> = (0..tree.nodes.len() as u32)
        .filter(|&i| is_used[i as usize])
        .collect();
    while let Some(i) = work.pop() {
        let begin = edges.partition_point(|e| e.0 < i);
        for &(_, to) in edges[begin..].iter().take_while(|e| e.0 == i) {
            if !std::mem::replace(&mut is_used[to as usize], true) {
                work.push(to);
            }
        }
    }
    for &(_, to) in &edges {
        is_told[to as usize] = true;
    }
    // A chunk that is in use keeps all above it; the library has its own two.
    let mut leads = is_used.clone();
    for &i in tree.order.iter().rev() {
        let node = tree.node(i);
        let header = node.address.wrapping_sub(HEADER);
        leads[i as usize] |= header == library.null_context || header == library.autofree;
        if leads[i as usize] && node.parent != NONE {
            leads[node.parent as usize] = true;
        }
    }
    let mut leaks = Vec::new();
    for &i in &tree.order {
        let node = tree.node(i);
        let begins = !leads[i as usize] && (node.parent == NONE || leads[node.parent as usize]);
        let is_talloc_s = node.kind == Kind::Reference || tree.name(i) == ".name" || node.is_dying;
        if !begins || is_talloc_s {
            continue;
        }
        let sure = match (node.has_destructor, is_told[i as usize]) {
            (true, _) => Sure::Perhaps,
            (_, true) => Sure::Likely,
            _ => Sure::Yes,
        };
        leaks.push(Leak { node: i, sure });
    }
    leaks
}

/// A row for the leaks of one path, heaviest first.
pub fn rows(tree: &Tree, leaks: &[Leak]) -> Table {
    struct Group {
        totals: Totals,
        count: u64,
        address: u64,
    }
    let mut groups: HashMap<(Sure, String), Group> = HashMap::new();
    for leak in leaks {
        let totals = tree.totals[leak.node as usize];
        let address = tree.node(leak.node).address;
        let group = groups
            .entry((leak.sure, tree.path(leak.node)))
            .or_insert(Group {
                totals: Totals::default(),
                count: 0,
                address,
            });
        group.totals.add(totals);
        group.count += 1;
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|(a, x), (b, y)| {
        (y.totals.bytes, y.totals.blocks, a).cmp(&(x.totals.bytes, x.totals.blocks, b))
    });
    let mut table = Table::new(&["bytes", "blocks", "count", "sure", "address", "path"]);
    for ((sure, path), group) in groups {
        table.row(vec![
            Cell::Number(group.totals.bytes),
            Cell::Number(group.totals.blocks),
            Cell::Number(group.count),
            Cell::Text(sure.text().to_owned()),
            Cell::Text(format!("{:#x}", group.address)),
            Cell::Text(path),
        ]);
    }
    table
}
