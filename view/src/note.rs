//! The note that the library carries: see `src/note.rs` of the library.

use crate::memory::{Memory, half_at, word_at};

/// The version of the layout that this program knows.
const VERSION: u32 = 2;

pub const HEADER: u64 = 64;

/// Where the library of a process keeps what proves a header, and what those are.
#[derive(Clone, Debug)]
pub struct Library {
    pub path: String,
    /// Keys.
    place: u64,
    head_back: u64,
    seal_back: u64,
    /// The headers of both, 0 for none.
    pub null_context: u64,
    pub autofree: u64,
    /// The table of records, and which bits of a `home` tell the place.
    pub table: u64,
    pub mask: u64,
    /// The newest magazines, and their layout.
    pub newest: u64,
    pub magazines: Magazines,
    /// The library's own variables.
    pub data: std::ops::Range<u64>,
}

#[derive(Clone, Debug)]
pub struct Magazines {
    pub top: u64,
    pub depot: u64,
    pub loads: u64,
    pub room: u64,
    pub older: u64,
    pub arrays: u64,
    pub large_top: u64,
    pub large_arrays: u64,
    pub small: u64,
    pub first_large: u64,
    pub classes: u64,
    pub places: u64,
    pub half: u64,
}

impl Library {
    /// What a head at `place` says, if it is one.
    #[inline(always)]
    pub fn decode(&self, place: u64, head: u64) -> Option<u64> {
        let of_place = place.wrapping_add(1).wrapping_mul(self.place);
        let payload = head.wrapping_mul(self.head_back).wrapping_sub(of_place);
        (payload >> 41 == 0).then_some(payload)
    }

    /// The address that was sealed for the chunk at `place`.
    pub fn unseal(&self, place: u64, word: u64) -> Option<u64> {
        let of_place = place.wrapping_add(1).wrapping_mul(self.place);
        let address = word.wrapping_mul(self.seal_back).wrapping_sub(of_place);
        (address >> 48 == 0).then_some(address)
    }

    /// The record that a `home` leads to.
    pub fn record(&self, home: u64) -> u64 {
        self.table.wrapping_add(home & self.mask)
    }
}

/// The library of a process or core; the other paths of libraries with such a note.
pub fn find(memory: &dyn Memory, what: &str) -> Result<(Library, Vec<String>), String> {
    let mut found: Vec<Library> = Vec::new();
    let mut original = None;
    let mut unreadable = None;
    for map in memory.maps() {
        let file = map.path.rsplit('/').next().unwrap_or("");
        if map.offset != 0 {
            continue;
        }
        let mut begin = [0; 4096];
        let n = memory.read(map.range.start, &mut begin);
        let is_named = file.starts_with("libtalloc.so");
        if is_named && n == 0 {
            unreadable = Some(map.path.clone());
        }
        let Some(note) = talloc_note(memory, map.range.start, &begin[..n]) else {
            if is_named && n > 0 {
                original = Some(map.path.clone());
            }
            continue;
        };
        let library = read(memory, &note, &map.path, what)?;
        // One that was never used has no secret.
        found.extend(library);
    }
    if found.is_empty() {
        return Err(match (original, unreadable) {
            (Some(path), _) => format!(
                "{what} has another libtalloc, {path}: its chunks cannot be told from outside"
            ),
            (_, Some(path)) => format!("{what} leaves {path} out, and that file is not there"),
            _ => format!("there is no libtalloc in {what}"),
        });
    }
    let first = found.remove(0);
    Ok((first, found.into_iter().map(|l| l.path).collect()))
}

/// Address and bytes of the note in the ELF file that begins at `base`.
fn talloc_note(memory: &dyn Memory, base: u64, begin: &[u8]) -> Option<(u64, Vec<u8>)> {
    const LOAD: u32 = 1;
    const NOTE: u32 = 4;
    if begin.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let headers = usize::try_from(word_at(begin, 4)?).ok()?;
    let count = usize::from(u16::from_le_bytes([*begin.get(56)?, *begin.get(57)?]));
    let header = |i: usize| begin.get(headers.checked_add(56 * i)?..);
    let first = (0..count)
        .filter_map(header)
        .find(|h| half_at(h, 0) == Some(LOAD))
        .and_then(|h| word_at(h, 2))?;
    let bias = base.wrapping_sub(first & !4095);
    for h in (0..count).filter_map(header) {
        if half_at(h, 0) != Some(NOTE) {
            continue;
        }
        let (at, size) = (word_at(h, 2)?.wrapping_add(bias), word_at(h, 5)?);
        let mut notes = vec![0; size.min(4096) as usize];
        memory.read_all(at, &mut notes)?;
        let mut i = 0;
        while let (Some(name), Some(size), Some(kind)) = (
            half_at(&notes, i),
            half_at(&notes, i + 4),
            half_at(&notes, i + 8),
        ) {
            let begin = i + 12 + (name as usize).next_multiple_of(4);
            let end = begin + size as usize;
            if notes.get(i + 12..i + 19) == Some(b"talloc\0") && name == 7 && kind == 1 {
                return Some((at + begin as u64, notes.get(begin..end)?.to_vec()));
            }
            i = end.next_multiple_of(4);
        }
    }
    None
}

fn read(
    memory: &dyn Memory,
    (at, note): &(u64, Vec<u8>),
    path: &str,
    what: &str,
) -> Result<Option<Library>, String> {
    let short = || format!("the note of {path} is garbled");
    let half = |i| half_at(note, i).ok_or_else(short);
    let version = half(0)?;
    if version != VERSION || half(4)? != HEADER as u32 {
        return Err(format!(
            "{path} in {what} has layout version {version}, this talloc-view knows {VERSION} alone"
        ));
    }
    let lacking = || format!("{what} lacks the variables of {path}");
    // Each word tells how far it is from itself to what it means.
    let address = |i: usize| {
        let word = word_at(note, i).ok_or_else(short)?;
        Ok::<u64, String>((at + 8 * i as u64).wrapping_add(word))
    };
    let value = |i: usize| memory.word(address(i)?).ok_or_else(lacking);
    let keys = address(1)?;
    let key = |i| {
        memory
            .word(keys.wrapping_add(half(i)?.into()))
            .ok_or_else(lacking)
    };
    let number = |i| half(i).map(u64::from);
    let all: Result<Vec<u64>, String> = (1..=6).map(address).collect();
    let all = all?;
    let data = all.iter().min().copied().unwrap_or(0)..all.iter().max().copied().unwrap_or(0) + 8;
    let public = key(68)? as u32;
    let library = Library {
        path: path.to_owned(),
        place: key(56)?,
        head_back: key(60)?,
        seal_back: key(64)?,
        null_context: value(2)?,
        autofree: value(3)?,
        table: value(4)?,
        mask: value(5)?,
        newest: value(6)?,
        magazines: Magazines {
            top: number(72)?,
            depot: number(76)?,
            loads: number(80)?,
            room: number(84)?,
            older: number(88)?,
            arrays: number(92)?,
            large_top: number(96)?,
            large_arrays: number(100)?,
            small: number(104)?,
            first_large: number(108)?,
            classes: number(112)?,
            places: number(116)?,
            half: number(120)?,
        },
        data,
    };
    Ok((public != 0).then_some(library))
}
