//! The prompt seam: what has to be filled in, and filling it in.

use std::{borrow::Cow, fmt};

use crate::{
    BoxError, nearest::nearest, prompt_value::PromptValue, value::ValueKind, variables::Variables,
};

/// Something that variables turn into a [`PromptValue`].
///
/// **Who implements it**: template crates, and whoever builds prompts in code. **Who calls it**: a chain, once for each call,
/// after it has loaded the memory; and the check of a chain's wiring, which reads [`slots`](Self::slots) once, when the chain is
/// built. `format` is pure: it does no I/O and reads no value as syntax.
///
/// # Examples
///
/// ```
/// use conversant_core::{vars, Prompt, PromptError, PromptValue, Slot, Variables};
///
/// struct Shout([Slot; 1]);
///
/// impl Prompt for Shout {
///     fn slots(&self) -> &[Slot] {
///         &self.0
///     }
///
///     fn format(&self, variables: &Variables) -> Result<PromptValue, PromptError> {
///         PromptError::check_missing(self.slots(), variables)?;
///         let text = variables.get("text").map(|value| value.to_text().to_uppercase());
///         Ok(text.unwrap_or_default().into())
///     }
/// }
///
/// let prompt = Shout([Slot::text("text")]);
/// assert_eq!(prompt.format(&vars! { "text" => "hi" })?.to_string(), "HI");
/// let missing = prompt.format(&vars! { "txt" => "hi" }).unwrap_err();
/// assert_eq!(missing.to_string(), "missing variable `text` (found `txt`)");
/// # Ok::<(), PromptError>(())
/// ```
pub trait Prompt: Send + Sync {
    /// Returns what has to be filled in: each name once, in the order of first appearance.
    fn slots(&self) -> &[Slot];

    /// Fills the prompt in. Variables that it has no slot for are ignored.
    ///
    /// # Errors
    /// [`PromptError`], if a required variable is missing or a value does not fit its slot.
    fn format(&self, variables: &Variables) -> Result<PromptValue, PromptError>;
}

macro_rules! forward_prompt {
    ($($pointer:ty),*) => {$(
        impl<P: Prompt + ?Sized> Prompt for $pointer {
            fn slots(&self) -> &[Slot] {
                (**self).slots()
            }

            fn format(&self, variables: &Variables) -> Result<PromptValue, PromptError> {
                (**self).format(variables)
            }
        }
    )*};
}
forward_prompt!(&P, Box<P>, std::sync::Arc<P>);

/// What a slot takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SlotKind {
    /// Text, a number or data. Messages are taken too, and rendered as a transcript.
    Text,
    /// Messages, and nothing else.
    Messages,
}

impl fmt::Display for SlotKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Messages => "messages",
        })
    }
}

/// A place for a variable: its name, what it takes, and whether it must be there.
///
/// # Examples
///
/// ```
/// use conversant_core::{Slot, SlotKind};
///
/// let slot = Slot::messages("chat_history").optional();
/// assert_eq!((slot.name(), slot.kind(), slot.is_required()), ("chat_history", SlotKind::Messages, false));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slot {
    name: Cow<'static, str>,
    kind: SlotKind,
    required: bool,
}

impl Slot {
    /// Creates a required slot for text.
    #[must_use]
    pub fn text(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), kind: SlotKind::Text, required: true }
    }

    /// Creates a required slot for messages.
    #[must_use]
    pub fn messages(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), kind: SlotKind::Messages, required: true }
    }

    /// Makes the slot optional.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// Returns the variable's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what the slot takes.
    #[must_use]
    pub const fn kind(&self) -> SlotKind {
        self.kind
    }

    /// Returns whether the variable must be there.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        self.required
    }
}

/// A prompt that can't be filled in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// Variables are missing: all of them, in the order of the prompt.
    #[error("missing {}", list(missing))]
    MissingVariables {
        /// What is missing.
        missing: Vec<MissingVariable>,
    },
    /// A placeholder for messages was given something else.
    #[error("placeholder `{name}` takes messages, and got {found}")]
    NotMessages {
        /// The placeholder's variable.
        name: String,
        /// What it was given.
        found: ValueKind,
    },
    /// A value does not fit the way its template wants it formatted.
    #[error("variable `{name}` can't be formatted")]
    Value {
        /// The variable.
        name: String,
        /// What is wrong.
        source: BoxError,
    },
    /// Another fault of a prompt.
    #[error("the prompt can't be filled in")]
    Custom(#[source] BoxError),
}

/// A variable that a prompt needs and was not given, with the nearest name that it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingVariable {
    /// The variable's name.
    pub name: String,
    /// The nearest name among those given, if one is near.
    pub nearest: Option<String>,
}

impl MissingVariable {
    /// Creates it for a name, looking for the nearest of those that were given.
    #[must_use]
    pub fn new<'c>(name: &str, given: impl IntoIterator<Item = &'c str>) -> Self {
        Self { name: name.to_owned(), nearest: nearest(name, given).map(str::to_owned) }
    }
}

impl fmt::Display for MissingVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.nearest {
            Some(nearest) => write!(f, "`{}` (found `{nearest}`)", self.name),
            None => write!(f, "`{}`", self.name),
        }
    }
}

impl PromptError {
    /// Checks that every required slot has a variable, and names all that are missing.
    ///
    /// # Errors
    /// [`PromptError::MissingVariables`].
    pub fn check_missing<'s>(
        slots: impl IntoIterator<Item = &'s Slot>,
        variables: &Variables,
    ) -> Result<(), Self> {
        let missing = missing(slots, variables);
        if missing.is_empty() { Ok(()) } else { Err(Self::MissingVariables { missing }) }
    }
}

fn missing<'s>(
    slots: impl IntoIterator<Item = &'s Slot>,
    variables: &Variables,
) -> Vec<MissingVariable> {
    let lacking =
        slots.into_iter().filter(|slot| slot.is_required() && !variables.contains(slot.name()));
    lacking.map(|slot| MissingVariable::new(slot.name(), variables.names())).collect()
}

fn list(missing: &[MissingVariable]) -> String {
    let noun = if missing.len() == 1 { "variable" } else { "variables" };
    let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
    format!("{noun} {}", names.join(", "))
}
