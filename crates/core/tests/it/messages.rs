//! Sequences of messages: they behave as a vector does, and share.

use std::{
    ops::Bound,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use conversant_core::{Message, Messages};
use proptest::prelude::*;

/// One thing done to one of several sequences.
#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    Append(usize, usize),
    Clone(usize),
    Slice(usize, usize, usize),
    LastN(usize, usize),
    Extend(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..6_usize;
    prop_oneof![
        6 => which.clone().prop_map(Step::Push),
        2 => (which.clone(), which.clone()).prop_map(|(to, from)| Step::Append(to, from)),
        2 => which.clone().prop_map(Step::Clone),
        2 => (which.clone(), 0..20_usize, 0..20_usize).prop_map(|(of, a, b)| Step::Slice(of, a, b)),
        1 => (which.clone(), 0..20_usize).prop_map(|(of, n)| Step::LastN(of, n)),
        1 => (which, 0..9_usize).prop_map(|(to, n)| Step::Extend(to, n)),
    ]
}

proptest! {
    /// Clones and slices of a sequence behave like independent vectors under any operations.
    #[test]
    fn a_sequence_is_what_a_vector_is(steps in prop::collection::vec(step(), 0..60)) {
        let mut pool = vec![(Messages::new(), Vec::<Message>::new())];
        let mut number = 0;
        let mut next = || {
            number += 1;
            Message::human(number.to_string())
        };
        for step in steps {
            match step {
                Step::Push(of) => {
                    let of = of % pool.len();
                    let message = next();
                    pool[of].0.push(message.clone());
                    pool[of].1.push(message);
                }
                Step::Append(to, from) => {
                    let (messages, model) = pool[from % pool.len()].clone();
                    if model.len() < 200 {
                        let to = to % pool.len();
                        pool[to].0.append(&messages);
                        pool[to].1.extend(model);
                    }
                }
                Step::Clone(of) => {
                    let copy = pool[of % pool.len()].clone();
                    pool.push(copy);
                }
                Step::Slice(of, from, to) => {
                    let (messages, model) = &pool[of % pool.len()];
                    let (from, to) = (from.min(to), to);
                    let end = to.min(model.len());
                    let model = model[from.min(end)..end].to_vec();
                    let part = (messages.slice(from..to), model);
                    pool.push(part);
                }
                Step::LastN(of, n) => {
                    let (messages, model) = &pool[of % pool.len()];
                    let model = model[model.len().saturating_sub(n)..].to_vec();
                    let part = (messages.last_n(n), model);
                    pool.push(part);
                }
                Step::Extend(to, n) => {
                    let to = to % pool.len();
                    let more: Vec<_> = (0..n).map(|_| next()).collect();
                    pool[to].0.extend(more.clone());
                    pool[to].1.extend(more);
                }
            }
        }
        for (messages, model) in &pool {
            check(messages, model);
        }
    }
}

fn check(messages: &Messages, model: &[Message]) {
    assert_eq!(messages.len(), model.len());
    assert_eq!(messages.is_empty(), model.is_empty());
    assert!(messages.iter().eq(model));
    assert!(messages.iter().rev().eq(model.iter().rev()));
    assert!(messages.iter_shared().map(AsRef::as_ref).eq(model));
    assert_eq!(messages.iter().len(), model.len());
    assert_eq!((messages.first(), messages.last()), (model.first(), model.last()));
    for index in 0..=model.len() {
        assert_eq!(messages.get(index), model.get(index));
    }
    let mut both = messages.iter();
    let (mut front, mut back) = (0, model.len());
    while let Some(message) = both.next() {
        assert_eq!(message, &model[front]);
        front += 1;
        if let Some(message) = both.next_back() {
            back -= 1;
            assert_eq!(message, &model[back]);
        }
        assert_eq!(both.len(), back - front);
    }
    let in_runs: Vec<_> = messages
        .chunks()
        .flat_map(|chunk| {
            let range = chunk.range();
            assert_eq!(chunk.run().count(), range.end);
            for start in 0..=range.end + 1 {
                assert!(chunk.run_from(start).eq(chunk.run().skip(start)));
            }
            chunk.run_from(range.start).collect::<Vec<_>>()
        })
        .collect();
    assert!(in_runs.into_iter().eq(model));
    assert_eq!(messages, &Messages::from(model.to_vec()));
    let json = serde_json::to_string(messages).unwrap();
    assert_eq!(&serde_json::from_str::<Messages>(&json).unwrap(), messages);
}

#[test]
fn ranges_outside_are_left_out() {
    let messages: Messages = ["a", "b", "c"].map(Message::human).into_iter().collect();
    for (part, len) in [
        (messages.slice(..), 3),
        (messages.slice(1..), 2),
        (messages.slice(1..=1), 1),
        (messages.slice(..=usize::MAX), 3),
        (messages.slice(7..9), 0),
        (messages.slice(usize::MAX..), 0),
        (messages.slice((Bound::Included(2), Bound::Excluded(1))), 0),
        (messages.slice((Bound::Excluded(0), Bound::Unbounded)), 2),
        (messages.last_n(usize::MAX), 3),
    ] {
        assert_eq!((part.len(), part.iter().count()), (len, len));
    }
}

/// An encoder as adapters write them: it counts how often it encodes.
#[derive(Default)]
struct Lengths(Mutex<Vec<usize>>);

static ENCODED: AtomicUsize = AtomicUsize::new(0);

fn encode(messages: &Messages, fingerprint: u64) -> usize {
    let mut total = 0;
    for chunk in messages.chunks() {
        let memo: Arc<Lengths> = chunk.memo(fingerprint);
        let mut known = memo.0.lock().unwrap();
        let from = known.len();
        known.extend(chunk.run_from(from).map(|message| {
            ENCODED.fetch_add(1, Ordering::Relaxed);
            message.text().len()
        }));
        total += known[chunk.range()].iter().sum::<usize>();
    }
    total
}

/// In a conversation that grows, each message is encoded once, although each turn sends all of them
/// between two others.
#[test]
fn a_message_is_encoded_once() {
    let system = Messages::from(Message::system("be brief"));
    let mut conversation = Messages::new();
    for turn in 0..200 {
        let mut prompt = system.clone();
        prompt.append(&conversation);
        prompt.push(Message::human("question"));
        assert_eq!(encode(&prompt, 0), 8 + turn * 14 + 8);
        // Appending to the prompt's own copy does not change the conversation.
        prompt.push(Message::ai("aside"));
        conversation.push(Message::human("question"));
        conversation.push(Message::ai("answer"));
    }
    // The conversation's but for the last turn's, the system message, and each turn's question
    // before it was the conversation's.
    assert_eq!(ENCODED.load(Ordering::Relaxed), 199 * 2 + 1 + 200);
    assert!(conversation.chunks().count() <= 10, "{}", conversation.chunks().count());
}

#[test]
fn a_memo_belongs_to_its_encoder_and_its_settings() {
    #[derive(Default)]
    struct Other(Mutex<Vec<usize>>);

    let messages = Messages::from(Message::human("hi"));
    let chunk = messages.chunks().next().unwrap();
    chunk.memo::<Lengths>(0).0.lock().unwrap().push(1);
    assert!(chunk.memo::<Other>(0).0.lock().unwrap().is_empty());
    assert!(chunk.memo::<Lengths>(1).0.lock().unwrap().is_empty());
    assert_eq!(*chunk.memo::<Lengths>(0).0.lock().unwrap(), [1]);
    // A clone and a slice share the memo. Beyond the limit the oldest memo but the first is
    // dropped.
    let part = messages.clone().last_n(1);
    assert_eq!(*part.chunks().next().unwrap().memo::<Lengths>(0).0.lock().unwrap(), [1]);
    chunk.memo::<Lengths>(1).0.lock().unwrap().push(1);
    for fingerprint in 2..10 {
        let _ = chunk.memo::<Lengths>(fingerprint);
    }
    assert_eq!(*chunk.memo::<Lengths>(0).0.lock().unwrap(), [1]);
    assert!(chunk.memo::<Lengths>(1).0.lock().unwrap().is_empty());
}

#[test]
fn clones_that_are_appended_to_on_many_threads_go_their_own_ways() {
    let mut base = Messages::new();
    base.push(Message::human("start"));
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let mut own = base.clone();
            std::thread::spawn(move || {
                for number in 0..100 {
                    own.push(Message::human(format!("{thread}-{number}")));
                }
                own
            })
        })
        .collect();
    for (thread, own) in threads.into_iter().enumerate() {
        let own = own.join().unwrap();
        let texts: Vec<_> = own.iter().skip(1).map(|message| message.text().into_owned()).collect();
        let expected: Vec<_> = (0..100).map(|number| format!("{thread}-{number}")).collect();
        assert_eq!(texts, expected);
    }
    assert_eq!(base.len(), 1);
}
