//! `prompt`: a string template of any format, filled in.

use conversant_core::Prompt;
use conversant_prompts::{PromptTemplate, TemplateFormat};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{case, failure::Failure};

#[derive(Deserialize)]
struct Input {
    template: String,
    #[serde(default)]
    template_format: Format,
    #[serde(default)]
    partial_variables: Map<String, Json>,
    values: Map<String, Json>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
enum Format {
    #[default]
    #[serde(rename = "f-string")]
    FString,
    #[serde(rename = "jinja2")]
    Jinja2,
    #[serde(rename = "mustache")]
    Mustache,
}

pub(crate) fn run(input: &Json) -> Result<Json, Failure> {
    let input: Input = case::input(input)?;
    let format = match input.template_format {
        Format::FString => TemplateFormat::FString,
        Format::Jinja2 => TemplateFormat::Jinja2,
        Format::Mustache => TemplateFormat::Mustache,
    };
    let mut prompt = PromptTemplate::parse(input.template, format)?;
    for (name, value) in input.partial_variables {
        prompt = prompt.with_partial(name, value);
    }
    let text = prompt.format(&input.values.into_iter().collect())?.to_string();
    Ok(match input.template_format {
        Format::FString => json!({"input_variables": prompt.input_variables(), "text": text}),
        _ => json!({ "text": text }),
    })
}
