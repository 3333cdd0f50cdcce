//! A prompt that the compiler checks.

use conversant::{Snapshot, prompt, vars};

fn main() {
    let prompt = prompt!("{chat_history}\nHuman: {human_input}\nAI:");
    let variables =
        vars! { "chat_history" => "Human: Hi\nAI: Hello!", "human_input" => "How are you?" };
    println!("{}", Snapshot::of(&prompt, &variables));
}
