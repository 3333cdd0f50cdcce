//! The window of the last turns.

use conversant_core::{Memory, Message, Slot, Ticket, ToolCall, Turn, Version};
use conversant_memory::{Trim, WindowMemory};
use conversant_testkit::block_on;

use crate::support::{Watched, load, session, shown, turn};

/// Three turns, the second with tool calls.
async fn conversation(memory: &WindowMemory) {
    memory.save(&turn(1), Ticket::default()).await.unwrap();
    let calls = Message::ai("").with_tool_calls([
        ToolCall::new("f", serde_json::json!({})).with_id("c1"),
        ToolCall::new("f", serde_json::json!({})).with_id("c2"),
    ]);
    let tools = Turn::new(vec![
        Message::human("q2"),
        calls,
        Message::tool("r1", "c1"),
        Message::tool("r2", "c2"),
        Message::ai("a2"),
    ]);
    memory.save(&tools, Ticket::default()).await.unwrap();
    memory.save(&turn(3), Ticket::default()).await.unwrap();
}

#[test]
fn the_last_k_turns() {
    block_on(async {
        let by_turns = [(0, 0), (1, 2), (2, 7), (3, 9), (usize::MAX, 9)];
        let langchain = [(0, 0), (1, 2), (2, 4), (3, 6), (usize::MAX, 9)];
        for (trim, table) in [(Trim::Turns, by_turns), (Trim::LangChain, langchain)] {
            for (k, count) in table {
                let memory =
                    WindowMemory::new().with_return_messages(true).with_k(k).with_trim(trim);
                conversation(&memory).await;
                let loaded = load(&memory).await;
                let messages =
                    loaded.variables.get("history").unwrap().as_messages().unwrap().clone();
                assert_eq!(messages.len(), count, "{trim:?} {k}");
                assert_eq!(messages, memory.messages().await.unwrap().last_n(count));
                assert_eq!(loaded.ticket.version(), Some(Version::new(0, 9)));
            }
        }
    });
}

#[test]
fn the_default_is_five() {
    block_on(async {
        let memory = WindowMemory::default();
        assert_eq!(memory.variables(), [Slot::text("history")]);
        for number in 1..=7 {
            memory.save(&turn(number), Ticket::default()).await.unwrap();
        }
        let text = shown(&memory).await;
        assert!(text.starts_with("Human: q3") && text.ends_with("AI: a7"), "{text}");
    });
}

/// A load reads the window and nothing else.
#[test]
fn a_load_costs_the_window() {
    block_on(async {
        let history = Watched::default();
        let memory = WindowMemory::new().with_k(2).with_history(history.clone(), session("s"));
        for number in 1..1000 {
            memory.save(&turn(number), load(&memory).await.ticket).await.unwrap();
        }
        history.take_loaded();
        shown(&memory).await;
        assert_eq!(history.take_loaded(), 4);
    });
}
