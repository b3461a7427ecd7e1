//! Random trees that are known exactly, from a process and from cores: every chunk, size,
//! name, reference and pool is found, and nothing else.

mod common;

use common::Program;
use std::collections::{BTreeMap, BTreeSet};
use talloc_view::source::Image;
use talloc_view::tree::{Kind, NONE, Tree};

#[derive(Clone, PartialEq, Eq, Debug)]
struct Known {
    parent: u64,
    size: u64,
    references: u32,
    destructor: bool,
    kind: u32,
    span: u64,
    /// Of a cache: how large, and how many there can be.
    objects: (u64, u64),
    name: String,
}

#[derive(Default)]
struct Book {
    has_null: bool,
    chunks: BTreeMap<u64, Known>,
    /// The parent and the size of each chunk that holds a name.
    names: BTreeSet<(u64, u64)>,
    /// Owner and target, sorted.
    references: Vec<(u64, u64)>,
}

fn address(text: &str) -> u64 {
    match text {
        "(nil)" => 0,
        hex => u64::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap(),
    }
}

fn book(lines: &[String]) -> Book {
    let mut book = Book::default();
    for line in lines {
        let mut f = line.splitn(11, ' ');
        let mut next = || f.next().unwrap();
        match next() {
            "null" => book.has_null = next() == "1",
            "chunk" => {
                let at = address(next());
                let known = Known {
                    parent: address(next()),
                    size: next().parse().unwrap(),
                    references: next().parse().unwrap(),
                    destructor: next() == "1",
                    kind: next().parse().unwrap(),
                    span: next().parse().unwrap(),
                    objects: (next().parse().unwrap(), next().parse().unwrap()),
                    name: next().to_owned(),
                };
                assert!(book.chunks.insert(at, known).is_none());
            }
            "namechild" => {
                book.names
                    .insert((address(next()), next().parse().unwrap()));
            }
            "ref" => book.references.push((address(next()), address(next()))),
            _ => panic!("{line}"),
        }
    }
    book.references.sort_unstable();
    book
}

fn compare(tree: &Tree, book: &Book, what: &str) {
    compare_chunks(tree, book, what);
    compare_pools(tree, book, what);
}

fn compare_chunks(tree: &Tree, book: &Book, what: &str) {
    assert!(tree.problems.is_empty(), "{what}: {:?}", tree.problems);
    assert_eq!(tree.changed, 0, "{what}");
    let null = tree.nodes.iter().position(|n| {
        n.size == 0 && n.parent == NONE && { book.has_null && tree.text(n.name) == "null_context" }
    });
    let null = null.map(|i| tree.nodes[i].address);
    let parent_of = |n: &talloc_view::tree::Node| match n.parent {
        NONE => 0,
        i => match tree.node(i).address {
            at if Some(at) == null => 0,
            at => at,
        },
    };
    let (mut chunks, mut names, mut references) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    for (i, node) in tree.nodes.iter().enumerate() {
        let parent = parent_of(node);
        let name = tree.name(i as u32).to_owned();
        if node.kind == Kind::Reference {
            assert_eq!(node.size, 0);
            let target = match node.target {
                NONE => 0, // a report does not tell
                target => tree.node(target).address,
            };
            references.push((parent, target));
        } else if name == ".name" {
            names.insert((parent, node.size));
        } else if Some(node.address) != null {
            let kind = match node.kind {
                Kind::Pool => 1,
                Kind::Cache => 2,
                _ => 0,
            };
            let span = book.chunks.get(&node.address).map_or(0, |known| known.span);
            let objects = if node.kind == Kind::Cache {
                let cache = &tree.pools[node.pool as usize];
                (cache.object, cache.objects)
            } else {
                (0, 0)
            };
            let known = Known {
                parent,
                size: node.size,
                references: node.references,
                destructor: node.has_destructor,
                kind,
                span,
                objects,
                name,
            };
            assert!(
                chunks.insert(node.address, known).is_none(),
                "{what}: twice"
            );
        }
    }
    references.sort_unstable();
    assert_eq!(chunks.len(), book.chunks.len(), "{what}: number of chunks");
    for (found, known) in chunks.iter().zip(&book.chunks) {
        assert_eq!(found, known, "{what}");
    }
    assert_eq!(names, book.names, "{what}");
    assert_eq!(references, book.references, "{what}");
    let sum: u64 = tree.nodes.iter().map(|n| n.size).sum();
    assert_eq!(tree.whole().bytes, sum, "{what}");
    assert_eq!(tree.whole().blocks, tree.nodes.len() as u64, "{what}");
}

/// In which pool each lies: the innermost around it.
fn compare_pools(tree: &Tree, book: &Book, what: &str) {
    let pools: Vec<(u64, u64)> = book
        .chunks
        .iter()
        .filter(|(_, c)| c.kind != 0)
        .map(|(&at, c)| (at, at + c.size + c.span))
        .collect();
    for node in &tree.nodes {
        let around = pools
            .iter()
            .filter(|(start, end)| (*start..*end).contains(&node.address) && *start != node.address)
            .max_by_key(|pool| pool.0);
        match (around, node.member_of) {
            (Some(&(start, _)), pool) => {
                assert_ne!(pool, NONE, "{what}: {:#x} lies in {start:#x}", node.address);
                assert_eq!(tree.pools[pool as usize].address, start, "{what}");
            }
            (None, NONE) => {}
            (None, pool) => assert_eq!(tree.pools[pool as usize].node, NONE, "{what}"),
        }
    }
}

#[test]
fn a_thousand_live() {
    let folder = common::folder("trees-live");
    let program = common::compile("trees", &folder);
    let mut found = 0;
    for part in 0..4 {
        // A new secret from time to time.
        let mut program = Program::start(&program);
        for seed in part * 250..(part + 1) * 250 {
            let book = book(&program.ask(&format!("{seed} 1 {}", 20 + seed % 200)));
            let image = Image::of_process(program.pid(), seed % 10 == 0).unwrap();
            let tree = image.tree(&talloc_view::progress::Progress::quiet());
            compare(&tree, &book, &format!("seed {seed}"));
            found += book.chunks.len();
        }
    }
    assert!(found > 20_000, "{found}");
}

#[test]
fn a_thousand_in_cores() {
    let folder = common::folder("trees-core");
    let program = common::compile("trees", &folder);
    for seed in 0..10 {
        let mut program = Program::start(&program);
        let book = book(&program.ask(&format!("{seed} 100 37")));
        let core = if seed % 2 == 0 {
            program.core(&folder)
        } else {
            match program.own_core() {
                Some(core) => core,
                None => continue,
            }
        };
        let image = Image::of_core(&core).unwrap();
        let tree = image.tree(&talloc_view::progress::Progress::quiet());
        compare(&tree, &book, &format!("core of seed {seed}"));
        assert!(book.chunks.len() > 1000);
        std::fs::remove_file(core).unwrap();
    }
}

/// What a report tells: no kinds, no destructors, not what references lead to.
fn as_reported(mut book: Book) -> Book {
    for known in book.chunks.values_mut() {
        known.kind = 0;
        known.objects = (0, 0);
        known.destructor = false;
    }
    for reference in &mut book.references {
        reference.1 = 0;
    }
    book.references.sort_unstable();
    book
}

#[test]
fn reports_of_both_libraries() {
    let folder = common::folder("trees-report");
    let ours = common::compile("trees", &folder);
    let both = common::compile_with("trees", &["-DAS_ORIGINAL"], &folder.join("both"));
    let report = folder.join("report");
    for mut program in [Program::start(&ours), Program::start_on_original(&both)] {
        // With null tracking, or there is nothing to report.
        for seed in (1..300).step_by(3) {
            let question = format!("{seed} 5 {} {}", 20 + seed % 100, report.display());
            let book = as_reported(book(&program.ask(&question)));
            let file = std::io::BufReader::new(std::fs::File::open(&report).unwrap());
            let tree = talloc_view::report::read(file, "report").unwrap();
            compare_chunks(&tree, &book, &format!("report of seed {seed}"));
            assert!(!book.chunks.is_empty());
        }
    }
}
