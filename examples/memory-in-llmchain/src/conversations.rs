//! The page's two chains, each asked the page's two questions.

use std::error::Error;

use conversant_chains::LlmChain;
use conversant_core::{Message, vars};
use conversant_memory::BufferMemory;
use conversant_models::{OpenAi, OpenAiChat};
use conversant_prompts::{
    ChatPromptTemplate, MessageTemplate, MessagesPlaceholder, PromptTemplate,
};

/// The first: text in, text out.
pub async fn completion(llm: OpenAi) -> Result<(), Box<dyn Error>> {
    let template = "You are a chatbot having a conversation with a human.

{chat_history}
Human: {human_input}
Chatbot:";
    let prompt = PromptTemplate::from_template(template)?;
    let memory = BufferMemory::new().with_memory_key("chat_history");

    let llm_chain =
        LlmChain::builder().model(llm).prompt(prompt).verbose(true).memory(memory).build()?;
    ask(&llm_chain).await
}

/// The second: structured messages, for a chat model.
pub async fn chat(llm: OpenAiChat) -> Result<(), Box<dyn Error>> {
    let prompt = ChatPromptTemplate::from_messages((
        // The persistent system prompt.
        Message::system("You are a chatbot having a conversation with a human."),
        // Where the memory is put.
        MessagesPlaceholder::new("chat_history"),
        // Where the human's input is put.
        MessageTemplate::human("{human_input}"),
    ))?;
    let memory = BufferMemory::new().with_memory_key("chat_history").with_return_messages(true);

    let chat_llm_chain =
        LlmChain::builder().model(llm).prompt(prompt).verbose(true).memory(memory).build()?;
    ask(&chat_llm_chain).await
}

/// Asks the page's two questions. The chain prints its transcript, and here the answer follows.
async fn ask(chain: &LlmChain) -> Result<(), Box<dyn Error>> {
    for question in ["Hi there my friend", "Not too bad - how are you?"] {
        let answer = chain.predict(vars! { "human_input" => question }).await?;
        println!("{answer}");
    }
    Ok(())
}
