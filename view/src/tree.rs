//! The tree, wherever it is from: what all commands work on.

use rustc_hash::FxHashMap;

/// No node.
pub const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Kind {
    #[default]
    Chunk,
    Pool,
    Cache,
    Reference,
}

impl Kind {
    pub fn text(self) -> &'static str {
        match self {
            Kind::Chunk => "chunk",
            Kind::Pool => "pool",
            Kind::Cache => "cache",
            Kind::Reference => "reference",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Node {
    /// The user's pointer, 0 where it is not known.
    pub address: u64,
    /// User bytes of its own; 0 for a reference.
    pub size: u64,
    /// Blocks of its own: 1, or more where a report left out what is below.
    pub blocks: u64,
    pub name: u32,
    pub kind: Kind,
    pub has_destructor: bool,
    pub is_dying: bool,
    /// The chunk that a reference leads to.
    pub target: u32,
    /// References to it.
    pub references: u32,
    /// The pool or cache that it lies in, in [`Tree::pools`].
    pub member_of: u32,
    /// What it is of those itself.
    pub pool: u32,
    /// Limit and use of its account.
    pub limit: Option<(u64, u64)>,
    pub parent: u32,
    pub first: u32,
    pub next: u32,
}

impl Node {
    pub fn new(name: u32) -> Node {
        Node {
            address: 0,
            size: 0,
            blocks: 1,
            name,
            kind: Kind::Chunk,
            has_destructor: false,
            is_dying: false,
            target: NONE,
            references: 0,
            member_of: NONE,
            pool: NONE,
            limit: None,
            parent: NONE,
            first: NONE,
            next: NONE,
        }
    }
}

/// A pool or static pool cache.
#[derive(Clone, Debug)]
pub struct Pool {
    /// The user's pointer of its chunk, which may be gone.
    pub address: u64,
    /// Its chunk, or [`NONE`] if that is freed.
    pub node: u32,
    pub is_cache: bool,
    /// Where its room ends.
    pub end: u64,
    /// Bytes of its room, and how many of them were handed out.
    pub room: u64,
    pub used: u64,
    /// The members that are alive, and their bytes with headers.
    pub members: u64,
    pub alive: u64,
    /// Objects of a cache: of how many bytes, and how many there can be.
    pub object: u64,
    pub objects: u64,
    /// Any of the members.
    pub a_member: u32,
}

/// Freed blocks that the threads keep.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    pub threads: u64,
    /// Where they begin, and their sizes; in the order of addresses.
    pub blocks: Vec<(u64, u64)>,
}

impl Kept {
    pub fn bytes(&self) -> u64 {
        self.blocks.iter().fold(0, |sum, b| sum.saturating_add(b.1))
    }
}

/// Something that is not as it has to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Problem {
    /// The user's pointer of the chunk.
    pub address: u64,
    pub name: String,
    pub what: String,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Totals {
    pub bytes: u64,
    pub blocks: u64,
}

impl Totals {
    /// A garbled report may say anything: no sum goes beyond its end.
    pub fn add(&mut self, more: Totals) {
        self.bytes = self.bytes.saturating_add(more.bytes);
        self.blocks = self.blocks.saturating_add(more.blocks);
    }
}

#[derive(Default)]
pub struct Tree {
    /// What it is the tree of.
    pub source: String,
    pub nodes: Vec<Node>,
    names: Vec<Box<str>>,
    ids: FxHashMap<Box<str>, u32>,
    pub roots: Vec<u32>,
    /// Each node before what is below it.
    pub order: Vec<u32>,
    /// Of each node and what is below it.
    pub totals: Vec<Totals>,
    pub pools: Vec<Pool>,
    pub kept: Kept,
    pub problems: Vec<Problem>,
    /// Chunks that changed while they were looked at, and were left out.
    pub changed: u64,
    /// Is it of memory, not of a report?
    pub is_of_memory: bool,
}

impl Tree {
    /// An empty one.
    pub fn new(source: &str, is_of_memory: bool) -> Tree {
        Tree {
            source: source.to_owned(),
            is_of_memory,
            ..Tree::default()
        }
    }

    pub fn intern(&mut self, name: &str) -> u32 {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let id = self.names.len() as u32;
        self.names.push(name.into());
        self.ids.insert(name.into(), id);
        id
    }

    pub fn name(&self, node: u32) -> &str {
        &self.names[self.nodes[node as usize].name as usize]
    }

    pub fn text(&self, name: u32) -> &str {
        &self.names[name as usize]
    }

    pub fn node(&self, i: u32) -> &Node {
        &self.nodes[i as usize]
    }

    pub fn children(&self, of: u32) -> impl Iterator<Item = u32> {
        self.list(self.node(of).first)
    }

    fn list(&self, first: u32) -> impl Iterator<Item = u32> {
        let some = |i: u32| (i != NONE).then_some(i);
        std::iter::successors(some(first), move |&i| some(self.node(i).next))
    }

    /// Order and totals, from roots and links. What no root leads to is a loop: it gets one.
    pub fn finish(&mut self) {
        let n = self.nodes.len();
        let mut seen = vec![false; n];
        self.order = Vec::with_capacity(n);
        let mut stack: Vec<u32> = Vec::new();
        let mut rest = 0;
        let roots = self.roots.clone();
        let mut roots = roots.iter();
        loop {
            let root = match roots.next() {
                Some(&root) => root,
                None => {
                    while rest < n && seen[rest] {
                        rest += 1;
                    }
                    if rest == n {
                        break;
                    }
                    let root = rest as u32;
                    self.cut(root);
                    let (address, name) = (self.node(root).address, self.name(root).to_owned());
                    let what = "is below itself".to_owned();
                    self.problems.push(Problem {
                        address,
                        name,
                        what,
                    });
                    self.roots.push(root);
                    root
                }
            };
            stack.push(root);
            while let Some(i) = stack.pop() {
                if std::mem::replace(&mut seen[i as usize], true) {
                    continue;
                }
                self.order.push(i);
                let begin = stack.len();
                let mut child = self.nodes[i as usize].first;
                while child != NONE {
                    stack.push(child);
                    child = self.nodes[child as usize].next;
                }
                stack[begin..].reverse();
            }
        }
        self.totals = self
            .nodes
            .iter()
            .map(|n| Totals {
                bytes: n.size,
                blocks: n.blocks,
            })
            .collect();
        for &i in self.order.iter().rev() {
            let parent = self.nodes[i as usize].parent;
            if parent != NONE {
                let own = self.totals[i as usize];
                self.totals[parent as usize].add(own);
            }
        }
    }

    /// Takes a node out of the list it is in.
    fn cut(&mut self, i: u32) {
        let parent = std::mem::replace(&mut self.nodes[i as usize].parent, NONE);
        let next = std::mem::replace(&mut self.nodes[i as usize].next, NONE);
        if parent == NONE {
            return;
        }
        if self.nodes[parent as usize].first == i {
            self.nodes[parent as usize].first = next;
            return;
        }
        let mut at = self.nodes[parent as usize].first;
        while at != NONE {
            let after = self.nodes[at as usize].next;
            if after == i {
                self.nodes[at as usize].next = next;
                return;
            }
            at = after;
        }
    }

    /// Of all roots together.
    pub fn whole(&self) -> Totals {
        let mut whole = Totals::default();
        for &root in &self.roots {
            whole.add(self.totals[root as usize]);
        }
        whole
    }

    /// The names from the root to a node, as one text.
    pub fn path(&self, i: u32) -> String {
        let mut names = vec![self.name(i)];
        let mut at = self.node(i).parent;
        while at != NONE && names.len() < 64 {
            names.push(self.name(at));
            at = self.node(at).parent;
        }
        if at != NONE {
            names.push("...");
        }
        names.reverse();
        names.join("/")
    }

    /// The nodes that `--under` means: at an address, or of a name and not below another
    /// of them.
    pub fn under(&self, what: &str) -> Result<Vec<u32>, String> {
        let address = what
            .strip_prefix("0x")
            .map(|hex| u64::from_str_radix(hex, 16));
        if let Some(Ok(address)) = address {
            let found = self
                .nodes
                .iter()
                .position(|n| n.address == address && address != 0);
            return match found {
                Some(i) => Ok(vec![i as u32]),
                None => Err(format!("there is no chunk at {what}")),
            };
        }
        let mut is_below = vec![false; self.nodes.len()];
        let mut found = Vec::new();
        for &i in &self.order {
            let parent = self.node(i).parent;
            let below = parent != NONE && is_below[parent as usize];
            let is_one = self.name(i) == what && self.node(i).kind != Kind::Reference;
            if is_one && !below {
                found.push(i);
            }
            is_below[i as usize] = below || is_one;
        }
        if found.is_empty() {
            return Err(format!("there is no chunk called {what:?}"));
        }
        Ok(found)
    }
}
