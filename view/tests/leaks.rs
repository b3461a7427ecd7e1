//! Planted leaks: each of a hundred is found, and hardly anything else.

mod common;

use common::Program;
use std::collections::BTreeSet;
use talloc_view::leaks;
use talloc_view::progress::Progress;
use talloc_view::source::Image;

#[test]
fn a_hundred_of_a_hundred() {
    let folder = common::folder("leaks");
    let program = common::compile("leaks", &folder);
    for seed in 1..=10 {
        let mut program = Program::start(&program);
        let planted: BTreeSet<u64> = program
            .ask(&seed.to_string())
            .iter()
            .map(|line| u64::from_str_radix(&line[2..], 16).unwrap())
            .collect();
        assert_eq!(planted.len(), 100);
        let core = program.core(&folder);
        let live = Image::of_process(program.pid(), seed % 2 == 0).unwrap();
        for image in [live, Image::of_core(&core).unwrap()] {
            let quiet = Progress::quiet();
            let tree = image.tree(&quiet);
            let leaks = leaks::find(&image, &tree, &quiet);
            let address = |leak: &leaks::Leak| tree.node(leak.node).address;
            let found: BTreeSet<u64> = leaks.iter().map(address).collect();
            let what = format!("{} of seed {seed}", image.name);
            let missed = planted.difference(&found).count();
            assert_eq!(missed, 0, "{what}: leaks that were missed");
            let others = found.difference(&planted).count();
            let in_use = tree.nodes.len() - planted.len();
            assert!(in_use > 10_000, "{what}");
            assert!(
                others * 100 <= in_use,
                "{what}: {others} of {in_use} are none"
            );
            println!("{what}: {others} of {in_use} others named");
        }
        std::fs::remove_file(core).unwrap();
    }
}
