//! Memories whose notes are of turns that were left.

use conversant_core::{
    ChatHistory, Expect, LoadContext, Memory, Message, Point, TokenCounter, Turn, vars,
};
use conversant_history_sqlite::SqliteHistory;
use conversant_memory::{SummaryBufferMemory, Trim, WindowMemory};
use conversant_testkit::{ScriptedChat, ScriptedReply, block_on};

use crate::support::{Folder, append, session};

/// Counts words.
struct Words;

impl TokenCounter for Words {
    fn count_text(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

async fn shown(memory: &impl Memory) -> String {
    let loaded = memory.load(LoadContext::new(&vars! {})).await.unwrap();
    loaded.variables.get("history").unwrap().to_text().into_owned()
}

/// Saves turns, with the maintenance after each.
async fn save(memory: &impl Memory, words: &str, count: usize) {
    for number in 0..count {
        let ticket = memory.load(LoadContext::new(&vars! {})).await.unwrap().ticket;
        let turn = Turn::exchange(format!("question {number} of {words}"), "the answer");
        memory.save(&turn, ticket).await.unwrap();
        memory.maintain().await.unwrap();
    }
}

fn start_over(history: &SqliteHistory, turn: &Turn) {
    append(&*history.at(Point::Start).unwrap(), "s", turn).unwrap();
}

#[test]
fn a_summary_of_turns_that_were_left_is_not_shown() {
    for trim in [Trim::Turns, Trim::LangChain] {
        let folder = Folder::new();
        let history = folder.open();
        let model = ScriptedChat::with_handler(|request| {
            let of =
                if request.messages.to_string().contains("tulips") { "tulips" } else { "cats" };
            ScriptedReply::text(format!("A summary of {of}"))
        });
        let memory = || {
            SummaryBufferMemory::new(model.clone(), Words)
                .with_max_token_limit(24)
                .with_low_water(0.6)
                .with_trim(trim)
                .with_history(history.clone(), session("s"))
        };
        block_on(save(&memory(), "tulips", 5));
        let note = block_on(history.note(&session("s"), "summary_buffer")).unwrap().unwrap();
        assert!(note.covers.messages > 0 && note.covers.tip == 0, "{:?}", note.covers);
        start_over(&history, &Turn::exchange("question of cats", "the answer"));
        for number in 0..5 {
            let found = block_on(shown(&memory()));
            assert!(!found.contains("tulips"), "{trim:?}, {number}: {found}");
            assert!(found.contains("cats"), "{trim:?}, {number}: {found}");
            block_on(save(&memory(), "cats", 1));
        }
    }
}

#[test]
fn a_system_message_that_was_left_is_not_shown() {
    let folder = Folder::new();
    let history = folder.open();
    let begun = |system: &str| {
        Turn::new(vec![Message::system(system), Message::human("Hi"), Message::ai("Hello!")])
    };
    let window = || WindowMemory::new().with_k(1).with_history(history.clone(), session("s"));
    block_on(history.append(&session("s"), &begun("You are a pirate"), Expect::Any)).unwrap();
    block_on(save(&window(), "ships", 8));
    assert!(block_on(shown(&window())).contains("You are a pirate"));
    start_over(&history, &begun("You are a nurse"));
    for number in 0..5 {
        append(&history, "s", &Turn::exchange(format!("question {number}"), "answer")).unwrap();
    }
    let found = block_on(shown(&window()));
    assert_eq!(found, "System: You are a nurse\nHuman: question 4\nAI: answer");
}
