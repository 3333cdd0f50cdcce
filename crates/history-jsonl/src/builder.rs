//! Opening a history.

use std::{fs, io::ErrorKind, path::Path, sync::Arc, thread, time::Duration};

use conversant_core::HistoryError;

use crate::{
    error::{backend, corrupt, io_error},
    history::{JsonlHistory, Settings, Store},
    serial_executor::SerialExecutor,
};

/// Settings of a [`JsonlHistory`].
///
/// | setting | default |
/// |---|---|
/// | [`max_message_bytes`](Self::max_message_bytes) | 16 MiB |
/// | [`time_to_live`](Self::time_to_live) | unlimited |
/// | [`lock_timeout`](Self::lock_timeout) | 10 s |
/// | [`search_limit`](Self::search_limit) | 64 MiB |
/// | [`threads`](Self::threads) | the number of cores, from 4 to 8 |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use conversant_history_jsonl::JsonlHistory;
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path().join("chats");
/// let history = JsonlHistory::builder(&folder)
///     .lock_timeout(Duration::from_secs(2))
///     .time_to_live(Duration::from_secs(30 * 24 * 3600))
///     .open()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it opens a folder"]
pub struct JsonlHistoryBuilder {
    settings: Settings,
    threads: usize,
}

impl JsonlHistoryBuilder {
    /// Sets the maximum size of a message, as stored JSON. A larger one is
    /// [`HistoryError::TooLarge`]. The default is 16 MiB. That of a note is always
    /// 16 MiB.
    pub const fn max_message_bytes(mut self, bytes: u64) -> Self {
        self.settings.max_message_bytes = bytes;
        self
    }

    /// Sets how long a session lives after it was last written, by the times of the files. An
    /// expired session is as if it had been deleted; its space is freed when it is written again,
    /// or by [`JsonlHistory::sweep`]. The setting applies to this store, not to the files. The
    /// default is unlimited.
    ///
    /// The facts of a user or a group are in a session of their own, which expires too: facts that
    /// do not change for this time are forgotten.
    pub const fn time_to_live(mut self, time: Duration) -> Self {
        self.settings.time_to_live = Some(time);
        self
    }

    /// Sets how long an operation waits for its session if another process, or another store, has
    /// locked it. Then it fails with [`HistoryError::Busy`]. The default is 10 seconds; zero does
    /// not wait. Other sessions do not wait with it, unless it waits for the files that sessions
    /// share: then it keeps one of the [threads](Self::threads).
    pub const fn lock_timeout(mut self, time: Duration) -> Self {
        self.settings.lock_timeout = time;
        self
    }

    /// Sets the number of bytes of turns after which a search returns what it has found so far.
    /// [`SessionPage::next`](conversant_core::SessionPage::next) is then the place at which the
    /// next call goes on. A call searches at least one session. The default is 64 MiB.
    ///
    /// [`delete_sessions`](conversant_core::ChatHistory::delete_sessions) with a text has no limit.
    pub const fn search_limit(mut self, bytes: u64) -> Self {
        self.settings.search_limit = bytes;
        self
    }

    /// Sets the number of threads, and so of sessions that are read or written at the same time,
    /// from 1 to 256. The default is the number of cores, but at least 4 and at most 8. Lists and
    /// searches use all but one of them.
    pub const fn threads(mut self, count: usize) -> Self {
        self.threads = count;
        self
    }

    /// Opens the folder, or creates it if it does not exist.
    ///
    /// # Errors
    /// - [`HistoryError::Corrupt`], if the path is a file.
    /// - [`HistoryError::ReadOnly`], if the folder cannot be created.
    /// - [`HistoryError::Backend`], if it fails for another reason.
    pub fn open(self) -> Result<JsonlHistory, HistoryError> {
        let folder = std::path::absolute(&self.settings.folder).map_err(backend)?;
        if !folder.is_dir() {
            // Another process may create it at the same time, which is not an error.
            fs::create_dir_all(&folder).map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => {
                    corrupt("the path is not a folder; use the path of a folder")
                }
                _ => io_error(error),
            })?;
        }
        let executor = SerialExecutor::start(self.threads, self.settings.lock_timeout)?;
        let store = Store {
            executor,
            cache: Arc::default(),
            settings: Settings { folder: folder.into(), ..self.settings },
        };
        Ok(JsonlHistory { store: Arc::new(store) })
    }
}

impl JsonlHistory {
    /// Opens the history in the folder `folder` with the default settings, or creates the folder if
    /// it does not exist.
    ///
    /// # Errors
    /// As [`JsonlHistoryBuilder::open`].
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, HistoryError> {
        Self::builder(folder).open()
    }

    /// Returns a builder for a history in the folder `folder`.
    pub fn builder(folder: impl AsRef<Path>) -> JsonlHistoryBuilder {
        JsonlHistoryBuilder {
            settings: Settings {
                folder: folder.as_ref().into(),
                max_message_bytes: 16 * 1024 * 1024,
                time_to_live: None,
                lock_timeout: Duration::from_secs(10),
                search_limit: 64 * 1024 * 1024,
            },
            threads: thread::available_parallelism().map_or(4, |cores| cores.get().clamp(4, 8)),
        }
    }
}
