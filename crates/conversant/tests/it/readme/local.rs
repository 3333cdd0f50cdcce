//! A chat with a model in this process.

use conversant::{
    BufferMemory, LanguageModel, LlmChain, LocalModel, PromptTemplate, vars,
    weights::{ModelFolder, SMOLLM2_135M},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Downloads 98 MB the first time.
    let file = ModelFolder::of_user()?.download(&SMOLLM2_135M, &mut |_| {})?;
    let model = LocalModel::builder(file).stop(["\nHuman:", "\nChatbot:", "\n\n"]).build()?;
    let template = "You are a chatbot having a conversation with a human.

{chat_history}
Human: {human_input}
Chatbot:";
    let chain = LlmChain::builder()
        .prompt(PromptTemplate::from_template(template)?)
        .model(LanguageModel::completion(model))
        .memory(BufferMemory::new().with_memory_key("chat_history").with_ai_prefix("Chatbot"))
        .build()?;

    for words in ["Hi, my name is Ada.", "What is my name?"] {
        println!("{}", chain.predict(vars! { "human_input" => words }).await?);
    }
    Ok(())
}
