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
        has_parts(&self.path, &[(0, &self.start)])
    }
}

/// Returns whether there is a file with these bytes at these offsets.
pub(crate) fn has_parts(path: &Path, parts: &[(u64, &[u8])]) -> bool {
    let Ok(file) = file_io::open(path) else { return false };
    parts.iter().all(|(offset, part)| {
        file_io::read_at(&file, *offset, part.len()).is_ok_and(|found| found == *part)
    })
}

pub(crate) fn open(path: &Path) -> Result<File, HistoryError> {
    file_io::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => missing(),
        _ => read_error(path, error),
    })
}

pub(crate) fn missing() -> HistoryError {
    corrupt("the turns that the fork shares are missing; `repair` keeps its own")
}
