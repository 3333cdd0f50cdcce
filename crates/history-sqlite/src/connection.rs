//! Opening the file: its settings, and which files are refused.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use conversant_core::{HistoryError, TurnId};
use conversant_history::SqliteFiles;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, config::DbConfig};

use crate::{
    checksum::hash,
    error::{backend, inconsistent, sqlite_error},
    options::{Options, Synchronous},
};

/// The tables of a store.
pub(crate) trait Tables {
    /// Whether no other program uses the file. In a shared file, the other program's settings stay.
    const EXCLUSIVE: bool;
    /// Refuses the file of another program, and changes nothing.
    fn check(&self, connection: &Connection) -> Result<(), HistoryError>;
    /// Creates the tables, or brings them up to date.
    fn create(&self, connection: &mut Connection) -> Result<(), HistoryError>;
    /// Makes older tables that cannot be brought up to date, because the file is opened for reading
    /// only, readable through this connection.
    fn adapt(&self, connection: &Connection) -> Result<(), HistoryError>;
}

/// Opens the store for its writer. Creates the file if it does not exist, and brings its tables up
/// to date.
pub(crate) fn open_writer<T: Tables>(
    options: &Options,
    tables: &T,
) -> Result<(Connection, SqliteFiles), HistoryError> {
    let path = absolute(&options.path)?;
    let flags = match fs::metadata(&path) {
        Ok(found) if found.is_dir() => return Err(inconsistent("the path is a directory")),
        Ok(found) if !found.is_file() => return Err(inconsistent("the path is not a file")),
        // Python creates an empty file first, and the table in it when it is used.
        Ok(found) if found.len() == 0 && !T::EXCLUSIVE => OpenFlags::empty(),
        Ok(_) => {
            SqliteFiles::check_new(&path).map_err(backend)??;
            OpenFlags::empty()
        }
        Err(error)
            if error.kind() == ErrorKind::NotFound && options.create && !options.read_only =>
        {
            create(options, &path, tables)?;
            OpenFlags::empty()
        }
        Err(error) => return Err(backend(error)),
    };
    let files = SqliteFiles::of(&path).map_err(backend)?;
    let mut connection = connect::<T>(options, &path, flags)?;
    tables.check(&connection)?;
    if options.read_only {
        tables.adapt(&connection)?;
        return Ok((connection, files.with_logs()));
    }
    if connection.is_readonly(MAIN_DB).map_err(sqlite_error)? {
        return Err(HistoryError::ReadOnly { source: None });
    }
    set_journal::<T>(&connection, options)?;
    tables.create(&mut connection)?;
    Ok((connection, files.with_logs()))
}

/// Opens another connection to a store that [`open_writer`] has opened, for reading.
pub(crate) fn open_reader<T: Tables>(
    options: &Options,
    tables: &T,
) -> Result<Connection, HistoryError> {
    let connection = connect::<T>(options, &absolute(&options.path)?, OpenFlags::empty())?;
    if options.read_only {
        tables.adapt(&connection)?;
    }
    connection.pragma_update(None, "query_only", true).map_err(sqlite_error)?;
    Ok(connection)
}

/// Checks the whole file by a new connection, which has read nothing before.
pub(crate) fn is_whole(options: &Options) -> bool {
    let check = |connection: &Connection| -> rusqlite::Result<String> {
        connection.busy_timeout(options.busy_timeout.min(MAX_BUSY_TIMEOUT))?;
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    absolute(&options.path)
        .ok()
        .and_then(|path| Connection::open_with_flags(path, flags).ok())
        .is_some_and(|connection| check(&connection).is_ok_and(|found| found == "ok"))
}

/// Makes the path absolute, so that SQLite takes no name, such as `:memory:`, for a special one.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, HistoryError> {
    std::path::absolute(path).map_err(backend)
}

/// The endings of the files that SQLite keeps next to a database while it is in use.
const LOGS: [&str; 3] = ["-wal", "-journal", "-shm"];

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The bytes that the name of a file has at most on nearly all file systems.
const MAX_NAME: usize = 255;

/// The bytes of a database's name that temporary names begin with, at most.
const MAX_BEGIN: usize = 160;

/// Returns the path of a file in the database's folder that is in use only until the database has
/// its name. It begins with as much of the database's name as leaves room for endings.
fn temporary(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let begin = (0..=MAX_BEGIN).rev().find_map(|end| name.get(..end)).unwrap_or_default();
    path.with_file_name(format!("{begin}{ending}"))
}

/// Returns the path of the lock under which a database gets its name.
fn lock_path(path: &Path) -> PathBuf {
    let lock = with_ending(path, ".lock");
    if lock.file_name().is_none_or(|name| name.len() <= MAX_NAME) {
        return lock;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    temporary(path, &format!(".{:016x}.lock", hash(&name)))
}

/// Refuses a name that leaves no room for those of SQLite's logs.
fn check_name<T: Tables>(path: &Path) -> Result<(), HistoryError> {
    let bytes = path.file_name().unwrap_or_default().len();
    // Other systems count other units.
    let too_long = |ending: &str| cfg!(unix) && bytes > MAX_NAME - ending.len();
    let what = match T::EXCLUSIVE {
        true if too_long("-wal") => "a database whose file name has more than 251 bytes",
        false if too_long("-journal") => "a database whose file name has more than 247 bytes",
        _ => return Ok(()),
    };
    Err(HistoryError::Unsupported { what })
}

/// Creates the file under a temporary name and then gives it its own, so that the file never exists
/// without its tables. An empty file is therefore a damaged one.
fn create<T: Tables>(options: &Options, path: &Path, tables: &T) -> Result<(), HistoryError> {
    check_name::<T>(path)?;
    check_logs(path)?;
    let new = temporary(path, &format!(".{}.new", TurnId::random()));
    // The operating system says more precisely than SQLite why a file cannot be created.
    File::create_new(&new).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            HistoryError::ReadOnly { source: Some(error.into()) }
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            HistoryError::Full { source: error.into() }
        }
        _ => backend(error),
    })?;
    let created =
        connect::<T>(options, &new, OpenFlags::SQLITE_OPEN_CREATE).and_then(|mut connection| {
            set_journal::<T>(&connection, options)?;
            tables.create(&mut connection)?;
            connection.close().map_err(|(_, error)| sqlite_error(error))
        });
    let published = created.and_then(|()| {
        publish(&new, path, options.busy_timeout, |new, path| fs::hard_link(new, path))
    });
    let _ = fs::remove_file(&new);
    for ending in LOGS {
        let _ = fs::remove_file(with_ending(&new, ending));
    }
    published
}

/// Gives a new file its name, unless another process was faster. `link` creates a hard link.
fn publish(
    new: &Path,
    path: &Path,
    busy_timeout: Duration,
    link: impl Fn(&Path, &Path) -> io::Result<()>,
) -> Result<(), HistoryError> {
    match link(new, path) {
        Ok(()) => sync_folder(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        // Where hard links are not supported, the file is renamed, which would replace that of
        // another process: one process at a time does so.
        Err(_) => {
            let lock = lock_path(path);
            let locked = lock_file(&lock, busy_timeout)?;
            let renamed = match path.exists() {
                true => Ok(()),
                false => fs::rename(new, path).map_err(backend).and_then(|()| sync_folder(path)),
            };
            // A process that waits for the removed lock finds the file. If it was not renamed, the
            // lock stays.
            if renamed.is_ok() {
                let _ = fs::remove_file(&lock);
            }
            drop(locked);
            renamed
        }
    }
}

/// The pause between two attempts at what another connection prevents.
const PAUSE: Duration = Duration::from_millis(5);

/// Locks a file until it is dropped. Creates it if it does not exist.
fn lock_file(path: &Path, busy_timeout: Duration) -> Result<File, HistoryError> {
    let started = Instant::now();
    let file = File::options().write(true).create(true).truncate(false).open(path);
    let file = file.map_err(backend)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() < busy_timeout => {
                thread::sleep(PAUSE);
            }
            Err(TryLockError::WouldBlock) => return Err(HistoryError::Busy),
            Err(TryLockError::Error(error)) => return Err(backend(error)),
        }
    }
}

/// Refuses to create a file next to the log of one that was deleted: SQLite would apply the log to
/// the new file, and bring deleted conversations back.
fn check_logs(path: &Path) -> Result<(), HistoryError> {
    for ending in ["-wal", "-journal"] {
        let log = with_ending(path, ending);
        let is_left = log.metadata().is_ok_and(|log| log.len() > 0);
        // If another process has created the file meanwhile, the log is that file's.
        if is_left && !path.exists() {
            let name = log.file_name().unwrap_or_default().to_string_lossy();
            return Err(inconsistent(format!(
                "the log `{name}` of a deleted file is still there; delete it to start anew, or \
                 restore the file"
            )));
        }
    }
    Ok(())
}

/// Makes a file's new name durable, on systems where a directory can be opened.
fn sync_folder(path: &Path) -> Result<(), HistoryError> {
    match path.parent() {
        Some(folder) if cfg!(unix) => {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(backend)
        }
        _ => Ok(()),
    }
}

fn connect<T: Tables>(
    options: &Options,
    path: &Path,
    flags: OpenFlags,
) -> Result<Connection, HistoryError> {
    let access = if options.read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE
    };
    let flags = flags | access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite_error)?;
    configure::<T>(&connection, options).map_err(sqlite_error)?;
    Ok(connection)
}

/// The longest busy timeout that SQLite takes: an `int` of milliseconds, or 24 days.
pub(crate) const MAX_BUSY_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

/// The number of statements that a connection keeps compiled: more than a history has.
const CACHED_STATEMENTS: usize = 128;

/// Sets what applies to one connection. The busy timeout comes first, because the other statements
/// may have to wait.
fn configure<T: Tables>(connection: &Connection, options: &Options) -> rusqlite::Result<()> {
    connection.busy_timeout(options.busy_timeout.min(MAX_BUSY_TIMEOUT))?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    // Keeps statements compiled when the values bound to them change.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    if !T::EXCLUSIVE {
        return Ok(());
    }
    // The file is input: nothing in it is executed.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // Deleted data is overwritten.
    connection.pragma_update(None, "secure_delete", true)
}

/// Sets the write-ahead log, how durable a commit is, and the maximum size of the file.
fn set_journal<T: Tables>(connection: &Connection, options: &Options) -> Result<(), HistoryError> {
    let mode = if T::EXCLUSIVE {
        use_log(connection, options.busy_timeout)
    } else {
        connection.pragma_query_value(None, "journal_mode", |row| row.get(0))
    };
    let mode: String = mode.map_err(sqlite_error)?;
    let level = synchronous_level(&mode, options.synchronous);
    let set = || {
        connection.pragma_update(None, "synchronous", level)?;
        // On Apple's systems, a sync without this does not reach the disk.
        connection.pragma_update(None, "fullfsync", options.synchronous == Synchronous::Full)?;
        if let Some(bytes) = options.max_bytes {
            let page: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let pages = (bytes / page.max(1)).clamp(1, u64::from(u32::MAX - 1));
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        }
        Ok(())
    };
    set().map_err(sqlite_error)
}

/// Sets the write-ahead log, and returns the journal mode.
///
/// SQLite refuses at once, without the busy timeout, to change the mode of a file that another
/// connection is reading: the attempt is repeated until the busy timeout has passed.
fn use_log(connection: &Connection, busy_timeout: Duration) -> rusqlite::Result<String> {
    let started = Instant::now();
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && started.elapsed() < busy_timeout =>
            {
                thread::sleep(PAUSE);
            }
            mode => return mode,
        }
    }
}

/// Returns SQLite's synchronous level for a journal mode. Without a write-ahead log, only the
/// strictest level keeps the file and the last turns after a power failure.
fn synchronous_level(journal_mode: &str, synchronous: Synchronous) -> &'static str {
    match (journal_mode, synchronous) {
        ("wal", Synchronous::Full) => "FULL",
        ("wal", Synchronous::Normal) => "NORMAL",
        _ => "EXTRA",
    }
}

#[cfg(test)]
mod tests;
