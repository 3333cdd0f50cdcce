//! Damaged files: a load returns what was stored, or a typed error.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use conversant_core::{ChatHistory, HistoryError, Message, Note, SessionFilter, Turn, TurnId};
use conversant_history_sqlite::SqliteHistory;
use conversant_testkit::block_on;
use proptest::prelude::*;

use crate::support::{Folder, append, exchange, load, session, shown};

const NAMES: [&str; 3] = ["a", "b", "a much longer name of a session, with caf\u{e9}"];

/// Returns a file, and the messages of each session.
fn file() -> (Vec<u8>, Vec<Vec<Message>>) {
    let folder = Folder::new();
    let history = folder.open();
    for number in 0..12 {
        for name in NAMES {
            let long = Turn::exchange("x".repeat(number * 200), format!("{name} {number}"));
            append(&history, name, &long).unwrap();
        }
    }
    let held = NAMES.map(|name| load(&history, name).unwrap().messages.iter().cloned().collect());
    let copy = folder.path().join("copy.db");
    block_on(history.backup(&copy)).unwrap();
    (fs::read(copy).unwrap(), held.into())
}

/// Reads a damaged file. Panics if a session has changed without an error.
fn check(bytes: &[u8], held: &[Vec<Message>]) {
    let folder = Folder::new();
    fs::write(folder.file(), bytes).unwrap();
    let Some(history) = typed(SqliteHistory::open(folder.file())) else { return };
    for (name, held) in NAMES.iter().zip(held) {
        if let Some(slice) = typed(load(&history, name)) {
            assert!(slice.messages.iter().eq(held), "{name} has changed without an error");
        }
        if let Some(turns) =
            typed(block_on(history.turns(&session(name), conversant_core::Range::LastTurns(4))))
        {
            let messages = turns.iter().flat_map(|turn| turn.messages().iter());
            assert!(
                messages.eq(&held[held.len() - 8..]),
                "{name}'s turns have changed without an error"
            );
        }
    }
}

fn typed<T>(outcome: Result<T, HistoryError>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(
            HistoryError::Corrupt { .. }
            | HistoryError::SchemaTooNew { .. }
            | HistoryError::ReadOnly { .. },
        ) => None,
        Err(error) => panic!("{error}: {error:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_is_an_error_or_as_it_was(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..8),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        static FILE: std::sync::LazyLock<(Vec<u8>, Vec<Vec<Message>>)> =
            std::sync::LazyLock::new(file);
        let (bytes, held) = &*FILE;
        let mut bytes = bytes.clone();
        for (index, flip) in flips {
            let index = index.index(bytes.len());
            bytes[index] ^= flip;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        check(&bytes, held);
    }
}

#[test]
fn rows_that_were_changed_are_told() {
    let cases = [
        ("text", "UPDATE turns SET body = replace(body, 'answer', 'anser') WHERE place & 1 = 0"),
        ("not UTF-8", "UPDATE turns SET body = CAST(X'ff' AS TEXT) WHERE place & 1 = 0"),
        ("missing in the middle", "DELETE FROM turns WHERE place & 1 = 0"),
        ("missing at the end", "DELETE FROM turns WHERE place & 1 = 1"),
        (
            "one too many",
            "INSERT INTO turns
             SELECT place + 1, X'00000000000000000000000000000001', first + 2, count, incomplete,
                    base_epoch, base_messages, base_tip, sum, body
             FROM turns WHERE place & 1 = 1",
        ),
        (
            "another order",
            "UPDATE turns SET place = place + 8 WHERE place & 1 = 0;
             UPDATE turns SET place = place - 1 WHERE place & 9 = 1;
             UPDATE turns SET place = place - 7 WHERE place & 8 = 8",
        ),
        ("another session's", "UPDATE turns SET place = place + (1 << 32)"),
        ("shorter", "UPDATE sessions SET messages = 2"),
        ("another epoch", "UPDATE sessions SET epoch = 9"),
        ("another name", "UPDATE sessions SET id = 'other'"),
        ("a missing table", "DROP TABLE turns"),
    ];
    let mut seen = String::new();
    for (name, sql) in cases {
        let folder = Folder::new();
        {
            let history = folder.open();
            append(&history, "a", &exchange(1)).unwrap();
            append(&history, "a", &exchange(2)).unwrap();
        }
        folder.sql(sql);
        let error = load(&folder.open(), "a").unwrap_err();
        assert!(matches!(error, HistoryError::Corrupt { .. }), "{name}: {error}");
        seen.push_str(&format!("{name}: {}\n", shown::<()>(Err(error))));
    }
    insta::assert_snapshot!(seen);
}

#[test]
fn turns_notes_and_lists_are_checked_too() {
    let folder = Folder::new();
    let history = folder.open();
    let covers = append(&history, "a", &exchange(1)).unwrap();
    append(&history, "a", &exchange(2)).unwrap();
    block_on(history.put_note(&session("a"), "summary", &Note::new("met", covers))).unwrap();
    folder.sql(
        "UPDATE turns SET incomplete = 1 WHERE place & 1 = 0;
         UPDATE notes SET body = '\"left\"'",
    );
    let mut seen = Vec::new();
    seen.push(shown(block_on(history.turns(&session("a"), conversant_core::Range::All))));
    seen.push(shown(block_on(history.note(&session("a"), "summary"))));
    // Undamaged rows can be read.
    let last = block_on(history.load(&session("a"), conversant_core::Range::LastTurns(1)));
    assert_eq!(last.unwrap().messages.len(), 2);
    folder.sql("UPDATE sessions SET written = 1");
    seen.push(shown(block_on(history.sessions(None, 10))));
    // A damaged session is not appended to.
    seen.push(shown(append(&history, "a", &exchange(3))));
    insta::assert_snapshot!(seen.join("\n"));
}

/// A deletion for one user, or by age, does not wait for another one's session.
#[test]
fn a_damaged_session_keeps_no_other_and_can_be_deleted() {
    let day = Duration::from_secs(24 * 3600);
    let damages = [
        "UPDATE sessions SET epoch = 9 WHERE id = 'damaged'",
        "UPDATE turns SET sum = sum + 1
         WHERE place >> 32 = (SELECT key FROM sessions WHERE id = 'damaged')",
        "UPDATE turns SET body = 'x'
         WHERE place >> 32 = (SELECT key FROM sessions WHERE id = 'damaged')",
    ];
    for (search, damage) in [false, true]
        .into_iter()
        .flat_map(|search| damages.into_iter().map(move |damage| (search, damage)))
    {
        let folder = Folder::new();
        let open = || {
            let builder = SqliteHistory::builder(folder.file()).search(search);
            builder.time_to_live(day).open().unwrap()
        };
        let history = open();
        let old = SystemTime::now() - 2 * day;
        let filter = SessionFilter::new().with_used_before(SystemTime::now() - day);
        for name in ["a", "b", "c", "damaged", "d"] {
            let turn = exchange(1).with_id(TurnId::at(old));
            append(&history, name, &turn).unwrap();
            append(&history, name, &exchange(2).with_id(TurnId::at(old))).unwrap();
        }
        block_on(history.close());
        folder.sql(damage);
        let history = open();
        let is_row = damage.starts_with("UPDATE sessions");
        for _ in 0..if is_row { 4 } else { 5 } {
            // A session whose row is intact is deleted, whichever turn is damaged.
            assert_eq!(block_on(history.delete_sessions(&filter, 1)).unwrap(), 1, "{damage}");
        }
        let left = block_on(history.delete_sessions(&filter, 1));
        assert_eq!(matches!(left, Err(HistoryError::Corrupt { .. })), is_row, "{left:?}");
        let id = session("damaged");
        block_on(history.delete(&id)).unwrap();
        assert_eq!(block_on(history.sessions(None, 9)).unwrap(), []);
        let begun = append(&history, "damaged", &exchange(1)).unwrap();
        // A call that began before is not saved after it.
        assert!(begun.epoch > 0 && (begun.epoch > 9) == is_row, "{begun}");
        assert_eq!(load(&history, "damaged").unwrap().messages.len(), 2);
    }
}

#[test]
fn a_damaged_session_keeps_no_other_from_expiring() {
    let folder = Folder::new();
    {
        let history = folder.open();
        for name in ["a", "b", "damaged", "z"] {
            append(&history, name, &exchange(1)).unwrap();
        }
    }
    folder.sql("UPDATE sessions SET epoch = 9, written = 1 WHERE id IN ('b', 'damaged')");
    folder.sql("UPDATE sessions SET id = 'c' WHERE id = 'b'");
    let history = SqliteHistory::builder(folder.file()).time_to_live(Duration::ZERO);
    let history = history.open().unwrap();
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_millis(3) {
        std::hint::spin_loop();
    }
    assert_eq!(block_on(history.sweep(1)).unwrap(), 1);
    let error = block_on(history.sweep(2)).unwrap_err().to_string();
    assert!(error.contains("the row of session `c` is damaged"), "{error}");
    let left = block_on(folder.open().sessions(None, 9)).unwrap_err();
    assert!(matches!(left, HistoryError::Corrupt { .. }), "{left}");
    // One whose id is damaged is deleted by its hash.
    for name in ["b", "damaged"] {
        block_on(history.delete(&session(name))).unwrap();
    }
    assert_eq!(block_on(folder.open().sessions(None, 9)).unwrap(), []);
    assert_eq!(block_on(history.sweep(9)).unwrap(), 0);
}

/// Values that a damaged page can have, in rows other than those of turns: the error names the
/// session and what is damaged.
#[test]
fn values_of_another_type_are_damage_that_is_named() {
    let titled = "the title or a label is damaged";
    let cases = [
        ("labels", "value = X'ff'", titled),
        ("labels", "value = CAST(X'ff' AS TEXT)", titled),
        ("labels", "value = 7", titled),
        ("labels", "name = X'ff' WHERE name <> ''", titled),
        ("labels", "sum = 'x'", titled),
        ("notes", "body = X'ff'", "note `summary` is damaged"),
        ("notes", "body = CAST(X'ff' AS TEXT)", "note `summary` is damaged"),
        ("notes", "epoch = 'x'", "note `summary` is damaged"),
        ("notes", "sum = NULL", "note `summary` is damaged"),
        ("branches", "parent = 'x' WHERE parent IS NOT NULL", "the row of a branch is damaged"),
        ("branches", "turns = X'00'", "the row of a branch is damaged"),
        ("turns", "id = '0123456789abcdef'", "the row of a turn is damaged"),
        ("turns", "count = 'x'", "the row of a turn is damaged"),
        ("sessions", "written = 'x'", "the row of session `a` is damaged"),
    ];
    for (table, change, expected) in cases {
        let folder = Folder::new();
        let id = session("a");
        {
            let history = folder.open();
            let first = exchange(1);
            let covers = append(&history, "a", &first).unwrap();
            append(&history, "a", &exchange(2)).unwrap();
            append(&*history.at(first.id().into()).unwrap(), "a", &exchange(3)).unwrap();
            block_on(history.put_note(&id, "summary", &Note::new("met", covers))).unwrap();
            block_on(history.set_title(&id, Some("A title"))).unwrap();
            block_on(history.set_label(&id, "user", Some("ada"))).unwrap();
        }
        // The columns take all values for as long as the schema says so.
        folder.sql(&format!(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE name = '{table}';
             UPDATE sqlite_schema SET sql = replace(sql, ') STRICT, WITHOUT', ') WITHOUT');
             UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')');"
        ));
        folder.sql(&format!("PRAGMA ignore_check_constraints = ON; UPDATE {table} SET {change}"));
        let history = folder.open();
        let error = match table {
            "labels" => {
                let filter = SessionFilter::new();
                let listed = block_on(history.list_sessions(&filter, None, 9)).unwrap_err();
                assert!(listed.to_string().contains("session `a`"), "{change}: {listed}");
                block_on(history.session_info(&id)).unwrap_err()
            }
            "notes" => block_on(history.note(&id, "summary")).unwrap_err(),
            _ => load(&history, "a").unwrap_err(),
        };
        assert!(matches!(error, HistoryError::Corrupt { .. }), "{table}, {change}: {error:?}");
        let text = error.to_string();
        let is_named = text.contains("session `a`") && text.contains(expected);
        assert!(is_named, "{table}, {change}: {text}");
    }
}

/// A page that has lost a row, of each table and index: a load gives all or an error, and a check
/// of the file finds it also where the rows are not counted.
#[test]
fn hidden_rows_never_shorten_a_conversation_and_are_found_by_a_check() {
    let folder = Folder::new();
    let history = folder.open();
    let first = exchange(1);
    let covers = append(&history, "a", &first).unwrap();
    append(&history, "a", &exchange(2)).unwrap();
    let id = session("a");
    append(&*history.at(first.id().into()).unwrap(), "a", &exchange(3)).unwrap();
    block_on(history.put_note(&id, "summary", &Note::new("met", covers))).unwrap();
    block_on(history.set_title(&id, Some("A title"))).unwrap();
    block_on(history.set_label(&id, "user", Some("ada"))).unwrap();
    append(&history, "b", &exchange(4)).unwrap();
    let held = ["a", "b"].map(|name| load(&history, name).unwrap());
    let copy = folder.path().join("copy.db");
    block_on(history.backup(&copy)).unwrap();
    let bytes = fs::read(&copy).unwrap();
    let connection = rusqlite::Connection::open(&copy).unwrap();
    let page: usize = connection.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
    let mut select =
        connection.prepare("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 1").unwrap();
    let pages = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut hidden = Vec::new();
    for found in pages {
        let (name, number): (String, usize) = found.unwrap();
        let start = (number - 1) * page;
        // The leaves of tables and indexes. The number of rows is in the bytes 3 and 4.
        if ![0x0a, 0x0d].contains(&bytes[start]) || bytes[start + 4] == 0 {
            continue;
        }
        let mut damaged = bytes.clone();
        damaged[start + 4] -= 1;
        let folder = Folder::new();
        fs::write(folder.file(), &damaged).unwrap();
        hidden.push(name.clone());
        let Some(history) = typed(SqliteHistory::open(folder.file())) else { continue };
        for (session, held) in ["a", "b"].iter().zip(&held) {
            if let Some(slice) = typed(load(&history, session)) {
                assert_eq!(slice, *held, "{name}: {session}");
            }
        }
        let found = block_on(history.check_integrity());
        assert!(matches!(found, Err(HistoryError::Corrupt { .. })), "{name}: {found:?}");
    }
    for table in ["sessions", "turns", "branches", "notes", "labels", "turns_by_id"] {
        assert!(hidden.iter().any(|name| name == table), "{table}: {hidden:?}");
    }
}
