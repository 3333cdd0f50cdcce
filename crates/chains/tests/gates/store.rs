//! Keeping a conversation, and loading a part of it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use allocation_counter::measure;
use conversant_core::{
    ChatHistory, Expect, LoadContext, Memory, Message, Messages, Range, SessionId, Ticket,
    TokenCounter, Turn, vars,
};
use conversant_memory::{InMemoryHistory, TokenBufferMemory};
use conversant_testkit::block_on;

fn session() -> SessionId {
    SessionId::new("gates").unwrap()
}

/// A history of `n` messages, and its latest turns one by one.
fn history(n: usize) -> InMemoryHistory {
    let history = InMemoryHistory::new();
    let message = Arc::new(Message::human("Hi there my friend"));
    let many: Messages = (0..n - 20).map(|_| Arc::clone(&message)).collect();
    block_on(history.append(&session(), &Turn::new(many), Expect::Any)).unwrap();
    for _ in 0..10 {
        append(&history);
    }
    history
}

fn append(history: &InMemoryHistory) {
    let turn = Turn::exchange("How are you?", "I'm quite good. How about you?");
    block_on(history.append(&session(), &turn, Expect::Any)).unwrap();
}

#[test]
fn appending_to_a_million_messages_costs_what_appending_to_a_hundred_costs() {
    let [short, long] = [100, 1_000_000].map(|n| {
        let history = history(n);
        measure(|| (0..100).for_each(|_| append(&history)))
    });
    assert!(long.count_total <= short.count_total + 10, "{short:?} {long:?}");
    assert!(long.bytes_total <= short.bytes_total + 16 * 1024, "{short:?} {long:?}");
}

#[test]
fn loading_the_end_of_a_million_messages_costs_what_loading_the_end_of_a_hundred_costs() {
    for range in [Range::LastMessages(20), Range::LastTurns(10), Range::LastBytes(2_000)] {
        let [short, long] = [100, 1_000_000].map(|n| {
            let history = history(n);
            let mut loaded = 0;
            let info = measure(|| {
                loaded = block_on(history.load(&session(), range)).unwrap().messages.len();
            });
            (loaded, info.count_total, info.bytes_total)
        });
        assert_eq!(long, short, "{range:?}");
    }
}

/// Counts the messages that it is asked about; each is 10 tokens.
#[derive(Clone, Default)]
struct Asked(Arc<AtomicUsize>);

impl TokenCounter for Asked {
    fn count_text(&self, _: &str) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed);
        10
    }
}

#[test]
fn a_token_buffer_counts_a_message_once_and_forgets_what_it_cuts_off() {
    let asked = Asked::default();
    let memory = TokenBufferMemory::new(asked.clone()).with_return_messages(true);
    let memory = memory.with_max_token_limit(400);
    let turn = || {
        let saved = Turn::exchange("How are you?", "I'm quite good. How about you?");
        block_on(memory.save(&saved, Ticket::default())).unwrap();
        block_on(memory.load(LoadContext::new(&vars! {}))).unwrap();
    };
    let ten = || (0..10).for_each(|_| turn());
    (0..90).for_each(|_| turn());
    let early = measure(ten);
    (0..1_890).for_each(|_| turn());
    let late = measure(ten);
    assert_eq!(asked.0.load(Ordering::Relaxed), 2 * 2_000);
    assert!(late.count_total <= early.count_total + 20, "{early:?} {late:?}");
    assert!(late.bytes_total <= early.bytes_total * 2, "{early:?} {late:?}");
}
