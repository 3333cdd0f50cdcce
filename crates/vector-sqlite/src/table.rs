//! The statements: every one that is run, each over bound values.

use conversant_core::{Document, Match};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use crate::vector::{self, NEARNESS};

/// How long a statement waits for another process.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// The tables of this version. A later version gives its tables other names, and so none reads what it does not know.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS conversant_vectors_1 (
        number INTEGER PRIMARY KEY,
        collection TEXT NOT NULL,
        id TEXT NOT NULL,
        text TEXT NOT NULL,
        metadata TEXT NOT NULL,
        vector BLOB NOT NULL,
        UNIQUE (collection, id)
    ) STRICT;
";

/// A vector is as long as the others of its collection, or it is not.
pub(crate) enum Length {
    Fits,
    Other { expected: usize },
}

pub(crate) fn open(path: &std::path::Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.execute_batch(SCHEMA)?;
    vector::install(&connection)?;
    Ok(connection)
}

/// Compares the length of a vector with that of a collection's.
pub(crate) fn length(
    connection: &Connection,
    collection: &str,
    bytes: usize,
) -> Result<Length, rusqlite::Error> {
    let sql = "SELECT length(vector) FROM conversant_vectors_1 WHERE collection = ?1 LIMIT 1";
    let known: Option<usize> =
        connection.prepare_cached(sql)?.query_row([collection], |row| row.get(0)).optional()?;
    Ok(match known {
        Some(known) if known != bytes => Length::Other { expected: known / size_of::<f32>() },
        _ => Length::Fits,
    })
}

/// A document with its vector and its metadata as they are stored.
pub(crate) struct Entry {
    pub(crate) document: Document,
    pub(crate) metadata: String,
    pub(crate) vector: Vec<u8>,
}

/// Adds documents, all or none.
pub(crate) fn add(
    connection: &mut Connection,
    collection: &str,
    entries: &[Entry],
) -> Result<Length, rusqlite::Error> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    for entry in entries {
        let length = length(&transaction, collection, entry.vector.len())?;
        if let Length::Other { .. } = length {
            return Ok(length);
        }
        let sql = "INSERT INTO conversant_vectors_1 (collection, id, text, metadata, vector)
            VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (collection, id) DO UPDATE
            SET text = excluded.text, metadata = excluded.metadata, vector = excluded.vector";
        let Document { id, text, .. } = &entry.document;
        let values = params![collection, id, text, entry.metadata, entry.vector];
        transaction.prepare_cached(sql)?.execute(values)?;
    }
    transaction.commit()?;
    Ok(Length::Fits)
}

/// Returns the nearest documents; of two that are as near, the one that was added first.
pub(crate) fn search(
    connection: &Connection,
    collection: &str,
    vector: &[u8],
    k: usize,
) -> Result<Vec<Match>, rusqlite::Error> {
    let sql = format!(
        "SELECT id, text, metadata, {NEARNESS}(vector, ?2) AS nearness FROM conversant_vectors_1
         WHERE collection = ?1 ORDER BY nearness DESC, number LIMIT ?3"
    );
    let k = i64::try_from(k).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map(params![collection, vector, k], found)?.collect()
}

fn found(row: &Row<'_>) -> Result<Match, rusqlite::Error> {
    let metadata: String = row.get(2)?;
    let metadata = serde_json::from_str(&metadata).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, error.into())
    })?;
    let text: String = row.get(1)?;
    let document = Document::new(row.get::<_, String>(0)?, text).with_metadata(metadata);
    let nearness: f64 = row.get(3)?;
    Ok(Match::new(document, nearness as f32))
}

pub(crate) fn clear(connection: &Connection, collection: &str) -> Result<(), rusqlite::Error> {
    let sql = "DELETE FROM conversant_vectors_1 WHERE collection = ?1";
    connection.prepare_cached(sql)?.execute([collection]).map(|_| ())
}
