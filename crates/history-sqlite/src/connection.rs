//! Opening the file: its settings, and what is refused.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use conversant_core::{HistoryError, TurnId};
use rusqlite::{Connection, MAIN_DB, OpenFlags, config::DbConfig};

use crate::{
    failure::{backend, failure, wrong},
    options::{Options, Synchronous},
};

/// What a store has in its file.
pub(crate) trait Tables {
    /// Whether the file is the store's alone. In one that is shared, what others have set stays.
    const IS_OURS: bool;
    /// Refuses a file that is another program's, and changes nothing.
    fn check(&self, connection: &Connection) -> Result<(), HistoryError>;
    /// Makes the tables, or brings them up to date.
    fn make(&self, connection: &mut Connection) -> Result<(), HistoryError>;
}

/// Opens the store for its writer: makes the file if there is none, and brings its tables up to date.
pub(crate) fn first<T: Tables>(options: &Options, tables: &T) -> Result<Connection, HistoryError> {
    let path = absolute(&options.path)?;
    let flags = match fs::metadata(&path) {
        Ok(found) if found.is_dir() => return Err(wrong("it is a directory")),
        Ok(found) if !found.is_file() => return Err(wrong("it is no file")),
        Ok(_) => {
            check_header(&path)?;
            OpenFlags::empty()
        }
        Err(error) if error.kind() == ErrorKind::NotFound && !options.read_only => {
            create(options, &path, tables)?
        }
        Err(error) => return Err(backend(error)),
    };
    let mut connection = connect::<T>(options, &path, flags)?;
    tables.check(&connection)?;
    if !options.read_only {
        if connection.is_readonly(MAIN_DB).map_err(failure)? {
            return Err(HistoryError::ReadOnly { source: None });
        }
        settle::<T>(&connection, options)?;
    }
    tables.make(&mut connection)?;
    Ok(connection)
}

/// Opens another connection to a store that has been opened, for reading.
pub(crate) fn another<T: Tables>(options: &Options) -> Result<Connection, HistoryError> {
    let connection = connect::<T>(options, &absolute(&options.path)?, OpenFlags::empty())?;
    connection.pragma_update(None, "query_only", true).map_err(failure)?;
    Ok(connection)
}

/// Names that mean something to SQLite, such as `:memory:`, are none once they are absolute.
fn absolute(path: &Path) -> Result<PathBuf, HistoryError> {
    std::path::absolute(path).map_err(backend)
}

/// Makes the file under another name and then gives it its own, so that at no moment there is a file without its tables: an empty
/// file is one that was damaged.
///
/// Returns the flags to open it with: where a file can't have two names, it is made in its place.
fn create<T: Tables>(
    options: &Options,
    path: &Path,
    tables: &T,
) -> Result<OpenFlags, HistoryError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", TurnId::random()));
    let new = path.with_file_name(name);
    // The system tells better than SQLite why a file can't be made.
    File::create_new(&new).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            HistoryError::ReadOnly { source: Some(error.into()) }
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            HistoryError::Full { source: error.into() }
        }
        _ => backend(error),
    })?;
    let made =
        connect::<T>(options, &new, OpenFlags::SQLITE_OPEN_CREATE).and_then(|mut connection| {
            settle::<T>(&connection, options)?;
            tables.make(&mut connection)?;
            connection.close().map_err(|(_, error)| failure(error))
        });
    let linked = made.and_then(|()| match fs::hard_link(&new, path) {
        Ok(()) => sync_folder(path).map(|()| OpenFlags::empty()),
        // Somebody else was first.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(OpenFlags::empty()),
        Err(_) => Ok(OpenFlags::SQLITE_OPEN_CREATE),
    });
    for leftover in ["", "-wal", "-shm", "-journal"] {
        let mut name = new.clone().into_os_string();
        name.push(leftover);
        let _ = fs::remove_file(name);
    }
    linked
}

/// Refuses files that SQLite takes for databases without tables: empty ones, and those that were cut off near their start.
fn check_header(path: &Path) -> Result<(), HistoryError> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SMALLEST).read_to_end(&mut start));
    match read.map_err(backend)? {
        0 => Err(wrong("the file is empty, and a new one would have its tables")),
        _ if !start.starts_with(b"SQLite format 3\0") => {
            Err(wrong("the file is not a SQLite database"))
        }
        bytes if (bytes as u64) < SMALLEST => Err(wrong("the file was cut off")),
        _ => Ok(()),
    }
}

/// The bytes of SQLite's smallest page.
const SMALLEST: u64 = 512;

/// Makes a file's new name durable, where folders can be opened.
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
    let connection = Connection::open_with_flags(path, flags).map_err(failure)?;
    configure::<T>(&connection, options).map_err(failure)?;
    Ok(connection)
}

/// Sets what holds for one connection. The time to wait for others comes first, because what follows may have to.
fn configure<T: Tables>(connection: &Connection, options: &Options) -> rusqlite::Result<()> {
    connection.busy_timeout(options.busy_timeout)?;
    if !T::IS_OURS {
        return Ok(());
    }
    // The file is input: nothing in it runs.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // What was deleted is overwritten.
    connection.pragma_update(None, "secure_delete", true)
}

/// Sets the write-ahead log, how durable a commit is, and how large the file may become.
fn settle<T: Tables>(connection: &Connection, options: &Options) -> Result<(), HistoryError> {
    let answer: String = if T::IS_OURS {
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
    } else {
        connection.pragma_query_value(None, "journal_mode", |row| row.get(0))
    }
    .map_err(failure)?;
    let level = level(&answer, options.synchronous);
    let set = || {
        connection.pragma_update(None, "synchronous", level)?;
        // On Apple's systems a disk that was synced need not have written.
        connection.pragma_update(None, "fullfsync", options.synchronous == Synchronous::Full)?;
        if let Some(bytes) = options.max_bytes {
            let page: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let pages = (bytes / page.max(1)).clamp(1, u64::from(u32::MAX - 1));
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        }
        Ok(())
    };
    set().map_err(failure)
}

/// Returns how SQLite has to sync. Where there is no write-ahead log (SQLite answers with the mode that there is instead),
/// only its most careful way keeps the file whole and what was appended there.
fn level(journal_mode: &str, synchronous: Synchronous) -> &'static str {
    match (journal_mode, synchronous) {
        ("wal", Synchronous::Full) => "FULL",
        ("wal", Synchronous::Normal) => "NORMAL",
        _ => "EXTRA",
    }
}

#[cfg(test)]
mod tests;
