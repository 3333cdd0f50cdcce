//! Versions of a conversation that was replaced by another.

use std::fs;

use conversant_core::{
    ChatHistory, Expect, HistoryError, LoadContext, Memory, Note, Range, Ticket, Turn, Version,
    vars,
};
use conversant_memory::{BufferMemory, Conflict};
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

/// A memory that has cached the conversation shows what the store contains now.
#[test]
fn a_memory_shows_the_conversation_that_replaced_the_one_it_has_cached() {
    for present in 0..4 {
        let folder = Folder::new();
        let history = folder.open();
        let memory = BufferMemory::new().with_history(history.clone(), session("a"));
        let strict = BufferMemory::new()
            .with_history(history.clone(), session("a"))
            .with_conflict(Conflict::Fail);
        let inputs = vars! { "input" => "hi" };
        let shown = |memory: &BufferMemory| {
            let loaded = block_on(memory.load(LoadContext::new(&inputs))).unwrap();
            let text = loaded.variables.get("history").unwrap().to_text().into_owned();
            (text, loaded.ticket)
        };
        for number in 0..2 {
            block_on(memory.save(&exchange(number), Ticket::default())).unwrap();
        }
        assert!(shown(&memory).0.contains("question 1"));
        let (_, ticket) = shown(&strict);
        fs::remove_file(history.path(&session("a"))).unwrap();
        let expected: Vec<_> = (0..present).map(|number| exchange(10 + number)).collect();
        for turn in &expected {
            append(&folder.open(), "a", turn).unwrap();
        }
        let expected: Vec<_> = expected.iter().map(|turn| turn.messages().to_string()).collect();
        assert_eq!(shown(&memory).0, expected.join("\n"));
        let refused = block_on(strict.save(&exchange(99), ticket));
        assert!(refused.is_err(), "{present} turns");
        assert_eq!(load(&history, "a").unwrap().messages.len(), 2 * present);
    }
}
