//! A core file. What it leaves out, since it did not change, comes from the files that were
//! mapped, if they are still the ones.

use crate::memory::{Map, Memory, Thread, half_at, map_of, word_at};
use memmap2::Mmap;
use object::LittleEndian as Le;
use object::elf;
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

const NT_FILE: u32 = 0x4649_4c45;
const NT_PRSTATUS: u32 = 1;

struct Segment {
    range: Range<u64>,
    /// Where what is there of it lies in the file.
    bytes: Range<usize>,
}

pub struct Core {
    file: Mmap,
    segments: Vec<Segment>,
    maps: Vec<Map>,
    files: HashMap<String, Mmap>,
    threads: Vec<Thread>,
}

impl Core {
    /// `file` is the one at `path`, and begins as an ELF file does.
    pub fn open(path: &Path, file: &File) -> Result<Core, String> {
        let name = path.display();
        // SAFETY: who changes a core while it is read gets a wrong picture, or SIGBUS if it
        // is cut off: as with any tool that maps files.
        let file = unsafe { Mmap::map(file) }.map_err(|e| format!("cannot read {name}: {e}"))?;
        Core::parse(file, &format!("{name}"))
    }

    fn parse(file: Mmap, name: &str) -> Result<Core, String> {
        let bytes: &[u8] = &file;
        let bad = |what: &str| format!("{name} {what}");
        let header = elf::FileHeader64::<Le>::parse(bytes)
            .map_err(|_| bad("is no 64-bit ELF file, or its begin is garbled"))?;
        if header.e_type(Le) != elf::ET_CORE {
            return Err(bad("is an ELF file, but no core"));
        }
        let endian = header.endian().map_err(|_| bad("is not little-endian"))?;
        let headers = header
            .program_headers(endian, bytes)
            .map_err(|_| bad("is truncated: its table of segments is not there"))?;
        let mut segments = Vec::new();
        let mut maps = Vec::new();
        let mut mapped: Vec<(Range<u64>, u64, String)> = Vec::new();
        let mut threads = Vec::new();
        for h in headers {
            match h.p_type(endian) {
                elf::PT_LOAD => {
                    let start = h.p_vaddr(endian);
                    let end = start.checked_add(h.p_memsz(endian));
                    let last = h.p_offset(endian).checked_add(h.p_filesz(endian));
                    let (Some(end), Some(last)) = (end, last) else {
                        return Err(bad("has a segment beyond the end of memory"));
                    };
                    if last > bytes.len() as u64 {
                        return Err(format!(
                            "{name} is truncated: it has {} bytes and should have {last} or more",
                            bytes.len()
                        ));
                    }
                    let size = h.p_filesz(endian).min(end - start);
                    let offset = h.p_offset(endian);
                    segments.push(Segment {
                        range: start..end,
                        bytes: offset as usize..(offset + size) as usize,
                    });
                    maps.push(Map {
                        range: start..end,
                        writable: h.p_flags(endian).0 & 2 != 0,
                        offset: 0,
                        path: String::new(),
                    });
                }
                elf::PT_NOTE => {
                    let Ok(Some(mut notes)) = h.notes(endian, bytes) else {
                        return Err(bad("is truncated: its notes are not there"));
                    };
                    while let Ok(Some(note)) = notes.next() {
                        match note.n_type(endian).0 {
                            NT_FILE if mapped.is_empty() => mapped = parse_files(note.desc()),
                            NT_PRSTATUS => threads.extend(parse_status(note.desc())),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        segments.sort_by_key(|s| s.range.start);
        maps.sort_by_key(|m| m.range.start);
        if maps
            .windows(2)
            .any(|two| two[0].range.end > two[1].range.start)
        {
            return Err(bad("is garbled: its segments overlap"));
        }
        if !maps
            .iter()
            .zip(&segments)
            .any(|(m, s)| m.writable && !s.bytes.is_empty())
        {
            return Err(bad(
                "holds none of the pages that the process could write to",
            ));
        }
        for (range, offset, path) in mapped {
            let i = maps.partition_point(|m| m.range.end <= range.start);
            match maps.get_mut(i) {
                Some(m) if m.range.start == range.start => {
                    m.offset = offset;
                    m.path = path;
                }
                // The kernel's own cores have each map; others may leave maps out.
                Some(m) if m.range.start < range.end => {}
                _ => {
                    let place = Segment {
                        range: range.clone(),
                        bytes: 0..0,
                    };
                    segments.insert(i, place);
                    maps.insert(
                        i,
                        Map {
                            range,
                            writable: false,
                            offset,
                            path,
                        },
                    );
                }
            }
        }
        let mut core = Core {
            file,
            segments,
            maps,
            files: HashMap::new(),
            threads,
        };
        core.open_files();
        Ok(core)
    }

    /// The files whose pages are not all here, unless they were changed.
    fn open_files(&mut self) {
        let mut paths: Vec<&Map> = self
            .maps
            .iter()
            .filter(|m| m.path.starts_with('/'))
            .collect();
        paths.dedup_by(|a, b| a.path == b.path);
        let mut files = HashMap::new();
        for map in paths {
            if files.contains_key(&map.path) {
                continue;
            }
            let is_plain = std::fs::metadata(&map.path).is_ok_and(|data| data.is_file());
            let Some(file) = is_plain.then(|| File::open(&map.path).ok()).flatten() else {
                continue;
            };
            // SAFETY: as for the core.
            let Ok(file) = (unsafe { Mmap::map(&file) }) else {
                continue;
            };
            // The first page tells the build, if the core has it.
            let mut first = [0; 1024];
            let n = if map.offset == 0 {
                self.read(map.range.start, &mut first)
            } else {
                0
            };
            let is_same = n == 0 || file.get(..n).is_some_and(|begin| begin == &first[..n]);
            if is_same {
                files.insert(map.path.clone(), file);
            }
        }
        self.files = files;
    }

    fn read_some(&self, at: u64, to: &mut [u8]) -> usize {
        let i = self.maps.partition_point(|m| m.range.end <= at);
        let (Some(map), Some(segment)) = (self.maps.get(i), self.segments.get(i)) else {
            return 0;
        };
        if !map.range.contains(&at) {
            return 0;
        }
        let offset = (at - map.range.start) as usize;
        let here = self
            .file
            .get(segment.bytes.clone())
            .and_then(|bytes| bytes.get(offset..));
        let bytes = match here {
            Some(bytes) if !bytes.is_empty() => bytes,
            _ if map.writable => return 0,
            _ => {
                let in_file = map.offset.checked_add(offset as u64).map(|at| at as usize);
                let file = self.files.get(&map.path).zip(in_file);
                let Some(bytes) = file.and_then(|(file, at)| file.get(at..)) else {
                    return 0;
                };
                bytes
            }
        };
        let left = (map.range.end - at).min(bytes.len() as u64) as usize;
        let n = left.min(to.len());
        to[..n].copy_from_slice(&bytes[..n]);
        n
    }
}

/// Start, end, offset and path of each file that was mapped.
fn parse_files(note: &[u8]) -> Vec<(Range<u64>, u64, String)> {
    let mut found = Vec::new();
    let (Some(count), Some(page)) = (word_at(note, 0), word_at(note, 1)) else {
        return found;
    };
    let Some(names) = usize::try_from(count)
        .ok()
        .and_then(|count| count.checked_mul(24)?.checked_add(16))
        .and_then(|at| note.get(at..))
    else {
        return found;
    };
    for (i, name) in names.split(|&b| b == 0).take(count as usize).enumerate() {
        let word = |k| word_at(note, 2 + 3 * i + k);
        let (Some(start), Some(end), Some(offset)) = (word(0), word(1), word(2)) else {
            break;
        };
        if start < end {
            let path = String::from_utf8_lossy(name).into_owned();
            found.push((start..end, offset.wrapping_mul(page), path));
        }
    }
    found
}

/// The registers of a thread, on x86-64.
fn parse_status(note: &[u8]) -> Option<Thread> {
    const REGISTERS: usize = 112;
    const RSP: usize = 19;
    half_at(note, 0)?;
    let registers = note.get(REGISTERS..)?;
    Some(Thread {
        stack: word_at(registers, RSP)?,
        registers: (0..15).filter_map(|i| word_at(registers, i)).collect(),
    })
}

impl Memory for Core {
    fn maps(&self) -> &[Map] {
        &self.maps
    }

    fn read(&self, at: u64, to: &mut [u8]) -> usize {
        let mut done = 0;
        while done < to.len() {
            let Some(at) = at.checked_add(done as u64) else {
                break;
            };
            match self.read_some(at, &mut to[done..]) {
                0 => break,
                n => done += n,
            }
        }
        done
    }

    fn filled(&self, map: &Map) -> Vec<Range<u64>> {
        let i = self
            .maps
            .partition_point(|m| m.range.end <= map.range.start);
        let size = self.segments.get(i).map_or(0, |s| s.bytes.len() as u64);
        let start = map.range.start;
        if size == 0 {
            Vec::new()
        } else {
            std::iter::once(start..start + size).collect()
        }
    }

    fn is_moving(&self) -> bool {
        false
    }

    fn threads(&self) -> Vec<Thread> {
        self.threads.clone()
    }
}

impl Core {
    /// Is something writable at `at` that the core left out?
    pub fn lacks(&self, at: u64) -> bool {
        map_of(&self.maps, at).is_none_or(|_| self.read(at, &mut [0]) == 0)
    }
}
