//! A completion model, a window, prefixes, and a second input.

use std::error::Error;

use conversant::{LlmChain, PromptTemplate, WindowMemory, vars};

use crate::Run;

/// Runs the program, and returns what it prints.
///
/// # Errors
/// Those of the call.
pub async fn run(run: Run) -> Result<String, Box<dyn Error>> {
    let prompt = PromptTemplate::from_template(
        "You are {persona}.\n\n{history}\nCustomer: {message}\nShop:",
    )?;
    let memory = WindowMemory::new()
        .with_k(1)
        .with_input_key("message")
        .with_human_prefix("Customer")
        .with_ai_prefix("Shop");
    let chain =
        LlmChain::builder().model(run.completion()?).prompt(prompt).memory(memory).build()?;

    let mut printed = String::new();
    for message in ["I am Ada.", "Do you repair brakes?", "What is my name?"] {
        let inputs = vars! { "persona" => "the assistant of a bicycle shop", "message" => message };
        printed += &chain.predict(inputs).await?;
        printed += "\n";
    }
    Ok(printed)
}
