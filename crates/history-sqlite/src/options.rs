//! How a store is to be opened.

use std::{path::PathBuf, thread, time::Duration};

/// What a commit waits for, which is what a power failure may cost. (A crash of the program costs nothing in either.)
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Synchronous {
    /// Until the disk has it: what was appended is there after a power failure. SQLite's `FULL`.
    #[default]
    Full,
    /// Until the system has it: a power failure may cost the last turns, never a part of one, nor the file. SQLite's
    /// `NORMAL`. Several times as fast on a disk that takes its time.
    Normal,
}

/// What a store is opened with.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) path: PathBuf,
    pub(crate) synchronous: Synchronous,
    pub(crate) busy_timeout: Duration,
    pub(crate) max_message_bytes: u64,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) readers: usize,
    pub(crate) read_only: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            synchronous: Synchronous::Full,
            busy_timeout: Duration::from_secs(10),
            max_message_bytes: 16 * 1024 * 1024,
            max_bytes: None,
            time_to_live: None,
            readers: thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4)),
            read_only: false,
        }
    }
}
