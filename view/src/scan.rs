//! Finding headers: each word of the writable memory is tried as the head of a chunk.

use crate::memory::{Map, Memory, map_of, word_at};
use crate::note::{HEADER, Library};
use crate::progress::Progress;
use rayon::prelude::*;
use std::ops::Range;

// What a head says, as in the library's header.rs.
pub const SIZE: u64 = 0x0fff_ffff;
pub const TOP: u64 = 1 << 28;
pub const DTOR: u64 = 1 << 29;
pub const REF: u64 = 1 << 30;
pub const HANDLE: u64 = 1 << 31;
pub const MEMBER: u64 = 1 << 35;
pub const POOL: u64 = 1 << 36;
pub const LIMIT: u64 = 1 << 37;
pub const DYING: u64 = 1 << 38;

/// Where the links are in a header.
pub const NEXT: u64 = 16;
pub const CHILD: u64 = 24;
pub const EXTRA: u64 = 40;

/// A header as it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Raw {
    pub place: u64,
    pub payload: u64,
    pub parent: u64,
    pub next: u64,
    pub child: u64,
    pub pprev: u64,
    pub extra: u64,
    pub home: u64,
    pub name: u64,
}

impl Raw {
    pub fn size(&self) -> u64 {
        self.payload & SIZE
    }

    pub fn user(&self) -> u64 {
        self.place + HEADER
    }

    pub fn has(&self, flags: u64) -> bool {
        self.payload & flags != 0
    }

    /// Does it say that there is a pool, a limit or a destructor, where no word leads to one?
    pub fn is_hollow(&self) -> bool {
        self.has(MEMBER | POOL | LIMIT) && self.home == 0 || self.has(DTOR) && self.extra == 0
    }

    /// The header at `place`, whose bytes begin there.
    fn of(library: &Library, place: u64, bytes: &[u8]) -> Option<Raw> {
        let bytes: &[u8; HEADER as usize] = bytes.first_chunk()?;
        let word = |i| word_at(bytes, i);
        let payload = library.decode(place, word(0)?)?;
        Some(Raw {
            place,
            payload,
            parent: word(1)?,
            next: word(2)?,
            child: word(3)?,
            pprev: word(4)?,
            extra: word(5)?,
            home: word(6)?,
            name: word(7)?,
        })
    }
}

/// The header at `place`, if there is one.
pub fn look(memory: &dyn Memory, library: &Library, place: u64) -> Option<Raw> {
    let mut bytes = [0; HEADER as usize];
    memory.read_all(place, &mut bytes)?;
    let raw = Raw::of(library, place, &bytes)?;
    fits(memory.maps(), &raw).then_some(raw)
}

fn fits(maps: &[Map], raw: &Raw) -> bool {
    let end = raw.place.saturating_add(HEADER + raw.size());
    map_of(maps, raw.place).is_some_and(|m| m.writable && end <= m.range.end)
}

const PIECE: u64 = 1 << 20;

/// What is worth reading of the writable memory, in pieces.
pub fn pieces(memory: &dyn Memory) -> Vec<Range<u64>> {
    let mut pieces = Vec::new();
    for map in memory.maps().iter().filter(|m| m.writable) {
        for run in memory.filled(map) {
            let mut at = run.start;
            while at < run.end {
                let end = (at / PIECE * PIECE + PIECE).min(run.end);
                pieces.push(at..end);
                at = end;
            }
        }
    }
    pieces
}

/// Reads the writable memory once; `each` sees a piece, with what follows it as far as
/// `beyond` bytes.
pub fn sweep<T: Send>(
    memory: &dyn Memory,
    beyond: usize,
    progress: &Progress,
    each: impl Fn(u64, &[u8], usize) -> T + Sync,
) -> Vec<T> {
    let pieces = pieces(memory);
    progress.length(pieces.iter().map(|p| p.end - p.start).sum());
    pieces
        .into_par_iter()
        .map_init(Vec::new, |buffer: &mut Vec<u8>, piece| {
            let size = (piece.end - piece.start) as usize;
            buffer.resize(size + beyond, 0);
            let mut n = memory.read(piece.start, buffer);
            if n == 0 {
                // What follows the piece may be nobody's.
                n = memory.read(piece.start, &mut buffer[..size]);
            }
            let found = each(piece.start, &buffer[..n], size.min(n));
            progress.add(size as u64);
            found
        })
        .collect()
}

/// All that looks like a header, in the order of addresses.
pub fn scan(memory: &dyn Memory, library: &Library, progress: &Progress) -> Vec<Raw> {
    let maps = memory.maps();
    let found = sweep(
        memory,
        HEADER as usize - 8,
        progress,
        |start, bytes, size| {
            let mut found = Vec::new();
            for (i, word) in bytes[..size].chunks_exact(8).enumerate() {
                let head = u64::from_le_bytes(word.try_into().unwrap_or_default());
                let place = start + 8 * i as u64;
                // Memory that nobody wrote to is no chunk.
                if head == 0 || library.decode(place, head).is_none() {
                    continue;
                }
                found
                    .extend(Raw::of(library, place, &bytes[8 * i..]).filter(|raw| fits(maps, raw)));
            }
            found
        },
    );
    let mut all = Vec::with_capacity(found.iter().map(Vec::len).sum());
    for piece in found {
        all.extend(piece);
    }
    all
}
