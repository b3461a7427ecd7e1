//! `talloc-view`: the talloc tree of a running process, of a core, or of a report.
//!
//! | file | owns |
//! |---|---|
//! | `main`, [`cli`] | the command line, and what each command does |
//! | [`table`] | rows for people and for programs |
//! | [`rows`] | the rows of `tree` and `top`: what is the same is one row |
//! | [`compare`], [`graph`], [`json`], [`leaks`] | the other commands |
//! | [`watch`] | the live screen |
//! | [`source`] | a PID, a core or a report: which it is |
//! | [`tree`] | the tree that all commands work on |
//! | [`report`] | the tree of the text of a report |
//! | [`picture`] | the tree of headers, and what is wrong with them |
//! | [`scan`] | headers in memory |
//! | [`note`] | what the library tells about itself |
//! | [`live`], [`core`], [`memory`] | memory of a process and of a core |
//! | [`progress`] | the bar |
//! | [`manual`] | the man pages |

pub mod cli;
pub mod compare;
pub mod core;
pub mod graph;
pub mod json;
pub mod leaks;
pub mod live;
pub mod manual;
pub mod memory;
pub mod note;
pub mod picture;
pub mod progress;
pub mod report;
pub mod rows;
pub mod scan;
pub mod source;
pub mod table;
pub mod tree;
pub mod watch;
