//! A running process: `/proc/PID` and `process_vm_readv`. It is never written to.

use crate::memory::{Map, Memory, Thread};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};

const PAGE: u64 = 4096;

pub struct Process {
    pid: i32,
    maps: Vec<Map>,
    pagemap: Option<File>,
    /// The threads that are stopped until this is dropped.
    stopped: Vec<i32>,
    threads: Vec<Thread>,
}

impl Process {
    /// With `stop` it stands still until this is dropped, or this program ends.
    pub fn open(pid: i32, stop: bool) -> Result<Process, String> {
        let folder = format!("/proc/{pid}");
        let owner = match fs::metadata(&folder) {
            Ok(data) => data.uid(),
            Err(_) => return Err(format!("there is no process {pid}")),
        };
        let failed = |e: &io::Error| match e.kind() {
            ErrorKind::NotFound => format!("process {pid} has gone"),
            ErrorKind::PermissionDenied => {
                // SAFETY: it has no conditions.
                let own = unsafe { libc::geteuid() };
                if own == owner {
                    format!("the kernel does not let us look into process {pid}: try as root")
                } else {
                    format!("process {pid} is of another user, with the id {owner}: try as root")
                }
            }
            _ if e.raw_os_error() == Some(libc::ESRCH) => format!("process {pid} has gone"),
            _ => format!("cannot look into process {pid}: {e}"),
        };
        let mut process = Process {
            pid,
            maps: Vec::new(),
            pagemap: File::open(format!("{folder}/pagemap")).ok(),
            stopped: Vec::new(),
            threads: Vec::new(),
        };
        if stop {
            process.stop().map_err(|e| failed(&e))?;
        }
        let text = fs::read(format!("{folder}/maps")).map_err(|e| failed(&e))?;
        process.maps = maps_of(&String::from_utf8_lossy(&text));
        let Some(first) = process.maps.first() else {
            return Err(format!(
                "process {pid} has no memory: it has ended, or is the kernel's"
            ));
        };
        // Whether we may, before anything else is tried.
        match process.try_read(first.range.start, &mut [0; 8]) {
            Err(e) if e.raw_os_error() != Some(libc::EFAULT) => Err(failed(&e)),
            _ => Ok(process),
        }
    }

    fn try_read(&self, at: u64, to: &mut [u8]) -> io::Result<usize> {
        let local = libc::iovec {
            iov_base: to.as_mut_ptr().cast(),
            iov_len: to.len(),
        };
        let remote = libc::iovec {
            iov_base: at as *mut libc::c_void,
            iov_len: to.len(),
        };
        // SAFETY: the local vector is the slice; the remote one is not ours.
        let n = unsafe { libc::process_vm_readv(self.pid, &local, 1, &remote, 1, 0) };
        usize::try_from(n).map_err(|_| io::Error::last_os_error())
    }

    /// Is the process still there?
    pub fn is_there(&self) -> bool {
        self.try_read(self.maps[0].range.start, &mut [0; 8]).is_ok()
    }

    fn stop(&mut self) -> io::Result<()> {
        // Threads may begin others until they are stopped themselves.
        loop {
            let mut more = false;
            for entry in fs::read_dir(format!("/proc/{}/task", self.pid))? {
                let Ok(thread) = entry?.file_name().to_string_lossy().parse::<i32>() else {
                    continue;
                };
                if self.stopped.contains(&thread) {
                    continue;
                }
                if let Err(e) = seize(thread) {
                    if e.raw_os_error() == Some(libc::ESRCH) {
                        continue; // it has ended meanwhile
                    }
                    return Err(e);
                }
                self.stopped.push(thread);
                self.threads.extend(registers(thread));
                more = true;
            }
            if !more {
                return Ok(());
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        for &thread in &self.stopped {
            // SAFETY: a thread that we trace.
            unsafe { libc::ptrace(libc::PTRACE_DETACH, thread, 0, 0) };
        }
    }
}

fn seize(thread: i32) -> io::Result<()> {
    // SAFETY: tracing changes nothing in our memory; the status has room.
    unsafe {
        if libc::ptrace(libc::PTRACE_SEIZE, thread, 0, 0) != 0
            || libc::ptrace(libc::PTRACE_INTERRUPT, thread, 0, 0) != 0
        {
            return Err(io::Error::last_os_error());
        }
        let mut status = 0;
        if libc::waitpid(thread, &mut status, libc::__WALL) != thread {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(target_arch = "x86_64")]
fn registers(thread: i32) -> Option<Thread> {
    // SAFETY: all zero is a value of it, and the kernel writes one.
    let regs = unsafe {
        let mut regs: libc::user_regs_struct = std::mem::zeroed();
        if libc::ptrace(libc::PTRACE_GETREGS, thread, 0, &raw mut regs) != 0 {
            return None;
        }
        regs
    };
    Some(Thread {
        stack: regs.rsp,
        registers: vec![
            regs.rax, regs.rbx, regs.rcx, regs.rdx, regs.rsi, regs.rdi, regs.rbp, regs.r8, regs.r9,
            regs.r10, regs.r11, regs.r12, regs.r13, regs.r14, regs.r15,
        ],
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn registers(_: i32) -> Option<Thread> {
    None
}

/// The maps of `/proc/PID/maps`, none of them over another. The kernel hands the file out a
/// page at a time: a heap that grows between two of these pages stands at the end of one and,
/// larger, at the begin of the next.
fn maps_of(text: &str) -> Vec<Map> {
    let mut maps: Vec<Map> = Vec::new();
    for mut map in text.lines().filter_map(parse) {
        let end = maps.last().map_or(0, |m| m.range.end);
        let seen = end.saturating_sub(map.range.start);
        map.range.start += seen;
        map.offset += seen;
        if !map.range.is_empty() {
            maps.push(map);
        }
    }
    maps
}

/// A line of `/proc/PID/maps`, unless nobody can read there or it is a device.
fn parse(line: &str) -> Option<Map> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let access = fields.next()?;
    let offset = fields.next()?;
    let path = fields.nth(2).unwrap_or("").trim_start();
    let is_device = path.starts_with("/dev/")
        && !["/dev/zero", "/dev/shm"]
            .iter()
            .any(|p| path.starts_with(p));
    if !access.starts_with('r') || is_device || path.starts_with("[v") {
        return None;
    }
    let hex = |text| u64::from_str_radix(text, 16).ok();
    Some(Map {
        range: hex(start)?..hex(end)?,
        writable: access.as_bytes().get(1) == Some(&b'w'),
        offset: hex(offset)?,
        path: path.to_owned(),
    })
}

impl Memory for Process {
    fn maps(&self) -> &[Map] {
        &self.maps
    }

    fn read(&self, at: u64, to: &mut [u8]) -> usize {
        self.try_read(at, to).unwrap_or(0)
    }

    /// Pages that were never touched are left out: to read them would make them.
    fn filled(&self, map: &Map) -> Vec<Range<u64>> {
        const PRESENT_OR_SWAPPED: u64 = 3 << 62;
        let whole = vec![map.range.clone()];
        let Some(pagemap) = &self.pagemap else {
            return whole;
        };
        let mut runs: Vec<Range<u64>> = Vec::new();
        let mut buffer = vec![0; 8 * 8192];
        let mut page = map.range.start;
        while page < map.range.end {
            let left = ((map.range.end - page) / PAGE * 8).min(buffer.len() as u64) as usize;
            let Ok(n @ 8..) = pagemap.read_at(&mut buffer[..left], page / PAGE * 8) else {
                return whole;
            };
            for entry in buffer[..n / 8 * 8].chunks_exact(8) {
                let entry = u64::from_le_bytes(entry.try_into().unwrap_or_default());
                if entry & PRESENT_OR_SWAPPED != 0 {
                    match runs.last_mut() {
                        Some(run) if run.end == page => run.end += PAGE,
                        _ => runs.push(page..page + PAGE),
                    }
                }
                page += PAGE;
            }
        }
        runs
    }

    fn is_moving(&self) -> bool {
        self.stopped.is_empty()
    }

    fn threads(&self) -> Vec<Thread> {
        if !self.stopped.is_empty() {
            return self.threads.clone();
        }
        // A thread that waits for the kernel says where its stack is.
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid));
        tasks
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|task| {
                let text = fs::read_to_string(task.path().join("syscall")).ok()?;
                let stack = text.trim().rsplit(' ').nth(1)?;
                Some(Thread {
                    stack: u64::from_str_radix(stack.strip_prefix("0x")?, 16).ok()?,
                    registers: Vec::new(),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::maps_of;

    #[test]
    fn a_map_that_grew_while_the_maps_were_read_is_there_once() {
        let maps = maps_of(
            "7f00-8f00 rw-p 00000000 00:00 0 [heap]\n\
             a000-b000 rw-p 00000000 00:00 0\n\
             a000-c000 rw-p 00000000 00:00 0\n\
             a000-b800 rw-p 00000000 00:00 0\n\
             c000-d000 r--p 00001000 fe:01 9 /lib/a\n",
        );
        let seen: Vec<_> = maps.iter().map(|m| (m.range.clone(), m.offset)).collect();
        assert_eq!(
            seen,
            [
                (0x7f00..0x8f00, 0),
                (0xa000..0xb000, 0),
                (0xb000..0xc000, 0x1000),
                (0xc000..0xd000, 0x1000),
            ]
        );
    }
}
