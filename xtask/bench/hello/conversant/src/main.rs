//! One chat call with conversant: a prompt, a memory, a model. Prints what `hello-by-hand` prints.

use std::{env, fs};

use conversant::{
    BoxError, BufferMemory, ChatPromptTemplate, LlmChain, Message, MessageTemplate,
    MessagesPlaceholder, OpenAiChat, vars,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let base_url = env::args().nth(1).ok_or("the address of the server is missing")?;
    let prompt = ChatPromptTemplate::from_messages((
        Message::system("You are a chatbot."),
        MessagesPlaceholder::new("chat_history"),
        MessageTemplate::human("{human_input}"),
    ))?;
    let model = OpenAiChat::builder("gpt-5.4-mini").base_url(base_url).api_key("sk-x").build()?;
    let memory = BufferMemory::new().with_memory_key("chat_history").with_return_messages(true);
    let chain = LlmChain::builder().prompt(prompt).model(model).memory(memory).build()?;
    println!("{}", chain.predict(vars! { "human_input" => "Hi there my friend" }).await?);
    println!("{}", fs::read_to_string("/proc/self/status")?);
    Ok(())
}
