//! Branches and forks: what they store, what their removal leaves, and files of earlier versions.

use conversant_core::{ChatHistory, Expect, HistoryError, Point, Range, Turn};
use conversant_history_sqlite::SqliteHistory;
use conversant_testkit::block_on;
use rusqlite::Connection;

use crate::support::{Folder, append, exchange, load, session};

/// Returns the number of rows of a table.
fn rows(folder: &Folder, table: &str) -> i64 {
    let select = format!("SELECT count(*) FROM {table}");
    let connection = Connection::open(folder.file()).unwrap();
    connection.query_row(&select, [], |row| row.get(0)).unwrap()
}

fn texts(history: &SqliteHistory, name: &str) -> String {
    let slice = load(history, name).unwrap();
    slice.messages.iter().map(|message| message.text().into_owned() + ";").collect()
}

#[test]
fn forks_share_turns_and_the_last_one_removes_them() {
    let folder = Folder::new();
    let history = folder.open();
    let turns: Vec<Turn> = (0..40).map(exchange).collect();
    for turn in &turns {
        append(&history, "a", turn).unwrap();
    }
    let fork = |from: &str, turn: usize, into: &str| {
        let point = Point::After(turns[turn].id());
        block_on(history.fork(&session(from), point, &session(into))).unwrap()
    };
    assert_eq!(fork("a", 29, "b").messages, 60);
    assert_eq!(fork("b", 9, "c").messages, 20);
    assert_eq!(rows(&folder, "turns"), 40);
    append(&history, "b", &exchange(100)).unwrap();
    append(&history, "c", &exchange(101)).unwrap();

    // The turns that the forks share stay; the others are gone.
    block_on(history.delete(&session("a"))).unwrap();
    assert_eq!(rows(&folder, "turns"), 30 + 2);
    block_on(history.clear(&session("b"))).unwrap();
    assert_eq!(rows(&folder, "turns"), 10 + 1);
    assert!(texts(&history, "c").ends_with("question 9;answer 9;question 101;answer 101;"));
    // Sessions that begin now meet neither the shared turns nor their keys.
    for name in ["a", "b", "d"] {
        append(&history, name, &turns[0]).unwrap();
        assert_eq!(texts(&history, name), "question 0;answer 0;");
    }
    block_on(history.delete(&session("c"))).unwrap();
    assert_eq!((rows(&folder, "turns"), rows(&folder, "branches")), (3, 0));
    block_on(history.check_integrity()).unwrap();
}

#[test]
fn a_branch_goes_with_its_session() {
    let folder = Folder::new();
    let history = folder.open();
    let (first, second) = (exchange(0), exchange(1));
    append(&history, "a", &first).unwrap();
    append(&history, "a", &second).unwrap();
    let view = history.at(Point::After(first.id())).unwrap();
    append(&*view, "a", &exchange(2)).unwrap();
    assert_eq!((rows(&folder, "turns"), rows(&folder, "branches")), (3, 2));
    block_on(history.delete(&session("a"))).unwrap();
    assert_eq!((rows(&folder, "turns"), rows(&folder, "branches")), (0, 0));
}

#[test]
fn conversations_of_earlier_versions_have_branches_too() {
    for sql in [include_str!("schema/1.sql"), include_str!("schema/2.sql")] {
        let folder = Folder::new();
        folder.sql(sql);
        let history = folder.open();
        let name = "it's a \u{1f600}";
        let id = session(name);
        let turns = block_on(history.turns(&id, Range::All)).unwrap();
        let point = Point::After(turns[0].id());
        let view = history.at(point).unwrap();
        assert_eq!(block_on(view.load(&id, Range::All)).unwrap().messages.len(), 2);
        let followers = block_on(history.alternatives(&id, point)).unwrap();
        assert_eq!(followers.len(), 1);
        append(&*view, name, &exchange(1)).unwrap();
        assert_eq!(load(&history, name).unwrap().messages.len(), 4);
        let version = block_on(history.set_tip(&id, Point::After(turns[1].id()), Expect::Any));
        assert_eq!(version.unwrap().messages, 6);
        assert_eq!(block_on(history.turns(&id, Range::All)).unwrap(), turns);
        block_on(history.fork(&id, point, &session("fork"))).unwrap();
        block_on(history.delete(&id)).unwrap();
        assert_eq!(load(&history, "fork").unwrap().messages.len(), 2);
    }
}

#[test]
fn damaged_branches_are_told() {
    for sql in [
        "UPDATE branches SET turns = 2 WHERE parent IS NOT NULL",
        "UPDATE branches SET parent = NULL",
        "DELETE FROM branches WHERE parent IS NOT NULL",
        "UPDATE sessions SET branch = NULL",
        "DELETE FROM turns WHERE place = (SELECT min(place) FROM turns)",
    ] {
        let folder = Folder::new();
        let history = folder.open();
        let first = exchange(0);
        append(&history, "a", &first).unwrap();
        append(&history, "a", &exchange(1)).unwrap();
        append(&*history.at(Point::After(first.id())).unwrap(), "a", &exchange(2)).unwrap();
        folder.sql(sql);
        let error = load(&history, "a").unwrap_err();
        assert!(matches!(error, HistoryError::Corrupt { .. }), "{sql}: {error}");
    }
}
