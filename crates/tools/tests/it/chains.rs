//! A chain with a memory stores a tool loop as one turn, or nothing.

use std::sync::Arc;

use conversant_chains::LlmChain;
use conversant_core::{ChatHistory, LanguageModel, Messages, Range, SessionId, vars};
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
use conversant_testkit::{ScriptedChat, poll_then_drop};
use conversant_tools::{ToolLoop, ToolLoopBuilder};
use serde_json::json;

use crate::support::{calling, saying, tools};

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

fn chain(history: &Arc<InMemoryHistory>) -> LlmChain {
    let model = ScriptedChat::new([
        calling(&[("double", json!({"x": 1}), "a"), ("fail", json!({}), "b")]),
        calling(&[("double", json!({"x": 2}), "c")]),
        saying("4"),
    ]);
    let tools = tools().into_iter().fold(ToolLoop::builder(model), ToolLoopBuilder::tool);
    let prompt = ChatPromptTemplate::from_messages((
        MessagesPlaceholder::new("history"),
        MessageTemplate::human("{question}"),
    ));
    LlmChain::builder()
        .prompt(prompt.unwrap())
        .model(LanguageModel::chat(tools.build().unwrap()))
        .memory(
            BufferMemory::new()
                .with_history(Arc::clone(history), session())
                .with_return_messages(true),
        )
        .build()
        .unwrap()
}

async fn stored(history: &InMemoryHistory) -> (usize, Messages) {
    let turns = history.turns(&session(), Range::All).await.unwrap();
    (turns.len(), history.load(&session(), Range::All).await.unwrap().messages)
}

#[tokio::test]
async fn the_whole_exchange_is_one_turn() {
    let history = Arc::new(InMemoryHistory::new());
    let answer = chain(&history).predict(vars! { "question" => "2 * 2?" }).await.unwrap();
    assert_eq!(answer, "4");
    let (turns, messages) = stored(&history).await;
    assert_eq!(turns, 1);
    insta::assert_snapshot!(messages);
}

#[tokio::test]
async fn a_call_or_a_stream_that_is_dropped_leaves_the_whole_turn_or_nothing() {
    for streams in [false, true] {
        let mut polls = 0;
        loop {
            let history = Arc::new(InMemoryHistory::new());
            let chain = chain(&history);
            let inputs = vars! { "question" => "2 * 2?" };
            let run = async {
                if streams {
                    chain.stream(inputs).await.unwrap().into_outcome().await.map(drop)
                } else {
                    chain.invoke(inputs).await.map(drop)
                }
            };
            let ended = poll_then_drop(run, polls).await;
            let (turns, messages) = stored(&history).await;
            let whole = (1, 7);
            assert!(
                [(0, 0), whole].contains(&(turns, messages.len())),
                "{polls} polls: {turns} turns, {} messages",
                messages.len()
            );
            if ended.is_some() {
                assert_eq!((turns, messages.len()), whole);
                break;
            }
            polls += 1;
        }
    }
}
