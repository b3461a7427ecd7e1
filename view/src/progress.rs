//! A bar on stderr, for what takes longer than a second on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

pub struct Progress {
    start: Instant,
    done: AtomicU64,
    length: AtomicU64,
    may_show: bool,
    bar: OnceLock<ProgressBar>,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress {
            start: Instant::now(),
            done: AtomicU64::new(0),
            length: AtomicU64::new(0),
            may_show: std::io::stderr().is_terminal(),
            bar: OnceLock::new(),
        }
    }
}

impl Progress {
    /// Shows nothing.
    pub fn quiet() -> Progress {
        let mut progress = Progress::default();
        progress.may_show = false;
        progress
    }

    /// So many bytes more are going to be read.
    pub fn length(&self, bytes: u64) {
        self.length.fetch_add(bytes, Relaxed);
    }

    pub fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Relaxed) + bytes;
        if !self.may_show || self.start.elapsed() < Duration::from_secs(1) {
            return;
        }
        let bar = self.bar.get_or_init(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {eta}");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_length(self.length.load(Relaxed));
        bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
