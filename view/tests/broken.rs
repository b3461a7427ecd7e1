//! What `check` says of a tree in which something was written over, and of one that is whole.

mod common;

use common::{Program, view};

#[test]
fn each_word_of_a_header() {
    let folder = common::folder("broken");
    let program = common::compile("broken", &folder);
    for (what, name, says) in [
        ("head", "newest", "its link `next` leads to 0x"),
        (
            "parent",
            "middle",
            "its parent 0x4141414141414141 is no live chunk",
        ),
        (
            "next",
            "newest",
            "its link `next` leads to 0x4141414141414141, where no header is",
        ),
        ("child", "UNNAMED", "its link `child` leads to 0x"),
        (
            "pprev",
            "oldest",
            "its link `pprev` leads to a word that does not lead back",
        ),
        ("destructor", "middle", "its destructor was overwritten"),
        ("references", "oldest", "its list of references is broken"),
        ("pool", "UNNAMED", "the record of its pool is not its own"),
        (
            "home",
            "member",
            "it says that it lies in a pool, and does not",
        ),
        ("overrun", "newest", "its link `next` leads to 0x"),
    ] {
        let mut program = Program::start(&program);
        program.ask(what);
        let pid = program.pid().to_string();
        let (code, out, err) = view(&["check", &pid]);
        assert_eq!((code, err.as_str()), (1, ""), "{what}: {out}");
        let is_told = out
            .lines()
            .any(|line| line.contains(name) && line.contains(says));
        assert!(is_told || what == "overrun", "{what}: {out}");
        let core = program.core(&folder);
        let (code, of_core, _) = view(&["check", core.to_str().unwrap()]);
        assert_eq!(code, 1, "{what}");
        let lines = |text: &str| text.lines().count();
        assert_eq!(lines(&of_core), lines(&out), "{what}: {of_core}{out}");
        let (code, ..) = view(&["tree", &pid]);
        assert_eq!(code, 0, "{what}");
        std::fs::remove_file(core).unwrap();
    }
}

#[test]
fn nothing_is_wrong_with_what_is_whole() {
    let folder = common::folder("whole");
    let program = common::compile("broken", &folder);
    let mut program = Program::start(&program);
    for _ in 0..3 {
        program.ask("nothing");
    }
    let pid = program.pid().to_string();
    let (code, out, err) = view(&["check", &pid]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("nothing wrong"), "{out}");
    let (code, out, _) = view(&["check", "--stop", "--format", "json", &pid]);
    assert_eq!((code, out.as_str()), (0, "[]\n"));
}
