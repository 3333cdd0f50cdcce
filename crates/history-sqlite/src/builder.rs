//! How a history is to be opened.

use std::{path::Path, time::Duration};

use conversant_core::HistoryError;

use crate::{
    history::SqliteHistory,
    options::{Options, Synchronous},
};

/// How a [`SqliteHistory`] is to be opened.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use conversant_history_sqlite::{SqliteHistory, Synchronous};
///
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("chat.db");
/// let history = SqliteHistory::builder()
///     .synchronous(Synchronous::Normal)
///     .time_to_live(Duration::from_secs(30 * 24 * 3600))
///     .open(&file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it opens a file"]
pub struct SqliteHistoryBuilder {
    options: Options,
}

impl SqliteHistoryBuilder {
    pub(crate) fn new() -> Self {
        Self { options: Options::default() }
    }

    /// Sets what a commit waits for. The default is [`Synchronous::Full`].
    pub const fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.options.synchronous = synchronous;
        self
    }

    /// Sets how long to wait for other processes before a write is [`HistoryError::Busy`]. The default is 10 seconds.
    pub const fn busy_timeout(mut self, time: Duration) -> Self {
        self.options.busy_timeout = time;
        self
    }

    /// Sets how many bytes a message may have, as stored JSON; one that has more is [`HistoryError::TooLarge`]. The default is 16 MiB; SQLite
    /// takes no more than a billion.
    pub const fn max_message_bytes(mut self, bytes: u64) -> Self {
        self.options.max_message_bytes = bytes;
        self
    }

    /// Sets how large the file may become through this store, beyond which a write is [`HistoryError::Full`]. The default is what SQLite takes,
    /// 16 TiB.
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.options.max_bytes = Some(bytes);
        self
    }

    /// Sets how long a session lives after its last turn. Then it is as if it had been deleted; its space is freed when it is written to
    /// again, or by [`SqliteHistory::sweep`]. It is a rule of this store, not of the file. The default is for ever.
    pub const fn time_to_live(mut self, time: Duration) -> Self {
        self.options.time_to_live = Some(time);
        self
    }

    /// Sets how many sessions can be read at the same time: each takes a thread. The default is the number of cores, between 2
    /// and 4.
    pub const fn readers(mut self, count: usize) -> Self {
        self.options.readers = count;
        self
    }

    /// Opens the file for reading only: it has to be there, and every write is [`HistoryError::ReadOnly`].
    pub const fn read_only(mut self, read_only: bool) -> Self {
        self.options.read_only = read_only;
        self
    }

    /// Opens the file, or makes it if there is none.
    ///
    /// # Errors
    /// [`HistoryError::Corrupt`] if it is no history (a directory, an empty or damaged file, another program's database); it is not
    /// changed. [`HistoryError::SchemaTooNew`] if a later version of this crate wrote it, [`HistoryError::ReadOnly`] if it can't be written,
    /// [`HistoryError::Busy`] if another process holds it, [`HistoryError::Full`], or [`HistoryError::Backend`] if it can't be opened.
    pub fn open(mut self, path: impl AsRef<Path>) -> Result<SqliteHistory, HistoryError> {
        self.options.path = path.as_ref().to_owned();
        SqliteHistory::with_options(&self.options)
    }
}
