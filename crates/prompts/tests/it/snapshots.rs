//! Snapshots of prompts, as a user of this crate writes them.
//!
//! Copy this file to start with. `Display` of a prompt's value is the text that a completion model
//! is sent, `{:#}` one block per message; both are stable.

use conversant_core::{Message, Messages, Prompt, PromptError, vars};
use conversant_prompts::{
    ChatPromptTemplate, MessageTemplate, MessagesPlaceholder, PromptTemplate, Snapshot,
};

#[test]
fn a_string_prompt() -> Result<(), Box<dyn std::error::Error>> {
    let prompt = PromptTemplate::from_template("{chat_history}\nHuman: {human_input}\nChatbot:")?;
    let value = prompt.format(&vars! {
        "chat_history" => Messages::from_iter([Message::human("Hi"), Message::ai("Hello!")]),
        "human_input" => "How are you?",
    })?;
    insta::assert_snapshot!(value, @r"
    Human: Hi
    AI: Hello!
    Human: How are you?
    Chatbot:
    ");
    Ok(())
}

#[test]
fn a_chat_prompt() -> Result<(), Box<dyn std::error::Error>> {
    let prompt = ChatPromptTemplate::from_messages((
        Message::system("You are a chatbot having a conversation with a human."),
        MessagesPlaceholder::new("chat_history"),
        MessageTemplate::human("{human_input}"),
    ))?;
    let value = prompt.format(&vars! {
        "chat_history" => Messages::from_iter([Message::human("Hi"), Message::ai("Hello!")]),
        "human_input" => "How are you?",
    })?;
    insta::assert_snapshot!(format!("{value:#}"), @r"
    [system]
    You are a chatbot having a conversation with a human.

    [human]
    Hi

    [ai]
    Hello!

    [human]
    How are you?
    ");
    Ok(())
}

#[test]
fn an_error() -> Result<(), Box<dyn std::error::Error>> {
    let prompt = PromptTemplate::from_template("{chat_history}\nHuman: {human_input}")?;
    let error: PromptError = prompt.format(&vars! { "chat_histroy" => "" }).unwrap_err();
    insta::assert_snapshot!(error, @"missing variables `chat_history` (found `chat_histroy`), `human_input`");
    Ok(())
}

#[test]
fn a_prompt_with_its_variables() -> Result<(), Box<dyn std::error::Error>> {
    let prompt =
        PromptTemplate::from_template("It is {today}.\n{chat_history}\n{human_input:.2f}")?;
    let variables = vars! {
        "today" => "2024-05-01",
        "chat_history" => Messages::from_iter([Message::human("Hi"), Message::ai("Hello!")]),
        "human_input" => 2.5,
        "notes" => "two\nlines",
        "nothing" => Messages::new(),
    };
    let snapshot =
        Snapshot::of(&prompt, &variables).redact("2024-05-01", "[date]").redact("", "[never]");
    insta::assert_snapshot!(snapshot, @r"
    variables
      today: [date]
      chat_history:
        Human: Hi
        AI: Hello!
      human_input: 2.5
      notes:
        two
        lines
      nothing: no messages

    prompt
      It is [date].
      Human: Hi
      AI: Hello!
      2.50
    ");
    Ok(())
}

#[test]
fn a_prompt_that_cannot_be_filled_in() -> Result<(), Box<dyn std::error::Error>> {
    let prompt = PromptTemplate::from_template("{human_input:d}")?;
    insta::assert_snapshot!(Snapshot::of(&prompt, &vars! { "human_input" => "Hi" }), @r"
    variables
      human_input: Hi

    error
      cannot format variable `human_input`
      caused by: value of `human_input` does not fit `{human_input:d}`: format code `d` cannot write text, at line 1, column 1
      1 | {human_input:d}
        | ^
    ");
    Ok(())
}
