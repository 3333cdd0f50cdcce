//! Pictures of the page, for the README and for people to look at.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use conversant_core::{
    CallRecord, ChatHistory, Expect, Message, ModelError, Reply, SessionId, Timings, ToolCall,
    Turn, TurnId, Usage,
};
use conversant_harness::Tested;
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply};
use serde_json::json;
use sha2::{Digest, Sha256};
use thirtyfour::Key;

use crate::{
    browser::Browser,
    support::{Running, Settings},
};

/// The file to write the README's picture to. Set by `cargo xtask screenshot`.
const FILE: &str = "CONVERSANT_SCREENSHOT";
/// The fingerprint of the page in the README's picture.
const FINGERPRINT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/screenshot.txt");
/// The folder to write pictures at all widths to, for people to look at.
const FOLDER: &str = "CONVERSANT_SCREENSHOTS";

const ANSWER: &str = "Three things decide it:\n\n\
    1. **How turns are kept**: whole, once, or not at all.\n\
    2. **What the model is shown**: the last turns, or a summary.\n\
    3. **What it costs**: count the tokens before they are sent.\n\n\
    ```rust\n\
    let chain = LlmChain::builder().prompt(prompt).model(model).memory(memory).build()?;\n\
    let answer = chain.predict(vars! { \"question\" => \"Who am I?\" }).await?;\n\
    ```";

/// Returns a text that changes with the page and with what the picture shows.
fn fingerprint() -> String {
    let mut hash = Sha256::new();
    web_chat::assets::texts().chain([include_str!("pictures.rs")]).for_each(|text| {
        hash.update(text);
    });
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).chain(["\n".to_owned()]).collect()
}

pub(crate) fn the_readme_shows_this_page() {
    let shown = std::fs::read_to_string(FINGERPRINT).unwrap();
    let is_same = shown == fingerprint();
    assert!(is_same, "the page has changed since its picture; run `cargo xtask screenshot`");
}

/// Fills the list as a person may in a week, and returns a conversation to show.
pub(crate) async fn fill(history: &dyn ChatHistory) -> SessionId {
    let hour = Duration::from_secs(3600);
    let old = [
        (500, "A name for a cat", "How about Ada?"),
        (220, "Tides in St Ives this weekend", "High water is at 06:12."),
        (170, "Explain borrow checking like a librarian", "A book has one reader at a time."),
        (99, "رسالة إلى أمي", "أمي العزيزة"),
        (51, "Dinner from lentils, lemon and spinach", "A soup, with cumin."),
        (26, "What changed in edition 2024?", "Temporaries are dropped earlier."),
    ];
    let append = async |session: &SessionId, turn: Turn| {
        history.append(session, &turn, Expect::Any).await.unwrap();
    };
    for (hours, question, answer) in old {
        let id = TurnId::at(SystemTime::now() - hour * hours);
        append(&SessionId::from(TurnId::random()), Turn::exchange(question, answer).with_id(id))
            .await;
    }
    let session = SessionId::new("picture").unwrap();
    let earlier = Turn::exchange("Is a chain a chat?", "With a memory, yes.");
    append(&session, earlier.with_id(TurnId::at(SystemTime::now() - hour))).await;
    let thought = json!({"reasoning_content": "They want a short answer with an example."});
    let mut timings = Timings::default();
    timings.total = Some(Duration::from_millis(3200));
    let record = CallRecord::new()
        .with_model("gpt-6-luna")
        .with_usage(Usage::new(412, 138).with_reasoning_tokens(24))
        .with_timings(timings);
    let answer = Message::ai(ANSWER).with_extra("additional_kwargs", thought);
    let question = Message::human("How does a chat remember, and what should I decide first?");
    append(&session, Turn::new(vec![question, answer.with_call_record(&record)])).await;
    session
}

/// A browser whose pages are looked at.
struct Gallery {
    browser: Browser,
    folder: Option<PathBuf>,
}

impl Gallery {
    /// Checks that the page fits at all widths, and takes its pictures.
    async fn show(&self, state: &str) {
        for (width, height) in [(1180, 860), (768, 900), (360, 720)] {
            self.browser.resize(width, height).await;
            for theme in ["light", "dark"] {
                self.theme(theme).await;
                // Nothing is wider than the page.
                let root = "document.documentElement";
                self.browser.until(&format!("{root}.scrollWidth <= {root}.clientWidth")).await;
                // The conversation has at least half of the page.
                let main = "document.querySelector('main')";
                self.browser.until(&format!("{main}.clientWidth * 2 > innerWidth")).await;
                if let Some(folder) = &self.folder {
                    let file = folder.join(format!("{state}-{width}-{theme}.png"));
                    self.browser.screenshot(&file).await;
                }
            }
        }
    }

    async fn theme(&self, theme: &str) {
        self.browser.until(&format!("document.documentElement.dataset.theme = '{theme}'")).await;
    }
}

pub(crate) async fn the_page_fits_at_all_widths() -> Tested {
    let browser = Browser::start().await?;
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    let gallery = Gallery { browser, folder };
    let browser = &gallery.browser;
    let call = ToolCall::new("find_conversations", json!({"words": "lentils"})).with_id("1");
    let asks = Reply::new(Message::ai("").with_tool_calls([call]));
    let gate = Gate::new();
    let held = ScriptedReply::pieces([
        "Yes, on Tuesday: *Dinner from lentils, lemon and spinach*. ",
        "Shall I go on?",
    ]);
    let fault = ModelError::custom("cannot reach the model; is its server running?", true, None);
    let fails = ScriptedReply::pieces([""; 0]).then_error(fault);
    let model = ScriptedChat::new([asks.into(), held.held_after(1, &gate), "No.".into(), fails]);
    let chat = Running::with(model, Settings { has_tools: true, ..Settings::default() }).await;
    let session = fill(&*chat.history).await;
    browser.open(&chat.url()).await;
    browser.shows("#sessions", "A name for a cat").await;
    gallery.show("new").await;
    browser.open(&format!("{}#{session}", chat.url())).await;
    browser.shows(".turn:last-child .answer", "Three things").await;
    browser.ask("Did we talk about dinner this week?").await;
    browser.shows(".live .answer", "lemon").await;
    gallery.show("answer").await;
    if let Some(file) = std::env::var_os(FILE) {
        browser.resize(1180, 860).await;
        gallery.theme("light").await;
        browser.screenshot(Path::new(&file)).await;
        std::fs::write(FINGERPRINT, fingerprint()).unwrap();
    }
    gate.open();
    browser.shows(".turn:not(.live) .answer", "Shall I go on?").await;
    browser.click(".turn:last-child [aria-label='Answer again']").await;
    browser.shows(".alternatives", "2/2").await;
    browser.ask("And lunch?").await;
    browser.shows(".turn .error", "is its server running?").await;
    browser.click(".turn:nth-child(1) [aria-label='Edit the message']").await;
    gallery.show("fault").await;
    browser.click("#cancel-editing").await;
    browser.click("#rename").await;
    gallery.show("dialog").await;
    browser.press(Key::Escape).await;
    browser.click("#open-sidebar").await;
    gallery.show("list").await;
    gallery.browser.end().await;
    Ok(())
}
