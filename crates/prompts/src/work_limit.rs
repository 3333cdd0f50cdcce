//! Limits on the work of prompts, which multiply text.

use std::{error::Error, fmt};

use conversant_core::PromptError;

use crate::partials::Values;

/// The largest output of a template: 32 MiB. No model takes as much.
///
/// An f-string template, a chat prompt and a few-shot prompt may make more of it only if the values
/// of their variables together are as long: a large value may be used once.
pub const MAX_OUTPUT_BYTES: usize = conversant_template::MAX_OUTPUT_BYTES;

/// A prompt that asks for more work than is allowed, such as nested loops over long lists, or a
/// long value in thousands of places.
///
/// It is the cause of a [`PromptError::Custom`]: a service that lets its users write templates
/// finds it with `downcast_ref`.
///
/// # Examples
///
/// ```
/// use conversant_core::{Prompt, PromptError, vars};
/// use conversant_prompts::{PromptTemplate, WorkLimit};
///
/// let prompt = PromptTemplate::from_template("{text}".repeat(100))?;
/// let error = prompt.format(&vars! { "text" => "x".repeat(1_000_000) }).unwrap_err();
/// let PromptError::Custom(cause) = error else { panic!("{error}") };
/// assert_eq!(cause.downcast_ref(), Some(&WorkLimit::Output));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkLimit {
    /// Too many steps or repetitions: 2 million steps in Jinja2, or a million passes in mustache.
    ///
    /// In mustache, a pass is a repetition of a section, whether it shows anything or not. Four
    /// tags, literal texts or parts of a message's content count as a pass, each time that they
    /// are filled in. So do eight places in which a name is looked for, and 64 characters of a text
    /// that are passed over to find one by its index.
    Steps,
    /// An output of more than [`MAX_OUTPUT_BYTES`].
    Output,
}

/// The text that the parts of a prompt have made together.
#[derive(Debug, Default)]
pub(crate) struct OutputSize(usize);

impl OutputSize {
    /// Adds a text. It fails if there is more text than is allowed, and more than the values have.
    pub(crate) fn add(&mut self, bytes: usize, values: &Values<'_>) -> Result<(), WorkLimit> {
        self.0 = self.0.saturating_add(bytes);
        let is_too_long = self.0 > MAX_OUTPUT_BYTES && self.0 > values.text_bytes();
        if is_too_long { Err(WorkLimit::Output) } else { Ok(()) }
    }
}

impl fmt::Display for WorkLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps => f.write_str("the template repeats more often than is allowed"),
            Self::Output => {
                write!(f, "the template's output is larger than {MAX_OUTPUT_BYTES} bytes")
            }
        }
    }
}

impl Error for WorkLimit {}

impl From<WorkLimit> for PromptError {
    fn from(limit: WorkLimit) -> Self {
        Self::Custom(Box::new(limit))
    }
}
