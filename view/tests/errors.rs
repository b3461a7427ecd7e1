//! What cannot be read: one clear line, and exit status 2.

mod common;

use common::{Program, view};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The message, without the begin that all have.
fn refused(args: &[&str]) -> String {
    let (code, out, err) = view(args);
    assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
    let line = err
        .strip_prefix("talloc-view: ")
        .unwrap_or_else(|| panic!("{args:?}: {err}"));
    assert!(
        line.ends_with('\n') && line.matches('\n').count() == 1,
        "{args:?}: {err}"
    );
    line.trim_end().to_owned()
}

const ALL: [&str; 6] = ["tree", "top", "json", "check", "flame", "pools"];

#[test]
fn processes() {
    for command in ALL {
        assert_eq!(
            refused(&[command, "3999999"]),
            "there is no process 3999999"
        );
    }
    assert_eq!(
        refused(&["tree", "99999999999"]),
        "cannot open 99999999999: No such file or directory (os error 2)"
    );
    assert_eq!(refused(&["tree", "0"]), "there is no process 0");
    let mut sleep = Command::new("sleep").arg("100").spawn().unwrap();
    let pid = sleep.id().to_string();
    // Until it is no copy of this process any more.
    while fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| !exe.ends_with("sleep")) {}
    assert_eq!(
        refused(&["tree", &pid]),
        format!("there is no libtalloc in process {pid}")
    );
    sleep.kill().unwrap();
    // It has ended, and nobody has asked for it yet.
    while fs::read_to_string(format!("/proc/{pid}/maps")).is_ok_and(|maps| !maps.is_empty()) {}
    let message = refused(&["tree", &pid]);
    assert!(
        message.contains("has no memory") || message.contains("has gone"),
        "{message}"
    );
    sleep.wait().unwrap();
    assert_eq!(
        refused(&["tree", &pid]),
        format!("there is no process {pid}")
    );
}

#[test]
fn of_another_user() {
    // SAFETY: it has no conditions.
    if unsafe { libc::geteuid() } != 0 {
        assert!(refused(&["tree", "1"]).contains("is of another user"));
        return;
    }
    let tool = common::folder("user").join("talloc-view");
    let copy = Path::new("/tmp").join(format!("talloc-view-test-{}", std::process::id()));
    fs::copy(env!("CARGO_BIN_EXE_talloc-view"), &copy).unwrap();
    let pid = std::process::id().to_string();
    let output = Command::new(&copy)
        .args(["tree", &pid])
        .uid(65534)
        .gid(65534)
        .output();
    fs::remove_file(&copy).unwrap();
    let output = output.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{tool:?}");
    assert_eq!(
        text,
        format!("talloc-view: process {pid} is of another user, with the id 0: try as root\n")
    );
}

#[test]
fn the_original() {
    let folder = common::folder("original");
    let program = common::compile_with("trees", &["-DAS_ORIGINAL"], &folder.join("plain"));
    let mut program = Program::start_on_original(&program);
    program.ask("1 1 10");
    let message = refused(&["tree", &program.pid().to_string()]);
    assert!(message.contains("has another libtalloc, /"), "{message}");
    let core = program.core(&folder);
    let message = refused(&["tree", core.to_str().unwrap()]);
    assert!(message.contains("has another libtalloc, /"), "{message}");
}

fn patch(core: &[u8], to: &Path, change: impl Fn(&mut Vec<u8>)) -> String {
    let mut bytes = core.to_vec();
    change(&mut bytes);
    fs::write(to, bytes).unwrap();
    to.to_str().unwrap().to_owned()
}

#[test]
fn cores() {
    let folder = common::folder("bad-cores");
    let program = common::compile("trees", &folder);
    let mut program = Program::start(&program);
    program.ask("1 1 10");
    let core = fs::read(program.core(&folder)).unwrap();
    let file = folder.join("patched");
    let cut = patch(&core, &file, |bytes| bytes.truncate(core.len() / 2));
    assert!(refused(&["tree", &cut]).contains("is truncated: "));
    let cut = patch(&core, &file, |bytes| bytes.truncate(100));
    assert!(refused(&["tree", &cut]).contains("is truncated: its table of segments is not there"));
    let cut = patch(&core, &file, |bytes| bytes.truncate(20));
    assert!(refused(&["tree", &cut]).contains("its begin is garbled"));
    // Without the pages of any segment that can be written.
    let bare = patch(&core, &file, |bytes| {
        let (headers, count) = (64, u16::from_le_bytes([bytes[56], bytes[57]]));
        for i in 0..usize::from(count) {
            let h = headers + 56 * i;
            if bytes[h] == 1 && bytes[h + 4] & 2 != 0 {
                bytes[h + 32..h + 40].fill(0);
            }
        }
    });
    assert!(
        refused(&["tree", &bare])
            .contains("holds none of the pages that the process could write to")
    );
    let note = b"talloc\0\0\x02\0\0\0\x40\0\0\0";
    let at = core
        .windows(note.len())
        .position(|w| w == note)
        .expect("the note is in the core");
    let newer = patch(&core, &file, |bytes| bytes[at + 8] = 77);
    assert!(
        refused(&["tree", &newer])
            .contains("has layout version 77, this talloc-view knows 2 alone")
    );
    assert_eq!(
        refused(&["tree", "/bin/true"]),
        "/bin/true is an ELF file, but no core"
    );
}

#[test]
fn reports() {
    let file = common::folder("bad-reports").join("report");
    let name = file.to_str().unwrap();
    let report = |text: &str| fs::write(&file, text).unwrap();
    report("");
    assert_eq!(
        refused(&["tree", name]),
        format!("{name} has no talloc report in it")
    );
    report("full talloc report on 'x' (total      9 bytes in   1 blocks)\n    gibberish\n");
    assert_eq!(
        refused(&["tree", name]),
        format!("{name}:2: this is no line of a talloc report")
    );
    report("    a                              contains      1 bytes in   1 blocks (ref 0) 0x10\n");
    assert_eq!(
        refused(&["tree", name]),
        format!("{name}:1: a talloc report does not begin like this")
    );
    report("full talloc report on 'x' (total      0 bytes in   1 blocks)\n");
    for command in ["check", "pools"] {
        assert_eq!(
            refused(&[command, name]),
            format!("{name} is a report; this needs a process or a core")
        );
    }
    assert!(refused(&["flame", name]).contains("has no bytes to draw"));
    assert_eq!(
        refused(&["tree", "--under", "nobody", name]),
        "there is no chunk called \"nobody\""
    );
    assert_eq!(
        refused(&["tree", "--under", "0x10", name]),
        "there is no chunk at 0x10"
    );
    assert!(refused(&["tree", "/nonexistent"]).starts_with("cannot open /nonexistent: "));
    assert!(refused(&["tree", "/tmp"]).starts_with("cannot read /tmp: "));
    assert_eq!(refused(&["tree", "-"]), "stdin has no talloc report in it");
    let status = Command::new(env!("CARGO_BIN_EXE_talloc-view"))
        .args(["tree", "--min", "-5", name])
        .stderr(Stdio::null())
        .status();
    assert_eq!(status.unwrap().code(), Some(2));
}
