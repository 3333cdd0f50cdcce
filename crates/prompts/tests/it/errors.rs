//! Every message as a person reads it.

use std::{error::Error, fmt::Write};

use conversant_core::{Message, Messages, Prompt, PromptError, Value, Variables, vars};
use conversant_prompts::{
    ChatPromptTemplate, MessageTemplate, MessagesPlaceholder, PromptTemplate, TemplateError,
};

#[test]
fn of_building() {
    let errors: Vec<TemplateError> = vec![
        PromptTemplate::from_template("Reply as {\"answer\": {text}}").unwrap_err(),
        PromptTemplate::from_template("東京 {user.name}").unwrap_err(),
        ChatPromptTemplate::from_messages([("system", "fine"), ("human", "{x")]).unwrap_err(),
        ChatPromptTemplate::from_messages([("placeholder", "history")]).unwrap_err(),
        ChatPromptTemplate::from_messages([MessagesPlaceholder::new("stop")]).unwrap_err(),
    ];
    let mut shown = String::new();
    for error in errors {
        writeln!(shown, "{error}\n--- in full\n{error:#}\n").unwrap();
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn of_formatting() {
    let chat = ChatPromptTemplate::from_messages((
        MessageTemplate::system("{persona} {price:.2f}"),
        MessagesPlaceholder::new("chat_history"),
    ))
    .unwrap();
    let history = Messages::from_iter([Message::human("hi")]);
    let complete = vars! { "persona" => "p", "price" => 1.5, "chat_history" => history };
    let with = |name: &'static str, value: Value| {
        let mut variables = complete.clone();
        variables.insert(name, value);
        variables
    };
    let calls: Vec<Variables> = vec![
        vars! {},
        vars! { "persona" => "p", "price" => 1.5, "chat_histroy" => "" },
        with("chat_history", "text".into()),
        with("chat_history", 7.into()),
        with("chat_history", serde_json::json!([1]).into()),
        with("price", "a lot".into()),
    ];
    let mut shown = String::new();
    for variables in calls {
        let error: PromptError = chat.format(&variables).unwrap_err();
        writeln!(shown, "{error}").unwrap();
        if let Some(source) = error.source() {
            writeln!(shown, "  caused by: {source:#}").unwrap();
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_fault_has_the_index_of_its_message() {
    let fault = |messages: [(&str, &str); 2]| {
        ChatPromptTemplate::from_messages(messages).unwrap_err().message()
    };
    assert_eq!(fault([("system", "{x"), ("human", "fine")]), Some(0));
    assert_eq!(fault([("system", "fine"), ("human", "{x")]), Some(1));
    assert_eq!(PromptTemplate::from_template("{x").unwrap_err().message(), None);
}
