//! Two processes on one store: two memories of one session that know nothing of each other.

use std::time::Duration;

use conversant_core::{
    ChatHistory, HistoryError, LoadContext, Memory, MemoryError, Range, SessionId, Turn, Version,
    vars,
};
use conversant_memory::{BufferMemory, Conflict, InMemoryHistory};

fn session() -> SessionId {
    SessionId::new("shared").unwrap()
}

fn memory(history: &InMemoryHistory) -> BufferMemory {
    BufferMemory::new().with_history(history.clone(), session())
}

#[tokio::test]
async fn by_default_both_turns_are_kept_and_the_base_is_recorded() {
    let history = InMemoryHistory::new();
    let (one, another) = (memory(&history), memory(&history));
    let inputs = vars! { "human_input" => "hi" };
    let first = one.load(LoadContext::new(&inputs)).await.unwrap().ticket;
    let second = another.load(LoadContext::new(&inputs)).await.unwrap().ticket;
    one.save(&Turn::exchange("one", "1"), first).await.unwrap();
    another.save(&Turn::exchange("two", "2"), second).await.unwrap();
    let turns = history.turns(&session(), Range::All).await.unwrap();
    let bases: Vec<_> = turns.iter().map(Turn::base).collect();
    assert_eq!(bases, [Some(Version::new(0, 0)), Some(Version::new(0, 0))]);
    let messages = history.load(&session(), Range::All).await.unwrap().messages;
    assert_eq!(messages.to_string(), "Human: one\nAI: 1\nHuman: two\nAI: 2");
}

#[tokio::test]
async fn where_it_is_asked_for_the_later_turn_is_stale() {
    let history = InMemoryHistory::new();
    let careful = || memory(&history).with_conflict(Conflict::Fail);
    let (one, another) = (careful(), careful());
    let inputs = vars! { "human_input" => "hi" };
    let first = one.load(LoadContext::new(&inputs)).await.unwrap().ticket;
    let second = another.load(LoadContext::new(&inputs)).await.unwrap().ticket;
    one.save(&Turn::exchange("one", "1"), first).await.unwrap();
    let error = another.save(&Turn::exchange("two", "2"), second).await.unwrap_err();
    assert!(matches!(error, MemoryError::History(HistoryError::Stale { .. })), "{error:?}");
}

#[tokio::test]
async fn a_lease_lets_one_call_at_a_time() {
    let history = InMemoryHistory::new();
    let leased = || memory(&history).leased(Duration::from_secs(60));
    let (one, another) = (leased(), leased());
    let inputs = vars! { "human_input" => "hi" };
    let ticket = one.load(LoadContext::new(&inputs)).await.unwrap().ticket;
    let error = another.load(LoadContext::new(&inputs)).await.unwrap_err();
    assert!(matches!(error, MemoryError::History(HistoryError::Busy)), "{error:?}");
    one.save(&Turn::exchange("one", "1"), ticket).await.unwrap();
    let loaded = another.load(LoadContext::new(&inputs)).await.unwrap();
    assert_eq!(loaded.variables, vars! { "history" => "Human: one\nAI: 1" });
    another.abandon(loaded.ticket).await;
    one.load(LoadContext::new(&inputs)).await.unwrap();
}
