//! `few_shot`: examples between a prefix and a suffix, all of them or as many as fit.

use conversant_core::Prompt;
use conversant_prompts::{FewShotPromptTemplate, LengthBasedSelector, PromptTemplate};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{case, failure::Failure, short_form};

#[derive(Deserialize)]
struct Input {
    examples: Vec<Map<String, Json>>,
    example_template: String,
    prefix: String,
    suffix: String,
    example_separator: String,
    max_length_words: Option<usize>,
    values: Map<String, Json>,
}

pub(crate) fn run(input: &Json) -> Result<Json, Failure> {
    let input: Input = case::input(input)?;
    let example = PromptTemplate::from_template(input.example_template)?;
    let examples: Vec<_> = input.examples.iter().map(short_form::variables).collect();
    if input.max_length_words.is_none() {
        // The error of building does not have the reason; that of formatting does.
        for values in &examples {
            example.format(values)?;
        }
    }
    let prompt = FewShotPromptTemplate::builder(example.clone())
        .prefix(input.prefix)
        .suffix(input.suffix)
        .example_separator(input.example_separator);
    let prompt = match input.max_length_words {
        Some(most) => prompt.selector(LengthBasedSelector::new(example, examples, most)?),
        None => prompt.examples(examples),
    };
    let text = prompt.build()?.format(&short_form::variables(&input.values))?.to_string();
    Ok(json!({ "text": text }))
}
