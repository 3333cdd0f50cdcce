//! A conversation as text.

use conversant_core::{Message, Messages, Part, Role, ToolCall, Transcript};
use serde_json::json;

#[test]
fn messages_display_as_the_default_transcript() {
    for case in conversant_conformance::cases("buffer_string.jsonl").unwrap() {
        let messages: Messages = serde_json::from_value(case.input["messages"].clone()).unwrap();
        assert_eq!(messages.to_string(), Transcript::default().render(&messages), "{}", case.id);
    }
}

/// Contents that LangChain writes in Python's debug form or omits.
#[test]
fn parts_and_tool_calls() {
    let messages = Messages::from(vec![
        Message::human(vec![
            Part::text("what is this?"),
            Part::image_url("https://example.com/a.png"),
        ]),
        Message::ai("").with_tool_calls([
            ToolCall::new("look", json!({"q": "river", "n": 5})).with_id("c1"),
            ToolCall::new("look", json!({})),
        ]),
        Message::tool("a river", "c1"),
        Message::ai("One moment.").with_tool_calls([ToolCall::new("f", json!({"x": "\n\"é"}))]),
    ]);
    insta::assert_snapshot!(messages, @r#"
    Human: what is this?
    [image]
    AI: {"name":"look","args":{"q":"river","n":5},"id":"c1"}
    {"name":"look","args":{},"id":null}
    Tool: a river
    AI: One moment.
    {"name":"f","args":{"x":"\n\"é"},"id":null}
    "#);
}

/// The form that was before tool calls.
#[test]
fn a_function_call_is_a_line_of_json() {
    let call = json!({"function_call": {"name": "f", "arguments": "{\"a\": 1}"}});
    let with = |message: Message| message.with_extra("additional_kwargs", call.clone());
    let messages = Messages::from(vec![
        with(Message::ai("")),
        with(Message::ai("One moment.")),
        with(Message::human("hi")),
        Message::ai("x").with_extra("additional_kwargs", json!({"function_call": null})),
    ]);
    insta::assert_snapshot!(messages, @r#"
    AI: {"name":"f","arguments":"{\"a\": 1}"}
    AI: One moment.
    {"name":"f","arguments":"{\"a\": 1}"}
    Human: hi
    AI: x
    "#);
}

#[test]
fn labels() {
    let table = [
        ("system", Role::System, "System"),
        ("human", Role::Human, "Human"),
        ("user", Role::Human, "Human"),
        ("ai", Role::Ai, "AI"),
        ("assistant", Role::Ai, "AI"),
        ("tool", Role::Tool, "Tool"),
        ("function", Role::Function, "Function"),
        ("chat", Role::Chat("chat".into()), "chat"),
        ("Human", Role::Chat("Human".into()), "Human"),
        ("", Role::Chat(String::new()), ""),
    ];
    for (name, role, label) in table {
        assert_eq!(Role::from_name(name), role);
        assert_eq!(role.to_string(), label);
        assert_eq!(Message::new(role, "x").to_string(), format!("{label}: x"));
    }
}

#[test]
fn prefixes_name_the_human_and_the_ai_and_nobody_else() {
    let transcript = Transcript::new("", "Bot: the");
    let messages = [Message::human("a"), Message::ai("b"), Message::chat("Human", "c")];
    assert_eq!(transcript.render(&messages), ": a\nBot: the: b\nHuman: c");
    assert_eq!((transcript.human_prefix(), transcript.ai_prefix()), ("", "Bot: the"));
    assert_eq!(transcript.render(&[]), "");
    assert_eq!(transcript.render([&Message::human("")]), ": ");
}
