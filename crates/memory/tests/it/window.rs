//! The window of the last turns.

use std::sync::Arc;

use conversant_core::{
    ChatHistory, Memory, Message, Messages, Slot, Ticket, ToolCall, Turn, Version,
};
use conversant_memory::{InMemoryHistory, Trim, WindowMemory};
use conversant_testkit::{FailingHistory, HistoryCall, block_on};

use crate::support::{Watched, load, messages, session, shown, turn};

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
                assert_eq!(loaded.ticket.version(), Some(Version::new(0, 9).with_tip(3)));
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

/// By turns, a window begins with a question after the leading system messages.
#[test]
fn a_window_opens_on_a_question() {
    block_on(async {
        let lines =
            ["system: be brief", "human: q1", "ai: a1", "ai: a2", "human: q3", "ai: a3", "ai: a4"];
        for (count, k, expected) in [
            (3, 1, "System: be brief\nHuman: q1\nAI: a1"),
            (4, 1, "System: be brief\nHuman: q1\nAI: a1\nAI: a2"),
            (6, 2, "System: be brief\nHuman: q3\nAI: a3"),
            (6, 3, "System: be brief\nHuman: q3\nAI: a3"),
            (7, 1, "System: be brief\nHuman: q3\nAI: a3\nAI: a4"),
            (7, 4, "System: be brief\nHuman: q3\nAI: a3\nAI: a4"),
            (7, 6, "System: be brief\nHuman: q1\nAI: a1\nAI: a2\nHuman: q3\nAI: a3\nAI: a4"),
            (7, 7, "System: be brief\nHuman: q1\nAI: a1\nAI: a2\nHuman: q3\nAI: a3\nAI: a4"),
        ] {
            // Each message is a turn, as in an imported conversation.
            let memory = WindowMemory::new().with_k(k);
            for line in &lines[..count] {
                memory.save(&Turn::new(messages(line)), Ticket::default()).await.unwrap();
            }
            assert_eq!(shown(&memory).await, expected, "{count} {k}");
        }
        let memory = WindowMemory::new().with_k(1);
        for line in ["ai: a1", "ai: a2", "ai: a3"] {
            memory.save(&Turn::new(messages(line)), Ticket::default()).await.unwrap();
        }
        assert_eq!(shown(&memory).await, "AI: a1\nAI: a2\nAI: a3");
    });
}

/// A later process knows how the conversation opens.
#[test]
fn the_opening_is_noted() {
    block_on(async {
        let history = Watched::default();
        let memory = || WindowMemory::new().with_k(1).with_history(history.clone(), session("s"));
        let first = memory();
        let opening = Turn::new(messages("system: be brief\nhuman: q\nai: a"));
        first.save(&opening, Ticket::default()).await.unwrap();
        load(&first).await;
        history.fail("put_note");
        assert_eq!(first.maintain().await.unwrap().warnings.len(), 1);
        first.save(&turn(1), Ticket::default()).await.unwrap();
        let text = "System: be brief\nHuman: q1\nAI: a1";
        assert_eq!(shown(&first).await, text);
        assert_eq!(shown(&memory()).await, "Human: q1\nAI: a1");

        let second = Watched::default();
        let memory = || WindowMemory::new().with_k(1).with_history(second.clone(), session("s"));
        let first = memory();
        first.save(&opening, Ticket::default()).await.unwrap();
        load(&first).await;
        assert!(first.maintain().await.unwrap().warnings.is_empty());
        first.save(&turn(1), Ticket::default()).await.unwrap();
        assert_eq!(shown(&memory()).await, text);
        first.clear().await.unwrap();
        first.save(&turn(2), Ticket::default()).await.unwrap();
        first.save(&turn(3), Ticket::default()).await.unwrap();
        assert_eq!(
            (shown(&first).await, shown(&memory()).await),
            ("Human: q3\nAI: a3".into(), "Human: q3\nAI: a3".into())
        );
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
        // Only the turn that was saved since.
        assert_eq!(history.take_loaded(), 2);
        let later = WindowMemory::new().with_k(2).with_history(history.clone(), session("s"));
        shown(&later).await;
        assert_eq!(history.take_loaded(), 4);
    });
}

/// A window that keeps its turns shows the same as one that loads them anew, with other writers.
#[test]
fn a_kept_window_is_as_a_new_one() {
    block_on(async {
        for (k, step) in [(1, 1), (3, 1), (7, 1), (4, 3)] {
            let history = Watched::default();
            let memory = || {
                let window = WindowMemory::new().with_k(k).with_step(step);
                window.with_history(history.clone(), session("s"))
            };
            let kept = memory();
            let mut random = 7_u64;
            for number in 1..600 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let turn = match (random >> 33) % 7 {
                    0 => Turn::new(messages("human: q\nai: a\ntool: r\nai: b")),
                    1 => Turn::new(messages("ai: alone")),
                    2 => Turn::new(Messages::new()),
                    _ => turn(number),
                };
                match (random >> 40) % 40 {
                    0 => kept.clear().await.unwrap(),
                    1 => memory().clear().await.unwrap(),
                    2..8 => memory().save(&turn, Ticket::default()).await.unwrap().warnings.clear(),
                    _ => kept.save(&turn, Ticket::default()).await.unwrap().warnings.clear(),
                }
                if !(random >> 50).is_multiple_of(3) {
                    let expected = shown(&memory()).await;
                    assert_eq!(shown(&kept).await, expected, "{k} {step} {number}");
                }
            }
        }
    });
}

/// A note that later processes do not need is not written, and one that is there not again.
#[test]
fn the_opening_is_noted_once() {
    block_on(async {
        let stored = || Arc::new(InMemoryHistory::new()) as Arc<dyn ChatHistory>;
        let without_first = || Arc::new(Watched::default()) as Arc<dyn ChatHistory>;
        for (store, opening, written) in [
            (stored(), "", 0),
            (stored(), "system: be brief\n", 1),
            (without_first(), "", 1),
            (without_first(), "system: be brief\n", 1),
        ] {
            let history = FailingHistory::new(store);
            let first = Turn::new(messages(&format!("{opening}human: q\nai: a")));
            for number in 1..5 {
                let memory = WindowMemory::new().with_history(history.clone(), session("s"));
                let ticket = load(&memory).await.ticket;
                let turn = if number == 1 { first.clone() } else { turn(number) };
                memory.save(&turn, ticket).await.unwrap();
                load(&memory).await;
                assert!(memory.maintain().await.unwrap().warnings.is_empty());
                assert!(!memory.needs_maintenance());
            }
            assert_eq!(history.calls(HistoryCall::PutNote), written, "{opening:?}");
        }
    });
}
