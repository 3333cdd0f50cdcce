//! The examples of a few-shot prompt, fixed or selected.

use std::{fmt, sync::Arc};

use conversant_core::{Prompt, PromptError, Slot, Variables};

use super::selector::{Example, ExampleSelector};
use crate::error::TemplateError;

/// The source of a prompt's examples.
#[derive(Clone)]
pub(super) enum Examples {
    Fixed(Arc<[Example]>),
    Selected(Arc<dyn ExampleSelector>),
}

impl Examples {
    pub(super) fn pick(
        &self,
        variables: impl FnOnce() -> Variables,
    ) -> Result<Vec<Example>, PromptError> {
        match self {
            Self::Fixed(examples) => Ok(examples.to_vec()),
            Self::Selected(selector) => selector.select(&variables()),
        }
    }

    /// Returns the variables that a selector depends on.
    pub(super) fn slots(&self) -> &[Slot] {
        match self {
            Self::Fixed(_) => &[],
            Self::Selected(selector) => selector.slots(),
        }
    }

    /// Returns the examples, if they are always the same.
    pub(super) fn fixed(&self) -> Option<&[Example]> {
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

/// Checks that each example has the variables of the template that shows it.
pub(super) fn check(prompt: &dyn Prompt, examples: &[Example]) -> Result<(), TemplateError> {
    for (index, example) in examples.iter().enumerate() {
        let lacking = |slot: &&Slot| slot.is_required() && !example.contains(slot.name());
        if let Some(slot) = prompt.slots().iter().find(lacking) {
            return Err(TemplateError::in_example(index, slot.name()));
        }
    }
    Ok(())
}
