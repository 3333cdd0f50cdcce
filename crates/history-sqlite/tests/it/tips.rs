//! Versions of a conversation that was replaced by another.

use std::{fs, path::Path};

use conversant_core::{ChatHistory, Expect, HistoryError, Note, Range, Turn, Version};
use conversant_history_sqlite::{LangChainSqliteHistory, SqliteHistory};
use conversant_testkit::block_on;

use crate::support::{Folder, append, exchange, load, session};

type Open = fn(&Path) -> Box<dyn ChatHistory>;

const STORES: [Open; 2] = [
    |path| Box::new(SqliteHistory::open(path).unwrap()),
    |path| Box::new(LangChainSqliteHistory::open(path).unwrap()),
];

#[test]
fn a_version_names_the_last_turn_that_has_messages() {
    for open in STORES {
        let folder = Folder::new();
        let history = open(&folder.file());
        let turns = [exchange(1), exchange(2)];
        for turn in &turns {
            let version = append(&history, "a", turn).unwrap();
            assert_eq!(version.tip, turn.id().fingerprint());
            assert_eq!(load(&history, "a").unwrap().version, version);
            // A turn without messages does not change the version.
            assert_eq!(append(&history, "a", &Turn::new(Vec::new())).unwrap(), version);
            assert_eq!(load(&history, "a").unwrap().version, version);
        }
        let again = append(&history, "a", &turns[0]).unwrap();
        assert_eq!((again.messages, again.tip), (2, turns[0].id().fingerprint()));
        let new = block_on(history.load(&session("a"), Range::After(again))).unwrap();
        assert_eq!(new.messages.len(), 2);
        block_on(history.clear(&session("a"))).unwrap();
        assert_eq!(load(&history, "a").unwrap().version, Version::new(1, 0));
    }
}

/// The file is replaced by one with another conversation, of any length.
#[test]
fn a_store_that_was_replaced_is_noticed() {
    for open in STORES {
        for present in [0, 1, 2, 3, 4] {
            let folder = Folder::new();
            let seen: Vec<_> = {
                let history = open(&folder.file());
                (0..3).map(|number| append(&history, "a", &exchange(number)).unwrap()).collect()
            };
            while folder.names() != ["chat.db"] {
                std::thread::yield_now();
            }
            fs::remove_file(folder.file()).unwrap();
            let history = open(&folder.file());
            for number in 0..present {
                append(&history, "a", &exchange(number)).unwrap();
            }
            for seen in seen {
                let after = block_on(history.load(&session("a"), Range::After(seen))).unwrap();
                assert_eq!(after.messages.len(), 2 * present, "{present} turns, {seen:?}");
                for expect in [Expect::SameEpoch(seen), Expect::Exactly(seen)] {
                    let refused = block_on(history.append(&session("a"), &exchange(9), expect));
                    let stale = matches!(refused, Err(HistoryError::Stale { .. }));
                    assert!(stale, "{present} turns, {expect:?}: {refused:?}");
                }
            }
        }
    }
}

#[test]
fn a_note_of_a_replaced_conversation_is_refused_and_one_of_this_keeps_its_tip() {
    let folder = Folder::new();
    let history = folder.open();
    let first = append(&history, "a", &exchange(1)).unwrap();
    append(&history, "a", &exchange(2)).unwrap();
    for covers in [first, Version::new(0, 2), Version::new(0, 0)] {
        let note = Note::new("met", covers);
        block_on(history.put_note(&session("a"), "summary", &note)).unwrap();
        assert_eq!(block_on(history.note(&session("a"), "summary")).unwrap(), Some(note));
    }
    let other = exchange(3).id().fingerprint();
    for covers in [first.with_tip(other), Version::new(0, 4).with_tip(other)] {
        let note = Note::new("met", covers);
        let refused = block_on(history.put_note(&session("a"), "summary", &note));
        assert!(matches!(refused, Err(HistoryError::Stale { .. })), "{refused:?}");
    }
}

#[test]
fn a_base_keeps_its_tip() {
    let folder = Folder::new();
    let history = folder.open();
    let base = append(&history, "a", &exchange(1)).unwrap();
    append(&history, "a", &exchange(2).with_base(base)).unwrap();
    let turns = block_on(history.turns(&session("a"), Range::All)).unwrap();
    assert_eq!(turns[1].base(), Some(base));
}
