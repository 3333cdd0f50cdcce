//! Two chains, one after the other.

use std::error::Error;

use conversant::{LlmChain, PromptTemplate, SequentialChain, vars};

use crate::Run;

/// Runs the program, and returns what it prints.
///
/// # Errors
/// Those of the call.
pub async fn run(run: Run) -> Result<String, Box<dyn Error>> {
    let llm = run.completion()?;
    let diagnosis = LlmChain::builder()
        .model(llm.clone())
        .prompt(PromptTemplate::from_template("What is broken? {message}")?)
        .output_key("diagnosis")
        .build()?;
    let offer = LlmChain::builder()
        .model(llm)
        .prompt(PromptTemplate::from_template("Write to {name}: we repair this. {diagnosis}")?)
        .output_key("offer")
        .build()?;
    let chain = SequentialChain::builder()
        .chain(diagnosis)
        .chain(offer)
        .inputs(["name", "message"])
        .outputs(["diagnosis", "offer"])
        .build()?;

    let outcome = chain.invoke(vars! { "name" => "Ada", "message" => "My brakes squeal." }).await?;
    let output = |name| outcome.variables.get(name).map(|value| value.to_text());
    let (diagnosis, offer) = output("diagnosis").zip(output("offer")).ok_or("both are outputs")?;
    Ok(format!("{diagnosis}\n{offer}\n"))
}
