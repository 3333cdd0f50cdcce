//! Files of every version, and of a later one.

use conversant_core::{ChatHistory, HistoryError, Note, Range, Version};
use conversant_history_sqlite::SqliteHistory;
use conversant_testkit::block_on;

use crate::support::{Folder, append, exchange, load, session};

/// A file of each version of the tables, as SQL.
const FILES: &[(&str, &str)] = &[("1", include_str!("schema/1.sql"))];

#[test]
fn files_of_every_version_are_read_and_continued() {
    for (version, sql) in FILES {
        let folder = Folder::new();
        folder.sql(sql);
        let history = folder.open();
        let found = load(&history, "it's a \u{1f600}").unwrap();
        assert_eq!(found.version.to_string(), "1.6", "version {version}");
        insta::assert_snapshot!(
            format!("version_{version}"),
            serde_json::to_string_pretty(&found.messages).unwrap()
        );
        let turns = block_on(history.turns(&session("it's a \u{1f600}"), Range::All)).unwrap();
        let ids: Vec<_> = turns.iter().map(|turn| turn.id().to_string()).collect();
        assert_eq!(
            ids,
            ["00000000-0000-0000-0000-000000000002", "00000000-0000-0000-0000-000000000003"]
        );
        assert_eq!((turns[1].is_incomplete(), turns[1].base()), (true, Some(Version::new(1, 2))));
        let note = block_on(history.note(&session("it's a \u{1f600}"), "summary")).unwrap();
        assert_eq!(note, Some(Note::new("They met.", Version::new(1, 2))));
        assert_eq!(load(&history, "deleted").unwrap().version, Version::new(1, 0));
        let version = append(&history, "it's a \u{1f600}", &exchange(1)).unwrap();
        assert_eq!(version.to_string(), "1.8");
        block_on(history.check_integrity()).unwrap();
    }
}

#[test]
fn files_of_version_1_are_read_without_a_migration_if_they_are_only_read() {
    let folder = Folder::new();
    folder.sql(FILES[0].1);
    let before = std::fs::read(folder.file()).unwrap();
    let history = SqliteHistory::builder(folder.file()).read_only(true).open().unwrap();
    let id = session("it's a \u{1f600}");
    assert_eq!(block_on(history.load(&id, Range::LastTurns(1))).unwrap().messages.len(), 4);
    let turns = block_on(history.turns(&id, Range::All)).unwrap();
    assert_eq!(turns[1].base(), Some(Version::new(1, 2)));
    let note = block_on(history.note(&id, "summary")).unwrap();
    assert_eq!(note, Some(Note::new("They met.", Version::new(1, 2))));
    let error = append(&history, "a", &exchange(1)).unwrap_err();
    assert!(matches!(error, HistoryError::ReadOnly { .. }), "{error}");
    block_on(history.close());
    assert_eq!(std::fs::read(folder.file()).unwrap(), before);
}

#[test]
fn a_later_version_is_told_and_left_alone() {
    let folder = Folder::new();
    append(&folder.open(), "a", &exchange(1)).unwrap();
    folder.sql("PRAGMA user_version = 7");
    for read_only in [false, true] {
        let error = SqliteHistory::builder(folder.file()).read_only(read_only).open().unwrap_err();
        assert!(matches!(error, HistoryError::SchemaTooNew { found: 7, known: 2 }), "{error}");
    }
}
