//! Loads of what the system has in memory, which wait for no thread.

use std::{fs::File, io::IoSliceMut};

use conversant_core::{ChatHistory, Expect, HistoryError, Message, Range, Turn};
use conversant_history_jsonl::JsonlHistory;
use conversant_testkit::{block_on, poll_then_drop};
use rustix::io::{ReadWriteFlags, preadv2};

use crate::support::{Folder, append, session};

/// The file system of the test does not say whether a read would wait.
const LEFT_OUT: &str = "left out: the file system does not say whether a read waits";

/// Returns the number of messages of a load, if it is there with the first poll. A thread may be as
/// fast.
fn load_at_once(
    history: &JsonlHistory,
    name: &str,
    range: Range,
) -> Option<Result<usize, HistoryError>> {
    let session = session(name);
    let slice = block_on(poll_then_drop(history.load(&session, range), 1))?;
    Some(slice.map(|slice| slice.messages.len()))
}

/// Returns a folder with 100 turns of 1 KB, or `None` if its file system cannot say that a read
/// would wait.
fn folder() -> Option<Folder> {
    let folder = Folder::new();
    let history = folder.open();
    for number in 0..100 {
        let turn = Turn::exchange(format!("question {number}"), "x".repeat(1024));
        append(&history, "a", &turn).unwrap();
    }
    let file = File::open(history.path(&session("a"))).unwrap();
    let mut byte = [0];
    let read = preadv2(&file, &mut [IoSliceMut::new(&mut byte)], 0, ReadWriteFlags::NOWAIT);
    read.is_ok().then_some(folder)
}

#[test]
fn few_turns_are_loaded_at_once() {
    let Some(folder) = folder() else { return eprintln!("{LEFT_OUT}") };
    let history = folder.open();
    for (range, expected, is_at_once) in [
        (Range::LastTurns(20), 40, true),
        (Range::LastMessages(3), 3, true),
        (Range::LastBytes(5_000), 6, true),
        // The texts of 100 turns are more than is decoded at once.
        (Range::LastTurns(100), 200, false),
        (Range::All, 200, false),
    ] {
        match load_at_once(&history, "a", range) {
            Some(messages) => assert_eq!(messages.unwrap(), expected, "{range:?}"),
            None => assert!(!is_at_once, "{range:?}"),
        }
        let slice = block_on(history.load(&session("a"), range)).unwrap();
        assert_eq!(slice.messages.len(), expected, "{range:?}");
    }
    let missing = block_on(history.load(&session("never written"), Range::LastTurns(1))).unwrap();
    assert!(missing.messages.is_empty());
}

#[test]
fn a_load_waits_for_what_is_under_way() {
    let Some(folder) = folder() else { return eprintln!("{LEFT_OUT}") };
    let (history, session) = (folder.open(), session("a"));
    let lock = File::open(history.path(&session).with_extension("lock")).unwrap();
    lock.lock().unwrap();
    assert!(load_at_once(&history, "a", Range::LastTurns(1)).is_none());
    lock.unlock().unwrap();

    let turn = Turn::new(Message::human("new"));
    block_on(poll_then_drop(history.append(&session, &turn, Expect::Any), 1));
    let slice = block_on(history.load(&session, Range::LastMessages(1))).unwrap();
    assert_eq!(slice.messages.to_string(), "Human: new");
}

#[test]
fn a_damaged_end_is_reported_as_by_a_thread() {
    let Some(folder) = folder() else { return eprintln!("{LEFT_OUT}") };
    let mut bytes = folder.read("a");
    let last = bytes.len() - 100;
    bytes[last] ^= 1;
    folder.write("a", &bytes);
    let at_once = load_at_once(&folder.open(), "a", Range::LastTurns(1));
    assert!(at_once.is_none_or(|loaded| loaded.is_err()));
    let error = block_on(folder.open().load(&session("a"), Range::LastTurns(1))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot use the history: line 101 is damaged; `repair` keeps the turns that can be read"
    );
}
