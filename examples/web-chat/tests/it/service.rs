//! The service over sockets: answers, streams, limits and attacks.

use std::sync::Arc;

use conversant_core::{HistoryError, ModelError, Turn, TurnId};
use conversant_history_sqlite::SqliteHistory;
use conversant_testkit::{
    FailingHistory, FailureMode, Gate, HistoryCall, ScriptedChat, ScriptedReply,
};
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};
use web_chat::feed::{Feed, Refusal, Running as RunningAnswer, Unsaved};

use crate::{
    client::{Events, ask, request, send},
    dictated::Dictated,
    support::{Running, Settings},
};

const ONE: &str = "019ab000-0000-7000-8000-000000000001";
const TWO: &str = "019ab000-0000-7000-8000-000000000002";

pub(crate) async fn an_answer_is_streamed_and_stored() {
    let chat = Running::start(ScriptedChat::new([ScriptedReply::pieces(["Hi ", "Ada!"])])).await;
    let mut events = Events::open(chat.address, "s", None).await;
    assert_eq!(events.next().await.unwrap().data, json!({"running": null, "unsaved": null}));
    assert_eq!(ask(chat.address, "s", ONE, "I am Ada.").await, 202);
    assert_eq!(events.next().await.unwrap().data["question"], "I am Ada.");
    let (text, done) = events.until("done").await;
    assert_eq!(text, "Hi Ada!");
    let page = request(chat.address, "GET /api/sessions/s/turns", None).await.json();
    assert_eq!(done.data["turn"], page["turns"][0]);
    assert_eq!(page["title"], "I am Ada.");
    let list = request(chat.address, "GET /api/sessions", None).await.json();
    assert_eq!(list["sessions"][0]["title"], "I am Ada.");
}

pub(crate) async fn a_question_that_is_sent_again_is_asked_once() {
    let gate = Gate::new();
    let model = ScriptedChat::new([ScriptedReply::text("Once.").held_by(&gate)]);
    let chat = Running::start(model.clone()).await;
    let mut events = Events::open(chat.address, "s", None).await;
    assert_eq!(ask(chat.address, "s", ONE, "Hi").await, 202);
    assert_eq!(ask(chat.address, "s", ONE, "Hi").await, 200);
    assert_eq!(ask(chat.address, "s", TWO, "Another").await, 409);
    gate.open();
    events.until("done").await;
    assert_eq!(ask(chat.address, "s", ONE, "Hi").await, 200);
    assert_eq!(model.requests().len(), 1);
}

/// A reader that was cut off goes on where it was, at any event, and hears nothing twice.
pub(crate) async fn a_reader_takes_the_stream_up_where_it_was() {
    let model = Dictated::default();
    let mut answer = model.answer();
    let chat = Running::start(conversant_core::LanguageModel::chat(model)).await;
    let mut events = Events::open(chat.address, "s", None).await;
    ask(chat.address, "s", ONE, "Count.").await;
    for number in 0..20 {
        answer.say(&format!("{number} "));
    }
    let mut all = Vec::new();
    while all.len() < 22 {
        all.push(events.next().await.unwrap());
    }
    for place in [0, 1, 7, 20] {
        let mut again = Events::open(chat.address, "s", Some(&all[place].id)).await;
        assert_eq!(again.next().await.unwrap(), all[place + 1], "after event {place}");
    }
    let mut last = Events::open(chat.address, "s", Some(&all[21].id)).await;
    answer.end();
    assert_eq!(last.next().await.unwrap().name, "done");
    // A place of another process, or one that is not kept any more, begins with all.
    for unknown in ["", "nonsense", "019ab000-0000-7000-8000-000000000009.3"] {
        let mut anew = Events::open(chat.address, "s", Some(unknown)).await;
        assert_eq!(anew.next().await.unwrap().name, "hello", "{unknown:?}");
    }
}

pub(crate) async fn a_page_that_comes_late_hears_the_answer_from_its_beginning() {
    let model = Dictated::default();
    let mut answer = model.answer();
    let chat = Running::start(conversant_core::LanguageModel::chat(model)).await;
    ask(chat.address, "s", ONE, "Hi").await;
    answer.say("From the ");
    let mut events = Events::open(chat.address, "s", None).await;
    assert_eq!(events.next().await.unwrap().data["running"]["turn"], ONE);
    answer.say("beginning.");
    answer.end();
    assert_eq!(events.until("done").await.0, "From the beginning.");
}

pub(crate) async fn a_stop_keeps_the_part_that_has_come() {
    let model = Dictated::default();
    let (mut spoken, silent) = (model.answer(), model.answer());
    let chat = Running::start(conversant_core::LanguageModel::chat(model)).await;
    let mut events = Events::open(chat.address, "s", None).await;
    ask(chat.address, "s", ONE, "A story.").await;
    spoken.say("Once upon");
    events.until("text").await;
    let stop = json!({"turn": ONE});
    let stopped = request(chat.address, "POST /api/sessions/s/stop", Some(stop.clone())).await;
    assert_eq!(stopped.status, 202);
    let (_, done) = events.until("done").await;
    assert_eq!(done.data["turn"]["incomplete"], true);
    assert_eq!(done.data["turn"]["messages"][0]["text"], "Once upon");
    // It has ended: stopping it again does nothing.
    let again = request(chat.address, "POST /api/sessions/s/stop", Some(stop)).await;
    assert_eq!(again.status, 200);

    ask(chat.address, "s", TWO, "Another.").await;
    request(chat.address, "POST /api/sessions/s/stop", Some(json!({"turn": TWO}))).await;
    events.until("stopped").await;
    let page = request(chat.address, "GET /api/sessions/s/turns", None).await.json();
    assert_eq!(page["turns"].as_array().unwrap().len(), 1);
    drop(silent);
}

pub(crate) async fn a_failure_is_reported_and_what_came_before_it_is_kept() {
    let refused = || ModelError::custom("the model is out", false, None);
    let part = ScriptedReply::pieces(["Half an "]).then_error(refused());
    let nothing = ScriptedReply::pieces([""; 0]).then_error(refused());
    let chat = Running::start(ScriptedChat::new([nothing, part])).await;
    let mut events = Events::open(chat.address, "s", None).await;
    ask(chat.address, "s", ONE, "Hi").await;
    let (_, failed) = events.until("failed").await;
    assert!(failed.data["error"].as_str().unwrap().contains("the model is out"), "{failed:?}");
    let page = request(chat.address, "GET /api/sessions/s/turns", None).await.json();
    assert_eq!(page["turns"], json!([]));

    ask(chat.address, "s", ONE, "Hi").await;
    let (_, done) = events.until("done").await;
    assert_eq!(done.data["turn"]["incomplete"], true);
    assert!(done.data["error"].as_str().unwrap().contains("the model is out"), "{done:?}");
}

pub(crate) async fn an_answer_that_cannot_be_saved_is_saved_later() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteHistory::open(folder.path().join("chat.db")).unwrap();
    let full = || HistoryError::Full { source: "no space left".into() };
    let store = FailingHistory::new(store).always(HistoryCall::Append, FailureMode::fail(full));
    let store = Arc::new(store);
    let model = ScriptedChat::new(["Paid for."]);
    let chat = Running::over(folder, Arc::clone(&store) as _, model, Settings::default()).await;
    let mut events = Events::open(chat.address, "s", None).await;
    ask(chat.address, "s", ONE, "Hi").await;
    let (_, unsaved) = events.until("unsaved").await;
    assert_eq!(unsaved.data["turn"]["messages"][0]["text"], "Paid for.");
    assert_eq!(ask(chat.address, "s", TWO, "Next").await, 409);
    let save = "POST /api/sessions/s/save";
    assert_eq!(request(chat.address, save, None).await.status, 507);
    let mut late = Events::open(chat.address, "s", None).await;
    assert_eq!(late.next().await.unwrap().data["unsaved"]["id"], ONE);
    store.clear_failures();
    assert_eq!(request(chat.address, save, None).await.status, 204);
    let (_, done) = events.until("done").await;
    assert_eq!(done.data["turn"]["messages"][0]["text"], "Paid for.");
    // There is nothing to save any more.
    assert_eq!(request(chat.address, save, None).await.status, 204);
}

/// It is shown once, and the conversation goes on.
pub(crate) async fn an_answer_that_can_never_be_saved_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteHistory::open(folder.path().join("chat.db")).unwrap();
    let too_large = || HistoryError::TooLarge { what: "message", bytes: 20, limit: 16 };
    let store = FailingHistory::new(store);
    let store = Arc::new(store.on(HistoryCall::Append, 1, FailureMode::fail(too_large)));
    let model = ScriptedChat::new(["Too long.", "Short."]);
    let chat = Running::over(folder, Arc::clone(&store) as _, model, Settings::default()).await;
    let mut events = Events::open(chat.address, "s", None).await;
    ask(chat.address, "s", ONE, "Hi").await;
    let (_, failed) = events.until("failed").await;
    assert_eq!(failed.data["id"], ONE);
    assert_eq!(failed.data["turn"]["messages"][0]["text"], "Too long.");
    assert!(failed.data["error"].as_str().unwrap().contains("20 bytes"), "{failed:?}");
    assert_eq!(ask(chat.address, "s", TWO, "Next").await, 202);
    let (_, done) = events.until("done").await;
    assert_eq!(done.data["turn"]["messages"][0]["text"], "Short.");
}

pub(crate) async fn a_question_in_the_place_of_another_is_a_branch() {
    let chat = Running::start(ScriptedChat::new(["One.", "Two.", "Other one."])).await;
    let mut events = Events::open(chat.address, "s", None).await;
    for (id, message) in [(ONE, "First"), (TWO, "Second")] {
        ask(chat.address, "s", id, message).await;
        events.until("done").await;
    }
    let third = TurnId::random();
    let body = json!({"id": third, "message": "First, but better", "after": "start"});
    request(chat.address, "POST /api/sessions/s/turns", Some(body)).await;
    let (_, done) = events.until("done").await;
    assert_eq!(done.data["turn"]["alternatives"], json!([TWO, third]));
    assert_eq!(done.data["turn"]["position"], 1);
    let turns = async || {
        let page = request(chat.address, "GET /api/sessions/s/turns", None).await.json();
        let questions =
            page["turns"].as_array().unwrap().iter().map(|turn| turn["question"].clone());
        (questions.collect::<Vec<_>>(), page["ahead"].clone())
    };
    assert_eq!(turns().await, (vec![json!("First, but better")], json!(null)));
    let tip = async |after: &str| {
        let body = Some(json!({"after": after}));
        let moved = request(chat.address, "POST /api/sessions/s/tip", body).await;
        assert_eq!(moved.status, 204, "{}", moved.body);
    };
    tip(TWO).await;
    assert_eq!(turns().await, (vec![json!("First"), json!("Second")], json!(null)));
    tip(ONE).await;
    assert_eq!(turns().await, (vec![json!("First")], json!(TWO)));
    tip("start").await;
    assert_eq!(turns().await.0, Vec::<serde_json::Value>::new());
}

pub(crate) async fn a_conversation_is_renamed_found_and_deleted() {
    let gate = Gate::new();
    let held = ScriptedReply::pieces(["A", "B"]).held_after(1, &gate);
    let chat = Running::start(ScriptedChat::new(["Fine.".into(), held])).await;
    let mut events = Events::open(chat.address, "s", None).await;
    ask(chat.address, "s", ONE, "How are you?").await;
    events.until("done").await;
    let name = |title: &str| Some(json!({"title": title}));
    for (title, status) in [("  The  weather ", 204), ("", 400), (&"x".repeat(201), 400)] {
        let renamed = request(chat.address, "PATCH /api/sessions/s", name(title)).await;
        assert_eq!(renamed.status, status, "{title:?}");
    }
    for (search, found) in [("weather", 1), ("WEATH", 1), ("snow", 0)] {
        let line = format!("GET /api/sessions?search={search}");
        let list = request(chat.address, &line, None).await.json();
        assert_eq!(list["sessions"].as_array().unwrap().len(), found, "{search}");
    }
    // An answer that is being written is stopped first, and does not bring the session back.
    ask(chat.address, "s", TWO, "And now?").await;
    events.until("text").await;
    assert_eq!(request(chat.address, "DELETE /api/sessions/s", None).await.status, 204);
    let (_, changed) = events.until("changed").await;
    assert_eq!(changed.data, json!({"deleted": true}));
    let list = request(chat.address, "GET /api/sessions", None).await.json();
    assert_eq!(list["sessions"], json!([]));
}

pub(crate) async fn the_end_of_the_service_keeps_what_has_come() {
    let model = Dictated::default();
    let mut answer = model.answer();
    let chat = Running::start(conversant_core::LanguageModel::chat(model)).await;
    let mut events = Events::open(chat.address, "s", None).await;
    ask(chat.address, "s", ONE, "Hi").await;
    answer.say("Begun");
    events.until("text").await;
    let chat = chat.restarted(ScriptedChat::new([ScriptedReply::text("")])).await;
    while events.next().await.is_some() {}
    let page = request(chat.address, "GET /api/sessions/s/turns", None).await.json();
    assert_eq!(page["turns"][0]["messages"][0]["text"], "Begun");
    assert_eq!(page["turns"][0]["incomplete"], true);
}

pub(crate) async fn requests_of_other_sites_are_refused() {
    let chat = Running::start(ScriptedChat::new(["Hi."])).await;
    let port = chat.address.port();
    let own = chat.address.to_string();
    let cases = [
        // Host, Origin, Sec-Fetch-Site, path, status
        (own.as_str(), "", "", "/api/about", 200),
        (&own, "", "none", "/api/about", 200),
        (&own, &format!("http://{own}"), "same-origin", "/api/about", 200),
        (&format!("localhost:{port}"), "", "", "/api/about", 200),
        (&format!("LocalHost:{port}"), "", "", "/", 200),
        (&format!("[::1]:{port}"), "", "", "/", 200),
        // DNS rebinding.
        ("evil.example", "", "", "/", 421),
        (&format!("evil.example:{port}"), "", "", "/api/about", 421),
        (&format!("localhost.evil.example:{port}"), "", "", "/", 421),
        ("localhost", "", "", "/", 421),
        ("127.0.0.1", "", "", "/", 421),
        ("localhost:1", "", "", "/", 421),
        ("", "", "", "/", 421),
        // Other origins: another site, another port, another scheme, a sandboxed frame.
        (&own, "http://evil.example", "", "/api/about", 403),
        (&own, "http://127.0.0.1:1", "", "/api/about", 403),
        (&own, &format!("https://{own}"), "", "/api/about", 403),
        (&own, &format!("http://localhost:{port}"), "", "/api/about", 403),
        (&own, "null", "", "/api/about", 403),
        // What a page of another site embeds or fetches.
        (&own, "", "cross-site", "/api/about", 403),
        (&own, "", "same-site", "/api/about", 403),
        // A link leads to the page.
        (&own, "", "cross-site", "/", 200),
    ];
    for (host, origin, site, path, status) in cases {
        let headers: Vec<_> = [("host", host), ("origin", origin), ("sec-fetch-site", site)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let response = send(chat.address, &format!("GET {path}"), &headers, b"").await;
        assert_eq!(response.status, status, "{headers:?} {path}");
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'",
            "x-content-type-options: nosniff",
            "cross-origin-resource-policy: same-origin",
            "cache-control: no-store",
        ] {
            assert!(response.head.contains(header), "{header}: {}", response.head);
        }
        assert!(!response.head.contains("access-control-"), "{}", response.head);
    }
    // An address of this machine that is not a usual one, and the port that browsers leave out.
    for (known_as, host, status) in [
        ("127.0.0.2:3210", "127.0.0.2:3210", 200),
        ("127.0.0.2:3210", "127.0.0.2", 421),
        ("127.0.0.2:3210", "localhost:3210", 200),
        ("127.0.0.2:3210", "127.0.0.3:3210", 421),
        ("127.0.0.1:80", "127.0.0.1", 200),
        ("127.0.0.1:80", "localhost:80", 200),
        ("127.0.0.1:80", "evil.example", 421),
        ("[::1]:80", "[::1]", 200),
    ] {
        let settings = Settings { known_as: known_as.parse().ok(), ..Settings::default() };
        let chat = Running::with(ScriptedChat::new([""; 0]), settings).await;
        let response = send(chat.address, "GET /", &[("host", host)], b"").await;
        assert_eq!(response.status, status, "{host} at {known_as}");
        let address = format!("open http://{known_as}/");
        assert_eq!(response.body.contains(&address), status == 421, "{}", response.body);
    }
    // Two hosts, of which a proxy may see another one.
    let two = [("host", own.as_str()), ("host", "evil.example")];
    assert_eq!(send(chat.address, "GET /", &two, b"").await.status, 400);
}

pub(crate) async fn requests_that_are_not_valid_are_refused() {
    let chat = Running::start(ScriptedChat::new([ScriptedReply::text("")])).await;
    let host = chat.address.to_string();
    let ask = "POST /api/sessions/s/turns";
    let large = format!(r#"{{"id": "{ONE}", "message": "{}"}}"#, "x".repeat(2 << 20));
    let empty = json!({"id": ONE, "message": " \n"}).to_string();
    let nowhere = json!({"id": ONE, "message": "Hi", "after": "middle"}).to_string();
    let unknown = json!({"after": TWO}).to_string();
    let long = format!("GET /api/sessions/{}/turns", "x".repeat(600));
    let json = "application/json";
    let cases = [
        (ask, json, large.as_str(), 413),
        (ask, "text/plain", r#"{"id": "1"}"#, 415),
        (ask, json, "{", 400),
        (ask, json, r#"{"message": "Hi"}"#, 422),
        (ask, json, r#"{"id": "1", "message": "Hi"}"#, 422),
        (ask, json, &empty, 400),
        (ask, json, &nowhere, 400),
        ("POST /api/sessions/s/tip", json, &unknown, 404),
        ("GET /api/sessions/s/turns?before=x", json, "", 400),
        (&long, json, "", 400),
        ("GET /api/nothing", json, "", 404),
        ("GET /nothing", json, "", 404),
        ("DELETE /api/about", json, "", 405),
        ("POST /", json, "{}", 405),
    ];
    for (line, kind, body, status) in cases {
        let headers = [("host", host.as_str()), ("content-type", kind)];
        let response = send(chat.address, line, &headers, body.as_bytes()).await;
        assert_eq!(
            response.status,
            status,
            "{line} {}: {}",
            &body[..body.len().min(60)],
            response.body
        );
    }
}

/// Each of 200 readers hears all of its conversation's answer, in order: of one conversation each,
/// or all of the same.
pub(crate) async fn two_hundred_streams_at_once_lose_nothing() {
    for sessions in [200, 1] {
        let pieces: Vec<String> = (0..100).map(|number| format!("{number} ")).collect();
        let whole = pieces.concat();
        let gate = Gate::new();
        let held = gate.clone();
        let model = ScriptedChat::with_handler(move |_| {
            ScriptedReply::pieces(pieces.clone()).held_after(50, &held)
        });
        let chat = Running::start(model).await;
        let address = chat.address;
        let mut readers = JoinSet::new();
        for number in 0..200 {
            let whole = whole.clone();
            let session = format!("s{}", number % sessions);
            let events = Events::open(address, &session, None).await;
            readers.spawn(async move {
                let mut events = events;
                assert_eq!(events.until("done").await.0, whole);
            });
        }
        for number in 0..sessions {
            let id = TurnId::random().to_string();
            assert_eq!(ask(address, &format!("s{number}"), &id, "Count.").await, 202);
        }
        gate.reached(sessions).await;
        gate.open();
        while let Some(read) = readers.join_next().await {
            read.unwrap();
        }
    }
}

fn running(turn: TurnId) -> RunningAnswer {
    let (question, stop) = ("?".to_owned(), watch::Sender::new(false));
    RunningAnswer { turn, question, after: None, stop }
}

/// An answer and a deletion of the same conversation, from two tabs: neither begins inside of the
/// other, and neither ends what the other has begun.
pub(crate) fn a_deletion_ends_no_answer() {
    let (feed, turn, next) = (Arc::new(Feed::default()), TurnId::random(), TurnId::random());
    let is_running = || feed.running().is_some();
    feed.begin(running(turn)).unwrap();
    assert_eq!(feed.hold().err(), Some(Refusal::Busy));
    feed.deleted();
    feed.end(next, "done", &json!({}), None);
    assert!(is_running());
    feed.end(turn, "done", &json!({}), None);
    assert!(!is_running());
    let hold = feed.hold().ok();
    assert!(hold.is_some());
    assert_eq!(feed.hold().err(), Some(Refusal::Held));
    assert_eq!(feed.begin(running(next)), Err(Refusal::Held));
    // A request whose client leaves drops it.
    drop(hold);
    feed.begin(running(next)).unwrap();
}

type Fails = fn() -> HistoryError;

/// Failures of the store have the statuses that core gives them, and say what passes.
pub(crate) async fn errors_of_the_store_say_what_to_do() {
    let cases: [(Fails, u16, bool); 4] = [
        (|| HistoryError::Busy, 409, true),
        (|| HistoryError::Backend { source: "refused".into() }, 503, true),
        (|| HistoryError::Unsupported { what: "lists" }, 500, false),
        (|| HistoryError::Corrupt { what: "a line".to_owned(), source: None }, 500, false),
    ];
    for (error, status, is_retried) in cases {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteHistory::open(folder.path().join("chat.db")).unwrap();
        let store = FailingHistory::new(store).always(HistoryCall::Turns, FailureMode::fail(error));
        let model = ScriptedChat::new([""; 0]);
        let chat = Running::over(folder, Arc::new(store), model, Settings::default()).await;
        let response = request(chat.address, "GET /api/sessions/s/turns", None).await;
        let found = (response.status, response.head.contains("retry-after: 1"));
        assert_eq!(found, (status, is_retried), "{}", response.body);
    }
}

/// Two tabs save a turn: the later one does not end the answer that was begun in between.
pub(crate) fn a_turn_that_is_saved_twice_ends_once() {
    let (feed, turn, next) = (Feed::default(), Turn::exchange("?", "!"), TurnId::random());
    feed.begin(running(turn.id())).unwrap();
    let unsaved = Unsaved { turn: turn.clone(), after: None };
    feed.end(turn.id(), "unsaved", &json!({}), Some(unsaved));
    feed.saved(next, &json!({}));
    assert!(feed.unsaved().is_some());
    feed.saved(turn.id(), &json!({}));
    feed.begin(running(next)).unwrap();
    feed.saved(turn.id(), &json!({}));
    assert_eq!(feed.running().map(|running| running.turn), Some(next));
}
