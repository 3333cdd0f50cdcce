//! Forks in folders that were copied, or in which one file was restored.

use std::{fs, path::Path};

use conversant_core::{ChatHistory, HistoryError, SessionFilter, Turn};
use conversant_history_jsonl::JsonlHistory;
use conversant_testkit::block_on;

use crate::support::{Folder, append, exchange, load, session};

fn texts(history: &JsonlHistory, name: &str) -> String {
    let slice = load(history, name).unwrap();
    slice.messages.iter().map(|message| message.text().into_owned() + ";").collect()
}

fn fork(history: &JsonlHistory, from: &str, turn: &Turn, into: &str) -> Result<(), HistoryError> {
    block_on(history.fork(&session(from), turn.id().into(), &session(into))).map(drop)
}

/// Appends a turn with a question.
fn ask(history: &JsonlHistory, name: &str, question: &str) -> Turn {
    let turn = Turn::exchange(question, "ok");
    append(history, name, &turn).unwrap();
    turn
}

fn shared(folder: &Path) -> Vec<std::path::PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "shared")).collect()
}

/// Makes files of their own of all links, as `cp -r` and archives do.
fn break_links(folder: &Folder) {
    for path in shared(folder.path()) {
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
    }
}

/// Gives the file of a session its earlier bytes, in a file of its own.
fn restore(history: &JsonlHistory, name: &str, bytes: &[u8]) {
    let path = history.path(&session(name));
    fs::write(path.with_extension("old"), bytes).unwrap();
    fs::rename(path.with_extension("old"), &path).unwrap();
}

fn delete(history: &JsonlHistory, name: &str) {
    block_on(history.delete(&session(name))).unwrap();
}

fn listed(history: &JsonlHistory) -> usize {
    let page = block_on(history.list_sessions(&SessionFilter::new(), None, 9)).unwrap();
    page.sessions.len()
}

#[test]
fn a_copied_folder_has_forks_at_old_and_new_turns() {
    for deleted in [["a", "b", "c"], ["c", "b", "a"], ["b", "a", "c"]] {
        let folder = Folder::new();
        let one = {
            let history = folder.open();
            let one = ask(&history, "a", "one");
            fork(&history, "a", &one, "b").unwrap();
            one
        };
        break_links(&folder);
        let history = folder.open();
        let two = ask(&history, "a", "two");
        fork(&history, "a", &two, "c").unwrap();
        fork(&history, "a", &one, "d").unwrap();
        ask(&history, "c", "of c");
        for history in [&history, &folder.open()] {
            assert_eq!(texts(history, "b"), "one;ok;");
            assert_eq!(texts(history, "c"), "one;ok;two;ok;of c;ok;");
            assert_eq!(texts(history, "d"), "one;ok;");
        }
        for (number, name) in (1..).zip(deleted) {
            delete(&history, name);
            assert_eq!(listed(&history), 4 - number);
            for other in &deleted[number..] {
                assert!(texts(&folder.open(), other).starts_with("one;ok;"));
            }
            assert_eq!(texts(&folder.open(), "d"), "one;ok;");
        }
        delete(&history, "d");
        assert!(shared(folder.path()).is_empty(), "{deleted:?}");
    }
}

/// The origin has another turn where the fork has one that the origin lost.
#[test]
fn a_restored_origin_is_forked_again() {
    for deleted in [["a", "b", "c"], ["c", "b", "a"]] {
        let folder = Folder::new();
        let history = folder.open();
        ask(&history, "a", "one");
        let old = folder.read("a");
        let two = ask(&history, "a", "two");
        fork(&history, "a", &two, "b").unwrap();
        restore(&history, "a", &old);
        let three = ask(&history, "a", "three");
        let version = load(&history, "a").unwrap().version;
        fork(&history, "a", &three, "c").unwrap();
        assert_eq!(load(&history, "a").unwrap().version, version);
        let expected =
            [("a", "one;ok;three;ok;"), ("b", "one;ok;two;ok;"), ("c", "one;ok;three;ok;")];
        for history in [&history, &folder.open()] {
            for (name, text) in expected {
                assert_eq!(texts(history, name), text, "{name}");
            }
        }
        for (number, name) in (1..).zip(deleted) {
            delete(&history, name);
            for (name, text) in expected {
                let is_left = deleted[number..].contains(&name);
                assert_eq!(texts(&folder.open(), name), if is_left { text } else { "" });
            }
        }
        assert!(shared(folder.path()).is_empty(), "{deleted:?}");
    }
}

/// The origin was deleted, so that its fork has the only copy of a turn.
#[test]
fn an_origin_restored_after_its_deletion_takes_no_turns_from_a_fork() {
    let folder = Folder::new();
    let history = folder.open();
    let one = ask(&history, "a", "one");
    let old = folder.read("a");
    let two = ask(&history, "a", "two");
    fork(&history, "a", &two, "b").unwrap();
    delete(&history, "a");
    restore(&history, "a", &old);
    fork(&history, "a", &one, "c").unwrap();
    assert_eq!(texts(&folder.open(), "b"), "one;ok;two;ok;");
    assert_eq!(texts(&folder.open(), "c"), "one;ok;");
    delete(&history, "a");
    assert_eq!(texts(&folder.open(), "b"), "one;ok;two;ok;");
    assert_eq!(texts(&folder.open(), "c"), "one;ok;");
}

/// Earlier versions began a fork whose turn only the origin's file had.
#[test]
fn a_fork_without_its_turns_gets_them_from_the_origin_and_hinders_no_deletion() {
    for has_origin in [true, false] {
        let folder = Folder::new();
        let history = folder.open();
        let one = ask(&history, "a", "one");
        fork(&history, "a", &one, "b").unwrap();
        let path = shared(folder.path()).pop().unwrap();
        let old = fs::read(&path).unwrap();
        let two = ask(&history, "a", "two");
        fork(&history, "a", &two, "c").unwrap();
        if has_origin {
            fs::remove_file(&path).unwrap();
        }
        fs::write(&path, old).unwrap();
        assert!(matches!(load(&history, "c"), Err(HistoryError::Corrupt { .. })));
        delete(&history, "a");
        assert_eq!(texts(&history, "a"), "");
        assert_eq!(texts(&history, "b"), "one;ok;");
        match has_origin {
            true => assert_eq!(texts(&history, "c"), "one;ok;two;ok;"),
            false => assert!(matches!(load(&history, "c"), Err(HistoryError::Corrupt { .. }))),
        }
    }
}

#[test]
fn a_fork_that_fails_leaves_nothing() {
    let folder = Folder::new();
    let history = folder.open();
    let one = ask(&history, "a", "one");
    fork(&history, "a", &one, "b").unwrap();
    fs::remove_file(shared(folder.path()).pop().unwrap()).unwrap();
    let refused = fork(&history, "b", &one, "c").unwrap_err();
    assert!(matches!(refused, HistoryError::Corrupt { .. }), "{refused}");
    assert_eq!(load(&history, "c").unwrap().version.messages, 0);
    assert!(!history.path(&session("c")).exists());
    append(&history, "c", &exchange(1)).unwrap();
}
