//! A chat with a summary of the earlier turns.

use std::error::Error;

use conversant::{
    ConversationChain, LoadContext, PromptTemplate, SummaryBufferMemory, TokenCounter, Trim, vars,
};

use crate::Run;

const SUMMARY: &str = "Extend the summary by the new lines.

Summary: {summary}
New lines:
{new_lines}
Extended summary:";

struct Words;

impl TokenCounter for Words {
    fn count_text(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

/// Runs the program, and returns what it prints.
///
/// # Errors
/// Those of the call.
pub async fn run(run: Run) -> Result<String, Box<dyn Error>> {
    let llm = run.completion()?;
    let memory = SummaryBufferMemory::new(llm.clone(), Words)
        .with_max_token_limit(12)
        .with_trim(Trim::LangChain)
        .with_low_water(1.0)
        .with_summary_prompt(PromptTemplate::from_template(SUMMARY)?)?;
    let chain = ConversationChain::builder()
        .model(llm)
        .memory(memory)
        .prompt(PromptTemplate::from_template("{history}\nHuman: {input}\nAI:")?)
        .build()?;

    let mut printed = String::new();
    for question in ["I am Ada.", "Do you repair brakes?", "What is my name?"] {
        printed += &chain.predict(vars! { "input" => question }).await?;
        printed += "\n";
    }
    let memory = chain.memory().ok_or("the chain has a memory")?;
    let loaded = memory.load(LoadContext::new(&vars! {})).await?;
    let history = loaded.variables.get("history").ok_or("the memory has `history`")?;
    Ok(format!("{printed}{}\n", history.to_text()))
}
