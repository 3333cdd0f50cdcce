//! The two text forms of a formatted prompt.

use conversant_core::{Message, Messages, Part, PromptValue, ToolCall};
use serde_json::json;

fn chat() -> PromptValue {
    PromptValue::from(Messages::from(vec![
        Message::system("Be brief."),
        Message::human(vec![
            Part::text("what is this?"),
            Part::image_url("https://example.com/a.png"),
        ])
        .with_name("Ada"),
        Message::ai("").with_tool_calls([ToolCall::new("look", json!({"q": 1})).with_id("c1")]),
        Message::tool("a river", "c1"),
        Message::function("a stone", "look"),
        Message::chat("critic", "two\nlines"),
    ]))
}

#[test]
fn messages_as_text() {
    insta::assert_snapshot!(chat(), @r#"
    System: Be brief.
    Human: what is this?
    [image]
    AI: {"name":"look","args":{"q":1},"id":"c1"}
    Tool: a river
    Function: a stone
    critic: two
    lines
    "#);
    assert_eq!(chat().to_text(), chat().to_string());
    assert_eq!(chat().into_text(), chat().to_string());
}

#[test]
fn messages_as_blocks() {
    insta::assert_snapshot!(format!("{:#}", chat()), @r#"
    [system]
    Be brief.

    [human Ada]
    what is this?
    [image]

    [ai]
    {"name":"look","args":{"q":1},"id":"c1"}

    [tool c1]
    a river

    [function look]
    a stone

    [chat critic]
    two
    lines
    "#);
}

#[test]
fn text() {
    let text = PromptValue::from("Say {hi}\n");
    assert_eq!((text.to_string(), format!("{text:#}")), ("Say {hi}\n".into(), "Say {hi}\n".into()));
    assert_eq!((text.as_text(), text.as_messages()), (Some("Say {hi}\n"), None));
    assert_eq!(text.to_messages(), Messages::from(Message::human("Say {hi}\n")));
    assert_eq!(text.clone().into_messages(), text.to_messages());
    assert_eq!(serde_json::to_value(&text).unwrap(), json!("Say {hi}\n"));
    assert_eq!(chat().as_messages().map(Messages::len), Some(6));
    assert_eq!(serde_json::to_value(chat()).unwrap().as_array().unwrap().len(), 6);
}
