//! A variable that the caller forgot.

use conversant_prompts::{chat_prompt, prompt};

fn main() {
    let human_input = "hi";
    let _ = prompt!("{chat_history}\nHuman: {human_input}", human_input);
    let _ = prompt!("{chat_history}", chat_histroy = "");
    let _ = chat_prompt!(("system", "You are {name}."), ("human", "{text}"); name = "Ada");
    let _ = prompt!("{DATE}", date = "");
}
