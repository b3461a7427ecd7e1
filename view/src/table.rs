//! Rows for people, and the same as CSV or JSON for programs.

use serde_json::{Map, Value, json};
use std::io::{IsTerminal, Result, Write};

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Format {
    /// Columns, in colour on a terminal unless NO_COLOR is set
    Table,
    /// A line of names, then a line for each row
    Csv,
    /// An array of objects
    Json,
}

pub enum Cell {
    /// Numbers stand at the right.
    Number(u64),
    /// With its sign.
    Change(i64),
    Text(String),
    /// Shown behind so many levels.
    Deep(usize, String),
}

pub struct Table {
    columns: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

/// What a terminal, or a line of text, could take for something else.
pub fn plain(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    let escape = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(escape).collect()
}

/// Is stdout a terminal that is to have colours?
pub fn has_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

impl Table {
    pub fn new(columns: &'static [&'static str]) -> Table {
        Table {
            columns,
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn write(&self, format: Format, to: &mut impl Write) -> Result<()> {
        match format {
            Format::Table => self.write_table(to),
            Format::Csv => self.write_csv(to),
            Format::Json => self.write_json(to),
        }
    }

    fn write_table(&self, to: &mut impl Write) -> Result<()> {
        let text = |cell: &Cell| match cell {
            Cell::Number(n) => n.to_string(),
            Cell::Change(n) => format!("{n:+}"),
            Cell::Text(text) => plain(text),
            Cell::Deep(depth, text) => format!("{}{}", "  ".repeat((*depth).min(100)), plain(text)),
        };
        let mut widths: Vec<usize> = self.columns.iter().map(|c| c.len()).collect();
        let last = widths.len() - 1;
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|r| r.iter().map(text).collect())
            .collect();
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let is_number: Vec<bool> = (0..self.columns.len())
            .map(|i| {
                self.rows
                    .iter()
                    .any(|r| matches!(r[i], Cell::Number(_) | Cell::Change(_)))
            })
            .collect();
        let (bold, normal) = if has_colour() {
            ("\x1b[1m", "\x1b[0m")
        } else {
            ("", "")
        };
        let head: Vec<String> = self.columns.iter().map(|c| c.to_uppercase()).collect();
        for (n, row) in std::iter::once(&head).chain(&rows).enumerate() {
            let mut line = String::new();
            for (i, cell) in row.iter().enumerate() {
                if i > 0 {
                    line.push_str("  ");
                }
                let width = widths[i];
                if is_number[i] {
                    line.push_str(&format!("{cell:>width$}"));
                } else if i == last {
                    line.push_str(cell);
                } else {
                    line.push_str(&format!("{cell:width$}"));
                }
            }
            let line = line.trim_end();
            if n == 0 {
                writeln!(to, "{bold}{line}{normal}")?;
            } else {
                writeln!(to, "{line}")?;
            }
        }
        Ok(())
    }

    fn write_csv(&self, to: &mut impl Write) -> Result<()> {
        let has_depth = self
            .rows
            .iter()
            .any(|r| r.iter().any(|c| matches!(c, Cell::Deep(..))));
        let depth = if has_depth { "depth," } else { "" };
        writeln!(to, "{depth}{}", self.columns.join(","))?;
        for row in &self.rows {
            let mut cells = Vec::new();
            for cell in row {
                match cell {
                    Cell::Number(n) => cells.push(n.to_string()),
                    Cell::Change(n) => cells.push(n.to_string()),
                    Cell::Text(text) => cells.push(quoted(text)),
                    Cell::Deep(depth, text) => {
                        cells.insert(0, depth.to_string());
                        cells.push(quoted(text));
                    }
                }
            }
            writeln!(to, "{}", cells.join(","))?;
        }
        Ok(())
    }

    fn write_json(&self, to: &mut impl Write) -> Result<()> {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let mut object = Map::new();
                for (column, cell) in self.columns.iter().zip(row) {
                    let value = match cell {
                        Cell::Number(n) => json!(n),
                        Cell::Change(n) => json!(n),
                        Cell::Text(text) => json!(text),
                        Cell::Deep(depth, text) => {
                            object.insert("depth".to_owned(), json!(depth));
                            json!(text)
                        }
                    };
                    object.insert((*column).to_owned(), value);
                }
                Value::Object(object)
            })
            .collect();
        serde_json::to_writer_pretty(&mut *to, &rows)?;
        writeln!(to)
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
