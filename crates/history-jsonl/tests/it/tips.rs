//! Versions of a conversation that was replaced by another.

use std::fs;

use conversant_core::{ChatHistory, Expect, HistoryError, Note, Range, Turn, Version};
use conversant_testkit::block_on;

use crate::support::{Folder, append, exchange, load, session};

#[test]
fn a_version_names_the_last_turn_that_has_messages() {
    let folder = Folder::new();
    let history = folder.open();
    let turns = [exchange(1), exchange(2)];
    for turn in &turns {
        let version = append(&history, "a", turn).unwrap();
        assert_eq!(version.tip, turn.id().fingerprint());
        assert_eq!(load(&folder.open(), "a").unwrap().version, version);
        // A turn without messages does not change the version.
        assert_eq!(append(&history, "a", &Turn::new(Vec::new())).unwrap(), version);
        assert_eq!(load(&folder.open(), "a").unwrap().version, version);
    }
    let again = append(&history, "a", &turns[0]).unwrap();
    assert_eq!((again.messages, again.tip), (2, turns[0].id().fingerprint()));
    let new = block_on(history.load(&session("a"), Range::After(again))).unwrap();
    assert_eq!(new.messages.len(), 2);
    let note = Note::new("met", again);
    block_on(history.put_note(&session("a"), "summary", &note)).unwrap();
    assert_eq!(block_on(folder.open().note(&session("a"), "summary")).unwrap(), Some(note));
    block_on(history.clear(&session("a"))).unwrap();
    assert_eq!(load(&history, "a").unwrap().version, Version::new(1, 0));
}

/// The file is removed while a store is running, and another store writes.
#[test]
fn a_store_that_was_emptied_and_refilled_is_noticed() {
    for present in 0..5 {
        let folder = Folder::new();
        let history = folder.open();
        let seen: Vec<_> =
            (0..3).map(|number| append(&history, "a", &exchange(number)).unwrap()).collect();
        fs::remove_file(history.path(&session("a"))).unwrap();
        for number in 0..present {
            append(&folder.open(), "a", &exchange(number)).unwrap();
        }
        for seen in seen {
            let after = block_on(history.load(&session("a"), Range::After(seen))).unwrap();
            assert_eq!(after.messages.len(), 2 * present, "{present} turns, {seen:?}");
            for expect in [Expect::SameEpoch(seen), Expect::Exactly(seen)] {
                let refused = block_on(history.append(&session("a"), &exchange(9), expect));
                let stale = matches!(refused, Err(HistoryError::Stale { .. }));
                assert!(stale, "{present} turns, {expect:?}: {refused:?}");
            }
            let note = Note::new("met", seen);
            let refused = block_on(history.put_note(&session("a"), "summary", &note));
            assert!(matches!(refused, Err(HistoryError::Stale { .. })), "{refused:?}");
        }
    }
}
