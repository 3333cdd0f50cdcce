//! `chat_prompt`: a chat template, filled in.

use conversant_core::{Message, Prompt, Role};
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{case, failure::Failure, short_form};

#[derive(Deserialize)]
struct Input {
    messages: Vec<Part>,
    #[serde(default)]
    partial_variables: Map<String, Json>,
    values: Map<String, Json>,
}

/// A part of a chat template.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Part {
    Template {
        role: String,
        template: String,
    },
    Literal {
        role: String,
        content: String,
    },
    /// `n_messages` is not read: the reference takes the field and shows all messages, as its cases
    /// do.
    Placeholder {
        placeholder: String,
        #[serde(default)]
        optional: bool,
    },
}

impl From<Part> for MessageTemplate {
    fn from(part: Part) -> Self {
        match part {
            Part::Template { role, template } => (role, template).into(),
            Part::Literal { role, content } => Message::new(Role::from_name(&role), content).into(),
            Part::Placeholder { placeholder, optional } => {
                let placeholder = MessagesPlaceholder::new(placeholder);
                if optional { placeholder.optional().into() } else { placeholder.into() }
            }
        }
    }
}

pub(crate) fn run(input: &Json) -> Result<Json, Failure> {
    let input: Input = case::input(input)?;
    let mut prompt = ChatPromptTemplate::from_messages(input.messages)?;
    for (name, value) in input.partial_variables {
        prompt = prompt.with_partial(name, value);
    }
    let value = prompt.format(&short_form::variables(&input.values))?;
    Ok(json!({
        "input_variables": prompt.input_variables(),
        "messages": short_form::messages(&value.to_messages()),
        "text": value.to_text(),
    }))
}
