//! Many sessions from one definition.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use conversant_chains::{ChainError, ConversationChain, Conversations, LlmChain};
use conversant_core::{CallOptions, ChatHistory, Point, Range, SessionId, vars};
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply};

use crate::support::{chat_prompt, text_prompt};

fn session(id: usize) -> SessionId {
    SessionId::new(format!("session-{id}")).unwrap()
}

/// Conversations over one history, and how many chains were built.
fn conversations(history: &InMemoryHistory) -> (Conversations, Arc<AtomicUsize>) {
    let model = ScriptedChat::with_handler(|request| {
        ScriptedReply::text(request.messages.last().unwrap().text())
    });
    let definition = LlmChain::builder().prompt(chat_prompt()).model(model);
    let history = history.clone();
    let built = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&built);
    let conversations = Conversations::new(move |session| {
        count.fetch_add(1, Ordering::Relaxed);
        let memory = BufferMemory::new()
            .with_memory_key("chat_history")
            .with_return_messages(true)
            .with_history(history.clone(), session.clone());
        definition.clone().memory(memory).build()
    });
    (conversations.unwrap(), built)
}

#[test]
fn a_fault_of_the_definition_is_told_at_once() {
    let fault =
        Conversations::new(|_| LlmChain::builder().prompt(text_prompt()).build()).unwrap_err();
    assert_eq!(fault.to_string(), "cannot build the chain: no model is set; call `model`");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_never_mix_and_each_is_one_order() {
    let history = InMemoryHistory::new();
    let (conversations, _) = conversations(&history);
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let conversations = conversations.clone();
            tokio::spawn(async move {
                for call in 0..50 {
                    let session_id = (task * 7 + call * 13) % 100;
                    let chain = conversations.chain(&session(session_id)).unwrap();
                    let inputs = vars! { "human_input" => format!("{session_id}: {task}/{call}") };
                    chain.predict(inputs).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut turns = 0;
    for id in 0..100 {
        let messages = history.load(&session(id), Range::All).await.unwrap().messages;
        let messages: Vec<_> = messages.iter().collect();
        for pair in messages.chunks(2) {
            assert!(pair[0].text().starts_with(&format!("{id}: ")), "a foreign message in {id}");
            assert_eq!(pair[0].text(), pair[1].text(), "a question without its answer");
            turns += 1;
        }
    }
    assert_eq!(turns, 64 * 50);
}

#[test]
fn one_session_is_one_chain_and_ended_sessions_take_no_space() {
    let (conversations, built) = conversations(&InMemoryHistory::new());
    let conversations = conversations.with_cache_capacity(3);
    built.store(0, Ordering::Relaxed);
    let held = conversations.chain(&session(0)).unwrap();
    for id in 1..1_000 {
        conversations.chain(&session(id)).unwrap();
        conversations.chain(&session(id)).unwrap();
    }
    assert_eq!(built.load(Ordering::Relaxed), 1_000, "a cached chain is not built again");
    assert_eq!(conversations.len(), 4, "one that is held, and three cached");
    conversations.chain(&session(0)).unwrap();
    assert_eq!(built.load(Ordering::Relaxed), 1_000, "a chain that is held is not built again");
    drop(held);
    for id in [0, 999, 998, 997] {
        conversations.evict(&session(id));
    }
    assert_eq!(conversations.len(), 0);
}

/// Whole, streamed and repeated calls of a session have its key; a key of a call comes first.
#[tokio::test]
async fn the_key_of_the_prompt_cache_is_that_of_the_session() {
    let model = ScriptedChat::new(["a", "b", "c", "d"]);
    let definition = LlmChain::builder().prompt(chat_prompt()).model(model.clone());
    let conversations = Conversations::new(move |session| {
        let memory = BufferMemory::new().with_memory_key("chat_history").with_return_messages(true);
        definition.clone().memory(memory).prompt_cache_key(session.as_str()).build()
    });
    let conversations = conversations.unwrap();
    let inputs = || vars! { "human_input" => "hi" };
    let first = conversations.chain(&session(1)).unwrap();
    first.predict(inputs()).await.unwrap();
    first.stream(inputs()).await.unwrap().into_outcome().await.unwrap();
    let own = CallOptions::new().with_prompt_cache_key("own");
    first.invoke_with(inputs(), own).await.unwrap();
    conversations.chain(&session(2)).unwrap().predict(inputs()).await.unwrap();
    let keys: Vec<_> = model
        .requests()
        .into_iter()
        .filter_map(|request| request.options.prompt_cache_key)
        .collect();
    assert_eq!(keys, ["session-1", "session-1", "own", "session-2"]);
}

#[tokio::test]
async fn a_definition_may_build_a_conversation_chain() {
    let history = InMemoryHistory::new();
    let conversations = Conversations::new(move |session| {
        let memory = BufferMemory::new().with_history(history.clone(), session.clone());
        ConversationChain::builder().model(ScriptedChat::new(["hi", "ho"])).memory(memory).build()
    })
    .unwrap();
    let chain = conversations.chain(&SessionId::new("ada").unwrap()).unwrap();
    assert_eq!(chain.predict(vars! { "input" => "one" }).await.unwrap(), "hi");
    let outcome = chain.invoke(vars! { "input" => "two" }).await.unwrap();
    assert_eq!(outcome.variables.get("history").unwrap().to_text(), "Human: one\nAI: hi");
    assert_eq!(outcome.variables.get("response").unwrap().to_text(), "ho");
}

/// A chain at a point keeps the conversation alive, with its queue.
#[tokio::test]
async fn a_call_at_a_point_is_one_of_the_sessions() {
    let (history, gate) = (InMemoryHistory::new(), Gate::new());
    let model = ScriptedChat::new([ScriptedReply::text("one").held_by(&gate)]);
    let seen = model.clone();
    let definition = LlmChain::builder().prompt(chat_prompt()).model(model);
    let conversations = Conversations::new(move |session| {
        let memory = BufferMemory::new().with_memory_key("chat_history").with_return_messages(true);
        definition.clone().memory(memory.with_history(history.clone(), session.clone())).build()
    });
    let conversations = conversations.unwrap().with_cache_capacity(0);
    let at = conversations.chain(&session(1)).unwrap().at(Point::Start).unwrap();
    let question = || vars! { "human_input" => "hi" };
    let running = tokio::spawn(async move { at.predict(question()).await });
    seen.received(1).await;
    assert_eq!(conversations.len(), 1);
    let other = conversations.chain(&session(1)).unwrap();
    let error = other.invoke_with(question(), CallOptions::new().with_no_wait()).await.unwrap_err();
    assert!(matches!(error, ChainError::Busy), "{error}");
    drop(other);
    assert_eq!(conversations.close(std::time::Duration::ZERO).await, 1);
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error, ChainError::Closed), "{error}");
}
