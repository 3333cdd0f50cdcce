//! Cassettes record once and replay.

use std::path::PathBuf;

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, CompletionModel, CompletionRequest, Delta, Message,
    Messages, Reply, ToolCall, Usage,
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

#[test]
fn a_request_that_was_not_recorded_shows_the_nearest() {
    let folder = Folder::new("unmatched");
    talk(&Cassette::record(folder.file(), ScriptedChat::new(replies())));
    let model = Cassette::replay(folder.file()).unwrap();
    let error = block_on(ChatModel::generate(&model, &ask("Wether?"))).unwrap_err();
    let report = format!("{error:?}").replace(&folder.0.display().to_string(), "FOLDER");
    insta::assert_snapshot!(report);
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
