//! A variable that the inputs lack.

use conversant_prompts::{PromptInputs, chat_prompt, prompt};

#[derive(PromptInputs)]
struct Inputs {
    human_input: String,
}

fn main() {
    let _ = prompt!("{chat_history}\nHuman: {human_input}", inputs: Inputs);
    let _ = chat_prompt!(("human", "{human_input}{tone}"); inputs: Inputs);
}
