//! A file whose turns forks share.

use std::{
    fs::File,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use conversant_core::HistoryError;

use crate::{
    error::{corrupt, read_error},
    file_io,
    header::Base,
};

/// A file whose turns a session shares.
pub(crate) struct SharedFile {
    pub(crate) base: Base,
    pub(crate) path: PathBuf,
    /// The first line, which differs once the file is rewritten.
    pub(crate) start: Vec<u8>,
}

impl SharedFile {
    pub(crate) fn open(&self) -> Result<File, HistoryError> {
        open(&self.path)
    }

    /// Returns whether the file is the one that was read.
    pub(crate) fn is_current(&self) -> bool {
        starts_with(&self.path, &self.start)
    }
}

/// Returns whether there is a file with this first line.
pub(crate) fn starts_with(path: &Path, start: &[u8]) -> bool {
    let found = File::open(path).and_then(|file| file_io::read_at(&file, 0, start.len()));
    found.is_ok_and(|found| found == start)
}

pub(crate) fn open(path: &Path) -> Result<File, HistoryError> {
    File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => missing(),
        _ => read_error(path, error),
    })
}

pub(crate) fn missing() -> HistoryError {
    corrupt("the turns that the fork shares are missing; `repair` keeps its own")
}
