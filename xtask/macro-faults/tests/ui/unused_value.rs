//! A value that no variable takes.

use conversant_prompts::{chat_prompt, prompt};

fn main() {
    let _ = prompt!("{human_input}", human_input = "hi", human_inptu = "hi");
    let _ = chat_prompt!(("human", "{text}"); text = "hi", tone = "kind");
    let _ = prompt!("{human_input}", human_input = "hi", human_input = "ho");
}
