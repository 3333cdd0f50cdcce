//! Cassettes record once and replay.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use conversant_core::{
    CallId, CallInfo, CallOptions, CallRecord, ChatModel, ChatRequest, CompletionModel,
    CompletionRequest, Delta, Event, EventEmitter, LanguageModel, Message, Messages,
    ModelDescription, ModelError, Observer, Reply, ToolCall, Usage, async_trait,
};
use conversant_testkit::{Cassette, ScriptedChat, ScriptedCompletion, ScriptedReply, block_on};
use serde_json::json;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("cassette.json")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn ask(text: &str) -> ChatRequest {
    ChatRequest::new(Message::human(text)).with_options(CallOptions::new().with_stop(["END"]))
}

fn replies() -> Vec<ScriptedReply> {
    let call = ToolCall::new("weather", json!({"city": "Kyoto"})).with_id("call_9f3a");
    let calling = Reply::new(Message::ai("").with_tool_calls([call]))
        .with_usage(Usage::new(7, 2))
        .with_request_id("req_55");
    vec![
        calling.into(),
        ScriptedReply::pieces(["It is ", "sunny."]),
        ScriptedReply::text("sk-secret"),
    ]
}

/// Runs a conversation of three calls: a tool call, its result as a stream, and a secret.
fn talk(model: &impl ChatModel) -> (Reply, Vec<String>, String) {
    block_on(async {
        let first = model.generate(&ask("Weather?")).await.unwrap();
        let id = first.message.tool_calls()[0].id.clone().unwrap();
        let messages = Messages::from_iter([
            Message::human("Weather?"),
            first.message.clone(),
            Message::tool("sunny", id),
        ]);
        let mut stream = model.stream(&ChatRequest::new(messages)).await.unwrap();
        let mut pieces = Vec::new();
        while let Some(delta) = stream.next().await {
            if let Delta::Text(text) = delta.unwrap() {
                pieces.push(text);
            }
        }
        let secret = model.generate(&ask("sk-secret?")).await.unwrap().text().into_owned();
        (first, pieces, secret)
    })
}

#[test]
fn a_conversation_is_recorded_and_replayed() {
    let folder = Folder::new("replayed");
    let recorder =
        Cassette::open(folder.file(), || ScriptedChat::new(replies())).unwrap().mask("sk-secret");
    let recorded = talk(&recorder);
    assert_eq!(recorded.1, ["It is ", "sunny."]);

    let text = std::fs::read_to_string(folder.file()).unwrap();
    insta::assert_snapshot!(text);
    for hidden in ["call_9f3a", "req_55", "sk-secret"] {
        assert!(!text.contains(hidden), "{hidden}");
    }

    // The replaying model never calls the one that is given, and gives other ids.
    for _ in 0..2 {
        let never = || ScriptedChat::new::<&str>([]);
        let player = Cassette::open(folder.file(), never).unwrap().mask("sk-secret");
        let (first, pieces, secret) = talk(&player);
        assert_eq!(first.message.tool_calls()[0].id.as_deref(), Some("id_1"));
        assert_eq!((first.usage, pieces), (recorded.0.usage, recorded.1.clone()));
        assert_eq!(secret, "***");
    }
}

/// The record of an earlier call, which has its times, does not identify a request.
#[test]
fn a_conversation_with_records_of_its_calls_is_replayed() {
    let folder = Folder::new("call_records");
    for record in
        [CallRecord::new(), CallRecord::new().with_model("m").with_usage(Usage::new(8, 17))]
    {
        let model = || ScriptedChat::new(["Again."]);
        let cassette = Cassette::open(folder.file(), model).unwrap();
        let earlier = Message::ai("Hello!").with_call_record(&record);
        let request = ChatRequest::new(vec![Message::human("Hi"), earlier, Message::human("Hi!")]);
        let reply = block_on(ChatModel::generate(&cassette, &request)).unwrap();
        assert_eq!(reply.text(), "Again.");
    }
}

/// A request is observed once, also while it is recorded, with the model that answers it.
#[test]
fn a_request_is_observed_once() {
    struct Named(ScriptedChat);
    #[async_trait]
    impl ChatModel for Named {
        async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
            self.0.generate(request).await
        }
        fn describe(&self) -> ModelDescription {
            ModelDescription::new().with_name("named")
        }
    }
    struct Models(Mutex<Vec<Option<String>>>);
    impl Observer for Models {
        fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
            if let Event::ModelStarted { model, .. } = event {
                self.0.lock().unwrap().push(model.name.clone());
            }
        }
    }
    let folder = Folder::new("observed");
    let models = Arc::new(Models(Mutex::default()));
    for _ in ["recorded", "replayed"] {
        let model = || LanguageModel::chat(Named(ScriptedChat::new(["Hello!"])));
        let cassette = Cassette::open(folder.file(), model).unwrap();
        let observers: [Arc<dyn Observer>; 1] = [models.clone()];
        let events = EventEmitter::new(CallInfo::new(CallId::from_u64(7)), observers.into());
        let options = CallOptions::new().with_events(events);
        block_on(LanguageModel::chat(cassette).generate("Hi".into(), options)).unwrap();
    }
    assert_eq!(*models.0.lock().unwrap(), [Some("named".to_owned()), None]);
}

#[test]
fn equal_requests_are_answered_in_order_and_the_last_is_repeated() {
    let folder = Folder::new("repeated");
    let model = Cassette::record(folder.file(), ScriptedCompletion::new(["a", "b"]));
    let say = |model: &Cassette| {
        let request = CompletionRequest::new("again");
        block_on(CompletionModel::generate(model, &request)).unwrap().text().into_owned()
    };
    assert_eq!([say(&model), say(&model)], ["a", "b"]);
    let model = Cassette::replay(folder.file()).unwrap();
    assert_eq!([say(&model), say(&model), say(&model)], ["a", "b", "b"]);
}

/// A request that was not recorded shows the nearest one, and the difference.
#[test]
fn a_request_that_was_not_recorded_shows_the_nearest() {
    let folder = Folder::new("unmatched");
    talk(&Cassette::record(folder.file(), ScriptedChat::new(replies())));
    let plain = |text: &str| ChatRequest::new(Message::human(text));
    let stop = CallOptions::new().with_stop(["END"]);
    let tool = conversant_core::ToolDefinition::new("f", json!({"type": "object"}));
    let with = |text: &str, options: CallOptions| plain(text).with_options(options);
    let longer = Messages::from_iter([
        Message::human("Weather?"),
        Message::ai("Where?"),
        Message::human("In Kyoto."),
    ]);
    let table = [
        ("another word", ask("Wether?")),
        ("a word near another request", ask("sk-sekret?")),
        ("no stop sequence", plain("Weather?")),
        ("another stop sequence", with("Weather?", CallOptions::new().with_stop(["STOP"]))),
        ("a tool", with("Weather?", stop.clone().with_tools([tool]))),
        ("a longer conversation", ChatRequest::new(longer).with_options(stop)),
    ];
    let mut shown = String::new();
    for (name, request) in table {
        // The answer to a request that was not recorded is the same each time, and uses nothing up.
        let reports = [(); 2].map(|()| {
            let model = Cassette::replay(folder.file()).unwrap();
            let error = block_on(ChatModel::generate(&model, &request)).unwrap_err();
            talk(&model);
            format!("{error:?}").replace(&folder.0.display().to_string(), "FOLDER")
        });
        assert_eq!(reports[0], reports[1], "{name}");
        shown += &format!("# {name}\n{}\n", reports[0]);
    }
    let empty = Folder::new("empty");
    std::fs::write(empty.file(), "[]").unwrap();
    let model = Cassette::replay(empty.file()).unwrap();
    let error = block_on(ChatModel::generate(&model, &ask("Weather?"))).unwrap_err();
    let report = format!("{error:?}").replace(&empty.0.display().to_string(), "FOLDER");
    insta::assert_snapshot!(format!("{shown}# an empty cassette\n{report}"));
}

/// The texts that a recording must not contain, each with what is written for it.
const SECRETS: &[(&str, &str)] = &[
    // API keys and tokens.
    ("my key is sk-proj-abcDEF0123456789_-x.", "my key is ***."),
    ("sk-ant-api03-0123456789abcdef", "***"),
    ("ghp_0123456789abcdefghij and hf_abcdefghijklmnop", "*** and ***"),
    ("AKIAIOSFODNN7EXAMPLE, AIzaSyA-0123456789abc", "***, ***"),
    ("xoxb-123456789012-abcdef", "***"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0xyz.c2lnbmF0dXJl", "***"),
    ("Bearer abcdef0123456789abcdef", "Bearer ***"),
    // Headers and cookies.
    ("Authorization: Basic dXNlcjpwYXNz", "Authorization: ***"),
    ("curl -H 'x-api-key: 12345' -d x", "curl -H 'x-api-key: ***' -d x"),
    ("GET /\nCookie: session=abc; theme=dark\nAccept: */*", "GET /\nCookie: ***\nAccept: */*"),
    ("set-cookie: id=7; HttpOnly", "set-cookie: ***"),
    // URLs.
    (
        "https://a.example/b.png?size=2&sig=abc%2F1&x=3",
        "https://a.example/b.png?size=2&sig=***&x=3",
    ),
    ("(https://a.example/?api_key=abc)", "(https://a.example/?api_key=***)"),
    (
        "https://s3.example/k?X-Amz-Credential=A/1&X-Amz-Date=2&X-Amz-Signature=ff",
        "https://s3.example/k?X-Amz-Credential=***&X-Amz-Date=2&X-Amz-Signature=***",
    ),
    ("postgres://ada:secret@db.example/x", "postgres://ada:***@db.example/x"),
    // Ordinary texts.
    ("a basic understanding of bearer instruments", "a basic understanding of bearer instruments"),
    (
        "the task-force met; ask-me-anything-about-it",
        "the task-force met; ask-me-anything-about-it",
    ),
    ("https://a.example/?q=keys&page=2#token", "https://a.example/?q=keys&page=2#token"),
    ("cookies and authorizations", "cookies and authorizations"),
];

/// Each secret in a message, an image's URL, a tool's arguments, a result, a prompt and an answer.
#[test]
fn credentials_are_not_recorded() {
    for (index, (text, masked)) in SECRETS.iter().enumerate() {
        let folder = Folder::new(&format!("masked-{index}"));
        let call = ToolCall::new("f", json!({"text": text, "list": [text]})).with_id("a");
        let request = || {
            let image = conversant_core::Part::image_url(*text);
            let parts = vec![conversant_core::Part::text(*text), image];
            ChatRequest::new(Messages::from_iter([
                Message::system(*text),
                Message::human(parts),
                Message::ai("").with_tool_calls([call.clone()]),
                Message::tool(*text, "a"),
            ]))
        };
        let model = Cassette::record(folder.file(), ScriptedChat::new([*text]));
        let reply = block_on(ChatModel::generate(&model, &request())).unwrap();
        assert_eq!(reply.text(), *text, "the recording call has the real answer");
        let file = std::fs::read_to_string(folder.file()).unwrap();
        let written = serde_json::to_string(masked).unwrap();
        assert_eq!(file.matches(&written).count(), 7, "{text}: {file}");
        if text != masked {
            let secret = serde_json::to_string(text).unwrap();
            assert!(!file.contains(secret.trim_matches('"')), "{text}: {file}");
        }
        let model = Cassette::replay(folder.file()).unwrap();
        let reply = block_on(ChatModel::generate(&model, &request())).unwrap();
        assert_eq!(reply.text(), *masked);
    }
}

/// Fields with the names of credentials, and ids wherever they are.
/// A model sends a secret in pieces, and a replay must not have other text than its answer.
#[test]
fn secrets_that_a_stream_splits_are_not_recorded() {
    let folder = Folder::new("split");
    let table: [(&[&str], &[&str]); 4] = [
        (&["call 07700", "-900", "123 or not"], &["call *** or not"]),
        (&["key sk-ABCDEFGH", "IJKLMNOPQRSTUVWX123456 end"], &["key *** end"]),
        (&["call ", "07700-900123", " now"], &["call ", "***", " now"]),
        (&["call ", "me"], &["call ", "me"]),
    ];
    for (pieces, expected) in table {
        let model = ScriptedChat::new([ScriptedReply::pieces(pieces.iter().copied())]);
        let recorder = Cassette::record(folder.file(), model).mask("07700-900123");
        let read = |cassette: &dyn ChatModel| {
            block_on(async {
                let mut stream = cassette.stream(&ask("How?")).await.unwrap();
                let (mut pieces, mut whole) = (Vec::new(), String::new());
                while let Some(delta) = stream.next().await {
                    match delta.unwrap() {
                        Delta::Text(text) => pieces.push(text),
                        Delta::Done(reply) => whole = reply.text().into_owned(),
                        _ => {}
                    }
                }
                (pieces, whole)
            })
        };
        assert_eq!(read(&recorder).0, pieces);
        let (replayed, whole) = read(&Cassette::replay(folder.file()).unwrap());
        assert_eq!(replayed, expected);
        assert_eq!(replayed.concat(), whole);
    }
}

#[test]
fn fields_of_credentials_and_ids_are_not_recorded() {
    let folder = Folder::new("fields");
    let args = json!({"api_key": "k1", "Password": "k2", "nested": {"client-secret": "k3"}, "id": "order 7"});
    let call = ToolCall::new("login", args).with_id("call_k4");
    let items = json!([{"type": "reasoning", "id": "rs_k5"}, {"call_id": "call_k4"}]);
    let message = Message::ai("").with_id("msg_k6").with_tool_calls([call]);
    let reply = Reply::new(message.with_extra("items", items)).with_request_id("req_k7");
    let model = Cassette::record(folder.file(), ScriptedChat::new([reply]));
    block_on(ChatModel::generate(&model, &ask("go"))).unwrap();
    let file = std::fs::read_to_string(folder.file()).unwrap();
    for secret in 1..=7 {
        assert!(!file.contains(&format!("k{secret}")), "k{secret}: {file}");
    }
    insta::assert_snapshot!(file);
}

/// A replay gives the same answers in every run, also where calls are made at the same time.
#[test]
fn a_replay_is_deterministic() {
    let folder = Folder::new("deterministic");
    let model = Cassette::record(folder.file(), ScriptedChat::new(["a", "b", "c", "d"]));
    for text in ["x", "y", "x", "x"] {
        block_on(ChatModel::generate(&model, &ask(text))).unwrap();
    }
    let file = std::fs::read_to_string(folder.file()).unwrap();
    for _ in 0..3 {
        let model = Cassette::replay(folder.file()).unwrap();
        let answers = ["y", "x", "y", "x", "x", "x"].map(|text| {
            let clone = model.clone();
            block_on(ChatModel::generate(&clone, &ask(text))).unwrap().text().into_owned()
        });
        assert_eq!(answers, ["b", "a", "b", "c", "d", "d"]);
    }
    assert_eq!(std::fs::read_to_string(folder.file()).unwrap(), file, "a replay writes nothing");
}

#[test]
fn files_that_are_not_cassettes_are_errors() {
    let folder = Folder::new("damaged");
    let mut shown = String::new();
    for text in ["", "{}", "[1]", r#"[{"request": {}}]"#] {
        std::fs::write(folder.file(), text).unwrap();
        let error = Cassette::replay(folder.file()).unwrap_err();
        shown += &format!("{error:?}\n").replace(&folder.0.display().to_string(), "FOLDER");
    }
    insta::assert_snapshot!(shown);
}
