//! The cost of the first prompt of a process, from its start to the text.

use std::process::Command;

use conversant_core::{BoxError, Prompt, vars};

use crate::{
    conversant::chat_prompt,
    measure::{least, median, since_start},
};

/// Formats a prompt, and writes the CPU of this process since it was started, in nanoseconds.
pub(crate) fn format() -> Result<(), BoxError> {
    let variables = vars! {
        "chat_history" => conversant_core::Messages::new(),
        "human_input" => "Hi there my friend",
    };
    let prompt = chat_prompt()?.format(&variables)?.to_string();
    let taken = since_start();
    assert!(prompt.ends_with("Human: Hi there my friend"));
    println!("{taken}");
    Ok(())
}

/// Starts processes that format a prompt, and returns what they took.
pub(crate) fn measure() -> Result<String, BoxError> {
    let mut taken = Vec::new();
    for _ in 0..20 {
        let output = Command::new(std::env::current_exe()?).arg("cold").output()?;
        taken.push(String::from_utf8(output.stdout)?.trim().parse()?);
    }
    let milliseconds = |value: Option<f64>| value.unwrap_or_default() / 1e6;
    Ok(format!(
        "Cold start to the first formatted prompt, CPU of the process: {:.2} ms (median {:.2} ms; goal: at most 2 ms)",
        milliseconds(least(&taken)),
        milliseconds(median(taken)),
    ))
}
