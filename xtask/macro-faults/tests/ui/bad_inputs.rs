//! Types that cannot be the inputs of a prompt.

use conversant_prompts::PromptInputs;

#[derive(PromptInputs)]
struct Tuple(String);

#[derive(PromptInputs)]
enum Choice {
    One,
}

#[derive(PromptInputs)]
struct Twice {
    name: String,
    #[prompt(rename = "name")]
    other: String,
}

#[derive(PromptInputs)]
struct Unknown {
    #[prompt(default)]
    name: String,
}

fn main() {}
