//! Uses the notebook as a chain does: load, format the prompt, call the model, save.

use std::error::Error;

use conversant_core::{LoadContext, Memory, PromptValue, Turn, Variables, vars};
use custom_memory::Notebook;
use pollster::block_on;

/// The texts of the user, and the answers of a model.
const CONVERSATION: [(&str, &str); 3] = [
    ("Remember: the cat is called Mia.", "I will."),
    ("Remember: she gets no milk.", "Noted."),
    ("What may I give the cat?", "Water for Mia, and no milk."),
];

#[allow(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn Error>> {
    let memory = Notebook::default();
    for (question, answer) in CONVERSATION {
        let inputs = vars! { "human_input" => question };
        let loaded = block_on(memory.load(LoadContext::new(&inputs).with_input(question)))?;
        println!("{}\n{answer}\n", prompt(&loaded.variables, question));
        block_on(memory.save(&Turn::exchange(question, answer), loaded.ticket))?;
    }
    Ok(())
}

fn prompt(memory: &Variables, question: &str) -> PromptValue {
    let notes = memory.get("notes").map(|notes| notes.to_text()).unwrap_or_default();
    format!("The user asked you to remember:\n{notes}\n\nHuman: {question}\nAI:").into()
}
