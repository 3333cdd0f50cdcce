//! Copying of all conversations.

use conversant_history_jsonl::JsonlHistory;
use conversant_testkit::block_on;
use conversant_transfer::{Progress, copy};

use crate::support::{append, exchange, filled, load, turns};

#[test]
fn a_history_is_copied_and_copied_again() {
    let history = filled();
    let folder = tempfile::tempdir().unwrap();
    let files = JsonlHistory::open(folder.path()).unwrap();
    append(&files, "it's a \u{1f600}", &exchange(0)).unwrap();
    for _ in 0..2 {
        let mut last = Progress::default();
        let done = block_on(copy(&history, &files, |progress| last = progress)).unwrap();
        assert_eq!((done.sessions, done.turns, last), (301, 302, done));
    }
    assert_eq!(turns(&files, "it's a \u{1f600}")[1..], turns(&history, "it's a \u{1f600}")[..]);
    assert_eq!(
        load(&files, "session 7").unwrap().messages,
        load(&history, "session 7").unwrap().messages
    );
}
