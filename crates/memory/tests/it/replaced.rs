//! Stores that are emptied, restored or replaced under a memory, which shows the stored messages.

use conversant_core::{
    ChatHistory as _, Expect, HistoryError, Memory, MemoryError, Note, Ticket, Turn, Value, Version,
};
use conversant_memory::{
    BufferMemory, Conflict, InMemoryHistory, StringBufferMemory, SummaryBufferMemory,
    TokenBufferMemory, WindowMemory,
};
use conversant_testkit::{ScriptedCompletion, block_on};

use crate::support::{Swapped, Whitespace, load, messages, session, shown, turn};

/// Makes a memory of each kind that caches its conversation.
fn memories(history: &Swapped) -> Vec<Box<dyn Memory>> {
    let s = || session("s");
    vec![
        Box::new(BufferMemory::new().with_history(history.clone(), s())),
        Box::new(BufferMemory::new().with_return_messages(true).with_history(history.clone(), s())),
        Box::new(StringBufferMemory::new().with_history(history.clone(), s())),
        Box::new(WindowMemory::new().with_history(history.clone(), s())),
        Box::new(WindowMemory::new().with_step(3).with_history(history.clone(), s())),
        Box::new(TokenBufferMemory::new(Whitespace).with_history(history.clone(), s())),
    ]
}

async fn filled(numbers: impl IntoIterator<Item = u128>) -> InMemoryHistory {
    let history = InMemoryHistory::new();
    for number in numbers {
        history.append(&session("s"), &turn(number), Expect::Any).await.unwrap();
    }
    history
}

#[test]
fn a_memory_shows_what_is_stored_now() {
    block_on(async {
        // Fewer, as many and more turns than before; none; and others that begin alike.
        for after in [vec![11], vec![11, 12], vec![11, 12, 13], vec![], vec![1, 12, 13], vec![1]] {
            for kind in 0..6 {
                let history = Swapped::new(filled([1, 2]).await);
                let memory = memories(&history).remove(kind);
                load(&*memory).await;
                let other = filled(after.iter().copied()).await;
                history.swap(other);
                let fresh = memories(&history).remove(kind);
                assert_eq!(shown(&*memory).await, shown(&*fresh).await, "{kind} {after:?}");
            }
        }
    });
}

#[test]
fn a_turn_of_a_replaced_conversation_is_refused() {
    block_on(async {
        for after in [vec![11], vec![11, 12], vec![11, 12, 13], vec![]] {
            let history = Swapped::new(filled([1, 2]).await);
            let memory = BufferMemory::new()
                .with_conflict(Conflict::Fail)
                .with_history(history.clone(), session("s"));
            let ticket = load(&memory).await.ticket;
            history.swap(filled(after.iter().copied()).await);
            let error = memory.save(&turn(3), ticket).await.unwrap_err();
            let MemoryError::History(HistoryError::Stale { .. }) = error else { panic!("{error}") };
            assert_eq!(
                history
                    .current()
                    .load(&session("s"), conversant_core::Range::All)
                    .await
                    .unwrap()
                    .messages
                    .len(),
                2 * after.len()
            );
        }
    });
}

/// A conversation that is as long, in the same epoch, and begins with other instructions.
#[test]
fn a_window_forgets_the_leading_messages_of_a_replaced_conversation() {
    block_on(async {
        let history = Swapped::new(InMemoryHistory::new());
        let memory = WindowMemory::new().with_k(1).with_history(history.clone(), session("s"));
        let opening = |system| Turn::new(messages(&format!("system: {system}\nhuman: q1\nai: a1")));
        for turn in [opening("kind"), turn(2), turn(3)] {
            memory.save(&turn, Ticket::default()).await.unwrap();
            load(&memory).await;
        }
        assert_eq!(shown(&memory).await, "System: kind\nHuman: q3\nAI: a3");
        let other = InMemoryHistory::new();
        for turn in [opening("brief"), turn(12), turn(13)] {
            other.append(&session("s"), &turn, Expect::Any).await.unwrap();
        }
        history.swap(other);
        assert_eq!(shown(&memory).await, "Human: q13\nAI: a13");
    });
}

/// A note of turns that the conversation does not have, as after a restored backup.
#[test]
fn a_note_that_covers_more_than_the_conversation_is_not_used() {
    block_on(async {
        let history = InMemoryHistory::new();
        let body = serde_json::json!({ "summary": "stale", "opening": [] });
        let note = Note::new(Value::from(body), Version::new(0, 40));
        history.put_note(&session("s"), "summary_buffer", &note).await.unwrap();
        let memory = SummaryBufferMemory::new(ScriptedCompletion::new(["x"]), Whitespace)
            .with_history(history, session("s"));
        memory.save(&turn(1), Ticket::default()).await.unwrap();
        assert_eq!(shown(&memory).await, "Human: q1\nAI: a1");
    });
}
