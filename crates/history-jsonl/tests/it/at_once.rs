//! Loads of what the system has in memory, which wait for no thread.

use std::{fs::File, io::IoSliceMut};

use conversant_core::{ChatHistory, Expect, Message, Range, Turn};
use conversant_history_jsonl::JsonlHistory;
use conversant_testkit::{block_on, poll_then_drop};
use rustix::io::{ReadWriteFlags, preadv2};

use crate::support::{Folder, append, session};

/// The file system of the test does not say whether a read would wait.
const LEFT_OUT: &str = "left out: the file system does not say whether a read waits";

/// Returns the number of messages of a load, if it is there with the first poll.
fn load_at_once(history: &JsonlHistory, name: &str, range: Range) -> Option<usize> {
    let session = session(name);
    let slice = block_on(poll_then_drop(history.load(&session, range), 1))?;
    Some(slice.unwrap().messages.len())
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
fn few_turns_are_loaded_at_once_and_many_on_a_thread() {
    let Some(folder) = folder() else { return eprintln!("{LEFT_OUT}") };
    let history = folder.open();
    for (range, expected) in [
        (Range::LastTurns(20), Some(40)),
        (Range::LastMessages(3), Some(3)),
        (Range::LastBytes(5_000), Some(6)),
        // The texts of 100 turns are more than is decoded at once.
        (Range::LastTurns(100), None),
        (Range::All, None),
    ] {
        assert_eq!(load_at_once(&history, "a", range), expected, "{range:?}");
        let slice = block_on(history.load(&session("a"), range)).unwrap();
        assert_eq!(slice.messages.len(), expected.unwrap_or(200), "{range:?}");
    }
    assert_eq!(load_at_once(&history, "never written", Range::LastTurns(1)), None);
}

#[test]
fn a_load_waits_for_what_is_under_way() {
    let Some(folder) = folder() else { return eprintln!("{LEFT_OUT}") };
    let (history, session) = (folder.open(), session("a"));
    let lock = File::open(history.path(&session).with_extension("lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(load_at_once(&history, "a", Range::LastTurns(1)), None);
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
    assert_eq!(load_at_once(&folder.open(), "a", Range::LastTurns(1)), None);
    let error = block_on(folder.open().load(&session("a"), Range::LastTurns(1))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot use the history: line 101 is damaged; `repair` keeps the turns that can be read"
    );
}
