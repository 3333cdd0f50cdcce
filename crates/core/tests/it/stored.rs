//! LangChain's stored form of messages: read and written, losing nothing.

use conversant_core::{
    Content, HistoryError, Message, Messages, Part, PartKind, Role, StoredMessageError, ToolCall,
};
use proptest::prelude::*;
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
        assert_eq!(message.stored_json_len(), text.len() as u64);
        let compact = Messages::from(message.clone()).to_compact_json(1 << 20).unwrap();
        assert_eq!(Message::list_from_stored_json(&compact, "it").unwrap(), [message]);
    }
}

/// A message with a text alone is encoded and counted without serde's derived code.
#[test]
fn a_text_alone_is_encoded_and_counted_as_any_message() {
    let texts = ["", "Hi", "\"\\\n\r\t\u{8}\u{c}\0\u{1f}\u{7f}", "/<>&'\u{2028}", "é😀"];
    for (text, new) in texts.into_iter().flat_map(|text| {
        [Message::human, Message::ai, Message::system].map(|new: fn(String) -> Message| (text, new))
    }) {
        let message = new(text.to_owned());
        let whole = message.to_stored_json(1 << 20).unwrap();
        assert_eq!(message.stored_json_len(), whole.len() as u64, "{whole}");
        let text = serde_json::to_string(text).unwrap();
        let role = message.role().type_name();
        let compact = message.to_compact_json(1 << 20).unwrap();
        assert_eq!(compact, format!(r#"{{"type":"{role}","data":{{"content":{text}}}}}"#));
        assert!(whole.starts_with(compact.trim_end_matches('}')), "{whole}");
        assert_eq!(Message::from_stored_json(&compact, "it").unwrap(), message);
    }
}

/// The compact form has every field that has not its default, in LangChain's order, and the limits
/// of the whole form.
#[test]
fn the_compact_form_leaves_out_defaults_only() {
    let calls = [ToolCall::new("f", json!({}))];
    let messages = Messages::from_iter([
        Message::human("Hi").with_name("Ada"),
        Message::ai("").with_tool_calls(calls).with_extra("example", true),
        Message::tool("4", "c1").with_extra("tool_calls", json!([])),
        Message::function("4", "add").with_id("m1"),
        Message::chat("critic", "no").with_extra("additional_kwargs", json!({"a": null})),
        Message::system("Be brief."),
    ]);
    let compact = messages.to_compact_json(1 << 20).unwrap();
    insta::assert_snapshot!(compact.replace("},{\"type", "},\n{\"type"));
    let read = Message::list_from_stored_json(&compact, "it").unwrap();
    assert!(messages.iter().eq(&read));
    for message in &messages {
        let bytes = message.stored_json_len();
        let alone = Messages::from(message.clone());
        assert!(alone.to_compact_json(bytes).is_ok() && message.check_stored_json(bytes).is_ok());
        for error in [
            alone.to_compact_json(bytes - 1).unwrap_err(),
            message.check_stored_json(bytes - 1).unwrap_err(),
        ] {
            let limits = matches!(
                error,
                HistoryError::TooLarge { what: "message", bytes: found, limit }
                    if (found, limit + 1) == (bytes, bytes)
            );
            assert!(limits, "{error}");
        }
    }
    let unanswered = Messages::from(Message::new(Role::Tool, "x")).to_compact_json(1 << 20);
    assert!(matches!(unanswered, Err(HistoryError::Unsupported { .. })));
}

/// The order of fields and repeated fields do not matter, as in a JSON value.
#[test]
fn text_is_decoded_as_its_value_is() {
    for text in [
        r#"{"data": {"tool_calls": [], "content": "x", "invalid_tool_calls": []}, "type": "ai"}"#,
        r#"{"type": "human", "data": {"content": 7, "content": "x", "b": 1, "a": {"c": []}}}"#,
        r#"{"type": "ai", "data": {"tool_calls": 7, "content": "x", "tool_calls": []}}"#,
        r#"{"type": "human", "type": "tool", "data": {"tool_call_id": "c", "content": "x"}, "z": [1]}"#,
        r#"{"type": "human", "data": {"content": ["a", {"type": "text", "text": "b"}], "example": 1}}"#,
        r#"{"type": "system", "data": {"content": "\u00e9\n\ud83d\ude00", "name": null, "n": -1.5e3}}"#,
        r#"{"type": "human", "data": [1, {"a": 2}]}"#,
        r#"[{"type": "human"}, 2.5, -1, "x", true]"#,
        r#""human""#,
    ] {
        let value: Json = serde_json::from_str(text).unwrap();
        let of_text = serde_json::from_str::<Message>(text).map_err(|error| error.to_string());
        let of_value = Message::from_stored(value).map_err(|error| error.to_string());
        assert_eq!(of_text, of_value, "{text}");
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

/// Messages of every kind, in the whole and in the compact form.
fn lists() -> Vec<String> {
    let messages = Messages::from_iter([
        Message::human("Hi"),
        Message::ai(""),
        Message::human("\"quoted\" \\ \u{0}\u{7f}\u{1f600}\n"),
        Message::ai("Hello").with_name("Ada").with_extra("usage_metadata", json!({"n": [1, 2]})),
        Message::ai("").with_tool_calls([ToolCall::new("f", json!({"a": "]}"}))]),
        Message::system("Be brief."),
        Message::tool("4", "c1"),
        Message::human("Bye"),
    ]);
    let whole = serde_json::to_string(&messages.iter().collect::<Vec<_>>()).unwrap();
    let compact = messages.to_compact_json(1 << 20).unwrap();
    let spaced = serde_json::to_string_pretty(&messages.iter().collect::<Vec<_>>()).unwrap();
    vec![whole, compact, spaced, "[]".to_owned()]
}

/// Returns whether a list is decoded as serde decodes it, or refused as it refuses it.
fn is_decoded_as_by_serde(json: &[u8]) -> bool {
    let found = Message::list_from_stored_json(json, "it").ok();
    found == serde_json::from_slice::<Vec<Message>>(json).ok()
}

#[test]
fn a_list_is_decoded_as_its_messages_are() {
    for list in lists() {
        assert!(Message::list_from_stored_json(&list, "it").is_ok(), "{list}");
        assert!(is_decoded_as_by_serde(list.as_bytes()), "{list}");
        for end in 0..list.len() {
            assert!(is_decoded_as_by_serde(&list.as_bytes()[..end]), "{list}: {end} bytes");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_list_is_decoded_as_its_messages_are(
        list in 0..4_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut json = lists().swap_remove(list).into_bytes();
        for (index, byte, edit) in edits {
            let index = index.index(json.len());
            match edit {
                0 => json[index] = byte,
                1 => json.insert(index, byte),
                _ => drop(json.remove(index)),
            }
            if json.is_empty() {
                break;
            }
        }
        prop_assert!(is_decoded_as_by_serde(&json), "{:?}", String::from_utf8_lossy(&json));
    }
}

/// A result of a tool says whether its call failed as LangChain does since 0.2, and one without
/// that is stored as LangChain 0.1 stores it.
#[test]
fn the_result_of_a_tool_call_may_be_an_error() {
    let status = |text: &str, status: &str| Message::tool(text, "c").with_extra("status", status);
    for (message, is_error) in [
        (Message::tool_error("no", "c"), true),
        (Message::tool("error: no", "c"), true),
        (Message::tool("errors.log", "c"), false),
        (status("no", "error"), true),
        (status("error: no", "success"), false),
        (Message::human("error: no"), false),
    ] {
        assert_eq!(message.is_tool_error(), is_error, "{message}");
        let stored = Message::from_stored(message.to_stored()).unwrap();
        assert_eq!((stored.is_tool_error(), &stored), (is_error, &message));
    }
    assert_eq!(Message::tool_error("no", "c").to_stored()["data"]["status"], "error");
    assert_eq!(Message::tool("no", "c").to_stored()["data"].get("status"), None);
}
