//! Prompts from text: LangChain's `load_prompt` forms and its serialised constructors.

use std::{error::Error, fmt};

use conversant_core::{Prompt, PromptError, PromptValue, Slot, Variables};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value as Json;

mod config;
mod constructor;
mod fields;
#[cfg(feature = "load")]
mod file;

#[cfg(feature = "load")]
pub use self::file::load_prompt;
use crate::{ChatPromptTemplate, FewShotPromptTemplate, PromptTemplate, TemplateError};

/// A prompt that was loaded: of which type, the text decides.
///
/// What is read is LangChain's `load_prompt` form (`_type`: `prompt`, `few_shot` or `chat`) and the form
/// of its serialised objects (`"lc": 1`), for prompts and messages alone. The types come from a closed list; a path
/// in the text is refused and not followed, and nothing is read from the environment. Every template goes
/// through its parser.
///
/// Unlike LangChain's, this reads Jinja2 templates, if they are built in, since they cannot reach code.
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

impl LoadedPrompt {
    /// Reads a prompt from JSON.
    ///
    /// # Errors
    ///
    /// [`LoadError`], if the text is no JSON, or no prompt that is known.
    pub fn from_json(text: &str) -> Result<Self, LoadError> {
        Self::from_value(serde_json::from_str(text).map_err(LoadError::Json)?)
    }

    /// Reads a prompt from YAML.
    ///
    /// # Errors
    ///
    /// [`LoadError`], if the text is no YAML, or no prompt that is known.
    #[cfg(feature = "load")]
    pub fn from_yaml(text: &str) -> Result<Self, LoadError> {
        let value = serde_saphyr::from_str(text);
        Self::from_value(value.map_err(|error| LoadError::Yaml(Box::new(error)))?)
    }

    /// Reads a prompt from a JSON value.
    ///
    /// # Errors
    ///
    /// [`LoadError`], if it is no prompt that is known.
    pub fn from_value(value: Json) -> Result<Self, LoadError> {
        if value.get("lc").is_some() { constructor::prompt(value) } else { config::prompt(value) }
    }
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
}

impl<'de> Deserialize<'de> for LoadedPrompt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(Json::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

macro_rules! deserialize {
    ($($prompt:ident: $variant:ident, $kind:literal;)*) => {$(
        impl<'de> Deserialize<'de> for $prompt {
            /// Reads what [`LoadedPrompt`] reads, of this type.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match LoadedPrompt::deserialize(deserializer)? {
                    LoadedPrompt::$variant(prompt) => Ok(prompt),
                    _ => Err(D::Error::custom(concat!("the prompt is no ", $kind, " prompt"))),
                }
            }
        }
    )*};
}
deserialize! {
    PromptTemplate: String, "string";
    FewShotPromptTemplate: FewShot, "few-shot";
    ChatPromptTemplate: Chat, "chat";
}

/// A prompt that cannot be loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The text is no JSON.
    Json(serde_json::Error),
    /// The text is no YAML.
    #[cfg(feature = "load")]
    Yaml(conversant_core::BoxError),
    /// The file cannot be read.
    #[cfg(feature = "load")]
    File(std::io::Error),
    /// The file's name does not end in `.json`, `.yaml` or `.yml`.
    #[cfg(feature = "load")]
    FileType,
    /// A type that is not on the list.
    UnknownType(String),
    /// A field that is refused, such as a path.
    Refused(String),
    /// A field that its type does not have.
    UnknownField {
        /// The field.
        field: String,
        /// The nearest field that the type has.
        nearest: Option<String>,
    },
    /// A field that its type needs is not there.
    MissingField(String),
    /// A field cannot be read.
    Field {
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A template is wrong.
    Template(TemplateError),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(_) => f.write_str("the prompt is no JSON"),
            #[cfg(feature = "load")]
            Self::Yaml(_) => f.write_str("the prompt is no YAML"),
            #[cfg(feature = "load")]
            Self::File(_) => f.write_str("the prompt's file can't be read"),
            #[cfg(feature = "load")]
            Self::FileType => f.write_str("a prompt's file is `.json`, `.yaml` or `.yml`"),
            Self::UnknownType(name) => write!(f, "unknown type `{name}` of a prompt"),
            Self::Refused(field) => write!(f, "`{field}` is refused: no file is followed"),
            Self::UnknownField { field, nearest: None } => write!(f, "unknown field `{field}`"),
            Self::UnknownField { field, nearest: Some(nearest) } => {
                write!(f, "unknown field `{field}` (known is `{nearest}`)")
            }
            Self::MissingField(field) => write!(f, "missing field `{field}`"),
            Self::Field { field, reason } => write!(f, "field `{field}`: {reason}"),
            Self::Template(_) => f.write_str("the prompt's template is wrong"),
        }
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            #[cfg(feature = "load")]
            Self::Yaml(error) => Some(&**error),
            #[cfg(feature = "load")]
            Self::File(error) => Some(error),
            Self::Template(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TemplateError> for LoadError {
    fn from(error: TemplateError) -> Self {
        Self::Template(error)
    }
}
