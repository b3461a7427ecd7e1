//! The live screen, on a terminal of its own.

mod common;

use common::{Program, view};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

struct Terminal {
    child: Child,
    keys: File,
    seen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    fn watch(pid: i32) -> Terminal {
        let (mut master, mut slave) = (0, 0);
        let size = libc::winsize {
            ws_row: 30,
            ws_col: 120,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let null = std::ptr::null_mut();
        // SAFETY: two places for file descriptors, which are ours then.
        let (master, slave) = unsafe {
            assert_eq!(
                libc::openpty(&mut master, &mut slave, null, null.cast(), &size),
                0
            );
            (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave))
        };
        let child = Command::new(env!("CARGO_BIN_EXE_talloc-view"))
            .args(["watch", &pid.to_string()])
            .env("TERM", "xterm")
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave)
            .spawn()
            .unwrap();
        let seen = Arc::new(Mutex::new(vt100::Parser::new(30, 120, 0)));
        let (text, mut screen) = (seen.clone(), master.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = screen.read(&mut bytes) {
                text.lock().unwrap().process(&bytes[..n]);
            }
        });
        Terminal {
            child,
            keys: master,
            seen,
        }
    }

    /// Until that is on the screen, in ten seconds at most.
    fn wait_for(&self, what: &str) {
        let start = Instant::now();
        loop {
            let seen = self.seen.lock().unwrap().screen().contents();
            if seen.contains(what) {
                return;
            }
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "no {what:?} in\n{seen}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).unwrap();
    }

    fn end(&mut self) -> Option<i32> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child.kill().unwrap();
        None
    }
}

#[test]
fn keys_growth_and_the_end() {
    let folder = common::folder("watch");
    let program = common::compile("broken", &folder);
    let mut program = Program::start(&program);
    program.ask("nothing");
    let mut terminal = Terminal::watch(program.pid());
    terminal.wait_for("BYTES/S");
    terminal.wait_for("other");
    terminal.wait_for("sort: bytes");
    // Two more of the trees: "top" has 90 bytes, "other" 10.
    program.ask("nothing");
    program.ask("nothing");
    terminal.wait_for("+180");
    terminal.wait_for("+20");
    terminal.press("s");
    terminal.wait_for("sort: growth");
    // Down to what is below "top": the heaviest, so the first.
    terminal.press("\x1b[C");
    terminal.wait_for("newest");
    terminal.wait_for("middle");
    terminal.press("\x1b[D");
    terminal.wait_for("other");
    terminal.press("q");
    assert_eq!(terminal.end(), Some(0));

    let mut terminal = Terminal::watch(program.pid());
    terminal.wait_for("BYTES/S");
    drop(program);
    terminal.wait_for("talloc-view: ");
    assert_eq!(terminal.end(), Some(2));
}

#[test]
fn no_terminal() {
    let folder = common::folder("no-terminal");
    let program = common::compile("broken", &folder);
    let mut program = Program::start(&program);
    program.ask("nothing");
    let (code, out, err) = view(&["watch", &program.pid().to_string()]);
    let message = "talloc-view: watch needs a terminal; `top` and `diff` do not\n";
    assert_eq!((code, out.as_str(), err.as_str()), (2, "", message));
}
