//! The limit in tokens: what is shown, what it costs, and what becomes of what does not fit.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use conversant_core::{
    ChatHistory as _, Expect, LoadContext, Memory, MemoryError, Message, Part, Slot, Ticket,
    TokenCounter, ToolCall, Turn, vars,
};
use conversant_memory::{InMemoryHistory, Oversized, TokenBufferMemory, Trim, WindowMemory};
use conversant_prompts::{
    ChatPromptTemplate, MessageTemplate, MessagesPlaceholder, PromptTemplate,
};
use conversant_testkit::block_on;
use serde_json::json;

use crate::support::{Watched, Whitespace, load, messages, session, shown, turn};

/// Counts as [`Whitespace`] does, and how often it is asked.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl TokenCounter for Counting {
    fn count_text(&self, text: &str) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed);
        Whitespace.count_text(text)
    }
}

impl Counting {
    fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

async fn saved(memory: &TokenBufferMemory, lines: &str) {
    memory.save(&Turn::new(messages(lines)), Ticket::default()).await.unwrap();
}

fn memory(limit: usize) -> TokenBufferMemory {
    TokenBufferMemory::new(Whitespace).with_max_token_limit(limit)
}

#[test]
fn what_fits_is_shown() {
    block_on(async {
        // Turns of 2 + 3 and 4 + 2 tokens, with a system message of 3 before them.
        let first = "system: be brief\nhuman: one\nai: and two";
        let second = "human: three four five\nai: six";
        let all = "System: be brief\nHuman: one\nAI: and two\nHuman: three four five\nAI: six";
        let last = "System: be brief\nHuman: three four five\nAI: six";
        for (limit, by_turns, langchain) in [
            (14, Ok(all), all),
            (13, Ok(last), "Human: one\nAI: and two\nHuman: three four five\nAI: six"),
            (11, Ok(last), "Human: one\nAI: and two\nHuman: three four five\nAI: six"),
            (9, Ok(last), "AI: and two\nHuman: three four five\nAI: six"),
            (8, Err((9, 8)), "Human: three four five\nAI: six"),
            (5, Err((9, 5)), "AI: six"),
            (1, Err((9, 1)), ""),
            (0, Err((9, 0)), ""),
        ] {
            for (trim, expected) in [(Trim::Turns, by_turns), (Trim::LangChain, Ok(langchain))] {
                let memory = memory(limit).with_trim(trim).with_oversized(Oversized::Refuse);
                saved(&memory, first).await;
                saved(&memory, second).await;
                let inputs = vars! {};
                let got = memory.load(LoadContext::new(&inputs)).await;
                match (got, expected) {
                    (Ok(got), Ok(expected)) => {
                        assert_eq!(
                            got.variables,
                            vars! { "history" => expected },
                            "{trim:?} {limit}"
                        );
                    }
                    (Err(MemoryError::OverBudget { size, budget }), Err(expected)) => {
                        assert_eq!((size, budget), expected, "{trim:?} {limit}");
                    }
                    (got, expected) => panic!("{trim:?} {limit}: {got:?} is not {expected:?}"),
                }
                // What is not shown is not lost.
                assert_eq!(memory.messages().await.unwrap().len(), 5);
            }
        }
    });
}

#[test]
fn an_empty_conversation_fits_into_nothing() {
    block_on(async {
        for trim in [Trim::Turns, Trim::LangChain] {
            let memory = memory(0).with_trim(trim);
            assert_eq!(memory.variables(), [Slot::text("history")]);
            assert_eq!(shown(&memory).await, "");
            saved(&memory, "system: be brief").await;
            let inputs = vars! {};
            let loaded = memory.load(LoadContext::new(&inputs)).await;
            assert_eq!(loaded.is_err(), trim == Trim::Turns);
        }
    });
}

/// Tool calls are shown with their results or not at all, also if ids repeat or results are late.
#[test]
fn tool_groups_stay_whole() {
    let calls = |ids: &[&str]| {
        Message::ai("calls")
            .with_tool_calls(ids.iter().map(|id| ToolCall::new("f", json!({})).with_id(*id)))
    };
    // What LangChain stored before its messages had tool calls.
    let old_calls = Message::ai("calls")
        .with_extra("additional_kwargs", json!({"tool_calls": [{"id": "c1", "type": "function"}]}));
    let turns = [
        vec![calls(&["c1", "c2"]), Message::tool("r2", "c2"), Message::tool("r1", "c1")],
        vec![calls(&["c1"]), Message::human("and this?"), Message::tool("r1", "c1")],
        vec![old_calls, Message::human("and this?"), Message::tool("r1", "c1")],
        vec![Message::ai("calls"), Message::human("and this?"), Message::function("r1", "f")],
        vec![calls(&["c1"]), Message::tool("r1", "c1"), calls(&["c1"]), Message::tool("r1", "c1")],
    ];
    block_on(async {
        for middle in turns {
            let whole = [vec![Message::human("q")], middle, vec![Message::ai("a")]].concat();
            let size: usize = whole.iter().map(|message| Whitespace.count_message(message)).sum();
            for limit in 0..=size {
                let memory =
                    memory(limit).with_return_messages(true).with_oversized(Oversized::Refuse);
                memory.save(&turn(1), Ticket::default()).await.unwrap();
                memory.save(&Turn::new(whole.clone()), Ticket::default()).await.unwrap();
                let inputs = vars! {};
                let loaded = memory.load(LoadContext::new(&inputs)).await;
                if limit == size {
                    let loaded = loaded.unwrap().variables;
                    let shown = loaded.get("history").unwrap().as_messages().unwrap();
                    assert!(shown.iter().eq(&whole));
                } else {
                    assert!(
                        matches!(loaded, Err(MemoryError::OverBudget { .. })),
                        "{limit} of {size}"
                    );
                }
            }
        }
    });
}

/// A result whose call is nowhere is not what a view opens on, nor is anything before it.
#[test]
fn a_result_without_its_call_is_cut_off() {
    block_on(async {
        let memory = memory(8);
        saved(&memory, "human: one two three\nai: four").await;
        let orphan = Turn::new(vec![
            Message::human("five"),
            Message::tool("six", "nobody's"),
            Message::ai("seven"),
        ]);
        memory.save(&orphan, Ticket::default()).await.unwrap();
        saved(&memory, "human: eight\nai: nine").await;
        assert_eq!(shown(&memory).await, "Human: eight\nAI: nine");
    });
}

#[test]
fn other_roles_open_a_turn_unless_they_are_another_name_for_the_models() {
    block_on(async {
        let memory = memory(4).with_return_messages(true);
        saved(&memory, "human: one\nai: two\nAssistant: three\ncritic: four\nUser: five").await;
        assert_eq!(shown(&memory).await, "critic: four\nUser: five");
        saved(&memory, "ASSISTANT: six").await;
        assert_eq!(shown(&memory).await, "User: five\nASSISTANT: six");
    });
}

#[test]
fn a_newest_turn_that_is_too_large_is_cut_where_that_is_wanted() {
    block_on(async {
        let long = format!("human: one two\nai: {}", "word ".repeat(100).trim_end());
        for (limit, expected) in
            [(210, Some(106)), (50, Some(50)), (7, Some(7)), (5, Some(5)), (4, Some(4))]
        {
            let memory =
                memory(limit).with_oversized(Oversized::Truncate).with_return_messages(true);
            saved(&memory, "human: before\nai: this").await;
            saved(&memory, &long).await;
            let loaded = load(&memory).await;
            let shown = loaded.variables.get("history").unwrap().as_messages().unwrap().clone();
            let size: usize = shown.iter().map(|message| Whitespace.count_message(message)).sum();
            let whole = limit == 210;
            assert_eq!(
                Some(size).filter(|_| !whole),
                expected.filter(|_| !whole),
                "{limit}: {shown}"
            );
            assert_eq!(shown.len(), if whole { 4 } else { 2 });
            assert_eq!(shown.last().unwrap().text().ends_with("[…]"), !whole);
        }
        // An image cannot be cut. Its place is marked, or the turn is not shown at all.
        let image =
            vec![Part::text("a b c d e f g h i"), Part::image_url("https://example.com/a.png")];
        for (limit, expected) in [
            (9, "Human: a b c d e[…]\n[image]\nAI: ok"),
            (5, "Human: a[…]\n[image]\nAI: o[…]"),
            (4, "Human: a[…]\nAI: o[…]"),
            (3, ""),
        ] {
            let memory = memory(limit);
            memory.save(&Turn::exchange(image.clone(), "ok"), Ticket::default()).await.unwrap();
            assert_eq!(shown(&memory).await, expected, "{limit}");
        }
    });
}

#[test]
fn the_template_and_the_answer_count_too() {
    block_on(async {
        let turns = |memory: TokenBufferMemory| async move {
            saved(&memory, "human: one\nai: two").await;
            saved(&memory, "human: three\nai: four").await;
            let inputs = vars! { "input" => "what now?" };
            memory.load(LoadContext::new(&inputs)).await
        };
        let both = vars! { "history" => "Human: one\nAI: two\nHuman: three\nAI: four" };
        let last = vars! { "history" => "Human: three\nAI: four" };

        assert_eq!(turns(memory(13).with_reserved_tokens(5)).await.unwrap().variables, both);
        assert_eq!(turns(memory(12).with_reserved_tokens(5)).await.unwrap().variables, last);
        let langchain = memory(12).with_reserved_tokens(5).with_trim(Trim::LangChain);
        assert_eq!(turns(langchain).await.unwrap().variables, both);
        let refusing = memory(12).with_oversized(Oversized::Refuse);
        assert!(turns(refusing.with_reserved_tokens(usize::MAX)).await.is_err());

        // `Be brief. Human: what now? AI:` is 6.
        let template =
            || PromptTemplate::from_template("Be brief. {history}\nHuman: {input}\nAI:").unwrap();
        assert_eq!(turns(memory(14).with_template(template())).await.unwrap().variables, both);
        assert_eq!(turns(memory(13).with_template(template())).await.unwrap().variables, last);
        let both_counted = memory(14).with_template(template()).with_reserved_tokens(1);
        assert_eq!(turns(both_counted).await.unwrap().variables, last);

        // `System: Be brief.` and `Human: what now?` are 3 each.
        let chat = || {
            ChatPromptTemplate::from_messages((
                Message::system("Be brief."),
                MessagesPlaceholder::new("history"),
                MessageTemplate::human("{input}"),
            ))
            .unwrap()
        };
        let chatting = |limit| memory(limit).with_template(chat()).with_return_messages(true);
        assert_eq!(
            turns(chatting(14)).await.unwrap().variables.get("history").unwrap().to_text(),
            both.get("history").unwrap().to_text()
        );
        assert_eq!(
            turns(chatting(13)).await.unwrap().variables.get("history").unwrap().to_text(),
            last.get("history").unwrap().to_text()
        );

        let other = PromptTemplate::from_template("{history} {missing}").unwrap();
        let refused = turns(memory(14).with_template(other)).await.unwrap_err();
        assert!(matches!(refused, MemoryError::Custom(_)));
    });
}

/// A turn costs what it adds and what is shown, and each message is counted once.
#[test]
fn the_cost_of_a_turn_does_not_grow_with_what_is_cut_off() {
    block_on(async {
        for trim in [Trim::Turns, Trim::LangChain] {
            let (history, counter) = (Watched::default(), Counting::default());
            let memory = TokenBufferMemory::new(counter.clone())
                .with_max_token_limit(20)
                .with_trim(trim)
                .with_history(history.clone(), session("s"));
            let mut costs = Vec::new();
            for number in 0..3000 {
                memory.save(&turn(number), load(&memory).await.ticket).await.unwrap();
                memory.maintain().await.unwrap();
                costs.push((history.take_loaded(), counter.take()));
            }
            let late = &costs[1..];
            assert!(late.iter().all(|&cost| cost == (2, 2)), "{trim:?} {:?}", late.iter().max());
        }
    });
}

/// A process that comes later reads the end of a long conversation, and knows how it opens.
#[test]
fn a_later_process_reads_the_end_only() {
    block_on(async {
        for trim in [Trim::Turns, Trim::LangChain] {
            let history = Watched::default();
            let memory = |counter: &Counting| {
                TokenBufferMemory::new(counter.clone())
                    .with_max_token_limit(40)
                    .with_trim(trim)
                    .with_history(history.clone(), session("s"))
            };
            let counter = Counting::default();
            let first = memory(&counter);
            saved(&first, "system: be brief\nsystem: and kind\nhuman: q\nai: a").await;
            for number in 0..3000 {
                first.save(&turn(number), load(&first).await.ticket).await.unwrap();
                first.maintain().await.unwrap();
            }
            history.take_loaded();
            let expected = shown(&first).await;
            history.take_loaded();
            counter.take();

            let later = memory(&counter);
            assert_eq!(shown(&later).await, expected);
            // By turns, the start is computed anew every 256 messages.
            let most = if trim == Trim::Turns { 32 + 256 + 32 } else { 32 };
            assert!(history.take_loaded() <= most);
            assert!(counter.take() <= most + 2);
            let opens = expected.starts_with("System: be brief\nSystem: and kind\nHuman: ");
            assert_eq!(opens, trim == Trim::Turns);
        }
    });
}

/// In a history with neither notes nor `first`, only a process that saw the start of the
/// conversation shows its leading system messages.
#[test]
fn a_history_that_tells_little() {
    block_on(async {
        let history = Watched::without_notes();
        let memory = || memory(20).with_low_water(1.0).with_history(history.clone(), session("s"));
        let first = memory();
        saved(&first, "system: be brief\nhuman: q\nai: a").await;
        for number in 0..100 {
            first.save(&turn(number), load(&first).await.ticket).await.unwrap();
            assert!(first.maintain().await.unwrap().warnings.is_empty());
        }
        let text = shown(&first).await;
        assert!(text.starts_with("System: be brief\nHuman: q96\n"), "{text}");
        history.take_loaded();
        let text = shown(&memory()).await;
        assert!(text.starts_with("Human: q95\n"), "{text}");
        assert_eq!(history.take_loaded(), 32);
    });
}

/// A history with `first` needs no notes.
#[test]
fn a_history_that_tells_how_a_session_begins() {
    block_on(async {
        let history = InMemoryHistory::new();
        let many = "system: s\n".repeat(100);
        let opening = Turn::new(messages(&format!("{many}human: q\nai: a")));
        history.append(&session("s"), &opening, Expect::Any).await.unwrap();
        for number in 0..200 {
            history.append(&session("s"), &turn(number), Expect::Any).await.unwrap();
        }
        let tokens = memory(220).with_history(history.clone(), session("s"));
        let text = shown(&tokens).await;
        assert_eq!(text.matches("System: s\n").count(), 100);
        assert!(text.ends_with("\nHuman: q199\nAI: a199"));
        let window = WindowMemory::new().with_k(1).with_history(history, session("s"));
        let text = shown(&window).await;
        assert_eq!((text.matches("System: s\n").count(), text.lines().count()), (100, 102));
    });
}

#[test]
fn a_failing_history_is_told_and_costs_nothing() {
    block_on(async {
        let history = Watched::default();
        let memory = memory(6).with_history(history.clone(), session("s"));
        memory.save(&turn(1), Ticket::default()).await.unwrap();
        memory.save(&turn(2), Ticket::default()).await.unwrap();
        let inputs = vars! {};
        history.fail("load");
        assert!(memory.load(LoadContext::new(&inputs)).await.is_err());
        assert_eq!(shown(&memory).await, "Human: q2\nAI: a2");
        history.fail("load");
        assert!(memory.load(LoadContext::new(&inputs)).await.is_err());
        assert_eq!(shown(&memory).await, "Human: q2\nAI: a2");
        history.fail("put_note");
        let warnings = memory.maintain().await.unwrap().warnings;
        assert_eq!(
            warnings[0].to_string(),
            "cannot store the note of the conversation's leading system messages"
        );
        history.fail("clear");
        assert!(memory.clear().await.is_err());
        assert_eq!(shown(&memory).await, "Human: q2\nAI: a2");
        memory.clear().await.unwrap();
        assert_eq!(shown(&memory).await, "");
    });
}
