//! The tables and the statements on them.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use conversant_core::{Collection, Document, Match, VectorStoreError};
use conversant_history::json_fault;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior,
    config::DbConfig, params,
};

use crate::vector::{self, SIMILARITY};

/// Names of the tables, of this version: a later version gives its tables other names, so no
/// version reads what it does not know. Files that were written before sessions and users had
/// tables of their own have the first one only. It has the shared collections too, until they are
/// copied to a table of their own.
const GROUPS: &str = "conversant_vectors_1";
const SHARED: &str = "conversant_shared_vectors_1";
const SESSIONS: &str = "conversant_session_vectors_1";
const USERS: &str = "conversant_user_vectors_1";

/// The longest busy timeout that SQLite takes: an `int` of milliseconds.
const MAX_BUSY_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

/// The rows of a collection.
pub(crate) struct Place {
    table: &'static str,
    collection: String,
}

impl Place {
    pub(crate) fn of(collection: &Collection) -> Result<Self, VectorStoreError> {
        let (table, collection) = match collection {
            Collection::Session(session) => (SESSIONS, session.as_str()),
            Collection::User(user) => (USERS, user.as_str()),
            Collection::Group(group) => (GROUPS, group.as_str()),
            Collection::Shared(name) => (SHARED, &**name),
            _ => {
                let what = "a collection of this kind";
                return Err(VectorStoreError::Unsupported { what });
            }
        };
        Ok(Self { table, collection: collection.to_owned() })
    }
}

/// Whether vectors of one length can be compared with those of a collection.
pub(crate) enum Fit {
    Fits,
    Differs {
        /// How many numbers a vector of the collection has.
        expected: usize,
    },
}

/// The pause before an attempt to open a file that another connection is creating.
const OPEN_PAUSE: Duration = Duration::from_millis(5);

/// Returns whether SQLite takes a path for the name of a file: not for a database in memory, for a
/// temporary one, or for an address.
pub(crate) fn has_file(path: &Path) -> bool {
    let name = path.as_os_str();
    !name.is_empty() && name != ":memory:" && !name.as_encoded_bytes().starts_with(b"file:")
}

/// Opens the file, or creates it with its tables.
///
/// SQLite refuses at once, without the busy timeout, to change the journal mode of a file that
/// another connection writes: the attempt is repeated until the busy timeout has passed.
pub(crate) fn open(path: &Path, busy_timeout: Duration) -> Result<Connection, rusqlite::Error> {
    let busy_timeout = busy_timeout.min(MAX_BUSY_TIMEOUT);
    let started = Instant::now();
    loop {
        match try_open(path, busy_timeout) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && started.elapsed() < busy_timeout =>
            {
                thread::sleep(OPEN_PAUSE);
            }
            result => return result,
        }
    }
}

fn try_open(path: &Path, busy_timeout: Duration) -> Result<Connection, rusqlite::Error> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(busy_timeout)?;
    // The file is input: nothing in it is executed.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // On Apple's systems, a sync without this does not reach the disk.
    connection.pragma_update(None, "fullfsync", true)?;
    // What is removed is overwritten.
    connection.pragma_update(None, "secure_delete", "ON")?;
    if !has_table(&connection, SHARED)? {
        create(&mut connection)?;
    }
    vector::install(&connection)?;
    Ok(connection)
}

fn has_table(connection: &Connection, name: &str) -> Result<bool, rusqlite::Error> {
    let find = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
    connection.query_row(find, [name], |row| row.get(0))
}

/// Whether a row is a turn, as memories store it.
const IS_TURN: &str = "metadata LIKE '{\"epoch\":%,\"first\":%,\"messages\":[%'";

/// Creates the tables. The documents of groups stay in the first one, and the others in it are
/// copied to that of shared collections: those that are not turns, as memories store them. A turn
/// that was corrected has other metadata, and the id of a turn: it stays where turns are.
fn create(connection: &mut Connection) -> Result<(), rusqlite::Error> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    if has_table(&transaction, SHARED)? {
        return Ok(());
    }
    for table in [GROUPS, SESSIONS, USERS, SHARED] {
        transaction.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS {table} (
                number INTEGER PRIMARY KEY,
                collection TEXT NOT NULL,
                id TEXT NOT NULL,
                text TEXT NOT NULL,
                metadata TEXT NOT NULL,
                vector BLOB NOT NULL,
                UNIQUE (collection, id)
            ) STRICT"
        ))?;
    }
    let columns = "number, collection, id, text, metadata, vector";
    transaction.execute_batch(&format!(
        "INSERT INTO {SHARED} ({columns}) SELECT {columns} FROM {GROUPS} AS copied
         WHERE NOT {IS_TURN}
           AND NOT (id GLOB '[0-9]*.[0-9]* ?*' AND EXISTS (
               SELECT 1 FROM {GROUPS} WHERE collection = copied.collection AND {IS_TURN}
           ))"
    ))?;
    transaction.commit()
}

/// Checks the whole file by a new connection, which has read nothing before.
pub(crate) fn is_whole(path: &Path) -> bool {
    let check = || -> Result<String, rusqlite::Error> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
    };
    check().is_ok_and(|found| found == "ok")
}

/// Compares the length of a vector, in bytes, with that of a collection's vectors.
pub(crate) fn fit(
    connection: &Connection,
    place: &Place,
    bytes: usize,
) -> Result<Fit, rusqlite::Error> {
    let sql = format!("SELECT length(vector) FROM {} WHERE collection = ?1 LIMIT 1", place.table);
    let known: Option<usize> = connection
        .prepare_cached(&sql)?
        .query_row([&place.collection], |row| row.get(0))
        .optional()?;
    Ok(match known {
        Some(known) if known != bytes => Fit::Differs { expected: known / size_of::<f32>() },
        _ => Fit::Fits,
    })
}

/// A document with its vector and its metadata in their stored form.
pub(crate) struct Entry {
    pub(crate) document: Document,
    pub(crate) metadata: String,
    pub(crate) vector: Vec<u8>,
}

/// Adds all documents, or none if their vectors do not fit.
pub(crate) fn add(
    connection: &mut Connection,
    place: &Place,
    entries: &[Entry],
) -> Result<Fit, rusqlite::Error> {
    let sql = format!(
        "INSERT INTO {} (collection, id, text, metadata, vector) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (collection, id) DO UPDATE
         SET text = excluded.text, metadata = excluded.metadata, vector = excluded.vector",
        place.table
    );
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    for entry in entries {
        let fit = fit(&transaction, place, entry.vector.len())?;
        if let Fit::Differs { .. } = fit {
            return Ok(fit);
        }
        let Document { id, text, .. } = &entry.document;
        let values = params![place.collection, id, text, entry.metadata, entry.vector];
        transaction.prepare_cached(&sql)?.execute(values)?;
    }
    transaction.commit()?;
    Ok(Fit::Fits)
}

/// Returns the most similar documents. Of two that are equally similar, the one added first wins.
pub(crate) fn search(
    connection: &Connection,
    place: &Place,
    vector: &[u8],
    k: usize,
) -> Result<Vec<Match>, rusqlite::Error> {
    let sql = format!(
        "SELECT id, text, metadata, {SIMILARITY}(vector, ?2) AS similarity FROM {}
         WHERE collection = ?1 ORDER BY similarity DESC, number LIMIT ?3",
        place.table
    );
    let k = i64::try_from(k).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map(params![place.collection, vector, k], read_match)?.collect()
}

fn read_match(row: &Row<'_>) -> Result<Match, rusqlite::Error> {
    let similarity: f64 = row.get(3)?;
    Ok(Match::new(read_document(row)?, similarity as f32))
}

fn read_document(row: &Row<'_>) -> Result<Document, rusqlite::Error> {
    let metadata: String = row.get(2)?;
    let metadata = serde_json::from_str(&metadata).map_err(|error| {
        let what = json_fault("the metadata of a document", &error);
        let error = VectorStoreError::Corrupt { what, source: None };
        rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, error.into())
    })?;
    let text: String = row.get(1)?;
    Ok(Document::new(row.get::<_, String>(0)?, text).with_metadata(metadata))
}

/// Returns the documents after an id, in byte order of their ids.
pub(crate) fn list(
    connection: &Connection,
    place: &Place,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Document>, rusqlite::Error> {
    let sql = format!(
        "SELECT id, text, metadata FROM {}
         WHERE collection = ?1 AND (?2 IS NULL OR id > ?2) ORDER BY id LIMIT ?3",
        place.table
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map(params![place.collection, after, limit], read_document)?.collect()
}

/// Removes documents, and returns how many there were.
pub(crate) fn remove(
    connection: &mut Connection,
    place: &Place,
    ids: &[String],
) -> Result<usize, rusqlite::Error> {
    let sql = format!("DELETE FROM {} WHERE collection = ?1 AND id = ?2", place.table);
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let mut removed = 0;
    for id in ids {
        removed += transaction.prepare_cached(&sql)?.execute([&place.collection, id])?;
    }
    transaction.commit()?;
    if removed > 0 {
        empty_log(connection);
    }
    Ok(removed)
}

pub(crate) fn clear(connection: &Connection, place: &Place) -> Result<(), rusqlite::Error> {
    let sql = format!("DELETE FROM {} WHERE collection = ?1", place.table);
    if connection.prepare_cached(&sql)?.execute([&place.collection])? > 0 {
        empty_log(connection);
    }
    Ok(())
}

/// The longest wait for readers before the log is emptied.
const LOG_TIMEOUT: Duration = Duration::from_millis(100);

/// Removes from the log of the file what was removed from its tables. While another connection
/// reads, it stays there until the next removal, or until the last connection is closed.
fn empty_log(connection: &Connection) {
    let waits = connection.query_row("PRAGMA busy_timeout", [], |row| row.get::<_, u32>(0));
    let Ok(waits) = waits else { return };
    let _ = connection.busy_timeout(LOG_TIMEOUT.min(Duration::from_millis(waits.into())));
    let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    let _ = connection.busy_timeout(Duration::from_millis(waits.into()));
}
