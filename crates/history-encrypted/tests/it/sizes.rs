//! Sizes: `check` accounts for the growth, and a range of bytes is exact.

use conversant_core::{ChatHistory, Expect, HistoryError, Message, Note, Range, Turn, Version};
use conversant_history_encrypted::Encrypted;
use conversant_history_jsonl::JsonlHistory;
use conversant_memory::InMemoryHistory;
use conversant_testkit::block_on;
use proptest::prelude::*;

use crate::support::{encrypted, exchange, key, keys, session};

/// A message that `check` accepts can be appended, with any base.
pub(crate) fn what_is_checked_can_be_appended() {
    let folder = tempfile::tempdir().unwrap();
    let store = JsonlHistory::builder(folder.path()).max_message_bytes(1_000).open().unwrap();
    for blinds in [false, true] {
        let mut history = Encrypted::new(store.clone(), keys());
        if blinds {
            history = history.with_blinding_key(&key(9));
        }
        let mut accepted = 0;
        for length in 0..600 {
            let message = Message::human("x".repeat(length));
            let checked =
                block_on(async { history.check(&session("a"), std::slice::from_ref(&message)) });
            let base = Version::new(u64::MAX, u64::MAX).with_tip(u64::MAX);
            let turn = Turn::new(vec![message]).with_base(base);
            let appended = block_on(history.append(&session("a"), &turn, Expect::Any));
            match checked {
                Ok(()) => {
                    accepted += 1;
                    appended.unwrap();
                }
                Err(error) => {
                    assert!(matches!(error, HistoryError::TooLarge { .. }), "{error:?}");
                    // The bound is exact to the rounding of base64.
                    let refused = matches!(appended, Err(HistoryError::TooLarge { .. }));
                    assert!(refused || length < 600, "{length}");
                }
            }
        }
        assert!((300..500).contains(&accepted), "{accepted} of 600 were accepted");
    }
}

/// A message has at most 4/3 of its stored JSON and 280 bytes, as the page of `Encrypted` says.
pub(crate) fn a_message_grows_as_is_documented() {
    let bytes = |message: &Message| message.to_stored_json(u64::MAX).unwrap().len();
    let mut growths = Vec::new();
    for length in 0..200 {
        let store = InMemoryHistory::new();
        let message = Message::human("x".repeat(length));
        let plain = bytes(&message);
        let turn = Turn::new(vec![message]).with_base(Version::new(u64::MAX, u64::MAX));
        block_on(encrypted(&store).append(&session("a"), &turn, Expect::Any)).unwrap();
        let stored = block_on(store.load(&session("a"), Range::All)).unwrap().messages;
        let sealed = stored.iter().map(bytes).sum::<usize>();
        growths.push((3 * sealed).saturating_sub(4 * plain).div_ceil(3));
    }
    assert_eq!(growths.iter().max(), Some(&280));
}

/// The largest note is stored by a store that counts its own fields with it, and a larger one is
/// refused by its own size.
pub(crate) fn the_largest_note_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let store = JsonlHistory::open(folder.path()).unwrap();
    let history = Encrypted::new(store, keys()).with_blinding_key(&key(9));
    let put = |bytes: usize| {
        // The text is quoted.
        let note = Note::new("x".repeat(bytes - 2), Version::default());
        block_on(history.put_note(&session("a"), "summary", &note))
    };
    put(12_500_000).unwrap();
    let error = put(12_500_001).unwrap_err().to_string();
    let expected = "cannot store a note of 12500001 bytes: the limit is 12500000 bytes";
    assert_eq!(error, expected);
}

pub(crate) fn a_turn_without_messages_is_not_stored() {
    let store = InMemoryHistory::new();
    let history = encrypted(&store);
    let nothing = Turn::new(Vec::new());
    let version = block_on(history.append(&session("a"), &nothing, Expect::Any)).unwrap();
    assert_eq!(version, Version::default());
    assert!(block_on(store.sessions(None, 9)).unwrap().is_empty());
}

/// A range of bytes gives what it gives without encryption.
pub(crate) fn a_range_of_bytes_is_exact() {
    proptest!(ProptestConfig::with_cases(64), |(
        lengths in prop::collection::vec(0_usize..400, 1..12),
        bytes in 0_u64..3_000,
        blinds in any::<bool>(),
    )| {
        let (plain, mut history) = (InMemoryHistory::new(), encrypted(&InMemoryHistory::new()));
        if blinds {
            history = history.with_blinding_key(&key(9));
        }
        let session = session(&"s".repeat(1 + lengths.len() * 40));
        for length in lengths {
            let turn = Turn::exchange("x".repeat(length), "y");
            block_on(plain.append(&session, &turn, Expect::Any)).unwrap();
            block_on(history.append(&session, &turn, Expect::Any)).unwrap();
        }
        let range = Range::LastBytes(bytes);
        let expected = block_on(plain.load(&session, range)).unwrap();
        prop_assert_eq!(block_on(history.load(&session, range)).unwrap(), expected);
    });
}

/// An append that expects a version does not read it first.
pub(crate) fn two_writers_have_one_order() {
    let store = InMemoryHistory::new();
    let (one, other) = (encrypted(&store), encrypted(&store));
    let session = session("a");
    let seen = block_on(one.append(&session, &exchange(1), Expect::Any)).unwrap();
    block_on(other.append(&session, &exchange(2), Expect::Any)).unwrap();
    // The turn goes after the newer one, and says so.
    let after = block_on(one.append(&session, &exchange(3), Expect::SameEpoch(seen))).unwrap();
    assert_eq!(after.messages, 6);
    let stale = block_on(one.append(&session, &exchange(4), Expect::Exactly(seen)));
    assert!(matches!(stale, Err(HistoryError::Stale { .. })), "{stale:?}");
    assert_eq!(block_on(other.load(&session, Range::All)).unwrap().messages.len(), 6);
}

/// The store gives a session another epoch than its callers saw, because it deleted another one.
pub(crate) fn two_first_turns_have_one_order_after_a_deletion() {
    let store = InMemoryHistory::new();
    let (history, id) = (encrypted(&store), session("a"));
    let seen = block_on(history.load(&id, Range::All)).unwrap().version;
    block_on(history.append(&session("b"), &exchange(0), Expect::Any)).unwrap();
    block_on(history.delete(&session("b"))).unwrap();
    let expect = Expect::SameEpoch(seen);
    let first = block_on(history.append(&id, &exchange(1), expect)).unwrap();
    let second = block_on(history.append(&id, &exchange(2), expect)).unwrap();
    assert!(first.epoch > seen.epoch && second.messages == 4, "{seen}, {first}, {second}");
    assert_eq!(block_on(history.load(&id, Range::All)).unwrap().messages.len(), 4);
    let late = block_on(history.append(&id, &exchange(3), Expect::Exactly(seen)));
    assert!(matches!(late, Err(HistoryError::Stale { .. })), "{late:?}");
    // A session that was cleared is another one.
    block_on(history.clear(&id)).unwrap();
    let late = block_on(history.append(&id, &exchange(3), expect));
    assert!(matches!(late, Err(HistoryError::Stale { .. })), "{late:?}");
}
