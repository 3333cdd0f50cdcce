//! A memory releases what a load acquired if the call fails.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use conversant_chains::LlmChain;
use conversant_core::{
    CallOptions, ChatHistory, LoadContext, Loaded, Memory, MemoryError, ModelError, Saved, Slot,
    Ticket, Turn, Version, async_trait, vars,
};
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_testkit::{
    FailingHistory, FailureMode, Gate, HistoryCall, ScriptedChat, ScriptedReply,
};

use crate::support::{PATIENCE, session, text_prompt};

/// Notes what it is asked to do.
struct Noted {
    slots: [Slot; 1],
    notes: Arc<Mutex<Vec<String>>>,
    needs_maintenance: bool,
}

impl Noted {
    fn new(notes: &Arc<Mutex<Vec<String>>>, needs_maintenance: bool) -> Self {
        let slots = [Slot::text("chat_history")];
        Self { slots, notes: Arc::clone(notes), needs_maintenance }
    }

    fn note(&self, what: &str, ticket: &Ticket) {
        self.notes.lock().unwrap().push(format!("{what} {}", ticket.version().unwrap().messages));
    }
}

#[async_trait]
impl Memory for Noted {
    fn variables(&self) -> &[Slot] {
        &self.slots
    }
    async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let ticket = Ticket::new(Version::new(0, 7));
        self.note("load", &ticket);
        Ok(Loaded::new(vars! { "chat_history" => "" }).with_ticket(ticket))
    }
    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.note("save", &ticket);
        if turn.messages().to_string().contains("hang") {
            std::future::pending::<()>().await;
        }
        if turn.messages().to_string().contains("full") {
            return Err(MemoryError::Unsupported { what: "this" });
        }
        Ok(Saved::default())
    }
    async fn abandon(&self, ticket: Ticket) {
        self.note("abandon", &ticket);
    }
    async fn maintain(&self) -> Result<Saved, MemoryError> {
        self.notes.lock().unwrap().push("maintain".to_owned());
        Ok(Saved::default())
    }
    fn needs_maintenance(&self) -> bool {
        self.needs_maintenance
    }
    async fn clear(&self) -> Result<(), MemoryError> {
        Ok(())
    }
}

#[tokio::test]
async fn each_load_is_saved_or_abandoned() {
    let broken = || ModelError::custom("broken", false, None);
    let model = ScriptedChat::new([
        ScriptedReply::text("fine"),
        ScriptedReply::from(broken()),
        ScriptedReply::text("full"),
        ScriptedReply::pieces(["Hel"]).then_error(broken()),
        ScriptedReply::from(broken()),
    ]);
    let notes = Arc::new(Mutex::new(Vec::new()));
    let memory = Noted::new(&notes, false);
    let chain =
        LlmChain::builder().prompt(text_prompt()).model(model).memory(memory).build().unwrap();
    let input = || vars! { "human_input" => "hi" };
    let take = || std::mem::take(&mut *notes.lock().unwrap()).join(", ");

    chain.predict(input()).await.unwrap();
    assert_eq!(take(), "load 7, save 7");
    chain.predict(input()).await.unwrap_err();
    assert_eq!(take(), "load 7, abandon 7", "the model failed");
    chain.predict(vars! {}).await.unwrap_err();
    assert_eq!(take(), "load 7, abandon 7", "an input was missing");
    chain.predict(input()).await.unwrap_err();
    assert_eq!(take(), "load 7, save 7", "the save failed, and has had its ticket");
    let mut stream = chain.stream(input()).await.unwrap();
    while stream.next().await.is_some() {}
    assert_eq!(take(), "load 7, abandon 7", "the stream failed");
    stream.save_partial().await.unwrap();
    assert_eq!(take(), "save 7", "a partial answer may be saved after all");
    chain.stream(input()).await.unwrap_err();
    assert_eq!(take(), "load 7, abandon 7", "the stream did not begin");
}

/// A save that was interrupted has not released what its load holds, nor has an empty stream.
#[tokio::test]
async fn a_save_that_ends_by_the_deadline_is_abandoned_and_so_is_an_empty_stream() {
    let model = ScriptedChat::with_handler(|_| {
        ScriptedReply::pieces(["hang"]).held_after(0, &Gate::yielding())
    });
    let notes = Arc::new(Mutex::new(Vec::new()));
    let builder = LlmChain::builder().prompt(text_prompt()).model(model);
    let chain = builder.memory(Noted::new(&notes, false)).build().unwrap();
    let input = || vars! { "human_input" => "hi" };
    let take = || std::mem::take(&mut *notes.lock().unwrap()).join(", ");
    for patience in PATIENCE {
        let options = CallOptions::new().with_timeout(patience);
        let error = chain.predict_with(input(), options).await.unwrap_err();
        // On a busy machine the deadline may pass before the save.
        if error.not_saved().is_some() {
            break;
        }
        take();
    }
    assert_eq!(take(), "load 7, save 7, abandon 7");
    let stream = chain.stream(input()).await.unwrap();
    stream.save_partial().await.unwrap_err();
    assert_eq!(take(), "load 7, abandon 7");
}

#[tokio::test]
async fn a_memory_is_maintained_after_its_turn_if_it_needs_it() {
    for (needs_maintenance, expected) in
        [(true, "load 7, save 7, maintain"), (false, "load 7, save 7")]
    {
        let notes = Arc::new(Mutex::new(Vec::new()));
        let chain = LlmChain::builder()
            .prompt(text_prompt())
            .model(ScriptedChat::new(["fine"]))
            .memory(Noted::new(&notes, needs_maintenance))
            .build()
            .unwrap();
        chain.predict(vars! { "human_input" => "hi" }).await.unwrap();
        assert_eq!(notes.lock().unwrap().join(", "), expected);
    }
}

/// A load that ends by the deadline leaves no lease to others, though it has no ticket.
#[tokio::test]
async fn a_load_that_ends_by_the_deadline_leaves_no_lease() {
    let store = InMemoryHistory::new();
    for patience in PATIENCE.into_iter().take(2) {
        let history = FailingHistory::new(store.clone());
        let history = history.on(HistoryCall::Load, 1, FailureMode::hang());
        let memory = BufferMemory::new().with_memory_key("chat_history");
        let memory = memory.with_history(history, session()).leased(Duration::from_secs(3600));
        let builder = LlmChain::builder().prompt(text_prompt()).model(ScriptedChat::new(["fine"]));
        let chain = builder.memory(memory).build().unwrap();
        let options = CallOptions::new().with_timeout(patience);
        let input = vars! { "human_input" => "hi" };
        let error = chain.predict_with(input, options).await.unwrap_err();
        assert!(error.is_deadline(), "{error}");
        let lease = store.lease(&session(), Duration::from_secs(1)).await.unwrap().unwrap();
        store.release(&lease).await.unwrap();
    }
}
