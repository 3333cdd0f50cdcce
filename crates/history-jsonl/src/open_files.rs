//! The files of the sessions that were written last, which stay open for a moment.
//!
//! To open and close two files takes longer than the locks and the line of an append. A file that
//! was open is used again only while its name belongs to it. It is closed soon, so that a store at
//! rest has no files open, and the space of a file that another process deletes is freed.
//!
//! Elsewhere than on Unix, a file that is open cannot be removed or replaced, so that none stays
//! open there.

use std::{
    fs,
    num::NonZeroUsize,
    sync::Mutex,
    time::{Duration, Instant},
};

use conversant_core::SessionId;
use lru::LruCache;

use crate::{mutex::lock, open_file::OpenFile};

/// The most sessions whose two files stay open.
const MAX_SESSIONS: usize = 16;

/// The number of files that a process may have open, per session whose files stay open.
const FILES_PER_SESSION: usize = 64;

/// The number of files that a process may have open where the system does not say it.
const DEFAULT_FILES: usize = 256;

/// The time after its last use at which a file is closed.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// The files of a session, which are open and not locked.
pub(crate) struct SessionFiles {
    pub(crate) lock: OpenFile,
    /// The conversation's file, if there is one.
    pub(crate) data: Option<OpenFile>,
}

/// The open files of sessions.
pub(crate) struct OpenFiles(Mutex<LruCache<SessionId, (Instant, SessionFiles)>>);

impl Default for OpenFiles {
    fn default() -> Self {
        let sessions = (max_open_files() / FILES_PER_SESSION).min(MAX_SESSIONS);
        Self(Mutex::new(LruCache::new(NonZeroUsize::new(sessions).unwrap_or(NonZeroUsize::MIN))))
    }
}

impl OpenFiles {
    /// Takes the files of a session for an operation.
    pub(crate) fn take(&self, session: &SessionId) -> Option<SessionFiles> {
        lock(&self.0).pop(session).map(|(_, files)| files)
    }

    /// Keeps the files of a session open, instead of those of the session that was written least
    /// recently.
    pub(crate) fn keep(&self, session: &SessionId, files: SessionFiles) {
        if cfg!(unix) {
            let least = lock(&self.0).push(session.clone(), (Instant::now(), files));
            // Closing a file that was removed takes time: without the lock.
            drop(least);
        }
    }

    /// Closes the files that have not been used for a while.
    pub(crate) fn close_idle(&self) {
        let is_idle = |used: Instant| used.elapsed() >= LINGER;
        let mut files = lock(&self.0);
        while files.peek_lru().is_some_and(|(_, (used, _))| is_idle(*used)) {
            files.pop_lru();
        }
    }

    /// Closes all files.
    pub(crate) fn close(&self) {
        lock(&self.0).clear();
    }
}

/// Returns the number of files that this process may have open.
fn max_open_files() -> usize {
    // Its line has a name of several words, the limit and its most.
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let number = limit.and_then(|limit| limit.split_whitespace().next());
    number.map_or(DEFAULT_FILES, |number| number.parse().unwrap_or(usize::MAX))
}
