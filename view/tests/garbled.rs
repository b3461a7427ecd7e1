//! Garbled cores and reports: no panic, no hang, and an end with a tree or one message.

mod common;

use common::Program;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use talloc_view::progress::Progress;
use talloc_view::rows::{self, By, Shown};
use talloc_view::source::{Image, Source};
use talloc_view::table::Format;
use talloc_view::tree::Tree;
use talloc_view::{compare, graph, json, leaks};

const EACH: u64 = 5000;
const DONE: u64 = u64::MAX;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Ends the tests if one case takes longer than ten seconds.
fn watchdog() -> &'static AtomicU64 {
    let at: &'static AtomicU64 = Box::leak(Box::new(AtomicU64::new(0)));
    std::thread::spawn(move || {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let now = at.load(Relaxed);
            if now == DONE {
                return;
            }
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > Duration::from_secs(10) {
                eprintln!("case {now} hangs");
                std::process::exit(101);
            }
        }
    });
    at
}

/// Everything that is made of a tree.
fn use_all(tree: &Tree) {
    let shown = Shown {
        depth: Some(30),
        ..Shown::default()
    };
    let mut out = Vec::new();
    for format in [Format::Table, Format::Csv, Format::Json] {
        rows::tree_rows(tree, &shown)
            .unwrap()
            .write(format, &mut out)
            .unwrap();
        rows::top_rows(tree, 10, By::Own)
            .write(format, &mut out)
            .unwrap();
        rows::pool_rows(tree).write(format, &mut out).unwrap();
    }
    json::write(tree, &mut out).unwrap();
    graph::dot(tree, &tree.order, &mut out).unwrap();
    let _ = graph::flame(tree, &mut out);
    assert!(compare::rows(tree, tree).is_empty());
    assert_eq!(tree.order.len(), tree.nodes.len());
}

/// A core with what matters of `core`, but small: at most 64 KiB of each segment.
fn small(core: &[u8]) -> Vec<u8> {
    const MOST: usize = 64 << 10;
    let word = |at: usize| u64::from_le_bytes(core[at..at + 8].try_into().unwrap());
    let count = usize::from(u16::from_le_bytes([core[56], core[57]]));
    let begin = 64 + 56 * count;
    let mut small = core[..64].to_vec();
    small[32..40].copy_from_slice(&64_u64.to_le_bytes());
    small[40..48].fill(0); // no sections
    small[60..64].fill(0);
    let (mut headers, mut data): (Vec<u8>, Vec<u8>) = Default::default();
    for i in 0..count {
        let at = word(32) as usize + 56 * i;
        let (offset, size) = (word(at + 8) as usize, word(at + 32) as usize);
        let is_load = core[at] == 1;
        let is_heap = is_load && core[at + 4] & 2 != 0 && size < 1 << 20;
        let size = if is_load && !is_heap {
            size.min(MOST)
        } else {
            size
        };
        let mut header = core[at..at + 56].to_vec();
        header[8..16].copy_from_slice(&((begin + data.len()) as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(size as u64).to_le_bytes());
        headers.extend(header);
        data.extend(&core[offset..offset + size]);
    }
    small.extend(headers);
    small.extend(data);
    small
}

#[test]
fn cores() {
    let folder = common::folder("garbled-cores");
    let program = common::compile("trees", &folder);
    let mut program = Program::start(&program);
    program.ask("4 3 100");
    let large = program.core(&folder);
    let whole = small(&fs::read(&large).unwrap());
    fs::remove_file(large).unwrap();
    let path = folder.join("core");
    let mut random = Random(0x1234_5678_9abc_def1);
    fs::write(&path, &whole).unwrap();
    let image = Image::of_core(&path).unwrap();
    let quiet = Progress::quiet();
    let tree = image.tree(&quiet);
    assert!(
        tree.nodes.len() > 100 && tree.problems.is_empty(),
        "{:?}",
        tree.problems
    );
    // Where words matter: headers, the library's variables and note, records, magazines.
    let offset_of = |address: u64| file_offset(&whole, address);
    let mut spots: Vec<(usize, usize)> = vec![(0, 64 + 56 * 20), (0, whole.len())];
    let note = whole.windows(8).position(|w| w == b"talloc\0\0").unwrap();
    spots.push((note - 12, 140));
    let library = &image.library;
    spots.extend(offset_of(library.data.start).map(|at| (at, 400)));
    spots.extend(offset_of(library.table).map(|at| (at, 64 * 64)));
    spots.extend(offset_of(library.newest).map(|at| (at, 1 << 14)));
    let headers: Vec<usize> = tree
        .nodes
        .iter()
        .filter_map(|n| offset_of(n.address - 64))
        .collect();
    assert!(spots.len() == 6 && headers.len() > 100);
    let at = watchdog();
    let (mut trees, mut refused, mut problems) = (0, 0, 0);
    for case in 1..=EACH {
        at.store(case, Relaxed);
        let mut bytes = whole.clone();
        for _ in 0..1 + random.below(8) {
            let (begin, size) = match random.below(3) {
                0 => spots[random.below(spots.len())],
                _ => (headers[random.below(headers.len())], 128),
            };
            let place = (begin + random.below(size) / 8 * 8).min(bytes.len() - 8);
            let word = match random.below(5) {
                0 => 0,
                1 => u64::MAX,
                2 => 1 << random.below(64),
                // Another word of the file: a link elsewhere.
                3 => {
                    let other = headers[random.below(headers.len())] + 8 * random.below(9);
                    u64::from_le_bytes(bytes[other..other + 8].try_into().unwrap())
                }
                _ => random.next(),
            };
            bytes[place..place + 8].copy_from_slice(&word.to_le_bytes());
        }
        if random.below(20) == 0 {
            bytes.truncate(random.below(bytes.len()));
        }
        // A new file each time: the old one may still be mapped.
        let path = folder.join(format!("core-{}", case % 2));
        let _ = fs::remove_file(&path);
        fs::write(&path, &bytes).unwrap();
        match Image::of_core(&path) {
            Ok(image) => {
                let tree = image.tree(&quiet);
                use_all(&tree);
                leaks::rows(&tree, &leaks::find(&image, &tree, &quiet));
                trees += 1;
                problems += u64::from(!tree.problems.is_empty());
            }
            Err(e) => {
                assert!(!e.is_empty() && !e.contains('\n'), "{e}");
                refused += 1;
            }
        }
    }
    at.store(DONE, Relaxed);
    println!("{trees} trees, {problems} of them with problems, {refused} refused");
    assert!(problems > EACH / 4, "{problems} of {EACH}");
    assert!(refused > 50, "{refused} of {EACH}");
}

fn file_offset(core: &[u8], address: u64) -> Option<usize> {
    let word = |at: usize| u64::from_le_bytes(core[at..at + 8].try_into().unwrap());
    let count = usize::from(u16::from_le_bytes([core[56], core[57]]));
    (0..count).find_map(|i| {
        let at = 64 + 56 * i;
        let (offset, start, size) = (word(at + 8), word(at + 16), word(at + 32));
        let is_in = core[at] == 1 && (start..start + size).contains(&address);
        is_in.then(|| (offset + address - start) as usize)
    })
}

#[test]
fn reports() {
    let folder = common::folder("garbled-reports");
    let program = common::compile("trees", &folder);
    let file = folder.join("report");
    Program::start(&program).ask(&format!("4 3 100 {}", file.display()));
    let whole = fs::read(&file).unwrap();
    assert!(whole.len() > 5000);
    let mut random = Random(0xfeed_beef_1234_5677);
    let at = watchdog();
    let (mut trees, mut refused) = (0, 0);
    for case in 1..=EACH {
        at.store(case, Relaxed);
        let mut bytes = whole.clone();
        for _ in 0..1 + random.below(4) {
            let (i, k) = (random.below(bytes.len()), random.below(bytes.len()));
            match random.below(6) {
                0 => bytes[i] = random.next() as u8,
                1 => bytes[i] ^= 1 << random.below(8),
                // Digits and blanks are what is counted.
                2 => {
                    let n = random.below(40).min(bytes.len() - i);
                    bytes[i..i + n].fill(b"9 \n'0"[random.below(5)]);
                }
                3 => bytes.truncate(i.max(1)),
                4 => {
                    let part = bytes[i.min(k)..i.max(k)].to_vec();
                    bytes.splice(k..k, part);
                }
                _ => {
                    bytes.drain(i.min(k)..(i.min(k) + random.below(200)).min(bytes.len()));
                }
            }
            if bytes.is_empty() {
                bytes.push(b'x');
            }
        }
        match talloc_view::report::read(&bytes[..], "report") {
            Ok(tree) => {
                use_all(&tree);
                trees += 1;
            }
            Err(e) => {
                let is_placed = e.starts_with("report:") || e.contains("has no talloc report");
                assert!(is_placed && !e.contains('\n'), "{e}");
                refused += 1;
            }
        }
    }
    at.store(DONE, Relaxed);
    println!("{trees} trees, {refused} refused");
    assert!(
        trees > 100 && refused > 100,
        "{trees} trees, {refused} refused"
    );
}

/// A pipe, a name with a newline in it, two reports in one file.
#[test]
fn odd_but_right_reports() {
    let text = "full talloc report on 'a\nb' (total     30 bytes in   3 blocks)\n\
        \x20   two\nlines                      contains     20 bytes in   2 blocks (ref 0) 0x10\n\
        \x20           is a memlimit context (max_size = 7 bytes, cur_size = 5 bytes)\n\
        \x20           contains      5 bytes in   1 blocks (ref 2) 0x20\n\
        \x20                                      contains      3 bytes in   1 blocks (ref 0) 0x30\n\
        \n\
        talloc report on ' contains ' (total      1 bytes in   1 blocks)\n\
        \x20   char                           contains      1 bytes in   1 blocks (ref 0):    x\n\
        mallinfo:\n    arena: 458752\n    keepcost: 0\n";
    let tree = talloc_view::report::read(text.as_bytes(), "r").unwrap();
    let of = |i: u32| (tree.name(i), tree.node(i).size, tree.node(i).parent);
    let none = talloc_view::tree::NONE;
    assert_eq!(of(0), ("a\nb", 10, none));
    assert_eq!(of(1), ("two\nlines", 12, 0));
    assert_eq!(of(2), ("", 5, 1));
    assert_eq!(tree.node(2).limit, Some((7, 5)));
    assert_eq!(tree.node(2).references, 2);
    // Filled up, so that its depth is told by where it ends.
    assert_eq!(of(3), ("", 3, 1));
    assert_eq!(of(4), (" contains ", 0, none));
    assert_eq!(of(5), ("char", 1, 4));
    let file = common::folder("pipe").join("fifo");
    let path = std::ffi::CString::new(file.to_str().unwrap()).unwrap();
    // SAFETY: a C string.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    let writer = std::thread::spawn({
        let file = file.clone();
        move || {
            fs::File::create(file)
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap()
        }
    });
    let Ok(Source::Report(tree)) = Source::open(Path::new(&file).to_str().unwrap(), false) else {
        panic!("a pipe is a report");
    };
    writer.join().unwrap();
    assert_eq!(tree.nodes.len(), 6);
}
