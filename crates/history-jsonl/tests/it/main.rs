//! Tests of the history through their public API.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[cfg(target_os = "linux")]
mod at_once;
mod branches;
mod copied;
mod limits;
mod lines;
mod lists;
#[cfg(target_os = "linux")]
mod no_file;
#[cfg(unix)]
mod open_files;
#[cfg(target_os = "linux")]
mod read_only;
mod replaced;
mod suite;
mod support;
mod tail;
mod tips;
mod workers;
