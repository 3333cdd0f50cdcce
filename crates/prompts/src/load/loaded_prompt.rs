//! A prompt of a type that is known only once it is loaded.

use conversant_core::{Prompt, PromptError, PromptFault, PromptValue, Slot, SlotKind, Variables};

use crate::{
    chat::ChatPromptTemplate, few_shot::FewShotPromptTemplate, prompt_template::PromptTemplate,
};

/// A prompt that was loaded: of which type, the text decides.
///
/// Needs the feature `json`.
///
/// It reads LangChain's `load_prompt` form (`_type`: `prompt`, `few_shot` or `chat`) and its
/// serialised objects (`"lc": 1`), for prompts and messages only. The types come from a closed
/// list; a path in the text is refused and not followed, and nothing is read from the environment.
/// Every template goes through its parser.
///
/// Unlike LangChain's, this reads Jinja2 templates, if they are built in, since they cannot reach
/// code.
///
/// # Examples
///
/// ```
/// use conversant_core::{Prompt, vars};
/// use conversant_prompts::LoadedPrompt;
///
/// let prompt = LoadedPrompt::from_json(r#"{
///     "_type": "prompt",
///     "input_variables": ["adjective"],
///     "template": "Tell me a {adjective} joke."
/// }"#)?;
/// assert_eq!(prompt.format(&vars! { "adjective" => "silly" })?.to_string(), "Tell me a silly joke.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "a program holds few prompts")]
#[non_exhaustive]
pub enum LoadedPrompt {
    /// A string prompt.
    String(PromptTemplate),
    /// A few-shot prompt.
    FewShot(FewShotPromptTemplate),
    /// A chat prompt.
    Chat(ChatPromptTemplate),
}

impl Prompt for LoadedPrompt {
    fn slots(&self) -> &[Slot] {
        match self {
            Self::String(prompt) => prompt.slots(),
            Self::FewShot(prompt) => prompt.slots(),
            Self::Chat(prompt) => prompt.slots(),
        }
    }

    fn format(&self, variables: &Variables) -> Result<PromptValue, PromptError> {
        match self {
            Self::String(prompt) => prompt.format(variables),
            Self::FewShot(prompt) => prompt.format(variables),
            Self::Chat(prompt) => prompt.format(variables),
        }
    }

    fn gives(&self) -> Option<SlotKind> {
        match self {
            Self::String(prompt) => prompt.gives(),
            Self::FewShot(prompt) => prompt.gives(),
            Self::Chat(prompt) => prompt.gives(),
        }
    }

    fn faults(&self, given: &[Slot]) -> Vec<PromptFault> {
        match self {
            Self::String(prompt) => prompt.faults(given),
            Self::FewShot(prompt) => prompt.faults(given),
            Self::Chat(prompt) => prompt.faults(given),
        }
    }
}
