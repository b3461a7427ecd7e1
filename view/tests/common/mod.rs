//! C programs on the library of this repository, and cores of them.
#![allow(dead_code)] // not each test uses all

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Where `make stage` has installed the library.
pub fn stage() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../build/stage");
    let stage = std::env::var_os("TALLOC_STAGE").map_or(default.into(), PathBuf::from);
    assert!(
        stage.join("lib/libtalloc.so.2").exists(),
        "run `make stage` first"
    );
    stage
}

/// A folder of its own for a test, empty.
pub fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Where Debian's library is.
pub fn original() -> Option<PathBuf> {
    let folders = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
    ];
    folders
        .iter()
        .map(PathBuf::from)
        .find(|f| f.join("libtalloc.so.2").exists())
}

/// A program that answers lines with lines up to "end".
pub struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

pub fn compile(source: &str, to: &Path) -> PathBuf {
    compile_with(source, &[], &to.join(source))
}

pub fn compile_with(source: &str, flags: &[&str], to: &Path) -> PathBuf {
    let stage = stage();
    let program = to.to_owned();
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let status = Command::new(cc)
        .args(flags)
        .args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&program)
        .arg(format!("{}/tests/{source}.c", env!("CARGO_MANIFEST_DIR")))
        .arg(format!("-I{}", stage.join("include").display()))
        .arg(format!("-L{}", stage.join("lib").display()))
        .arg(format!("-Wl,-rpath,{}", stage.join("lib").display()))
        .args(["-ltalloc", "-lpthread"])
        .status();
    assert!(status.unwrap().success(), "{source}.c does not compile");
    program
}

impl Program {
    pub fn start(program: &Path) -> Program {
        Program::of(Command::new(program).current_dir(program.parent().unwrap()))
    }

    /// The same on Debian's own library.
    pub fn start_on_original(program: &Path) -> Program {
        let folder = original().expect("libtalloc2 of Debian");
        Program::of(Command::new(program).env("LD_LIBRARY_PATH", folder))
    }

    fn of(command: &mut Command) -> Program {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Program {
            child,
            stdin,
            stdout,
        }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// What it answers to a line.
    pub fn ask(&mut self, line: &str) -> Vec<String> {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
        let mut answer = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "it has ended");
            let line = line.trim_end_matches('\n').to_owned();
            if line == "end" {
                return answer;
            }
            answer.push(line);
        }
    }

    /// Its core, by gdb.
    pub fn core(&self, folder: &Path) -> PathBuf {
        let core = folder.join(format!("core.{}", self.pid()));
        let status = Command::new("gcore")
            .arg("-o")
            .arg(folder.join("core"))
            .arg(self.pid().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.expect("gcore, of Debian's gdb").success() && core.exists());
        core
    }

    /// Its core, by the kernel, in the folder of the program; `None` where that puts cores
    /// elsewhere.
    pub fn own_core(mut self) -> Option<PathBuf> {
        let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").ok()?;
        if pattern.contains(['/', '|']) {
            return None;
        }
        let folder = fs::read_link(format!("/proc/{}/cwd", self.pid())).unwrap();
        let all = libc::rlimit {
            rlim_cur: libc::RLIM_INFINITY,
            rlim_max: libc::RLIM_INFINITY,
        };
        // SAFETY: a process of ours, and a limit that is read.
        let may = unsafe {
            libc::prlimit(self.pid(), libc::RLIMIT_CORE, &all, std::ptr::null_mut()) == 0
                && libc::kill(self.pid(), libc::SIGABRT) == 0
        };
        let is_core = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default();
            name.as_encoded_bytes().starts_with(b"core")
        };
        drop(self.stdin.take());
        self.child.wait().unwrap();
        let files = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path());
        let core = files
            .filter(is_core)
            .max_by_key(|path| path.metadata().unwrap().modified().unwrap());
        assert!(core.is_some() || !may, "no core");
        core
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.stdin.take()); // it ends when there is nothing to answer
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the tool says: exit status, stdout and stderr.
pub fn view(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_talloc-view"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (
        output.status.code().expect("no signal"),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}
