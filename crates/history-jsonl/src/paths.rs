//! The files of a session.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use conversant_core::{HistoryError, SessionId, TurnId};
use conversant_history::FileIdentity;
use sha2::{Digest, Sha256};

use crate::{error::io_error, open_file::OpenFile};

/// The extension of a conversation's file.
pub(crate) const EXTENSION: &str = "jsonl";

/// The extension of a file whose turns forks share.
pub(crate) const SHARED_EXTENSION: &str = "shared";

/// The paths of a session's files. Their stem is the SHA-256 of the session's id, so that an id is
/// never part of a path, and no file system treats two ids as one.
#[derive(Clone)]
pub(crate) struct SessionPaths {
    folder: Arc<Path>,
    stem: Arc<str>,
}

impl SessionPaths {
    pub(crate) fn new(folder: impl Into<Arc<Path>>, session: &SessionId) -> Self {
        Self { folder: folder.into(), stem: stem(session).into() }
    }

    /// Returns whether a file has the name of a session's. Other files, such as copies, are not
    /// read.
    pub(crate) fn is_name(path: &Path) -> bool {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        path.extension().is_some_and(|extension| extension == EXTENSION)
            && stem.len() == 64
            && stem.bytes().all(is_digit)
    }

    /// Returns whether a file has the name of this session's.
    pub(crate) fn is_name_of(path: &Path, session: &SessionId) -> bool {
        path.file_stem().is_some_and(|found| found == stem(session).as_str())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the path of the conversation's file.
    pub(crate) fn file(&self) -> PathBuf {
        self.with_extension(EXTENSION)
    }

    /// Returns the path of the file that is locked first. It is a file of its own, because the
    /// conversation's file is sometimes replaced.
    pub(crate) fn lock(&self) -> PathBuf {
        self.with_extension("lock")
    }

    pub(crate) fn with_extension(&self, extension: &str) -> PathBuf {
        let bytes = self.folder.as_os_str().len() + self.stem.len() + extension.len() + 2;
        let mut path = PathBuf::with_capacity(bytes);
        path.push(&self.folder);
        path.push(&*self.stem);
        path.as_mut_os_string().push(".");
        path.as_mut_os_string().push(extension);
        path
    }

    /// Returns the path of a damaged file of the session that a repair has kept. They are numbered
    /// from 1 on.
    pub(crate) fn damaged(&self, number: u32) -> PathBuf {
        self.with_extension(&format!("{number}.damaged"))
    }

    /// Removes the damaged files that repairs have kept. Some of them may have been moved away.
    pub(crate) fn remove_damaged(&self) -> io::Result<()> {
        const MAX_GAP: u32 = 8;
        let (mut is_removed, mut last) = (false, 0);
        for number in 1..=u32::MAX {
            match fs::remove_file(self.damaged(number)) {
                Ok(()) => (is_removed, last) = (true, number),
                Err(error) if error.kind() == ErrorKind::NotFound && number - last < MAX_GAP => {}
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
        }
        if is_removed { sync_folder(&self.folder) } else { Ok(()) }
    }

    /// Returns the path under which forks find the file of an id.
    pub(crate) fn shared(&self, file: TurnId) -> PathBuf {
        shared(&self.folder, file)
    }

    /// Replaces the conversation's file, atomically and durably, or creates it if it `is_new`.
    /// Returns the file.
    ///
    /// # Errors
    /// [`HistoryError::Busy`] if another process creates the file at the same time, which is
    /// possible only if the lock file was removed.
    pub(crate) fn replace(&self, bytes: &[u8], is_new: bool) -> Result<OpenFile, HistoryError> {
        let (path, data) = (self.with_extension("new"), self.file());
        let mut file = new_file(&path, &data).map_err(io_error)?;
        if cfg!(unix) {
            let identity =
                FileIdentity::of_metadata(&path, &file.file.metadata().map_err(io_error)?);
            match file.file.try_lock() {
                Ok(()) if identity.current().map_err(io_error)?.is_some() => {}
                Ok(()) | Err(TryLockError::WouldBlock) => return Err(HistoryError::Busy),
                Err(TryLockError::Error(error)) => return Err(io_error(error)),
            }
        }
        let mut write = || {
            file.file.set_len(0)?;
            file.file.write_all(bytes)?;
            file.file.sync_all()?;
            file.check()?;
            publish(&path, &data, is_new)?;
            sync_folder(&self.folder)
        };
        match write() {
            Ok(()) => Ok(file),
            Err(error) => {
                let _ = fs::remove_file(&path);
                match error.kind() {
                    ErrorKind::AlreadyExists => Err(HistoryError::Busy),
                    _ => Err(io_error(error)),
                }
            }
        }
    }
}

/// Returns the SHA-256 of a session's id, in lower-case digits.
fn stem(session: &SessionId) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |digit: u8| DIGITS.get(usize::from(digit)).copied().map_or('0', char::from);
    let mut stem = String::with_capacity(64);
    for byte in Sha256::digest(session.as_str().as_bytes()) {
        stem.push(digit(byte >> 4));
        stem.push(digit(byte & 15));
    }
    stem
}

/// Opens the file that will get the name `data`. A process that was killed may have left it.
fn new_file(path: &Path, data: &Path) -> io::Result<OpenFile> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = OpenFile::open_as(&options, path, data)?;
    // Other systems do not say whether two names are those of one file.
    if !cfg!(unix) || !file.has_name()? {
        return Ok(file);
    }
    // The process was killed between the two steps of `publish`: the file is the conversation's.
    fs::remove_file(path)?;
    OpenFile::open_as(&options, path, data)
}

/// Gives a file the name `data`.
fn publish(path: &Path, data: &Path, is_new: bool) -> io::Result<()> {
    if is_new {
        // A rename would replace what another process has created.
        match fs::hard_link(path, data) {
            Ok(()) => return fs::remove_file(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
            // Not every file system has links.
            Err(_) => {}
        }
    }
    fs::rename(path, data)
}

/// Returns the path under which forks find the file of an id.
pub(crate) fn shared(folder: &Path, file: TurnId) -> PathBuf {
    folder.join(format!("{file}.{SHARED_EXTENSION}"))
}

/// Makes the folder's names durable, on systems where a directory can be opened.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
