//! Few-shot prompts: examples between a prefix and a suffix, or as messages of a chat.

mod chat;
mod selector;
mod semantic;
mod string;

pub use self::{
    chat::FewShotChatPromptTemplate,
    selector::{Example, ExampleSelector, LengthBasedSelector},
    semantic::SemanticSelector,
    string::{FewShotPromptBuilder, FewShotPromptTemplate},
};

use std::{fmt, sync::Arc};

use conversant_core::{Prompt, PromptError, PromptValue, Slot, Variables};

/// Where the examples of a prompt come from.
#[derive(Clone)]
enum Examples {
    Fixed(Arc<[Example]>),
    Selected(Arc<dyn ExampleSelector>),
}

impl Examples {
    fn pick(&self, variables: &Variables) -> Result<Vec<Example>, PromptError> {
        match self {
            Self::Fixed(examples) => Ok(examples.to_vec()),
            Self::Selected(selector) => selector.select(variables),
        }
    }

    /// Returns what a selector wants to know of a call.
    fn slots(&self) -> &[Slot] {
        match self {
            Self::Fixed(_) => &[],
            Self::Selected(selector) => selector.slots(),
        }
    }

    /// Returns the examples, if they are always the same.
    fn fixed(&self) -> Option<&[Example]> {
        match self {
            Self::Fixed(examples) => Some(examples),
            Self::Selected(_) => None,
        }
    }
}

impl fmt::Debug for Examples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(examples) => write!(f, "Fixed(<{}>)", examples.len()),
            Self::Selected(_) => f.write_str("Selected(…)"),
        }
    }
}

/// Formats one example, which has only its own variables to offer.
fn format_example(prompt: &dyn Prompt, example: &Example) -> Result<PromptValue, PromptError> {
    prompt.format(example)
}
