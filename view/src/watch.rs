//! `watch`: the tree of a process as it grows, on a terminal.
//!
//! One thread takes samples, another draws and listens to keys. They share the newest
//! sample, the one before and the first.

use crate::progress::Progress;
use crate::source::Image;
use crate::table::plain;
use crate::tree::{Kind, Totals, Tree};
use parking_lot::Mutex;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Row, Table, TableState};
use ratatui::{DefaultTerminal, Frame};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

struct Sample {
    tree: Tree,
    at: Instant,
}

#[derive(Clone)]
struct Samples {
    first: Arc<Sample>,
    before: Arc<Sample>,
    now: Arc<Sample>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sort {
    Bytes,
    Growth,
    Rate,
    Count,
    Name,
}

const SORTS: [Sort; 5] = [
    Sort::Bytes,
    Sort::Growth,
    Sort::Rate,
    Sort::Count,
    Sort::Name,
];

/// What has one name below the place that is shown.
struct Group {
    name: String,
    totals: Totals,
    count: u64,
    /// Bytes more than at the start.
    growth: i64,
    /// Bytes more, each second.
    rate: f64,
}

/// What lies below the nodes of a path, by name.
fn sums(tree: &Tree, path: &[String]) -> HashMap<String, (Totals, u64)> {
    let mut nodes: Vec<u32> = tree.roots.clone();
    for name in path {
        nodes.retain(|&i| tree.name(i) == name && tree.node(i).kind != Kind::Reference);
        nodes = nodes.iter().flat_map(|&i| tree.children(i)).collect();
    }
    let mut sums: HashMap<u32, (Totals, u64)> = HashMap::new();
    for i in nodes {
        let sum = sums.entry(tree.node(i).name).or_default();
        sum.0.add(tree.totals[i as usize]);
        sum.1 += 1;
    }
    sums.into_iter()
        .map(|(name, sum)| (tree.text(name).to_owned(), sum))
        .collect()
}

fn groups(samples: &Samples, path: &[String], sort: Sort) -> Vec<Group> {
    let (first, before) = (
        sums(&samples.first.tree, path),
        sums(&samples.before.tree, path),
    );
    let now = sums(&samples.now.tree, path);
    let seconds = (samples.now.at - samples.before.at).as_secs_f64();
    let bytes = |sums: &HashMap<String, (Totals, u64)>, name: &str| {
        sums.get(name).map_or(0, |sum| sum.0.bytes as i64)
    };
    let mut names: Vec<&String> = now.keys().chain(first.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut groups: Vec<Group> = names
        .into_iter()
        .map(|name| {
            let (totals, count) = now.get(name).copied().unwrap_or_default();
            let change = totals.bytes as i64 - bytes(&before, name);
            Group {
                name: name.clone(),
                totals,
                count,
                growth: totals.bytes as i64 - bytes(&first, name),
                rate: if seconds > 0.0 {
                    change as f64 / seconds
                } else {
                    0.0
                },
            }
        })
        .collect();
    // Names are in their order already, which a stable sort keeps.
    groups.sort_by(|a, b| match sort {
        Sort::Bytes => b.totals.bytes.cmp(&a.totals.bytes),
        Sort::Growth => b.growth.cmp(&a.growth),
        Sort::Rate => b.rate.total_cmp(&a.rate),
        Sort::Count => b.count.cmp(&a.count),
        Sort::Name => std::cmp::Ordering::Equal,
    });
    groups
}

struct Screen {
    path: Vec<String>,
    sort: usize,
    state: TableState,
    has_colour: bool,
}

impl Screen {
    fn draw(&mut self, frame: &mut Frame, samples: &Samples, groups: &[Group]) {
        let parts = [
            Constraint::Length(2),
            Constraint::Fill(1),
            Constraint::Length(1),
        ];
        let [head, body, foot] = Layout::vertical(parts).areas(frame.area());
        let (tree, sort) = (&samples.now.tree, SORTS[self.sort]);
        let whole = tree.whole();
        let grown = whole.bytes as i64 - samples.first.tree.whole().bytes as i64;
        let since = (samples.now.at - samples.first.at).as_secs();
        let text = format!(
            "{}: {} bytes in {} blocks, {grown:+} bytes in {since} s",
            tree.source, whole.bytes, whole.blocks
        );
        let path = format!("/{}", self.path.join("/"));
        frame.render_widget(
            ratatui::text::Text::from(vec![plain(&text).into(), plain(&path).into()]),
            head,
        );
        let rows = groups.iter().map(|g| {
            Row::new([
                Line::from(g.totals.bytes.to_string()).right_aligned(),
                Line::from(g.totals.blocks.to_string()).right_aligned(),
                Line::from(g.count.to_string()).right_aligned(),
                Line::from(format!("{:+}", g.growth)).right_aligned(),
                Line::from(format!("{:+.0}", g.rate)).right_aligned(),
                Line::from(plain(&g.name)),
            ])
        });
        let widths = [14, 10, 9, 14, 12].map(Constraint::Length).into_iter();
        let titles = ["BYTES", "BLOCKS", "COUNT", "GROWTH", "BYTES/S"];
        let titles = titles.map(|t| Line::from(t).right_aligned());
        let titles = titles.into_iter().chain([Line::from("NAME")]);
        let strong = |m| {
            if self.has_colour {
                Style::new().add_modifier(m)
            } else {
                Style::new()
            }
        };
        let table = Table::new(rows, widths.chain([Constraint::Fill(1)]))
            .header(Row::new(titles).style(strong(Modifier::BOLD)))
            // Where a row is chosen must be seen without colours, too.
            .highlight_symbol("> ")
            .row_highlight_style(strong(Modifier::REVERSED));
        frame.render_stateful_widget(table, body, &mut self.state);
        let keys = format!("q quit  s sort: {sort:?}  up, down choose  right descend  left ascend");
        frame.render_widget(Line::from(keys.to_lowercase()), foot);
    }

    /// False to end.
    fn key(&mut self, code: KeyCode, groups: &[Group]) -> bool {
        match code {
            KeyCode::Char('q') | KeyCode::Esc => return false,
            KeyCode::Char('s') => self.sort = (self.sort + 1) % SORTS.len(),
            KeyCode::Up => self.state.select_previous(),
            KeyCode::Down => self.state.select_next(),
            KeyCode::Right | KeyCode::Enter => {
                let chosen = self.state.selected().and_then(|i| groups.get(i));
                if let Some(group) = chosen {
                    self.path.push(group.name.clone());
                    self.state.select(Some(0));
                }
            }
            KeyCode::Left | KeyCode::Backspace if !self.path.is_empty() => {
                self.path.pop();
                self.state.select(Some(0));
            }
            _ => {}
        }
        true
    }
}

fn sample(pid: i32) -> Result<Arc<Sample>, String> {
    let tree = Image::of_process(pid, false)?.tree(&Progress::quiet());
    Ok(Arc::new(Sample {
        tree,
        at: Instant::now(),
    }))
}

/// Until `q` is pressed, or the process has gone.
pub fn run(pid: i32, interval: Duration) -> Result<(), String> {
    let first = sample(pid)?;
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err("watch needs a terminal; `top` and `diff` do not".to_owned());
    }
    let samples = Samples {
        first: first.clone(),
        before: first.clone(),
        now: first,
    };
    let shared = Mutex::new((samples, None::<String>));
    let ends = AtomicBool::new(false);
    let mut terminal = ratatui::try_init().map_err(|e| format!("cannot use the terminal: {e}"))?;
    let result = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            while !ends.load(Relaxed) {
                std::thread::park_timeout(interval);
                match sample(pid) {
                    Ok(now) => {
                        let samples = &mut shared.lock().0;
                        samples.before = std::mem::replace(&mut samples.now, now);
                    }
                    Err(e) => {
                        shared.lock().1 = Some(e);
                        return;
                    }
                }
            }
        });
        let result = show(&mut terminal, &shared);
        ends.store(true, Relaxed);
        sampler.thread().unpark();
        result
    });
    ratatui::restore();
    result
}

fn show(
    terminal: &mut DefaultTerminal,
    shared: &Mutex<(Samples, Option<String>)>,
) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("cannot use the terminal: {e}");
    let mut screen = Screen {
        path: Vec::new(),
        sort: 0,
        state: TableState::new().with_selected(0),
        has_colour: crate::table::has_colour(),
    };
    // Where there is one context above all, it is what is below that matters.
    let roots = sums(&shared.lock().0.now.tree, &[]);
    if let (1, Some(name)) = (roots.len(), roots.into_keys().next()) {
        screen.path.push(name);
    }
    loop {
        let (samples, gone) = shared.lock().clone();
        if let Some(e) = gone {
            return Err(e);
        }
        let groups = groups(&samples, &screen.path, SORTS[screen.sort]);
        terminal
            .draw(|frame| screen.draw(frame, &samples, &groups))
            .map_err(failed)?;
        if !event::poll(Duration::from_millis(200)).map_err(failed)? {
            continue;
        }
        if let Event::Key(key) = event::read().map_err(failed)? {
            let stops =
                key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            if stops || (key.kind == KeyEventKind::Press && !screen.key(key.code, &groups)) {
                return Ok(());
            }
        }
    }
}
