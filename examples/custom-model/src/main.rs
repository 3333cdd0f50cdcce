//! Talks to the listener through `LanguageModel`, as a chain does: whole answers, and an answer
//! piece by piece.

use std::error::Error;

use conversant_core::{CallOptions, Delta, LanguageModel, Message, Messages};
use custom_model::Eliza;
use pollster::block_on;

#[allow(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn Error>> {
    let model = LanguageModel::chat(Eliza);
    let mut conversation = Messages::from(Message::system("You are a patient listener."));
    for said in ["I feel lost in my work.", "It is only numbers.", "My boss never asks me."] {
        conversation.push(Message::human(said));
        let prompt = conversation.clone().into();
        let reply = block_on(model.generate(prompt, CallOptions::new()))?;
        conversation.push(reply.message);
    }
    println!("{conversation}");

    let mut stream = block_on(model.stream("I am tired of waiting.".into(), CallOptions::new()))?;
    while let Some(delta) = block_on(stream.next()) {
        match delta? {
            Delta::Text(piece) => print!("{piece}"),
            Delta::Done(reply) => println!(" ({})", reply.model.unwrap_or_default()),
            _ => {}
        }
    }
    Ok(())
}
