//! A chat with a memory.

use conversant::{
    BufferMemory, ChatPromptTemplate, LlmChain, Message, MessageTemplate, MessagesPlaceholder,
    OpenAiChat, vars,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let prompt = ChatPromptTemplate::from_messages((
        Message::system("You are a chatbot having a conversation with a human."),
        MessagesPlaceholder::new("chat_history"),
        MessageTemplate::human("{human_input}"),
    ))?;
    let chain = LlmChain::builder()
        .prompt(prompt)
        .model(OpenAiChat::from_env("gpt-6-luna").build()?) // reads OPENAI_API_KEY
        .memory(BufferMemory::new().with_memory_key("chat_history").with_return_messages(true))
        .verbose(true)
        .build()?;

    let answer = chain.predict(vars! { "human_input" => "Hi, my name is Ada." }).await?;
    println!("{answer}");
    let answer = chain.predict(vars! { "human_input" => "What is my name?" }).await?;
    println!("{answer}");
    Ok(())
}
