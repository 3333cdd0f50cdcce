//! The files of an open SQLite database, and whether they are still the same.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use conversant_core::{HistoryError, VectorStoreError};

use crate::file_identity::{FileIdentity, FileKey};

/// The files of an open SQLite database: the database and, while it is open, its logs.
///
/// SQLite keeps files open by their descriptors. It writes on to a file that was deleted or
/// replaced, and what it acknowledges is gone. A store that [checks](Self::check_write) before it
/// acknowledges a write loses nothing unnoticed, at the price of three calls of `stat`.
///
/// Drop it after the connections to the database.
#[derive(Debug)]
pub struct SqliteFiles {
    path: PathBuf,
    file: FileIdentity,
    logs: Vec<FileIdentity>,
    /// The size of the file when it was last checked.
    bytes: AtomicU64,
}

/// The files that are open in this process, with the number of their [`SqliteFiles`].
///
/// Locks of files belong to a process: where it closes any descriptor of a file, the system
/// releases those of SQLite too. A file that is open is therefore never opened without SQLite, by
/// whichever of its names.
static OPEN: Mutex<BTreeMap<FileKey, usize>> = Mutex::new(BTreeMap::new());

fn open_files() -> MutexGuard<'static, BTreeMap<FileKey, usize>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// The database was cut off, or something else was written over it.
    #[error(
        "the file was truncated or overwritten while it was open; restore it while no store has it \
         open"
    )]
    Overwritten,
    /// The database has no write-ahead log, and there is one with its name.
    #[error(
        "the log with the ending `-wal` next to the file is that of another file, which it \
         replaced; delete the log"
    )]
    ForeignLog,
    /// The file is empty.
    #[error("the file is empty; a new file would have its tables")]
    Empty,
    /// The file is not a database.
    #[error("the file is not a SQLite database")]
    NotADatabase,
    /// The file is smaller than any database.
    #[error("the file is truncated")]
    Truncated,
}

conversant_core::debug_as_report!(SqliteFileFault);

impl From<SqliteFileFault> for HistoryError {
    fn from(fault: SqliteFileFault) -> Self {
        Self::Corrupt { what: fault.to_string(), source: None }
    }
}

impl From<SqliteFileFault> for VectorStoreError {
    fn from(fault: SqliteFileFault) -> Self {
        Self::Corrupt { what: fault.to_string(), source: None }
    }
}

/// The bytes of SQLite's smallest page, which every database has.
const MIN_BYTES: u64 = 512;

/// The begin of every database.
const MAGIC: &[u8] = b"SQLite format 3\0";

impl SqliteFiles {
    /// Returns the file of a database that is opened next.
    ///
    /// # Errors
    /// The system's error if there is no file at `path`.
    pub fn of(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::add(path.as_ref(), &mut open_files())
    }

    /// Returns the file of a database that is opened next, and creates an empty one if there is
    /// none. No other thread of this process opens the file in between, as [`check_new`] does.
    ///
    /// # Errors
    /// The system's error if there is no file at `path` and none can be created.
    ///
    /// [`check_new`]: Self::check_new
    pub fn of_or_new(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let mut open = open_files();
        let mut options = File::options();
        options.write(true).create_new(true);
        // As SQLite creates it.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
        // It is closed before another thread looks at the files.
        match options.open(path).map(drop) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Self::add(path, &mut open),
        }
    }

    fn add(path: &Path, open: &mut BTreeMap<FileKey, usize>) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let (file, bytes) = (FileIdentity::of_metadata(path, &metadata), metadata.len());
        *open.entry(file.key()).or_default() += 1;
        Ok(Self { path: path.to_owned(), file, logs: Vec::new(), bytes: AtomicU64::new(bytes) })
    }

    /// Adds the logs, once the database was opened and read from.
    #[must_use]
    pub fn with_logs(mut self) -> Self {
        let logs = ["-wal", "-shm"].map(|ending| FileIdentity::of(with_ending(&self.path, ending)));
        self.logs = logs.into_iter().filter_map(Result::ok).collect();
        self
    }

    /// Checks a file before SQLite opens it: whether it is a database, and no log of another file
    /// is next to it. SQLite would apply the log to a backup that was put in the place of the file,
    /// and bring vanished data back. A copy that has a log itself is not recognised.
    ///
    /// A file that a store of this process has open, by any of its names, is not looked at.
    ///
    /// # Errors
    /// [`SqliteFileFault`], or the system's error if the file cannot be read.
    pub fn check_new(path: impl AsRef<Path>) -> io::Result<Result<(), SqliteFileFault>> {
        let path = path.as_ref();
        let open = open_files();
        if open.contains_key(&FileIdentity::of(path)?.key()) {
            return Ok(Ok(()));
        }
        // A process that begins a log changes the header first.
        let has_log = fs::metadata(with_ending(path, "-wal")).is_ok_and(|log| log.len() > 0);
        let mut start = Vec::new();
        File::open(path)?.take(MIN_BYTES).read_to_end(&mut start)?;
        drop(open);
        Ok(match start.as_slice() {
            [] => Err(SqliteFileFault::Empty),
            start if !start.starts_with(MAGIC) => Err(SqliteFileFault::NotADatabase),
            start if (start.len() as u64) < MIN_BYTES => Err(SqliteFileFault::Truncated),
            start if has_log && start.get(18..20) != Some(&[2, 2]) => {
                Err(SqliteFileFault::ForeignLog)
            }
            _ => Ok(()),
        })
    }

    /// Checks the database after a read. `is_whole` checks the whole file by a new connection,
    /// which has read nothing before; it is called if the file has become smaller, or has parts of
    /// pages.
    ///
    /// # Errors
    /// [`SqliteFileFault`] if what was read may be something else than what the file contains.
    pub fn check_read(&self, is_whole: impl FnOnce() -> bool) -> Result<(), SqliteFileFault> {
        match fs::metadata(&self.path) {
            Ok(metadata) if self.file.is_of(&metadata) => self.check_size(&metadata, is_whole),
            _ => Err(SqliteFileFault::Replaced),
        }
    }

    /// Checks the database and its logs after a commit, before it is acknowledged. `is_whole` is
    /// that of [`check_read`](Self::check_read).
    ///
    /// # Errors
    /// [`SqliteFileFault`] if the commit may be lost.
    pub fn check_write(&self, is_whole: impl FnOnce() -> bool) -> Result<(), SqliteFileFault> {
        self.check_read(is_whole)?;
        match self.logs.iter().all(FileIdentity::is_current) {
            true => Ok(()),
            false => Err(SqliteFileFault::LogReplaced),
        }
    }

    /// Checks a file that has become smaller, because another program has compacted it or cut it
    /// off, or whose new size is not one of whole pages.
    fn check_size(
        &self,
        metadata: &Metadata,
        is_whole: impl FnOnce() -> bool,
    ) -> Result<(), SqliteFileFault> {
        let (bytes, before) = (metadata.len(), self.bytes.load(Ordering::SeqCst));
        let is_odd = bytes != before && bytes % MIN_BYTES != 0;
        // SQLite would remove the log of an empty file.
        if (bytes < before || is_odd) && (bytes < MIN_BYTES || !is_whole()) {
            return Err(SqliteFileFault::Overwritten);
        }
        self.bytes.store(bytes, Ordering::SeqCst);
        Ok(())
    }
}

impl Drop for SqliteFiles {
    fn drop(&mut self) {
        let (mut open, key) = (open_files(), self.file.key());
        if let Some(count) = open.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                open.remove(&key);
            }
        }
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
