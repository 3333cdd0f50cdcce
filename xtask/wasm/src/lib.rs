//! A conversation on `wasm32-unknown-unknown`: two turns with a memory, their ids and times, and a
//! deadline that passes. `turn.mjs` calls it and checks the report.

use std::time::Duration;

use conversant_chains::LlmChain;
use conversant_core::{
    CallOptions, ChatModel, ChatRequest, LanguageModel, Message, ModelError, Reply, async_trait,
    clock::UNIX_EPOCH, vars,
};
use conversant_memory::BufferMemory;
use conversant_prompts::PromptTemplate;
use serde_json::json;
use wasm_bindgen::prelude::*;

/// A model that repeats its prompt.
struct Echo;

#[async_trait]
impl ChatModel for Echo {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        let prompt = request.messages.last().map(|message| message.text().into_owned());
        Ok(Reply::new(Message::ai(prompt.unwrap_or_default())))
    }
}

/// A model that never answers.
struct Silent;

#[async_trait]
impl ChatModel for Silent {
    async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
        std::future::pending().await
    }
}

/// Runs the conversation and returns a report in JSON.
///
/// # Errors
///
/// The error of the chain.
#[wasm_bindgen]
pub async fn converse() -> Result<String, JsError> {
    let chain = LlmChain::builder()
        .prompt(PromptTemplate::from_template("{history}\nHuman: {input}\nAI:")?)
        .model(LanguageModel::chat(Echo))
        .memory(BufferMemory::new())
        .build()?;
    let mut turns = Vec::new();
    for input in ["one", "two"] {
        let outcome = chain.invoke(vars! { "input" => input }).await?;
        let made = outcome.turn_id.created_at().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        turns.push(json!({
            "answer": outcome.reply.as_ref().map(|reply| reply.text().into_owned()),
            "id": outcome.turn_id.to_string(),
            "made": made.map(|made| made.as_millis() as u64),
        }));
    }
    let silent = LlmChain::builder()
        .prompt(PromptTemplate::from_template("{input}")?)
        .model(LanguageModel::chat(Silent))
        .build()?;
    let options = CallOptions::new().with_timeout(Duration::from_millis(50));
    let late = silent.invoke_with(vars! { "input" => "?" }, options).await;
    let late = late.err().map(|error| error.to_string());
    Ok(json!({ "turns": turns, "late": late }).to_string())
}
