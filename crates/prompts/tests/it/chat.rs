//! Chat prompts: sharing, placeholders, and the forms they are made from.

use std::sync::Arc;

use conversant_core::{Message, Messages, Part, Prompt, Role, Slot, SlotKind, ToolCall, vars};
use conversant_prompts::{
    ChatPromptTemplate, MessageTemplate, MessagesPlaceholder, PromptTemplate,
};
use serde_json::json;

fn history(length: usize) -> Messages {
    (0..length).map(|n| Message::human(n.to_string())).collect()
}

#[test]
fn formatting_shares_literal_and_placeholder_messages() {
    let prompt = ChatPromptTemplate::from_messages((
        Message::system("one"),
        Message::human("two"),
        MessagesPlaceholder::new("history"),
        MessageTemplate::human("{x}"),
    ))
    .unwrap();
    let history = history(100);
    let format =
        || prompt.format_messages(&vars! { "history" => history.clone(), "x" => "hi" }).unwrap();
    let (first, second) = (format(), format());
    let shared: Vec<_> =
        first.iter_shared().zip(second.iter_shared()).map(|(a, b)| Arc::ptr_eq(a, b)).collect();
    assert_eq!(shared.len(), 103);
    assert!(shared[..102].iter().all(|same| *same), "literals and history are shared");
    assert!(!shared[102], "the template's message is new");
    assert!(history.iter_shared().zip(first.iter_shared().skip(2)).all(|(a, b)| Arc::ptr_eq(a, b)));
}

#[test]
fn the_number_of_runs_does_not_grow_with_the_history() {
    let prompt = ChatPromptTemplate::from_messages((
        Message::system("s"),
        MessagesPlaceholder::new("history"),
        MessageTemplate::human("{x}"),
    ))
    .unwrap();
    let runs = |length| {
        let variables = vars! { "history" => history(length), "x" => "hi" };
        prompt.format_messages(&variables).unwrap().chunks().count()
    };
    assert_eq!(runs(2), runs(2000));
}

#[test]
fn a_name_used_as_text_and_as_messages_wants_messages() {
    let prompt = ChatPromptTemplate::from_messages((
        MessageTemplate::system("So far:\n{history}"),
        MessagesPlaceholder::new("history").optional(),
    ))
    .unwrap();
    assert_eq!(prompt.slots(), [Slot::messages("history")]);
    let history = Messages::from_iter([Message::human("hi"), Message::ai("hello")]);
    let value = prompt.format(&vars! { "history" => history }).unwrap();
    assert_eq!(value.to_string(), "System: So far:\nHuman: hi\nAI: hello\nHuman: hi\nAI: hello");
}

#[test]
fn a_placeholder_shows_the_last_n() {
    let table =
        [(0, ""), (1, "Human: 2"), (2, "Human: 1\nHuman: 2"), (9, "Human: 0\nHuman: 1\nHuman: 2")];
    for (n, expected) in table {
        let prompt =
            ChatPromptTemplate::from_messages([MessagesPlaceholder::new("h").last_n(n)]).unwrap();
        assert_eq!(prompt.format(&vars! { "h" => history(3) }).unwrap().to_string(), expected);
    }
}

#[test]
fn a_partial_variable_may_be_messages() {
    let prompt = ChatPromptTemplate::from_messages([MessagesPlaceholder::new("h")])
        .unwrap()
        .with_partial("h", history(1));
    assert!(prompt.input_variables().is_empty());
    assert_eq!(prompt.format(&vars! {}).unwrap().to_string(), "Human: 0");
}

#[test]
fn a_template_keeps_its_own_partial_variables() {
    let greeting = PromptTemplate::from_template("{hello}, {name}").unwrap();
    let prompt = ChatPromptTemplate::from_messages([
        MessageTemplate::from_prompt(Role::Ai, greeting.clone().with_partial("hello", "Hi")),
        MessageTemplate::from_prompt(Role::Ai, greeting.with_partial_fn("hello", || "Moin")),
        MessageTemplate::human("{name}"),
    ])
    .unwrap()
    .with_partial("name", "Ada");
    assert!(prompt.input_variables().is_empty());
    assert_eq!(
        prompt.format(&vars! {}).unwrap().to_string(),
        "AI: Hi, Ada\nAI: Moin, Ada\nHuman: Ada"
    );
    assert_eq!(
        prompt.format(&vars! { "hello" => "Yo" }).unwrap().to_string(),
        "AI: Yo, Ada\nAI: Yo, Ada\nHuman: Ada"
    );
}

#[test]
fn pairs_name_their_roles() {
    let prompt = ChatPromptTemplate::from_messages([
        ("system", "s"),
        ("human", "h"),
        ("user", "u"),
        ("ai", "a"),
        ("assistant", "b"),
        ("critic", "c"),
        ("tool", "t"),
        ("placeholder", "{history}"),
    ])
    .unwrap();
    assert_eq!(prompt.slots(), [Slot::messages("history").optional()]);
    assert_eq!(
        prompt.format(&vars! {}).unwrap().to_string(),
        "System: s\nHuman: h\nHuman: u\nAI: a\nAI: b\ncritic: c\ntool: t"
    );
}

#[test]
fn messages_pass_through_whole() {
    let call = ToolCall::new("look", json!({"q": "river"})).with_id("c1");
    let given = Messages::from_iter([
        Message::human(vec![Part::text("what?"), Part::image_url("https://example.com/a.png")]),
        Message::ai("").with_tool_calls([call]),
        Message::tool("a river", "c1"),
    ]);
    let prompt = ChatPromptTemplate::from_messages([MessagesPlaceholder::new("h")]).unwrap();
    let messages = prompt.format_messages(&vars! { "h" => given.clone() }).unwrap();
    assert_eq!(messages, given);
    assert_eq!(prompt.slots()[0].kind(), SlotKind::Messages);
}
