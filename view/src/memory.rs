//! The memory of a process, running or dumped: where it is, and what is in it.

use std::ops::Range;

/// A part of the address space.
#[derive(Clone, Debug)]
pub struct Map {
    pub range: Range<u64>,
    pub writable: bool,
    /// Where in its file it begins; says nothing without a file.
    pub offset: u64,
    /// The file, `[heap]` or `[stack]`, or empty.
    pub path: String,
}

/// What a thread had in its registers, its stack pointer apart.
#[derive(Clone, Debug, Default)]
pub struct Thread {
    pub stack: u64,
    pub registers: Vec<u64>,
}

/// Memory that can be read, by several threads at a time.
pub trait Memory: Sync {
    /// In the order of their addresses.
    fn maps(&self) -> &[Map];

    /// Reads what is at `at`; how many bytes could be read, from the first on.
    fn read(&self, at: u64, to: &mut [u8]) -> usize;

    /// The parts of a writable map that hold anything.
    fn filled(&self, map: &Map) -> Vec<Range<u64>>;

    /// Does it change while we look?
    fn is_moving(&self) -> bool;

    /// The threads, as far as they are known.
    fn threads(&self) -> Vec<Thread>;

    /// All of `to`, or nothing.
    fn read_all(&self, at: u64, to: &mut [u8]) -> Option<()> {
        (self.read(at, to) == to.len()).then_some(())
    }

    fn word(&self, at: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read_all(at, &mut bytes)?;
        Some(u64::from_le_bytes(bytes))
    }
}

/// The map that an address lies in.
pub fn map_of(maps: &[Map], at: u64) -> Option<&Map> {
    let i = maps.partition_point(|m| m.range.end <= at);
    maps.get(i).filter(|m| m.range.contains(&at))
}

/// Word `i` of some bytes.
pub fn word_at(bytes: &[u8], i: usize) -> Option<u64> {
    let bytes = bytes.get(8 * i..)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*bytes))
}

pub fn half_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk::<4>()?))
}
