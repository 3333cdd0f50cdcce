//! The recorded cases of LangChain 0.1.20.

use conversant_conformance::{Differences, check};

#[test]
fn prompts() -> Result<(), Differences> {
    check("prompt.jsonl")
}

#[test]
fn adversarial_prompts() -> Result<(), Differences> {
    check("prompt_adversarial.jsonl")
}

#[test]
fn chat_prompts() -> Result<(), Differences> {
    check("chat_prompt.jsonl")
}

#[test]
fn few_shot_prompts() -> Result<(), Differences> {
    check("few_shot.jsonl")
}
