//! Faults in a chat.

use conversant_prompts::{MessageTemplate, chat_prompt};

fn main() {
    let _ = chat_prompt!(("system", "You are {name"), ("human", "{text}"));
    let _ = chat_prompt!(("placeholder", "chat_history"));
    let _ = chat_prompt!("Hi {user.name}");
    let _ = chat_prompt!(MessageTemplate::system("You are {name"), ("human", "{text}"));
    let _ = chat_prompt!(("human", "{text}"), "{question}"; text = "x");
}
