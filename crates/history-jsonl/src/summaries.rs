//! The summaries of the files that were read last.

use std::{
    fs::File,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Mutex,
};

use conversant_core::HistoryError;
use lru::LruCache;

use crate::{mutex::lock, summary::Summary};

/// The number of files whose summaries are cached.
const MAX_SUMMARIES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);

/// Summaries, so that a list reads only what was added to a file since the last one.
pub(crate) struct Summaries(Mutex<LruCache<PathBuf, Summary>>);

impl Default for Summaries {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MAX_SUMMARIES)))
    }
}

impl Summaries {
    /// Returns the summary of a file that is open.
    pub(crate) fn of(&self, path: &Path, file: &File) -> Result<Summary, HistoryError> {
        let before = lock(&self.0).pop(path);
        let summary = Summary::read(file, before)?;
        lock(&self.0).put(path.to_owned(), summary.clone());
        Ok(summary)
    }

    /// Drops all summaries.
    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }
}
