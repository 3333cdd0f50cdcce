//! Files of every version, and of a later one.

use conversant_core::{ChatHistory, Expect, HistoryError, Note, Range, Version};
use conversant_history_sqlite::SqliteHistory;
use conversant_testkit::block_on;

use crate::support::{Folder, append, exchange, load, session};

/// A file of each earlier version of the tables, as SQL, and the tip in the base of its second
/// turn, which version 1 did not have.
const FILES: &[(&str, &str, u64)] = &[
    ("1", include_str!("schema/1.sql"), 0),
    ("2", include_str!("schema/2.sql"), 2),
    ("3", include_str!("schema/3.sql"), 2),
    ("4", VERSION_4, 2),
    ("5", VERSION_5, 2),
];

/// A file of version 4 that was one of version 3.
pub(crate) const VERSION_4: &str = concat!(
    include_str!("schema/3.sql"),
    include_str!("../../src/schema/3_to_4.sql"),
    "PRAGMA user_version = 4;"
);

/// A file of version 5 that was one of version 3.
pub(crate) const VERSION_5: &str = concat!(
    include_str!("schema/3.sql"),
    include_str!("../../src/schema/3_to_4.sql"),
    include_str!("../../src/schema/4_to_5.sql"),
    "PRAGMA user_version = 5;"
);

/// The session of the files.
const NAME: &str = "it's a \u{1f600}";

/// Checks what the files contain.
fn check(history: &SqliteHistory, tip: u64) {
    let id = session(NAME);
    let turns = block_on(history.turns(&id, Range::All)).unwrap();
    let ids: Vec<_> = turns.iter().map(|turn| turn.id().to_string()).collect();
    assert_eq!(
        ids[..2],
        ["00000000-0000-0000-0000-000000000002", "00000000-0000-0000-0000-000000000003"]
    );
    let base = Version::new(1, 2).with_tip(tip);
    assert_eq!((turns[1].is_incomplete(), turns[1].base()), (true, Some(base)));
    let note = block_on(history.note(&id, "summary")).unwrap();
    assert_eq!(note, Some(Note::new("They met.", Version::new(1, 2))));
    assert_eq!(load(history, "deleted").unwrap().version, Version::new(1, 0));
    let first = block_on(history.first(&id, 3)).unwrap().unwrap();
    assert_eq!((first.len(), first.first().unwrap().text().as_ref()), (3, "Hi there my friend"));
}

#[test]
fn files_of_every_version_are_read_and_continued() {
    for (version, sql, tip) in FILES {
        let folder = Folder::new();
        folder.sql(sql);
        let history = folder.open();
        let found = load(&history, NAME).unwrap();
        assert_eq!(found.version.to_string(), "1.6", "version {version}");
        insta::assert_snapshot!(
            format!("version_{version}"),
            serde_json::to_string_pretty(&found.messages).unwrap()
        );
        check(&history, *tip);
        let next = exchange(1);
        let version = append(&history, NAME, &next).unwrap();
        assert_eq!((version.to_string().as_str(), version.tip), ("1.8", next.id().fingerprint()));
        check(&history, *tip);
        // Each range may begin in the rows of either version.
        for (range, count) in [
            (Range::All, 8),
            (Range::LastTurns(1), 2),
            (Range::LastTurns(2), 6),
            (Range::LastTurns(9), 8),
            (Range::LastMessages(3), 3),
            (Range::LastMessages(7), 7),
            (Range::LastBytes(u64::MAX), 8),
            (Range::LastBytes(400), 2),
            (Range::After(found.version), 2),
            (Range::After(Version::new(1, 2).with_tip(2)), 6),
            (Range::After(Version::new(1, 2).with_tip(9)), 8),
            (Range::After(version), 0),
        ] {
            let loaded = block_on(history.load(&session(NAME), range)).unwrap();
            assert_eq!((loaded.messages.len(), loaded.version), (count, version), "{range:?}");
        }
        // Turns of the earlier version are found by their ids, and their positions are known.
        let again = block_on(history.turns(&session(NAME), Range::All)).unwrap();
        let stored = append(&history, NAME, &again[0]).unwrap();
        assert_eq!(stored, Version::new(1, 2).with_tip(2));
        let whole = again[1].clone().with_incomplete(false);
        for other in [exchange(9).with_id(again[0].id()), whole] {
            let error = append(&history, NAME, &other).unwrap_err();
            assert!(matches!(error, HistoryError::TurnIdInUse { .. }), "{error}");
        }
        let behind = Expect::SameEpoch(Version::new(1, 2).with_tip(9));
        let error = block_on(history.append(&session(NAME), &exchange(2), behind)).unwrap_err();
        assert!(matches!(error, HistoryError::Stale { .. }), "{error}");
        block_on(history.check_integrity()).unwrap();
        // Cleared, the session begins in the present tables.
        block_on(history.clear(&session(NAME))).unwrap();
        append(&history, NAME, &exchange(3)).unwrap();
        assert_eq!(load(&history, NAME).unwrap().version.to_string(), "2.2");
        block_on(history.delete(&session(NAME))).unwrap();
        assert_eq!(load(&history, NAME).unwrap().version.to_string(), "3.0");
    }
}

#[test]
fn files_of_earlier_versions_are_read_as_they_are_if_they_are_only_read() {
    for (version, sql, tip) in FILES {
        let folder = Folder::new();
        folder.sql(sql);
        let before = std::fs::read(folder.file()).unwrap();
        let history = SqliteHistory::builder(folder.file()).read_only(true).open().unwrap();
        let id = session(NAME);
        let last = block_on(history.load(&id, Range::LastTurns(1))).unwrap();
        assert_eq!(last.messages.len(), 4, "version {version}");
        check(&history, *tip);
        let sessions = block_on(history.sessions(None, 9)).unwrap();
        assert_eq!(sessions, std::slice::from_ref(&id));
        let error = append(&history, "a", &exchange(1)).unwrap_err();
        assert!(matches!(error, HistoryError::ReadOnly { .. }), "{error}");
        block_on(history.close());
        assert_eq!(std::fs::read(folder.file()).unwrap(), before);
    }
}

#[test]
fn damaged_rows_of_earlier_versions_are_told() {
    let cases = [
        "UPDATE messages SET body = replace(body, 'friend', 'fiend') WHERE seq = 0",
        "DELETE FROM messages WHERE seq = 4",
        "DELETE FROM messages WHERE seq = 5",
        "INSERT INTO messages SELECT session, 6, body, sum FROM messages WHERE seq = 5",
        "UPDATE turns SET incomplete = 0",
        "DELETE FROM turns WHERE number = 0",
        "UPDATE sessions SET messages = 2",
    ];
    for sql in cases {
        let folder = Folder::new();
        folder.sql(FILES[1].1);
        folder.sql(sql);
        let error = load(&folder.open(), NAME).unwrap_err();
        assert!(matches!(error, HistoryError::Corrupt { .. }), "{sql}: {error}");
    }
    // The number of turns in the tables of version 2 is not part of a checksum.
    for sql in ["UPDATE sessions SET earlier = 1", "UPDATE sessions SET earlier = 3"] {
        let folder = Folder::new();
        folder.sql(FILES[1].1);
        append(&folder.open(), NAME, &exchange(1)).unwrap();
        folder.sql(sql);
        let error = load(&folder.open(), NAME).unwrap_err();
        assert!(matches!(error, HistoryError::Corrupt { .. }), "{sql}: {error}");
    }
}

#[test]
fn a_later_version_is_told_and_left_alone() {
    let folder = Folder::new();
    append(&folder.open(), "a", &exchange(1)).unwrap();
    folder.sql("PRAGMA user_version = 7");
    for read_only in [false, true] {
        let error = SqliteHistory::builder(folder.file()).read_only(read_only).open().unwrap_err();
        assert!(matches!(error, HistoryError::SchemaTooNew { found: 7, known: 6 }), "{error}");
    }
}
