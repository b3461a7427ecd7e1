//! Where a tree is from.

use crate::core::Core;
use crate::live::Process;
use crate::memory::Memory;
use crate::note::{self, Library};
use crate::picture;
use crate::progress::Progress;
use crate::report;
use crate::tree::Tree;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

/// Memory, and the library in it.
pub struct Image {
    pub memory: Box<dyn Memory>,
    pub library: Library,
    pub name: String,
}

impl Image {
    fn new(memory: Box<dyn Memory>, name: String) -> Result<Image, String> {
        let (library, others) = note::find(&*memory, &name)?;
        for path in others {
            eprintln!(
                "talloc-view: {name} has a second libtalloc, {path}: its chunks are left out"
            );
        }
        Ok(Image {
            memory,
            library,
            name,
        })
    }

    pub fn of_process(pid: i32, stop: bool) -> Result<Image, String> {
        Image::new(
            Box::new(Process::open(pid, stop)?),
            format!("process {pid}"),
        )
    }

    pub fn of_core(path: &Path) -> Result<Image, String> {
        let file = open(path)?;
        Image::new(
            Box::new(Core::open(path, &file)?),
            path.display().to_string(),
        )
    }

    pub fn tree(&self, progress: &Progress) -> Tree {
        picture::take(&*self.memory, &self.library, &self.name, progress)
    }
}

pub enum Source {
    Image(Image),
    Report(Tree),
}

fn open(path: &Path) -> Result<File, String> {
    File::open(path).map_err(|e| format!("cannot open {}: {e}", path.display()))
}

impl Source {
    /// A number is a process, unless there is a file of that name; `-` is a report on
    /// stdin; a file that begins as ELF does is a core, another a report.
    pub fn open(what: &str, stop: bool) -> Result<Source, String> {
        if what == "-" {
            return Ok(Source::Report(report::read(
                std::io::stdin().lock(),
                "stdin",
            )?));
        }
        let path = Path::new(what);
        if let (Ok(pid), false) = (what.parse::<u32>(), path.exists()) {
            let pid = i32::try_from(pid).map_err(|_| format!("there is no process {what}"))?;
            if pid == 0 {
                return Err("there is no process 0".to_owned());
            }
            return Ok(Source::Image(Image::of_process(pid, stop)?));
        }
        let mut file = open(path)?;
        let mut magic = [0; 4];
        let is_elf = match file.read_exact(&mut magic) {
            Ok(()) => magic == *b"\x7fELF",
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => false,
            Err(e) => return Err(format!("cannot read {what}: {e}")),
        };
        if is_elf {
            return Ok(Source::Image(Image::of_core(path)?));
        }
        // What is a pipe cannot go back; it is read from what was seen on.
        let seen = std::io::Cursor::new(magic);
        if file.rewind().is_ok() {
            return Ok(Source::Report(report::read(BufReader::new(file), what)?));
        }
        Ok(Source::Report(report::read(
            BufReader::new(seen.chain(file)),
            what,
        )?))
    }
}
