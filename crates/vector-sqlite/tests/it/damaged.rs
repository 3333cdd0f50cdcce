//! Rows that were changed, and files that were replaced while the store was open.

use std::{fs, path::Path, time::Duration};

use conversant_core::{Document, Report, VectorStore, VectorStoreError};
use conversant_testkit::block_on;
use conversant_vector_sqlite::SqliteVectorStore;
use rusqlite::Connection;

use conversant_testkit::suite::TopicEmbeddings;

use crate::{documents, own};

#[test]
fn damaged_rows_are_errors_that_quote_nothing() {
    let table = "conversant_session_vectors_1";
    let damages = [
        "metadata = '{\"n\": \"Sekretwort\"'",
        "metadata = '\"Sekretwort\"'",
        "metadata = '[\"Sekretwort\"]'",
        "vector = CAST(substr(vector, 1, 8) AS BLOB)",
        "vector = CAST(vector || vector AS BLOB)",
        "vector = x''",
        // Numbers that are none.
        "vector = x'0000c07f0000c07f0000c07f'",
    ];
    for damage in damages {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vectors.db");
        let store = SqliteVectorStore::open(&file, TopicEmbeddings::new()).unwrap();
        block_on(store.add(&own(), &documents())).unwrap();
        let statement = format!("UPDATE {table} SET {damage} WHERE id = '3'");
        Connection::open(&file).unwrap().execute_batch(&statement).unwrap();
        let error = block_on(store.search(&own(), "pizza", 4)).unwrap_err();
        assert!(matches!(error, VectorStoreError::Corrupt { .. }), "{damage}: {error:?}");
        let told = Report::new(&error).to_string();
        assert!(!told.contains("Sekretwort"), "{damage}: {told}");
        // What is written again is whole again.
        let again = Document::new("3", "pizza");
        block_on(store.add(&own(), &[again])).unwrap();
        assert_eq!(block_on(store.search(&own(), "pizza", 4)).unwrap().len(), 4, "{damage}");
    }
}

/// A file from elsewhere is input.
#[test]
fn nothing_in_a_file_is_executed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vectors.db");
    let open = || SqliteVectorStore::open(&file, TopicEmbeddings::new()).unwrap();
    block_on(open().close());
    let statements = "
        CREATE TRIGGER stolen AFTER INSERT ON conversant_session_vectors_1
        BEGIN
            UPDATE conversant_session_vectors_1 SET text = 'stolen';
        END";
    Connection::open(&file).unwrap().execute_batch(statements).unwrap();
    let store = open();
    block_on(store.add(&own(), &documents())).unwrap();
    let found = block_on(store.search(&own(), "pizza", 1)).unwrap();
    assert_eq!(found[0].document, documents()[0]);
}

/// A damage of the file of an open store. The folder has an older `copy.db`.
type Damage = fn(file: &Path, copy: &Path);

#[test]
fn what_is_added_is_in_the_file_of_this_name() {
    let damages: [(&str, Damage); 4] = [
        ("removed", |file, _| fs::remove_file(file).unwrap()),
        ("replaced", |file, copy| fs::rename(copy, file).unwrap()),
        ("truncated", |file, _| {
            fs::OpenOptions::new().write(true).open(file).unwrap().set_len(0).unwrap();
        }),
        ("its log removed", |file, _| {
            fs::remove_file(file.with_extension("db-wal")).unwrap();
        }),
    ];
    for (name, damage) in damages {
        let folder = tempfile::tempdir().unwrap();
        let [file, copy] = ["vectors.db", "copy.db"].map(|name| folder.path().join(name));
        let store = SqliteVectorStore::open(&file, TopicEmbeddings::new()).unwrap();
        let connection = Connection::open(&file).unwrap();
        connection.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
        block_on(store.add(&own(), &documents())).unwrap();
        connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)").unwrap();
        block_on(store.search(&own(), "pizza", 1)).unwrap();
        damage(&file, &copy);
        let added = block_on(store.add(&own(), &[Document::new("5", "rain")]));
        assert!(matches!(added, Err(VectorStoreError::Corrupt { .. })), "{name}: {added:?}");
    }
}

#[test]
fn a_file_that_others_hold_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vectors.db");
    let builder = SqliteVectorStore::builder(&file).busy_timeout(Duration::from_millis(5));
    let store = builder.open(TopicEmbeddings::new()).unwrap();
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = block_on(store.add(&own(), &documents())).unwrap_err();
    assert!(matches!(error, VectorStoreError::Busy) && error.is_retryable(), "{error:?}");
    drop(other);
    block_on(store.add(&own(), &documents())).unwrap();
    assert_eq!(block_on(store.search(&own(), "pizza", 9)).unwrap().len(), 4);
}

#[test]
fn any_duration_is_a_busy_timeout() {
    for time in [Duration::ZERO, Duration::MAX] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vectors.db");
        let store =
            SqliteVectorStore::builder(&file).busy_timeout(time).open(TopicEmbeddings::new());
        let store = store.unwrap();
        block_on(store.add(&own(), &documents())).unwrap();
        assert_eq!(block_on(store.search(&own(), "pizza", usize::MAX)).unwrap().len(), 4);
        assert!(block_on(store.search(&own(), "pizza", 0)).unwrap().is_empty());
    }
}
