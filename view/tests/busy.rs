//! A process that never rests: what stays is found each time, and nothing wrong.

mod common;

use common::{Program, view};
use std::time::Duration;
use talloc_view::progress::Progress;
use talloc_view::source::Image;

#[test]
fn what_stays_is_found() {
    let folder = common::folder("busy");
    let program = common::compile("busy", &folder);
    let mut program = Program::start(&program);
    program.ask("go");
    std::thread::sleep(Duration::from_millis(200));
    let pid = program.pid();
    for round in 0..40 {
        let stop = round % 4 == 0;
        let image = Image::of_process(pid, stop).unwrap();
        let tree = image.tree(&Progress::quiet());
        let stable = (0..tree.nodes.len() as u32)
            .filter(|&i| tree.name(i) == "stable")
            .count();
        assert_eq!(stable, 1000, "round {round}, {} changed", tree.changed);
    }
    for round in 0..40 {
        let (code, out, err) = view(&["check", &pid.to_string()]);
        assert_eq!((code, err.as_str()), (0, ""), "round {round}: {out}");
    }
}
