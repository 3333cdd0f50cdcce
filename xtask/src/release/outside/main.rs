//! Two turns of a chain with a memory, over HTTP to a server of this process, from the packages.

use conversant::{BufferMemory, LlmChain, OpenAiChat, PromptTemplate, vars};
use conversant_testkit::OpenAiServer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = OpenAiServer::start(["Hello, Ada!", "Your name is Ada."])?;
    let model = OpenAiChat::builder("gpt-4o").base_url(server.base_url()).build()?;
    let chain = LlmChain::builder()
        .prompt(PromptTemplate::from_template("{history}\nHuman: {input}\nAI:")?)
        .model(model)
        .memory(BufferMemory::new())
        .build()?;
    chain.predict(vars! { "input" => "My name is Ada." }).await?;
    let answer = chain.predict(vars! { "input" => "What is my name?" }).await?;
    let second = server.requests().pop().ok_or("the server received nothing")?;
    let prompt = second.json()["messages"][0]["content"].as_str().unwrap_or_default().to_owned();
    let expected = "Human: My name is Ada.\nAI: Hello, Ada!\nHuman: What is my name?\nAI:";
    if prompt != expected {
        return Err(format!("the second prompt is {prompt:?}").into());
    }
    println!("{answer}");
    Ok(())
}
