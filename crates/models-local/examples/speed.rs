//! Measures a model file: the time to load it, to the first token of early and late turns, and the
//! tokens of a second.
#![allow(clippy::print_stdout, reason = "a measurement shows its figures")]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use conversant_core::{CallOptions, Delta, LanguageModel};
use conversant_models_local::LocalModel;
use pollster::block_on;

const TURNS: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("usage: speed FILE")?;
    let start = Instant::now();
    let model = LocalModel::builder(file).max_tokens(40).build()?;
    println!("loaded in {:.2?}", start.elapsed());
    let model = LanguageModel::completion(model);
    let mut prompt = "You are a chatbot having a conversation with a human.\n".to_owned();
    let mut tokens = 0;
    let mut decoding = Duration::ZERO;
    for turn in 1..=TURNS {
        prompt.push_str(&format!("\nHuman: Tell me something about the number {turn}.\nChatbot:"));
        let options = CallOptions::new().with_stop(["\nHuman:", "\nChatbot:", "\n\n"]);
        let start = Instant::now();
        let mut stream = block_on(model.stream(prompt.as_str().into(), options))?;
        let mut first = None;
        while let Some(delta) = block_on(stream.next()) {
            match delta? {
                Delta::Text(text) => {
                    first.get_or_insert_with(|| start.elapsed());
                    prompt.push_str(&text);
                }
                Delta::Done(reply) => {
                    let first = first.unwrap_or_default();
                    let usage = reply.usage.unwrap_or_default();
                    println!(
                        "turn {turn}: first token after {} ms; prompt {} ({} cached), answer {} in {:.2?}",
                        first.as_millis(),
                        usage.input_tokens,
                        usage.cached_tokens.unwrap_or_default(),
                        usage.output_tokens,
                        start.elapsed(),
                    );
                    tokens += usage.output_tokens.saturating_sub(1);
                    decoding += start.elapsed() - first;
                }
                _ => {}
            }
        }
    }
    #[allow(clippy::cast_precision_loss, reason = "a few hundred tokens")]
    let speed = tokens as f64 / decoding.as_secs_f64();
    println!("{speed:.1} tokens a second after the first");
    Ok(())
}
