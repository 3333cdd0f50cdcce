//! Settings of a store.

use std::{path::PathBuf, thread, time::Duration};

/// The point at which a commit returns, and so what a power failure can cost. A crash of the
/// program costs nothing with either.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Synchronous {
    /// Waits until the disk has written the turn, which then survives a power failure. SQLite's
    /// `FULL`.
    #[default]
    Full,
    /// Waits until the operating system has taken the turn. A power failure can cost the last
    /// turns, but neither a part of a turn nor the file. SQLite's `NORMAL`; several times as fast
    /// on a slow disk.
    Normal,
}

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
    /// Whether a missing file is created.
    pub(crate) create: bool,
    pub(crate) search: bool,
}

impl Options {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            synchronous: Synchronous::Full,
            busy_timeout: Duration::from_secs(10),
            max_message_bytes: 16 * 1024 * 1024,
            max_bytes: None,
            time_to_live: None,
            readers: thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4)),
            read_only: false,
            create: true,
            search: false,
        }
    }
}
