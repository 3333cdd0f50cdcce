//! Pictures of the page, for the README and for people to look at.

use std::path::{Path, PathBuf};

use conversant_core::{ChatHistory, Message, SessionId, ToolCall, Turn, TurnId};
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply};
use serde_json::json;

use crate::{browser::Browser, support::Running};

/// The file to write the README's picture to. Set by `cargo xtask screenshot`.
const FILE: &str = "CONVERSANT_SCREENSHOT";
/// The folder to write pictures at all widths to, for people to look at.
const FOLDER: &str = "CONVERSANT_SCREENSHOTS";

const ANSWER: &str = "Three things decide it:\n\n\
    1. **How the turns are kept.** A turn is stored whole, once, or not at all.\n\
    2. **What the model is shown.** A window of the last turns, or a summary.\n\
    3. **What it costs.** Count the tokens before they are sent.\n\n\
    A chain with a memory is a few lines:\n\n\
    ```rust\n\
    let chain = LlmChain::builder()\n    .prompt(prompt)\n    .model(model)\n    .memory(memory)\n    .build()?;\n\
    ```\n\n\
    Then `chain.predict(…)` asks and remembers.";

/// Returns the session of a picture: what a person may have said in a week.
pub(crate) async fn fill(history: &dyn ChatHistory) -> SessionId {
    let old = [
        ("A name for a cat", "How about Ada?"),
        ("Tides in St Ives this weekend", "High water is at 06:12."),
        ("Explain borrow checking like a librarian", "A book is lent to one reader at a time."),
        ("رسالة إلى أمي", "أمي العزيزة"),
        ("Dinner from lentils, lemon and spinach", "A soup, with cumin."),
        ("What changed in edition 2024?", "Temporaries are dropped earlier."),
    ];
    for (question, answer) in old {
        let session = SessionId::from(TurnId::random());
        let turn = Turn::exchange(question, answer);
        history.append(&session, &turn, conversant_core::Expect::Any).await.unwrap();
    }
    let session = SessionId::new("picture").unwrap();
    let call = ToolCall::new("find_conversations", json!({"words": "memory"})).with_id("1");
    let thought = json!({"reasoning_content": "They want a short answer with an example."});
    let turns = [
        Turn::new(vec![
            Message::human("Did we talk about the memory of chats before?"),
            Message::ai("").with_tool_calls([call]),
            Message::tool("Memory in LLMChain", "1"),
            Message::ai("Yes, last Monday: *Memory in LLMChain*."),
        ]),
        Turn::new(vec![
            Message::human("How does a chat remember, and what should I decide first?"),
            Message::ai(ANSWER).with_extra("additional_kwargs", thought),
        ]),
    ];
    for turn in &turns {
        history.append(&session, turn, conversant_core::Expect::Any).await.unwrap();
    }
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_fits_at_all_widths() {
    let Some(browser) = Browser::start("the_page_fits_at_all_widths").await else { return };
    let gate = Gate::new();
    let reply = ScriptedReply::pieces(["With a window of 20 turns, the oldest ones are ", "gone."]);
    let chat = Running::start(ScriptedChat::new([reply.held_after(1, &gate)])).await;
    let session = fill(&*chat.history).await;
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    browser.resize(1180, 760).await;
    browser.open(&format!("{}#{session}", chat.url())).await;
    browser.shows(".turn:nth-child(2) .answer", "remembers").await;
    browser.ask("And if the conversation grows long?").await;
    browser.shows(".live .answer", "the oldest ones").await;
    for (name, width, height) in [("wide", 1180, 760), ("tablet", 768, 900), ("phone", 360, 720)] {
        browser.resize(width, height).await;
        for theme in ["light", "dark"] {
            browser.until(&format!("document.documentElement.dataset.theme = '{theme}'")).await;
            // Nothing is wider than the page.
            let root = "document.documentElement";
            browser.until(&format!("{root}.scrollWidth <= {root}.clientWidth")).await;
            if let Some(folder) = &folder {
                browser.screenshot(&folder.join(format!("{name}-{theme}.png"))).await;
            }
        }
    }
    if let Some(file) = std::env::var_os(FILE) {
        browser.resize(1180, 760).await;
        browser.until("document.documentElement.dataset.theme = 'light'").await;
        browser.screenshot(Path::new(&file)).await;
    }
    gate.open();
    browser.end().await;
}
