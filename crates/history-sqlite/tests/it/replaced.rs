//! Files that are moved, replaced, overwritten or truncated while a store has them open.

use std::{fs, path::Path};

use conversant_core::{ChatHistory, Expect, HistoryError, Range};
use conversant_history_sqlite::{LangChainSqliteHistory, SqliteHistory};
use conversant_testkit::block_on;
use rusqlite::Connection;

use crate::support::{Folder, append, exchange, load, session};

/// A damage of the file of an open store. The folder has an older `copy.db`.
type Damage = fn(&Folder);

const DAMAGES: &[(&str, Damage)] = &[
    ("removed", |folder| fs::remove_file(folder.file()).unwrap()),
    ("moved away", |folder| fs::rename(folder.file(), folder.path().join("away.db")).unwrap()),
    ("replaced by an older copy", |folder| {
        fs::rename(folder.path().join("copy.db"), folder.file()).unwrap();
    }),
    ("replaced by an older copy, and its logs removed", |folder| {
        fs::rename(folder.path().join("copy.db"), folder.file()).unwrap();
        remove_logs(folder);
    }),
    ("truncated to nothing", |folder| truncate(&folder.file(), 0)),
    ("overwritten", |folder| fs::write(folder.file(), "x".repeat(100_000)).unwrap()),
    ("truncated to a page", |folder| truncate(&folder.file(), 4096)),
    ("its logs removed", remove_logs),
];

fn remove_logs(folder: &Folder) {
    for log in ["chat.db-wal", "chat.db-shm"] {
        let _ = fs::remove_file(folder.path().join(log));
    }
}

fn truncate(path: &Path, bytes: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

/// Writes what is in the log to the file, as SQLite does from time to time.
fn write_back(folder: &Folder) {
    folder.sql("PRAGMA wal_checkpoint(PASSIVE)");
}

#[test]
fn what_is_acknowledged_is_in_the_file_of_this_name() {
    let mut told = String::new();
    let is_read = |operation: &str| ["load", "sessions"].contains(&operation);
    for (name, damage) in DAMAGES {
        let folder = Folder::new();
        let history = folder.open();
        append(&history, "a", &exchange(1)).unwrap();
        block_on(history.backup(folder.path().join("copy.db"))).unwrap();
        append(&history, "a", &exchange(2)).unwrap();
        write_back(&folder);
        load(&history, "a").unwrap();
        damage(&folder);
        let outcomes = [
            ("append", append(&history, "a", &exchange(3)).map(drop)),
            ("append again", append(&history, "a", &exchange(4)).map(drop)),
            ("lease", block_on(history.lease(&session("a"), std::time::Duration::MAX)).map(drop)),
            ("load", load(&history, "a").map(drop)),
            ("sessions", block_on(history.sessions(None, 10)).map(drop)),
        ];
        told.push_str(&format!("{name}\n"));
        for (operation, outcome) in outcomes {
            match outcome {
                Ok(()) => {
                    // Nothing but reading, of what the file had.
                    assert_eq!(
                        (*name, operation.starts_with("append")),
                        ("its logs removed", false)
                    );
                    told.push_str(&format!("    {operation}: fine, or a log is missing\n"));
                }
                // A connection that was opened before reads, and one that is opened now does not.
                Err(error) if *name == "its logs removed" && is_read(operation) => {
                    assert!(error.to_string().contains("a log of the file was"), "{error}");
                    told.push_str(&format!("    {operation}: fine, or a log is missing\n"));
                }
                Err(error) => told.push_str(&format!("    {operation}: {error}\n")),
            }
        }
    }
    insta::assert_snapshot!(told);
}

/// The same of LangChain's table, which has no write-ahead log.
#[test]
fn what_is_acknowledged_is_in_langchains_file_of_this_name() {
    for (name, damage) in DAMAGES {
        if *name == "its logs removed" {
            continue;
        }
        let folder = Folder::new();
        let history = LangChainSqliteHistory::open(folder.file()).unwrap();
        let a = session("a");
        block_on(history.append(&a, &exchange(1), Expect::Any)).unwrap();
        fs::copy(folder.file(), folder.path().join("copy.db")).unwrap();
        block_on(history.append(&a, &exchange(2), Expect::Any)).unwrap();
        damage(&folder);
        let appended = block_on(history.append(&a, &exchange(3), Expect::Any));
        let found = block_on(history.turns(&a, Range::All));
        for outcome in [appended.map(drop), found.map(drop)] {
            assert!(matches!(outcome, Err(HistoryError::Corrupt { .. })), "{name}: {outcome:?}");
        }
    }
}

/// A copy that is written into a file without a write-ahead log is what the file holds then.
#[test]
fn a_copy_in_place_is_what_langchains_file_holds() {
    let folder = Folder::new();
    let history = LangChainSqliteHistory::open(folder.file()).unwrap();
    append(&history, "a", &exchange(1)).unwrap();
    fs::copy(folder.file(), folder.path().join("copy.db")).unwrap();
    let seen = append(&history, "a", &exchange(2)).unwrap();
    fs::copy(folder.path().join("copy.db"), folder.file()).unwrap();
    append(&history, "a", &exchange(3)).unwrap();
    let found = block_on(history.load(&session("a"), Range::After(seen))).unwrap();
    assert_eq!(found.messages.len(), 4);
}

/// Other programs may compact the file, and write back and empty its log.
#[test]
fn what_sqlite_itself_does_to_the_file_is_no_damage() {
    let folder = Folder::new();
    let history = folder.open();
    for number in 0..200 {
        append(&history, "a", &exchange(number)).unwrap();
    }
    block_on(history.delete(&session("a"))).unwrap();
    for statement in ["PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(RESTART)"]
    {
        folder.sql(statement);
        append(&history, "b", &exchange(1)).unwrap();
        load(&history, "b").unwrap();
    }
    // Another connection that closes removes no log that is in use.
    drop(Connection::open(folder.file()).unwrap());
    append(&history, "b", &exchange(2)).unwrap();
    block_on(history.check_integrity()).unwrap();
}

/// A process was killed, and the file was restored from a backup, next to the log of the old one.
#[test]
fn a_backup_next_to_another_log_brings_nothing_back() {
    let folder = Folder::new();
    let log = folder.path().join("chat.db-wal");
    let history = folder.open();
    append(&history, "a", &exchange(1)).unwrap();
    block_on(history.backup(folder.path().join("copy.db"))).unwrap();
    append(&history, "a", &exchange(2)).unwrap();
    let bytes = fs::read(&log).unwrap();
    block_on(history.close());
    fs::rename(folder.path().join("copy.db"), folder.file()).unwrap();
    fs::write(&log, bytes).unwrap();
    let errors = [
        SqliteHistory::open(folder.file()).unwrap_err(),
        LangChainSqliteHistory::open(folder.file()).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(
            error.to_string(),
            "cannot use the history: the log with the ending `-wal` next to the file is that of \
             another file, which it replaced; delete the log"
        );
    }
    fs::remove_file(&log).unwrap();
    assert_eq!(load(&folder.open(), "a").unwrap().messages.len(), 2);
}
