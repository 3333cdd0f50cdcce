//! The files of a session.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use conversant_core::{HistoryError, SessionId};
use sha2::{Digest, Sha256};

use crate::error::io_error;

/// The extension of a conversation's file.
pub(crate) const EXTENSION: &str = "jsonl";

/// The paths of a session's files. Their stem is the SHA-256 of the session's id, so that an id is
/// never part of a path, and no file system treats two ids as one.
#[derive(Clone)]
pub(crate) struct SessionPaths {
    folder: PathBuf,
    stem: String,
}

impl SessionPaths {
    pub(crate) fn new(folder: &Path, session: &SessionId) -> Self {
        let mut stem = String::with_capacity(64);
        for byte in Sha256::digest(session.as_str().as_bytes()) {
            let _ = write!(stem, "{byte:02x}");
        }
        Self { folder: folder.to_owned(), stem }
    }

    /// Returns the path of the conversation's file.
    pub(crate) fn file(&self) -> PathBuf {
        self.with_extension(EXTENSION)
    }

    /// Returns the path of the file that is locked. It is a file of its own, because the
    /// conversation's file is sometimes replaced.
    pub(crate) fn lock(&self) -> PathBuf {
        self.with_extension("lock")
    }

    pub(crate) fn with_extension(&self, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", self.stem))
    }

    /// Replaces the conversation's file, atomically and durably.
    pub(crate) fn replace(&self, bytes: &[u8]) -> Result<(), HistoryError> {
        // A process that was killed here may have left a file of this name. It is overwritten.
        let new = self.with_extension("new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, self.file())?;
            self.sync_folder()
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&new);
            io_error(error)
        })
    }

    /// Makes the folder's names durable, on systems where a directory can be opened.
    fn sync_folder(&self) -> io::Result<()> {
        if cfg!(unix) { File::open(&self.folder)?.sync_all() } else { Ok(()) }
    }
}
