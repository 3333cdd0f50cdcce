//! A body made from remembered bytes is the one that is made afresh.
#![allow(clippy::unwrap_used)]

use conversant_core::{Message, Messages};
use proptest::prelude::*;
use serde_json::Value as Json;

use super::BodyWriter;
use crate::wire::Style;

fn encode(messages: &Messages) -> Vec<u8> {
    let mut body = BodyWriter::default();
    body.make_room(messages, &Style::default(), 0);
    body.push_messages(messages, &Style::default());
    let pieces = body.finish();
    assert!(pieces.iter().all(|piece| !piece.is_empty()));
    pieces.concat()
}

/// The same messages in segments that remember nothing.
fn afresh(messages: &Messages) -> Vec<u8> {
    encode(&messages.iter().cloned().collect())
}

#[test]
fn a_conversation_that_grows_is_encoded_as_if_afresh() {
    let mut history = Messages::new();
    for turn in 0..300 {
        history.push(Message::human(format!("question {turn} \"{}\"", "x".repeat(turn * 7))));
        history.push(Message::ai(format!("answer {turn}\n")));
        let mut prompt = Messages::from(Message::system("be brief"));
        prompt.append(&history);
        prompt.push(Message::human("and now?"));
        assert_eq!(encode(&prompt), afresh(&prompt), "turn {turn}");
        if turn % 50 == 7 {
            assert_eq!(encode(&prompt), afresh(&prompt), "again");
        }
    }
    for n in [0, 1, 5, 100, 599] {
        let window = history.last_n(n);
        assert_eq!(encode(&window), afresh(&window));
        let early = history.slice(..n);
        assert_eq!(encode(&early), afresh(&early));
    }
}

#[test]
fn what_was_encoded_is_shared_and_not_copied() {
    let history: Messages =
        (0..4000).map(|n| Message::human("word ".repeat(20) + &n.to_string())).collect();
    let pieces = |messages: &Messages| {
        let mut body = BodyWriter::default();
        body.make_room(messages, &Style::default(), 0);
        body.push_messages(messages, &Style::default());
        body.finish()
    };
    let (first, second) = (pieces(&history), pieces(&history));
    let shared = |one: &[bytes::Bytes], other: &[bytes::Bytes]| {
        one.iter().filter(|piece| other.iter().any(|o| o.as_ptr() == piece.as_ptr())).count()
    };
    assert!(first.len() > 5 && shared(&first, &second) >= first.len() - 2, "{}", first.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_cut_of_any_growth_is_encoded_as_if_afresh(
        steps in prop::collection::vec((0_usize..4000, 0_usize..20, 0_usize..20), 1..20)
    ) {
        let mut history = Messages::new();
        for (size, from, to) in steps {
            history.push(Message::human("é".repeat(size)));
            let part = history.slice(from..to.max(from));
            prop_assert_eq!(encode(&part), afresh(&part));
            let whole = encode(&history);
            prop_assert_eq!(&whole, &afresh(&history));
            let read: Vec<Json> = serde_json::from_slice(&whole).unwrap();
            prop_assert_eq!(read.len(), history.len());
        }
    }
}
