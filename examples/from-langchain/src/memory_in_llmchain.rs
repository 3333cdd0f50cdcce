//! A chat with the whole conversation in the prompt.

use std::error::Error;

use conversant::{
    BufferMemory, ChatPromptTemplate, LlmChain, Message, MessageTemplate, MessagesPlaceholder, vars,
};

use crate::Run;

/// Runs the program, and returns what it prints.
///
/// # Errors
/// Those of the call.
pub async fn run(run: Run) -> Result<String, Box<dyn Error>> {
    let prompt = ChatPromptTemplate::from_messages((
        Message::system("You are a chatbot having a conversation with a human."),
        MessagesPlaceholder::new("chat_history"),
        MessageTemplate::human("{human_input}"),
    ))?;
    let memory = BufferMemory::new().with_memory_key("chat_history").with_return_messages(true);
    let chain = LlmChain::builder().model(run.chat()?).prompt(prompt).memory(memory).build()?;

    let first = chain.predict(vars! { "human_input" => "Hi there my friend" }).await?;
    let second = chain.predict(vars! { "human_input" => "Not too bad - how are you?" }).await?;
    Ok(format!("{first}\n{second}\n"))
}
