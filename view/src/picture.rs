//! From headers to the tree: which of them are chunks, how they hang together, and what is
//! wrong with them.

use crate::memory::{Memory, half_at, map_of, word_at};
use crate::note::{HEADER, Library};
use crate::progress::Progress;
use crate::scan::{
    self, CHILD, DTOR, DYING, EXTRA, HANDLE, LIMIT, MEMBER, NEXT, POOL, REF, Raw, TOP,
};
use crate::tree::{Kept, Kind, NONE, Node, Pool, Problem, Tree};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::Range;
use std::sync::OnceLock;

/// How often what does not fit together is looked at again, while it may just be changing.
const LOOKS: usize = 4;
const LONGEST_NAME: usize = 4096;

/// A chunk that refers to another.
struct Handle {
    target: u64,
    back: u64,
    older: u64,
    destructor: u64,
}

fn handle_of(memory: &dyn Memory, raw: &Raw) -> Option<Handle> {
    let mut bytes = [0; 40];
    memory.read_all(raw.user(), &mut bytes)?;
    let word = |i| word_at(&bytes, i);
    Some(Handle {
        target: word(0)?,
        back: word(1)?,
        older: word(2)?,
        destructor: word(4)?,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RecordKind {
    Pool,
    Cache,
    Account,
}

/// A record of the library's table; addresses are whole.
struct Record {
    kind: RecordKind,
    next: u64,
    end: u64,
    base: u64,
    len: u64,
    live: u32,
    start: u64,
    outer: u64,
}

const OWN: u32 = 1 << 31;

fn records(memory: &dyn Memory, library: &Library) -> FxHashMap<u64, Record> {
    let mut found = FxHashMap::default();
    if library.mask == 0 {
        return found;
    }
    let table = library.table
        ..library
            .table
            .saturating_add(library.mask)
            .saturating_add(64);
    let Some(map) = map_of(memory.maps(), table.start) else {
        return found;
    };
    for run in memory.filled(map) {
        let mut at = run.start.max(table.start) / 64 * 64;
        let end = run.end.min(table.end);
        while at < end {
            let mut bytes = vec![0; (end - at).min(1 << 20) as usize];
            let n = memory.read(at, &mut bytes) / 64 * 64;
            if n == 0 {
                break;
            }
            for (i, bytes) in bytes[..n].chunks_exact(64).enumerate() {
                if let Some(record) = record(bytes) {
                    found.insert(at + 64 * i as u64, record);
                }
            }
            at += n as u64;
        }
    }
    found
}

fn record(bytes: &[u8]) -> Option<Record> {
    const ONE: u32 = 2; // what a member counts, beside 1 for the pool itself
    const CACHE: u32 = 1 << 31;
    let live = half_at(bytes, 32)?;
    let kind = match half_at(bytes, 36)? & 0xffff {
        1 => RecordKind::Pool,
        2 => RecordKind::Cache,
        // While a tool watches.
        3 if live & CACHE != 0 => RecordKind::Cache,
        3 => RecordKind::Pool,
        4 | 5 => RecordKind::Account,
        _ => return None,
    };
    let word = |i| word_at(bytes, i);
    // The user's pointer, less one.
    let user = word(2)?.wrapping_add(1);
    let base = user.wrapping_sub(HEADER);
    let top = word(3)?;
    let is_cache = kind == RecordKind::Cache;
    let record = Record {
        kind,
        next: word(0)?,
        end: word(if is_cache { 5 } else { 1 })?,
        base,
        len: if top == 0 {
            0
        } else {
            top.wrapping_sub(1).wrapping_sub(base)
        },
        live: ((live & !CACHE) / ONE) | if live & 1 != 0 { OWN } else { 0 },
        start: word(if is_cache { 2 } else { 5 })?,
        outer: word(6)?,
    };
    // The bitmap of a cache has a record's place, and none of these.
    (record.base % 4 == 0 && record.base > 1 && (record.len != 0) == (kind != RecordKind::Account))
        .then_some(record)
}

/// What the threads keep.
fn kept(memory: &dyn Memory, library: &Library) -> Kept {
    let m = &library.magazines;
    let mut kept = Kept::default();
    let mut at = library.newest;
    let is_sane = m.arrays < 1 << 20 && m.classes < 1 << 14 && (1..1 << 14).contains(&m.places);
    // What was seen once is not gone through again, however garbled the lists are.
    let mut seen = FxHashSet::default();
    while at != 0 && is_sane && m.half <= m.places && seen.insert(at) {
        kept.threads += 1;
        let mut bytes = vec![0; m.arrays as usize];
        if memory.read_all(at, &mut bytes).is_none() {
            break;
        }
        let word = |offset: u64| memory.word(at.wrapping_add(offset));
        for class in 0..m.classes {
            if class == m.small {
                continue; // records
            }
            let size = bytes_of_class(m.small, class);
            let room = bytes.get((m.room + class) as usize).copied().unwrap_or(0);
            let sentinel = (m.places - 1).saturating_sub(room.into());
            let (tops, arrays, n) = match class.checked_sub(m.first_large) {
                None => (m.top, m.arrays, class),
                Some(n) => (m.large_top, m.large_arrays, n),
            };
            let array = at.wrapping_add(arrays + n * m.places * 8);
            let top = word(tops + 8 * n).unwrap_or(0).wrapping_sub(array) / 8;
            if sentinel < top && top < m.places {
                let mut blocks = vec![0; 8 * (top - sentinel) as usize];
                if memory
                    .read_all(array + 8 * (sentinel + 1), &mut blocks)
                    .is_some()
                {
                    let blocks = blocks.chunks_exact(8).filter_map(|b| word_at(b, 0));
                    kept.blocks
                        .extend(blocks.filter(|&b| b != 0).map(|b| (b, size)));
                }
            }
            let mut load = word(m.depot + 8 * class).unwrap_or(0);
            while load != 0 && seen.insert(load) {
                let mut blocks = vec![0; 8 + 8 * m.half as usize];
                if memory.read_all(load, &mut blocks).is_none() {
                    break;
                }
                load = word_at(&blocks, 0).unwrap_or(0);
                let blocks = blocks[8..].chunks_exact(8).filter_map(|b| word_at(b, 0));
                kept.blocks
                    .extend(blocks.filter(|&b| b != 0).map(|b| (b, size)));
            }
        }
        at = word(m.older).unwrap_or(0);
    }
    kept.blocks.sort_unstable();
    kept.blocks.dedup();
    kept
}

/// How large a block of a class is.
fn bytes_of_class(small: u64, class: u64) -> u64 {
    if class < small {
        return HEADER + 16 * class + 8;
    }
    let (power, step) = ((class - small - 1) / 16, (class - small - 1) % 16);
    (16 + step + 1) << (power + 6).min(40)
}

/// Headers, by their places.
struct Headers {
    all: Vec<Raw>,
    at: FxHashMap<u64, u32>,
    /// Those that were not the same in the last two looks.
    moving: FxHashSet<u64>,
}

impl Headers {
    fn new(all: Vec<Raw>) -> Headers {
        let mut at = FxHashMap::with_capacity_and_hasher(all.len(), Default::default());
        at.extend(all.iter().enumerate().map(|(i, raw)| (raw.place, i as u32)));
        Headers {
            all,
            at,
            moving: FxHashSet::default(),
        }
    }

    fn get(&self, place: u64) -> Option<&Raw> {
        self.at.get(&place).map(|&i| &self.all[i as usize])
    }

    fn index(&self, place: u64) -> u32 {
        self.at.get(&place).copied().unwrap_or(NONE)
    }

    /// Does the word that is to lead to it?
    fn is_led_to(&self, c: &Raw) -> bool {
        if c.pprev == 0 {
            return c.parent == 0 && c.next == 0;
        }
        if c.parent == 0 {
            return false;
        }
        let is_first = c.pprev == c.parent.wrapping_sub(HEADER).wrapping_add(CHILD);
        if is_first {
            return self
                .get(c.parent.wrapping_sub(HEADER))
                .is_some_and(|p| p.child == c.place);
        }
        let newer = self.get(c.pprev.wrapping_sub(NEXT));
        newer.is_some_and(|s| s.next == c.place && s.parent == c.parent)
    }

    /// What is wrong with its links forward.
    fn wrong_link(&self, c: &Raw) -> Option<String> {
        for (to, offset, parent, what) in [
            (c.child, CHILD, c.user(), "child"),
            (c.next, NEXT, c.parent, "next"),
        ] {
            if to == 0 {
                continue;
            }
            match self.get(to) {
                None => {
                    return Some(format!(
                        "its link `{what}` leads to {to:#x}, where no header is"
                    ));
                }
                Some(other) if other.pprev != c.place + offset || other.parent != parent => {
                    let user = other.user();
                    return Some(format!(
                        "its link `{what}` leads to {user:#x}, which does not lead back"
                    ));
                }
                Some(_) => {}
            }
        }
        None
    }

    fn problem(&self, c: &Raw) -> Option<String> {
        if !self.is_led_to(c) {
            if c.parent != 0 && self.get(c.parent.wrapping_sub(HEADER)).is_none() {
                return Some(format!("its parent {:#x} is no live chunk", c.parent));
            }
            return Some("its link `pprev` leads to a word that does not lead back".to_owned());
        }
        self.wrong_link(c)
    }

    /// Looks again at what does not fit together, while that may just be changing. What is
    /// gone by then, or has no parent, is left out: how many that are.
    fn settle(&mut self, memory: &dyn Memory, library: &Library) -> u64 {
        let mut left_out = 0;
        for look in 0..LOOKS {
            let odd: Vec<u32> = (0..self.all.len() as u32)
                .into_par_iter()
                .filter(|&i| self.problem(&self.all[i as usize]).is_some())
                .collect();
            if odd.is_empty() || !memory.is_moving() {
                break;
            }
            let mut places: Vec<u64> = Vec::new();
            for &i in &odd {
                let c = &self.all[i as usize];
                let above = c.parent.wrapping_sub(HEADER);
                places.extend([c.place, above, c.next, c.child, c.pprev.wrapping_sub(NEXT)]);
            }
            places.sort_unstable();
            places.dedup();
            let mut gone = FxHashSet::default();
            self.moving.clear();
            for place in places.into_iter().filter(|&p| p >= 4096) {
                let now = scan::look(memory, library, place);
                match (now, self.index(place)) {
                    (Some(now), NONE) => {
                        self.at.insert(place, self.all.len() as u32);
                        self.all.push(now);
                        self.moving.insert(place);
                    }
                    (None, NONE) => {}
                    (Some(now), i) => {
                        if self.all[i as usize] != now {
                            self.moving.insert(place);
                        }
                        self.all[i as usize] = now;
                    }
                    (None, _) => {
                        gone.insert(place);
                    }
                }
            }
            if look + 1 == LOOKS {
                let lost = self
                    .all
                    .iter()
                    .filter(|c| c.parent != 0 && self.get(c.parent.wrapping_sub(HEADER)).is_none());
                gone.extend(
                    lost.filter(|c| self.moving.contains(&c.place))
                        .map(|c| c.place),
                );
            }
            left_out += gone.len() as u64;
            self.retain(|raw| !gone.contains(&raw.place));
        }
        left_out
    }

    /// May what is wrong with it come from a change meanwhile?
    fn is_moving(&self, c: &Raw) -> bool {
        let near = [
            c.place,
            c.parent.wrapping_sub(HEADER),
            c.next,
            c.child,
            c.pprev.wrapping_sub(NEXT),
        ];
        !self.moving.is_empty() && near.iter().any(|place| self.moving.contains(place))
    }

    fn retain(&mut self, keep: impl FnMut(&Raw) -> bool) {
        let before = self.all.len();
        self.all.retain(keep);
        if self.all.len() < before {
            let moving = std::mem::take(&mut self.moving);
            *self = Headers::new(std::mem::take(&mut self.all));
            self.moving = moving;
        }
    }

    /// Drops what only looks like a header: nothing leads there, and it leads nowhere.
    fn prove(&mut self) {
        let parents = OnceLock::new();
        let is_parent = |c: &Raw| {
            let parents = parents.get_or_init(|| {
                let all = self.all.iter().map(|c| c.parent);
                all.collect::<FxHashSet<u64>>()
            });
            parents.contains(&c.user())
        };
        // By chance zeros behind a word look like a chunk without a parent: what is below one
        // is a chunk, or says that it is; and what its flags speak of is not zero.
        let leads_down = |c: &Raw| match c.child {
            0 => !c.is_hollow(),
            child => self.get(child).is_some(),
        };
        let is_top = |c: &Raw| c.has(TOP | DYING) && (leads_down(c) || is_parent(c));
        let is_sound: Vec<bool> = self
            .all
            .par_iter()
            .map(|c| self.is_led_to(c) && (c.parent != 0 || is_top(c)))
            .collect();
        if is_sound.iter().all(|&sound| sound) {
            return;
        }
        let mut led_to = FxHashSet::default();
        for (c, _) in self.all.iter().zip(&is_sound).filter(|(_, sound)| **sound) {
            led_to.extend([c.next, c.child]);
        }
        let keep: Vec<bool> = (0..self.all.len())
            .map(|i| {
                let c = &self.all[i];
                let above = self.index(c.parent.wrapping_sub(HEADER));
                is_sound[i]
                    || led_to.contains(&c.place)
                    || (above != NONE && is_sound[above as usize])
            })
            .collect();
        let mut keep = keep.iter();
        self.retain(|_| keep.next() == Some(&true));
    }
}

/// Names by their addresses.
fn names(memory: &dyn Memory, tree: &mut Tree, headers: &Headers) -> Vec<u32> {
    const WINDOW: usize = 1 << 16;
    let mut wanted: Vec<(u64, u32)> = headers
        .all
        .iter()
        .enumerate()
        .map(|(i, raw)| (raw.name, i as u32))
        .collect();
    wanted.par_sort_unstable();
    let mut ids = vec![0; headers.all.len()];
    let unnamed = tree.intern("UNNAMED");
    let mut window: Vec<u8> = Vec::new();
    let mut range = 0..0;
    let mut last = (0, unnamed);
    for (at, i) in wanted {
        if at != last.0 {
            let end_of = |range: &Range<u64>, window: &[u8]| {
                let text = window.get((at - range.start) as usize..)?;
                text.iter().take(LONGEST_NAME).position(|&b| b == 0)
            };
            let mut length = range
                .contains(&at)
                .then(|| end_of(&range, &window))
                .flatten();
            if length.is_none() {
                window.resize(WINDOW, 0);
                let mut n = memory.read(at, &mut window);
                if n == 0 {
                    // The window may end where there is no memory.
                    let rest = map_of(memory.maps(), at).map_or(0, |m| m.range.end - at);
                    n = memory.read(at, &mut window[..(rest as usize).min(WINDOW)]);
                }
                window.truncate(n);
                range = at..at.saturating_add(n as u64);
                length = end_of(&range, &window);
            }
            let from = at.wrapping_sub(range.start) as usize;
            last = (
                at,
                match (length, window.get(from..)) {
                    (Some(length), Some(text)) => {
                        tree.intern(&String::from_utf8_lossy(&text[..length]))
                    }
                    (None, Some(text)) if text.len() >= LONGEST_NAME => {
                        tree.intern(&(String::from_utf8_lossy(&text[..LONGEST_NAME]) + "..."))
                    }
                    _ => tree.intern("(unreadable)"),
                },
            );
        }
        ids[i as usize] = last.1;
    }
    ids
}

/// The tree of what lies in `memory`, which `source` is a name for.
pub fn take(memory: &dyn Memory, library: &Library, source: &str, progress: &Progress) -> Tree {
    let mut tree = Tree::new(source, true);
    let mut headers = Headers::new(scan::scan(memory, library, progress));
    tree.changed = headers.settle(memory, library);
    headers.prove();
    let records = records(memory, library);
    tree.kept = kept(memory, library);
    let names = names(memory, &mut tree, &headers);
    tree.nodes = headers
        .all
        .par_iter()
        .zip(&names)
        .map(|(c, &name)| {
            let mut node = Node::new(name);
            node.address = c.user();
            node.size = if c.has(HANDLE) { 0 } else { c.size() };
            node.kind = if c.has(HANDLE) {
                Kind::Reference
            } else {
                Kind::Chunk
            };
            node.has_destructor = c.has(DTOR);
            node.is_dying = c.has(DYING);
            node.parent = match c.parent {
                0 => NONE,
                user => headers.index(user.wrapping_sub(HEADER)),
            };
            node
        })
        .collect();
    link(&mut tree, &headers);
    let mut builder = Builder {
        memory,
        library,
        headers: &headers,
        records,
        tree,
        weights: Vec::new(),
    };
    builder.references();
    builder.pools();
    builder.links();
    builder.tree.finish();
    builder.limits();
    builder.kept();
    let mut tree = builder.tree;
    tree.problems.sort();
    tree
}

/// Puts the children of each into their order; what is not in the list of its parent
/// comes behind.
fn link(tree: &mut Tree, headers: &Headers) {
    let n = headers.all.len();
    let mut linked = vec![false; n];
    for (i, raw) in headers.all.iter().enumerate() {
        let mut last = NONE;
        let mut place = raw.child;
        while place != 0 {
            let at = headers.index(place);
            if at == NONE || linked[at as usize] || tree.nodes[at as usize].parent != i as u32 {
                break;
            }
            linked[at as usize] = true;
            match last {
                NONE => tree.nodes[i].first = at,
                last => tree.nodes[last as usize].next = at,
            }
            last = at;
            place = headers.all[at as usize].next;
        }
    }
    for (i, is_linked) in linked.into_iter().enumerate() {
        let parent = tree.nodes[i].parent;
        if parent == NONE {
            tree.roots.push(i as u32);
        } else if !is_linked {
            tree.nodes[i].next = tree.nodes[parent as usize].first;
            tree.nodes[parent as usize].first = i as u32;
        }
    }
}

struct Builder<'a> {
    memory: &'a dyn Memory,
    library: &'a Library,
    headers: &'a Headers,
    records: FxHashMap<u64, Record>,
    tree: Tree,
    /// What each chunk is to a limit, in bytes.
    weights: Vec<u64>,
}

impl Builder<'_> {
    fn problem(&mut self, i: u32, what: impl Into<String>) {
        let (address, name) = (self.tree.node(i).address, self.tree.name(i).to_owned());
        self.tree.problems.push(Problem {
            address,
            name,
            what: what.into(),
        });
    }

    fn raw(&self, i: u32) -> &Raw {
        &self.headers.all[i as usize]
    }

    fn all(&self) -> Range<u32> {
        0..self.headers.all.len() as u32
    }

    /// Links, and the words that seals protect.
    fn links(&mut self) {
        let (headers, library) = (self.headers, self.library);
        let wrong: Vec<(u32, String)> = self
            .all()
            .into_par_iter()
            .filter_map(|i| {
                let c = &headers.all[i as usize];
                if let Some(what) = headers.problem(c).filter(|_| !headers.is_moving(c)) {
                    return Some((i, what));
                }
                let sealed = c.has(DTOR) && !c.has(REF | DYING);
                (sealed && library.unseal(c.place, c.extra).is_none())
                    .then(|| (i, "its destructor was overwritten".to_owned()))
            })
            .collect();
        for (i, what) in wrong {
            self.problem(i, what);
        }
        for root in [library.null_context, library.autofree] {
            if root != 0 && headers.get(root).is_none() {
                self.tree.problems.push(Problem {
                    address: root.wrapping_add(HEADER),
                    name: "(root)".to_owned(),
                    what: "the null or autofree context is no live chunk".to_owned(),
                });
            }
        }
    }

    fn references(&mut self) {
        let mut handles: FxHashMap<u64, Handle> = FxHashMap::default();
        for i in self.all() {
            if !self.raw(i).has(HANDLE) {
                continue;
            }
            let raw = *self.raw(i);
            match handle_of(self.memory, &raw) {
                Some(handle) => {
                    let target = self.headers.index(handle.target);
                    if target == NONE {
                        self.problem(i, "a reference to what is no live chunk");
                    } else {
                        self.tree.nodes[i as usize].target = target;
                        self.tree.nodes[i as usize].name = self.tree.node(target).name;
                    }
                    handles.insert(raw.place, handle);
                }
                None => self.problem(i, "a reference that cannot be read"),
            }
        }
        for i in self.all() {
            let c = *self.raw(i);
            if !c.has(REF) {
                continue;
            }
            let (mut at, mut back, mut count) = (c.extra, c.place + EXTRA, 0);
            let mut newest = None;
            while at != 0 {
                let Some(h) = handles
                    .get(&at)
                    .filter(|h| h.target == c.place && h.back == back)
                else {
                    self.problem(i, "its list of references is broken");
                    break;
                };
                newest.get_or_insert(h.destructor);
                count += 1;
                if count as usize > handles.len() {
                    break;
                }
                back = at + HEADER + 16;
                at = h.older;
            }
            self.tree.nodes[i as usize].references = count;
            let sealed = newest.filter(|_| c.has(DTOR) && !c.has(DYING));
            if sealed.is_some_and(|word| self.library.unseal(c.place, word).is_none()) {
                self.problem(i, "its destructor was overwritten");
            }
        }
        let mut found = vec![0; self.tree.nodes.len()];
        for node in &self.tree.nodes {
            if node.target != NONE {
                found[node.target as usize] += 1;
            }
        }
        for i in self.all() {
            if found[i as usize] != self.tree.node(i).references {
                self.problem(i, "not all references to it are in its list");
            }
        }
    }

    /// The record of the pool that a chunk is, or else lies in.
    fn record_of(&self, c: &Raw) -> u64 {
        let at = self.library.record(c.home);
        match self.records.get(&at) {
            Some(r) if r.kind == RecordKind::Account => self.library.record(r.outer),
            _ => at,
        }
    }

    fn pools(&mut self) {
        let mut pools: FxHashMap<u64, u32> = FxHashMap::default();
        let mut places: Vec<u64> = self
            .records
            .iter()
            .filter(|(_, r)| r.kind != RecordKind::Account)
            .map(|(&at, _)| at)
            .collect();
        places.sort_by_key(|at| self.records[at].base);
        for at in places {
            let r = &self.records[&at];
            let is_cache = r.kind == RecordKind::Cache;
            let own = if r.live & OWN != 0 {
                self.headers.index(r.base)
            } else {
                NONE
            };
            if r.live == 0 || (own != NONE && !self.raw(own).has(POOL)) {
                continue;
            }
            let start = r.start.wrapping_add(1);
            let end = r.base.saturating_add(r.len);
            let mut pool = Pool {
                address: r.base.wrapping_add(HEADER),
                node: own,
                is_cache,
                end,
                room: end.saturating_sub(start),
                used: r.next.wrapping_add(1).saturating_sub(start),
                members: 0,
                alive: 0,
                object: 0,
                objects: 0,
                a_member: NONE,
            };
            if is_cache {
                let mut slots = [0; 8];
                if self.memory.read_all(r.end, &mut slots).is_some() {
                    pool.object = half_at(&slots, 0).unwrap_or(0).into();
                    pool.objects = half_at(&slots, 4).unwrap_or(0).into();
                }
                pool.used = pool.room; // until the objects are counted
            }
            pools.insert(at, self.tree.pools.len() as u32);
            self.tree.pools.push(pool);
        }
        self.weights = vec![0; self.headers.all.len()];
        for i in self.all() {
            let c = *self.raw(i);
            let mut around = self.record_of(&c);
            if c.has(POOL) {
                match (pools.get(&around), self.records.get(&around)) {
                    (Some(&own), Some(r)) if r.base == c.place => {
                        let node = &mut self.tree.nodes[i as usize];
                        node.pool = own;
                        node.kind = if r.kind == RecordKind::Cache {
                            Kind::Cache
                        } else {
                            Kind::Pool
                        };
                        self.weights[i as usize] = r.len;
                        around = r.outer;
                    }
                    _ => {
                        self.problem(i, "the record of its pool is not its own");
                        continue;
                    }
                }
            } else {
                self.weights[i as usize] = HEADER + c.size();
            }
            if !c.has(MEMBER) {
                continue;
            }
            self.weights[i as usize] = 0;
            let inside = self.records.get(&around).is_some_and(|r| {
                c.place >= r.base && c.place + HEADER + c.size() <= r.base.saturating_add(r.len)
            });
            match pools.get(&around) {
                Some(&pool) if inside => {
                    self.tree.nodes[i as usize].member_of = pool;
                    let bytes = HEADER + c.size();
                    let pool = &mut self.tree.pools[pool as usize];
                    pool.a_member = i;
                    if !c.has(POOL) {
                        pool.members += 1;
                        pool.alive += bytes;
                    }
                }
                _ => self.problem(i, "it says that it lies in a pool, and does not"),
            }
        }
        // A pool in a pool is a member as long as its block is.
        for (at, r) in &self.records {
            if let (true, Some(&outer)) = (pools.contains_key(at), pools.get(&r.outer)) {
                let outer = &mut self.tree.pools[outer as usize];
                outer.members += 1;
                outer.alive = outer.alive.saturating_add(r.len);
            }
        }
        for (at, &pool) in &pools {
            let r = &self.records[at];
            let found = self.tree.pools[pool as usize].members;
            let p = &mut self.tree.pools[pool as usize];
            if p.is_cache {
                p.used = p
                    .room
                    .checked_div(p.objects)
                    .unwrap_or(0)
                    .saturating_mul(found);
            }
            let counted = u64::from(r.live & !OWN);
            if found != counted {
                let what = format!("a pool that counts {counted} members and has {found}");
                let (address, name) = match p.node {
                    NONE => (p.address, "(freed)".to_owned()),
                    node => (p.address, self.tree.name(node).to_owned()),
                };
                self.tree.problems.push(Problem {
                    address,
                    name,
                    what,
                });
            }
        }
    }

    /// The sum of each account.
    fn limits(&mut self) {
        let owners: Vec<(u32, u64, u64)> = self
            .all()
            .filter_map(|i| {
                let c = self.raw(i);
                let r = self.records.get(&self.library.record(c.home))?;
                let is_own = c.has(LIMIT) && r.kind == RecordKind::Account && r.base == c.place;
                is_own.then_some((i, r.start, r.end))
            })
            .collect();
        if owners.is_empty() {
            return;
        }
        let mut sums = self.weights.clone();
        for &i in self.tree.order.iter().rev() {
            let parent = self.tree.node(i).parent;
            if parent != NONE {
                sums[parent as usize] = sums[parent as usize].saturating_add(sums[i as usize]);
            }
        }
        for (i, max, used) in owners {
            self.tree.nodes[i as usize].limit = Some((max, used));
            let sum = sums[i as usize];
            if sum != used {
                self.problem(
                    i,
                    format!("its memory limit counts {used} bytes, and {sum} are alive"),
                );
            }
        }
    }

    /// Blocks that are kept as free, and are not.
    fn kept(&mut self) {
        for k in 0..self.tree.kept.blocks.len() {
            let i = self.headers.index(self.tree.kept.blocks[k].0);
            if i != NONE {
                self.problem(i, "its block is kept as a free one");
            }
        }
    }
}
