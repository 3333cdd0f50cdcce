//! LangChain's stored form of messages: read and written, losing nothing.

use conversant_core::{Content, Message, Part, PartKind, Role, StoredMessageError};
use serde_json::{Value as Json, json};

/// Decoding and encoding loses nothing, including unknown fields.
#[test]
fn nothing_is_lost() {
    for data in [
        json!({"content": ""}),
        json!({"content": "", "additional_kwargs": {"refusal": null, "n": 1.5}}),
        json!({"content": "x", "response_metadata": {"logprobs": [1, 2]}, "id": "run-1", "name": "Ada"}),
        json!({"content": "x", "example": true, "from_the_future": {"deep": [null, {"a": "b"}]}}),
        json!({"content": "\u{0}\u{feff}\u{2028}\r\n👩‍👩‍👧\u{fffd}"}),
        json!({"content": [
            "bare", {"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            {"type": "from_the_future", "x": 1}, {"no": "type"},
        ]}),
        json!({"content": [], "tool_calls": [
            {"name": "f", "args": {"q": [1, {"deep": null}]}, "id": "c1"},
            {"name": "g", "args": {}, "id": null, "from_the_future": true},
        ]}),
        json!({"content": "", "invalid_tool_calls": [
            {"name": "f", "args": "{not json", "id": "c1", "error": "bad", "from_the_future": 1},
        ]}),
        json!({"content": "", "usage_metadata": {"input_tokens": 3}}),
    ] {
        let message = Message::from_stored(json!({"type": "ai", "data": data})).unwrap();
        let stored = message.to_stored();
        for (name, value) in data.as_object().unwrap() {
            assert_eq!(&stored["data"][name], value, "{name}");
        }
        assert_eq!(Message::from_stored(stored.clone()).unwrap(), message);
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message);
        assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), stored);
    }
}

#[test]
fn a_chunk_reads_as_its_base_type() {
    for (chunk, base) in [
        ("HumanMessageChunk", Message::human("x")),
        ("AIMessageChunk", Message::ai("x")),
        ("SystemMessageChunk", Message::system("x")),
        ("ToolMessageChunk", Message::tool("x", "c1")),
        ("FunctionMessageChunk", Message::function("x", "f")),
        ("ChatMessageChunk", Message::chat("critic", "x")),
    ] {
        let mut stored = base.to_stored();
        assert_eq!(stored["type"], stored["data"]["type"]);
        stored["type"] = json!(chunk);
        stored["data"]["type"] = json!(chunk);
        if chunk == "AIMessageChunk" {
            stored["data"]["tool_call_chunks"] = json!([{"args": "{", "index": 0}]);
        }
        let read = Message::from_stored(stored).unwrap();
        assert_eq!(read, base, "{chunk}");
        assert_eq!(read.to_stored(), base.to_stored(), "{chunk}");
    }
}

/// Text that looks like a serialised object stays text; an object of another form is not a message.
#[test]
fn stored_messages_are_data_and_nothing_else() {
    let text = r#"{"lc":1,"type":"secret","id":["OPENAI_API_KEY"]}"#;
    let message = Message::human(text);
    assert_eq!(Message::from_stored(message.to_stored()).unwrap().text(), text);

    let forged = json!({"type": "human", "data": {"content": "x", "additional_kwargs": {
        "lc": 1, "type": "constructor", "id": ["langchain", "x"], "kwargs": {},
    }}});
    let read = Message::from_stored(forged.clone()).unwrap();
    assert_eq!(read.to_stored()["data"]["additional_kwargs"], forged["data"]["additional_kwargs"]);

    let constructor =
        json!({"lc": 1, "type": "constructor", "id": ["x"], "kwargs": {"content": "x"}});
    assert_eq!(Message::from_stored(constructor), Err(StoredMessageError::Shape));
}

#[test]
fn what_cannot_be_read_is_told() {
    let table = [
        json!(null),
        json!([]),
        json!({"type": "human"}),
        json!({"type": 7, "data": {}}),
        json!({"type": "human", "data": "x"}),
        json!({"type": "pickle", "data": {"content": "x"}}),
        json!({"type": "Human", "data": {"content": "x"}}),
        json!({"type": "human", "data": {}}),
        json!({"type": "human", "data": {"content": null}}),
        json!({"type": "human", "data": {"content": 7}}),
        json!({"type": "tool", "data": {"content": "x"}}),
        json!({"type": "function", "data": {"content": "x"}}),
        json!({"type": "chat", "data": {"content": "x"}}),
        json!({"type": "chat", "data": {"content": "x", "role": 7}}),
        json!({"type": "ai", "data": {"content": "x", "tool_calls": [{"args": {}}]}}),
        json!({"type": "ai", "data": {"content": "x", "tool_calls": {}}}),
        json!({"type": "ai", "data": {"content": "x", "id": 7}}),
    ];
    let told: Vec<_> = table
        .into_iter()
        .map(|stored| {
            let error = Message::from_stored(stored.clone()).unwrap_err();
            // Serde says the same.
            let serde = serde_json::from_value::<Message>(stored.clone()).unwrap_err();
            assert_eq!(serde.to_string(), error.to_string());
            format!("{stored}\n  {error}")
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

/// A message that LangChain could not decode is not encoded.
#[test]
fn a_message_that_lacks_what_its_type_needs_is_not_written() {
    let told = [Message::new(Role::Tool, "x"), Message::new(Role::Function, "x")]
        .map(|message| serde_json::to_string(&message).unwrap_err().to_string());
    insta::assert_snapshot!(told.join("\n"), @r"
    a tool message lacks the id of its tool call
    a function message lacks the name of its function
    ");
}

#[test]
fn parts() {
    let parts = [
        (Part::text("t"), PartKind::Text, json!({"type": "text", "text": "t"})),
        (
            Part::image_url("https://example.com/a.png").with_detail("low"),
            PartKind::Image,
            json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}),
        ),
        (
            Part::input_audio("AA==", "wav"),
            PartKind::Audio,
            json!({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}),
        ),
        (
            Part::file_data("a.pdf", "data:application/pdf;base64,AA=="),
            PartKind::File,
            json!({"type": "file", "file": {
                "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA==",
            }}),
        ),
        (
            Part::file_id("file-1"),
            PartKind::File,
            json!({"type": "file", "file": {"file_id": "file-1"}}),
        ),
        (
            Part::from_object(json!({"type": "video"}).as_object().unwrap().clone()),
            PartKind::Other,
            json!({"type": "video"}),
        ),
    ];
    let mut all = Vec::new();
    for (part, kind, wire) in parts {
        assert_eq!(part.kind(), kind);
        assert_eq!(serde_json::to_value(&part).unwrap(), wire);
        assert_eq!(serde_json::from_value::<Part>(wire).unwrap(), part);
        all.push(part);
    }
    let content = Content::from(all);
    assert_eq!(content.text(), "t\n[image]\n[audio]\n[file]\n[file]\n[video]");
    assert_eq!((content.as_text(), content.is_empty(), content.parts().len()), (None, false, 6));
    assert_eq!((Content::default().is_empty(), Content::from("x").parts().len()), (true, 0));
    assert_eq!(Part::text("t").with_detail("low"), Part::text("t"));
}

#[test]
fn the_depth_of_stored_json_is_limited_alike_in_every_store() {
    let nested = |depth: usize| (0..depth).fold(json!("["), |inner, _| Json::Array(vec![inner]));
    // The message and its `data` are two levels more.
    let message = |depth| Message::human("[{".repeat(200)).with_extra("deep", nested(depth));
    let json = message(118).to_stored_json(u64::MAX).unwrap();
    assert_eq!(Message::from_stored_json(&json, "it").unwrap(), message(118));
    let error = message(119).to_stored_json(u64::MAX).unwrap_err();
    insta::assert_snapshot!(error, @"cannot use values nested more than 120 levels deep: the history does not support it");
    // What a store wraps around a message can be read, too.
    assert!(serde_json::from_str::<Json>(&format!("[[[[[[[{json}]]]]]]]")).is_ok());
}
