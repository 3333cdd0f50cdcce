//! Examples in the prompt, and a parser of the answer.

use std::error::Error;

use conversant::{CommaListParser, FewShotPromptTemplate, LlmChain, PromptTemplate, vars};

use crate::Run;

/// Runs the program, and returns what it prints.
///
/// # Errors
/// Those of the call.
pub async fn run(run: Run) -> Result<String, Box<dyn Error>> {
    let example = PromptTemplate::from_template("Thing: {thing}\nParts: {parts}")?;
    let prompt = FewShotPromptTemplate::builder(example)
        .examples([
            vars! { "thing" => "wheel", "parts" => "rim, spokes, hub" },
            vars! { "thing" => "chain", "parts" => "links, pins" },
        ])
        .prefix("List the parts of a thing, separated by commas.")
        .suffix("Thing: {thing}\nParts:")
        .build()?;
    let chain = LlmChain::builder()
        .model(run.completion()?)
        .prompt(prompt)
        .parser(CommaListParser)
        .build()?;

    let outcome = chain.invoke(vars! { "thing" => "brakes" }).await?;
    let parts: Vec<String> = serde_json::from_value(serde_json::to_value(outcome.output())?)?;
    Ok(parts.join("\n") + "\n")
}
