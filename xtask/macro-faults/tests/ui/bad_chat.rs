//! Faults in a chat.

use conversant_prompts::chat_prompt;

fn main() {
    let _ = chat_prompt!(("system", "You are {name"), ("human", "{text}"));
    let _ = chat_prompt!(("placeholder", "chat_history"));
}
