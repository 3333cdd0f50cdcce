//! The prompt trait, with its slots and errors.

mod fault;

use std::{borrow::Cow, fmt};

pub use self::fault::PromptFault;
use crate::{
    box_error::BoxError, nearest::nearest, prompt_value::PromptValue, value::ValueKind,
    variables::Variables,
};

/// A template that formats variables into a [`PromptValue`].
///
/// Implemented by template crates and by code that builds prompts. A chain reads
/// [`slots`](Self::slots) once, when it is built, to check its wiring. It calls `format` once for
/// each call, after it has loaded the memory. `format` is pure: it does no I/O and never reads a
/// value as syntax.
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a prompt",
    note = "use a template of `conversant-prompts`, or implement `Prompt` for it"
)]
pub trait Prompt: Send + Sync {
    /// Returns the prompt's slots: each name once, in the order of first appearance.
    fn slots(&self) -> &[Slot];

    /// Formats the prompt. Variables without a slot are ignored.
    ///
    /// # Errors
    /// [`PromptError`], if a required variable is missing or a value does not fit its slot.
    fn format(&self, variables: &Variables) -> Result<PromptValue, PromptError>;

    /// Returns the kind of what [`format`](Self::format) returns, if it is always the same. `None`
    /// by default.
    fn gives(&self) -> Option<SlotKind> {
        None
    }

    /// Returns the faults that are known before any call: those for which each call that leaves the
    /// prompt's own values as they are would fail, and names that were probably misspelt. A chain
    /// asks when it is built. `given` are variables whose values always have the kind of their
    /// slot, such as messages of a memory. None by default.
    fn faults(&self, given: &[Slot]) -> Vec<PromptFault> {
        let _ = given;
        Vec::new()
    }
}

macro_rules! forward_prompt {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        impl<P: Prompt + ?Sized> Prompt for $pointer {
            fn slots(&self) -> &[Slot] {
                (**self).slots()
            }

            fn format(&self, variables: &Variables) -> Result<PromptValue, PromptError> {
                (**self).format(variables)
            }

            fn gives(&self) -> Option<SlotKind> {
                (**self).gives()
            }

            fn faults(&self, given: &[Slot]) -> Vec<PromptFault> {
                (**self).faults(given)
            }
        }
    )*};
}
forward_prompt!(&P, Box<P>, std::sync::Arc<P>);

/// The kind of value that a slot takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SlotKind {
    /// Text, a number or data. Messages are accepted and rendered as a transcript.
    Text,
    /// Messages only.
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

/// A variable of a prompt: its name, the kind of its value, and whether it is required.
///
/// # Examples
///
/// ```
/// use conversant_core::{Slot, SlotKind};
///
/// let slot = Slot::messages("chat_history").optional();
/// assert_eq!((slot.name(), slot.kind(), slot.is_required()), ("chat_history", SlotKind::Messages, false));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Slot {
    name: Cow<'static, str>,
    kind: SlotKind,
    need: Need,
}

/// The source of a slot's value, if the call has none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Need {
    Required,
    Optional,
    Partial,
}

impl Slot {
    /// Creates a required slot for text.
    #[must_use]
    pub fn text(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), kind: SlotKind::Text, need: Need::Required }
    }

    /// Creates a required slot for messages.
    #[must_use]
    pub fn messages(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), kind: SlotKind::Messages, need: Need::Required }
    }

    /// Makes the slot optional.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.need = Need::Optional;
        self
    }

    /// Makes the slot partial: the prompt has a value for it. A call of [`Prompt::format`] may
    /// replace that value, and chains do not: [`prompt_inputs`] leaves it to the prompt.
    #[must_use]
    pub fn partial(mut self) -> Self {
        self.need = Need::Partial;
        self
    }

    /// Returns the variable's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name for a variable of the slot. A literal is not copied.
    #[must_use]
    pub fn to_name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    /// Returns the kind of value that the slot takes.
    #[must_use]
    pub const fn kind(&self) -> SlotKind {
        self.kind
    }

    /// Returns whether the variable is required.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        matches!(self.need, Need::Required)
    }

    /// Returns whether the prompt itself has a value for the slot.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        matches!(self.need, Need::Partial)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut slot = f.debug_struct("Slot");
        slot.field("name", &self.name).field("kind", &self.kind);
        slot.field("required", &self.is_required());
        if self.is_partial() {
            slot.field("partial", &true);
        }
        slot.finish()
    }
}

/// Returns the variables that a chain gives to a prompt: all but those for which the prompt has a
/// value of its own.
///
/// LangChain 0.1.20 `langchain/chains/llm.py::LLMChain.prep_prompts` gives a prompt its
/// `input_variables`, so that an input, a memory or an earlier step never replaces a partial
/// variable that happens to have its name.
///
/// # Examples
///
/// ```
/// use conversant_core::{Slot, prompt_inputs, vars};
///
/// let slots = [Slot::text("tone").partial(), Slot::text("text")];
/// let variables = vars! { "tone" => "harsh", "text" => "no" };
/// let inputs = prompt_inputs(&slots, &variables);
/// assert_eq!(inputs.names().collect::<Vec<_>>(), ["text"]);
/// ```
#[must_use]
pub fn prompt_inputs<'v>(slots: &[Slot], variables: &'v Variables) -> Cow<'v, Variables> {
    let mut inputs = Cow::Borrowed(variables);
    for slot in slots.iter().filter(|slot| slot.is_partial()) {
        if inputs.contains(slot.name()) {
            inputs.to_mut().remove(slot.name());
        }
    }
    inputs
}

/// An error of formatting a prompt.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// Variables are missing. The error names all of them, in the order of the prompt.
    #[error("missing {}", list(missing))]
    MissingVariables {
        /// The missing variables.
        missing: Vec<MissingVariable>,
    },
    /// A placeholder for messages received another kind of value.
    #[error("cannot fill placeholder `{name}`: it takes messages, but got {found}")]
    NotMessages {
        /// The placeholder's variable.
        name: String,
        /// The kind of the value that it received.
        found: ValueKind,
    },
    /// A value does not fit the format specification of its template.
    #[error("cannot format variable `{name}`")]
    Value {
        /// The variable.
        name: String,
        /// The cause.
        source: BoxError,
    },
    /// An error of a custom prompt.
    #[error("cannot format the prompt")]
    Custom(#[source] BoxError),
}

/// A missing variable, with the nearest name among the given variables.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingVariable {
    /// The variable's name.
    pub name: String,
    /// The nearest name among the given variables, if one is near enough.
    pub nearest: Option<String>,
}

impl MissingVariable {
    /// Creates the fault for a name and finds the nearest of the given names.
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
    /// Checks that every required slot has a variable.
    ///
    /// # Errors
    /// [`PromptError::MissingVariables`], which names all missing variables.
    pub fn check_missing<'s>(
        slots: impl IntoIterator<Item = &'s Slot>,
        variables: &Variables,
    ) -> Result<(), Self> {
        let missing = missing(slots, variables);
        if missing.is_empty() { Ok(()) } else { Err(Self::MissingVariables { missing }) }
    }
}

/// The most missing variables for which the nearest given name is searched: 20.
const MAX_HINTS: usize = 20;

fn missing<'s>(
    slots: impl IntoIterator<Item = &'s Slot>,
    variables: &Variables,
) -> Vec<MissingVariable> {
    let lacking =
        slots.into_iter().filter(|slot| slot.is_required() && !variables.contains(slot.name()));
    let missing = lacking.enumerate().map(|(index, slot)| {
        // A hint takes a comparison with every name.
        let candidates = variables.names().take(if index < MAX_HINTS { usize::MAX } else { 0 });
        MissingVariable::new(slot.name(), candidates)
    });
    missing.collect()
}

fn list(missing: &[MissingVariable]) -> String {
    let noun = if missing.len() == 1 { "variable" } else { "variables" };
    let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
    format!("{noun} {}", names.join(", "))
}

crate::debug_as_report!(PromptError);
