//! Answers that are not saved: other requests of their conversations, and the end of the service.

use std::{sync::Arc, time::Duration};

use conversant_core::{ChatHistory, HistoryError, SessionId};
use conversant_history_sqlite::SqliteHistory;
use conversant_testkit::{FailingHistory, FailureMode, Gate, HistoryCall, ScriptedChat};
use serde_json::json;
use web_chat::service::Limits;

use crate::{
    client::{Events, ask, request},
    support::{Running, Settings},
};

const ONE: &str = "019ab000-0000-7000-8000-000000000001";
const TWO: &str = "019ab000-0000-7000-8000-000000000002";

type Store = FailingHistory<SqliteHistory>;

fn full() -> FailureMode<HistoryError> {
    FailureMode::fail(|| HistoryError::Full { source: "no space left".into() })
}

/// Starts a chat over a store in which calls fail.
async fn chat(fails: impl FnOnce(Store) -> Store, limits: Limits) -> (Running, Arc<Store>) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteHistory::open(folder.path().join("chat.db")).unwrap();
    let store = Arc::new(fails(FailingHistory::new(store)));
    let model = ScriptedChat::with_handler(|request| {
        let question = request.messages.iter().next_back().unwrap().text().into_owned();
        format!("About {question}").into()
    });
    let settings = Settings { limits, ..Settings::default() };
    let chat = Running::over(folder, Arc::clone(&store) as _, model, settings).await;
    (chat, store)
}

/// Asks in a conversation, and waits until its answer could not be saved.
async fn ask_unsaved(chat: &Running, session: &str, id: &str) {
    let mut events = Events::open(chat.address, session, None).await;
    assert_eq!(ask(chat.address, session, id, session).await, 202);
    events.until("unsaved").await;
}

/// The line says what helps: nothing is being written that could be stopped.
pub(crate) async fn a_change_says_what_to_do_first() {
    let fails = |store: Store| store.always(HistoryCall::Append, full());
    let (chat, _) = chat(fails, Limits::default()).await;
    ask_unsaved(&chat, "s", ONE).await;
    let tip = Some(json!({"after": "start"}));
    let refused = request(chat.address, "POST /api/sessions/s/tip", tip).await;
    assert_eq!(refused.status, 409);
    let error = &refused.json()["error"];
    assert_eq!(
        error,
        "cannot change the conversation: the last answer is not saved; save it first"
    );
}

/// A turn that is saved while its conversation is deleted would bring the conversation back.
pub(crate) async fn a_deletion_is_not_undone_by_a_save() {
    let gate = Gate::new();
    let held = FailureMode::hold(&gate);
    let fails =
        |store: Store| store.on(HistoryCall::Append, 1, full()).always(HistoryCall::Delete, held);
    let (chat, store) = chat(fails, Limits::default()).await;
    ask_unsaved(&chat, "s", ONE).await;
    let deleted = request(chat.address, "DELETE /api/sessions/s", None);
    let saved = async {
        gate.reached(1).await;
        let saved = request(chat.address, "POST /api/sessions/s/save", None).await;
        gate.open();
        saved
    };
    let (deleted, saved) = tokio::join!(deleted, saved);
    assert_eq!((deleted.status, saved.status), (204, 409), "{}", saved.body);
    assert_eq!(store.sessions(None, 9).await.unwrap(), Vec::<SessionId>::new());
}

/// Neither a store that does not answer nor an answer that does not end keeps the turns of others
/// from being printed.
pub(crate) async fn the_end_prints_what_is_not_saved() {
    let time = Duration::from_millis(200);
    let limits = Limits { answer_end: time, last_save: time, ..Limits::default() };
    let hangs = |store: Store| {
        let store = store.on(HistoryCall::Append, 1, full()).on(HistoryCall::Append, 2, full());
        store.always(HistoryCall::Append, FailureMode::hang())
    };
    let (chat, store) = chat(hangs, limits).await;
    ask_unsaved(&chat, "ada", ONE).await;
    ask_unsaved(&chat, "bob", TWO).await;
    let mut events = Events::open(chat.address, "eve", None).await;
    assert_eq!(ask(chat.address, "eve", "019ab000-0000-7000-8000-000000000003", "eve").await, 202);
    events.until("text").await;
    while store.calls(HistoryCall::Append) < 3 {
        tokio::task::yield_now().await;
    }
    let mut printed = chat.last_words().await;
    printed.sort();
    let unsaved = |session: &str| {
        format!(
            "cannot save the answer within 200ms; this is the turn of session `{session}`:\n\
             Human: {session}\nAI: About {session}"
        )
    };
    let unended = "cannot end an answer of session `eve` within 200ms; this is its part:\n\
                   Human: eve\nAI: About eve";
    assert_eq!(printed, [unended.to_owned(), unsaved("ada"), unsaved("bob")]);
}
