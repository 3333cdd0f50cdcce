//! A test of a prompt.

use conversant::{
    ChatPromptTemplate, Message, MessageTemplate, MessagesPlaceholder, Prompt, vars,
};

#[test]
fn the_prompt_is_what_was_reviewed() -> Result<(), Box<dyn std::error::Error>> {
    let prompt = ChatPromptTemplate::from_messages((
        MessageTemplate::system("You are {persona}."),
        MessagesPlaceholder::new("chat_history"),
        MessageTemplate::human("{human_input}"),
    ))?;
    let value = prompt.format(&vars! {
        "persona" => "a pirate",
        "chat_history" => vec![Message::human("Hi"), Message::ai("Ahoy!")],
        "human_input" => "How are you?",
    })?;
    insta::assert_snapshot!(format!("{value:#}"), @r"
    [system]
    You are a pirate.

    [human]
    Hi

    [ai]
    Ahoy!

    [human]
    How are you?
    ");
    Ok(())
}
