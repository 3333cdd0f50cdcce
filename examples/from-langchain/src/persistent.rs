//! Two users, whose conversations are in LangChain's table of a SQLite file.

use std::error::Error;

use conversant::{BufferMemory, LangChainSqliteHistory, LlmChain, PromptTemplate, SessionId, vars};

use crate::Run;

/// Runs the program, and returns what it prints.
///
/// # Errors
/// Those of the call.
pub async fn run(run: Run) -> Result<String, Box<dyn Error>> {
    let prompt = PromptTemplate::from_template("{history}\nHuman: {message}\nAI:")?;
    let mut printed = String::new();
    for (session, message) in
        [("ada", "I am Ada."), ("grace", "I am Grace."), ("ada", "What is my name?")]
    {
        let history = LangChainSqliteHistory::open(&run.file)?;
        let memory = BufferMemory::new().with_history(history, SessionId::new(session)?);
        let chain = LlmChain::builder()
            .model(run.completion()?)
            .prompt(prompt.clone())
            .memory(memory)
            .build()?;
        printed += &chain.predict(vars! { "message" => message }).await?;
        printed += "\n";
    }
    Ok(printed)
}
