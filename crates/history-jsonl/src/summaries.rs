//! The summaries of the files that lists read.

use std::{
    fs::File,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use conversant_core::HistoryError;
use lru::LruCache;

use crate::{mutex::lock, summary::Summary};

/// The number of files whose summaries are cached.
const MAX_SUMMARIES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);

/// The number of lists that have not used a summary, after which another one may take its place. A
/// list uses all files one after the other: if each file took the place of the one that is next, no
/// list would find anything.
const UNUSED_LISTS: u64 = 64;

/// Summaries, so that a list reads only what was added to a file since the last one.
pub(crate) struct Summaries {
    cached: Mutex<LruCache<PathBuf, Cached>>,
    /// The number of lists that have begun.
    lists: AtomicU64,
}

struct Cached {
    summary: Summary,
    /// The list that has used it last.
    used_by: u64,
}

impl Default for Summaries {
    fn default() -> Self {
        Self::with_capacity(MAX_SUMMARIES)
    }
}

impl Summaries {
    fn with_capacity(files: NonZeroUsize) -> Self {
        Self { cached: Mutex::new(LruCache::new(files)), lists: AtomicU64::default() }
    }

    /// Counts a list, which uses all files.
    pub(crate) fn begin_list(&self) {
        self.lists.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the summary of a file that is open.
    pub(crate) fn of(&self, path: &Path, file: &File) -> Result<Summary, HistoryError> {
        let used_by = self.lists.load(Ordering::Relaxed);
        let before = lock(&self.cached).get_mut(path).map(|cached| {
            cached.used_by = used_by;
            cached.summary.clone()
        });
        let (summary, is_changed) = Summary::read(file, before)?;
        if is_changed {
            self.keep(path, &summary, used_by);
        }
        Ok(summary)
    }

    fn keep(&self, path: &Path, summary: &Summary, used_by: u64) {
        let mut cached = lock(&self.cached);
        // Of a session that was deleted there is one line to read.
        if summary.session.is_none() {
            cached.pop(path);
            return;
        }
        let is_full = cached.len() == cached.cap().get() && !cached.contains(path);
        let is_unused = |(_, oldest): (&PathBuf, &Cached)| {
            used_by.saturating_sub(oldest.used_by) > UNUSED_LISTS
        };
        if !is_full || cached.peek_lru().is_some_and(is_unused) {
            cached.put(path.to_owned(), Cached { summary: summary.clone(), used_by });
        }
    }

    /// Drops all summaries.
    pub(crate) fn clear(&self) {
        lock(&self.cached).clear();
    }
}

#[cfg(test)]
mod tests;
