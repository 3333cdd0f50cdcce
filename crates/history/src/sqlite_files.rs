//! The files of an open SQLite database, and whether they are still the same.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, SystemTime},
};

use conversant_core::{HistoryError, VectorStoreError};

use crate::file_identity::FileIdentity;

/// The files of an open SQLite database: the database and, while it is open, its logs.
///
/// SQLite keeps files open by their descriptors. It writes on to a file that was deleted or
/// replaced, and what it acknowledges is gone. A store that [checks](Self::check_write) before it
/// acknowledges a write loses nothing unnoticed, at the price of three calls of `stat`.
#[derive(Debug)]
pub struct SqliteFiles {
    path: PathBuf,
    file: FileIdentity,
    logs: Vec<FileIdentity>,
    seen: Mutex<Seen>,
    /// Whether there is a write-ahead log. It cannot be given up while the database is open.
    has_log: bool,
}

/// The number of looks at a file that seems to be cut off, and the pause between two. Another
/// process may be writing to it.
const MAX_LOOKS: u32 = 3;
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// The state of the file when it was last checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    bytes: u64,
    modified: Option<SystemTime>,
}

/// A fault of the files of a SQLite database.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteFileFault {
    /// The database has another name, no name, or its name belongs to another file.
    #[error(
        "the file was moved, deleted or replaced while it was open; open the store again, or \
         restore the file first"
    )]
    Replaced,
    /// The same of one of its logs.
    #[error(
        "a log of the file was moved, deleted or replaced while it was open; close the store to \
         write back what it has, and open it again"
    )]
    LogReplaced,
    /// The contents of the database were cut off, or replaced without SQLite.
    #[error(
        "the file was truncated or overwritten while it was open; restore it while no store has \
         it open"
    )]
    Overwritten,
    /// The database has no write-ahead log, and there is one with its name.
    #[error(
        "the log with the ending `-wal` next to the file is that of another file, which it \
         replaced; delete the log"
    )]
    ForeignLog,
}

conversant_core::debug_as_report!(SqliteFileFault);

impl From<SqliteFileFault> for HistoryError {
    fn from(fault: SqliteFileFault) -> Self {
        Self::Corrupt { what: fault.to_string(), source: None }
    }
}

impl From<SqliteFileFault> for VectorStoreError {
    fn from(fault: SqliteFileFault) -> Self {
        Self::Backend { source: fault.into() }
    }
}

impl SqliteFiles {
    /// Returns the files of a database that was just opened, and read from once.
    ///
    /// # Errors
    /// The system's error if there is no file at `path`.
    pub fn of(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let logs = ["-wal", "-shm"].map(|ending| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            FileIdentity::of(name)
        });
        let metadata = fs::metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            file: FileIdentity::of(path)?,
            logs: logs.into_iter().filter_map(Result::ok).collect(),
            seen: Mutex::new(Seen::of(&metadata)),
            has_log: Header::read(path).is_some_and(|header| header.has_log),
        })
    }

    /// Checks a database before it is opened: a backup that was put in the place of a file, next to
    /// whose log it is now. SQLite would apply the log to it, and bring vanished data back.
    ///
    /// A copy that has a log itself is not recognised.
    ///
    /// # Errors
    /// [`SqliteFileFault::ForeignLog`].
    pub fn check_log(path: impl AsRef<Path>) -> Result<(), SqliteFileFault> {
        let path = path.as_ref();
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        // A process that begins a log changes the header first.
        let has_log = fs::metadata(log).is_ok_and(|log| log.len() > 0);
        match Header::read(path) {
            Some(header) if has_log && !header.has_log => Err(SqliteFileFault::ForeignLog),
            _ => Ok(()),
        }
    }

    /// Checks the database after a read.
    ///
    /// # Errors
    /// [`SqliteFileFault`] if what was read may be something else than what the file contains.
    pub fn check_read(&self) -> Result<(), SqliteFileFault> {
        match fs::metadata(&self.path) {
            Ok(metadata) if self.file.is_of(&metadata) => self.check_contents(&metadata),
            _ => Err(SqliteFileFault::Replaced),
        }
    }

    /// Checks the database and its logs after a commit, before it is acknowledged.
    ///
    /// # Errors
    /// [`SqliteFileFault`] if the commit may be lost.
    pub fn check_write(&self) -> Result<(), SqliteFileFault> {
        self.check_read()?;
        match self.logs.iter().all(FileIdentity::is_current) {
            true => Ok(()),
            false => Err(SqliteFileFault::LogReplaced),
        }
    }

    /// Checks the header of a file that has changed since the last check. With a write-ahead log
    /// only a checkpoint changes it.
    fn check_contents(&self, metadata: &Metadata) -> Result<(), SqliteFileFault> {
        let now = Seen::of(metadata);
        let before = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *seen, now)
        };
        if now == before {
            return Ok(());
        }
        for look in 0..MAX_LOOKS {
            if look > 0 {
                thread::sleep(LOOK_PAUSE);
            }
            // A file without a header, or with a larger database than the file, was cut off, unless
            // a checkpoint lets it grow: it writes the header first.
            let is_whole = Header::read(&self.path).is_some_and(|header| {
                let bytes = fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
                (header.has_log || !self.has_log)
                    && (bytes >= before.bytes || bytes >= header.bytes)
            });
            if is_whole {
                return Ok(());
            }
        }
        // The next check has to notice it too.
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = before;
        Err(SqliteFileFault::Overwritten)
    }
}

impl Seen {
    fn of(metadata: &Metadata) -> Self {
        Self { bytes: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// The header of a database.
struct Header {
    has_log: bool,
    /// The size of the database, without what is in a write-ahead log.
    bytes: u64,
}

impl Header {
    /// Reads the header of a file, if it has one.
    fn read(path: &Path) -> Option<Self> {
        let mut start = [0; 32];
        File::open(path).and_then(|mut file| file.read_exact(&mut start)).ok()?;
        let rest = start.strip_prefix(b"SQLite format 3\0")?;
        let (page, rest) = rest.split_first_chunk::<2>()?;
        let has_log = rest.starts_with(&[2, 2]);
        let pages = rest.last_chunk::<4>().map(|pages| u32::from_be_bytes(*pages))?;
        // A page of 65,536 bytes is written as 1.
        let page = match u16::from_be_bytes(*page) {
            1 => 65_536,
            bytes => u64::from(bytes),
        };
        Some(Self { has_log, bytes: page * u64::from(pages) })
    }
}
