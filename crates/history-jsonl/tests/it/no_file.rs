//! Pipes, sockets, devices and folders with the names of files: no operation waits for them.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
};

use conversant_core::{ChatHistory, HistoryError, Range, SessionFilter};
use conversant_history_jsonl::JsonlHistory;
use conversant_testkit::block_on;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::{Folder, append, exchange, load, session};

const KINDS: [&str; 4] = ["pipe", "socket", "device", "folder"];

/// Puts something else in the place of a file, which is kept next to it.
fn replace(path: &Path, kind: &str) {
    if path.exists() {
        fs::rename(path, path.with_extension("kept")).unwrap();
    }
    match kind {
        "pipe" => mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap(),
        "socket" => drop(UnixListener::bind(path).unwrap()),
        "device" => symlink("/dev/zero", path).unwrap(),
        _ => fs::create_dir(path).unwrap(),
    }
}

fn move_away(path: &Path, kind: &str) {
    match kind {
        "folder" => fs::remove_dir(path).unwrap(),
        _ => fs::remove_file(path).unwrap(),
    }
    let kept = path.with_extension("kept");
    if kept.exists() {
        fs::rename(kept, path).unwrap();
    }
}

fn assert_told<T: std::fmt::Debug>(result: Result<T, HistoryError>, of: &str) {
    let error = result.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, HistoryError::Corrupt { .. }), "{of}: {error:?}");
    assert!(text.contains("it is not a regular file; move it away"), "{of}: {text}");
}

fn list(history: &JsonlHistory) -> Result<usize, HistoryError> {
    let page = block_on(history.list_sessions(&SessionFilter::new(), None, 9))?;
    Ok(page.sessions.len())
}

#[test]
fn what_has_the_name_of_a_conversation_is_told() {
    for kind in KINDS {
        let folder = Folder::new();
        append(&folder.open(), "a", &exchange(1)).unwrap();
        append(&folder.open(), "b", &exchange(1)).unwrap();
        let path = folder.open().path(&session("a"));
        replace(&path, kind);
        let (history, a) = (folder.open(), session("a"));
        assert_told(load(&history, "a"), kind);
        assert_told(block_on(history.load(&a, Range::LastTurns(1))), kind);
        assert_told(block_on(history.session_info(&a)), kind);
        assert_told(block_on(history.repair(&a)), kind);
        assert_told(append(&history, "a", &exchange(2)), kind);
        assert_told(block_on(history.delete(&a)), kind);
        assert_told(block_on(history.sessions(None, 9)), kind);
        assert_told(list(&history), kind);
        append(&history, "b", &exchange(2)).unwrap();
        move_away(&path, kind);
        assert_eq!(list(&history).unwrap(), 2);
        append(&history, "a", &exchange(2)).unwrap();
        assert_eq!(load(&history, "a").unwrap().messages.len(), 4);
    }
}

#[test]
fn what_has_the_name_of_a_lock_or_a_new_file_is_told() {
    for kind in KINDS {
        let folder = Folder::new();
        append(&folder.open(), "a", &exchange(1)).unwrap();
        let path = folder.open().path(&session("a"));
        for extension in ["lock", "new"] {
            let path = path.with_extension(extension);
            replace(&path, kind);
            let history = folder.open();
            if extension == "lock" {
                assert_told(load(&history, "a"), kind);
                assert_told(append(&history, "a", &exchange(2)), kind);
            }
            assert_told(block_on(history.clear(&session("a"))), kind);
            move_away(&path, kind);
        }
        assert_eq!(load(&folder.open(), "a").unwrap().messages.len(), 2);
    }
}

#[test]
fn what_has_the_name_of_shared_turns_or_their_lock_is_told() {
    for kind in KINDS {
        let folder = Folder::new();
        let turn = exchange(1);
        append(&folder.open(), "a", &turn).unwrap();
        block_on(folder.open().fork(&session("a"), turn.id().into(), &session("b"))).unwrap();
        let paths = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut shared = paths.filter(|path| path.extension().is_some_and(|end| end == "shared"));
        let shared = shared.next().unwrap();
        for path in [shared, folder.path().join("forks.lock")] {
            let is_lock = path.extension().is_some_and(|end| end == "lock");
            replace(&path, kind);
            let history = folder.open();
            if !is_lock {
                assert_told(load(&history, "b"), kind);
                assert_told(block_on(history.load(&session("b"), Range::LastTurns(1))), kind);
                assert_told(append(&history, "b", &exchange(2)), kind);
                assert_eq!(list(&history).unwrap(), 2);
            }
            assert_told(block_on(history.delete(&session("a"))), kind);
            assert_told(block_on(history.sweep(9)), kind);
            move_away(&path, kind);
        }
        let history = folder.open();
        block_on(history.delete(&session("a"))).unwrap();
        assert_eq!(load(&history, "b").unwrap().messages.len(), 2);
    }
}

/// A deletion that was killed may have left names at which files are written.
#[test]
fn what_has_the_name_of_a_temporary_file_is_replaced() {
    let folder = Folder::new();
    let (one, two) = (exchange(1), exchange(2));
    append(&folder.open(), "a", &one).unwrap();
    block_on(folder.open().fork(&session("a"), one.id().into(), &session("b"))).unwrap();
    append(&folder.open(), "a", &two).unwrap();
    let paths = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut shared = paths.filter(|path| path.extension().is_some_and(|end| end == "shared"));
    let shared = shared.next().unwrap();
    replace(&shared.with_extension("rewritten"), "pipe");
    replace(&shared.with_extension("link"), "pipe");
    block_on(folder.open().delete(&session("a"))).unwrap();
    assert_eq!(load(&folder.open(), "b").unwrap().messages.len(), 2);
}
