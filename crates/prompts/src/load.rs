//! Prompts from text: LangChain's `load_prompt` forms and its serialised constructors.

use conversant_core::Report;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value as Json;

mod build;
mod config;
mod constructor;
mod error;
mod fields;
#[cfg(feature = "load")]
mod file;
mod loaded_prompt;

pub(crate) use self::fields::variables;
#[cfg(feature = "load")]
pub use self::file::load_prompt;
pub use self::{error::LoadError, loaded_prompt::LoadedPrompt};
use crate::{
    chat::ChatPromptTemplate, few_shot::FewShotPromptTemplate, prompt_template::PromptTemplate,
};

impl LoadedPrompt {
    /// Reads a prompt from JSON.
    ///
    /// # Errors
    ///
    /// [`LoadError`], if the text is not JSON, or not a known prompt.
    pub fn from_json(text: &str) -> Result<Self, LoadError> {
        Self::from_value(serde_json::from_str(text).map_err(LoadError::Json)?)
    }

    /// Reads a prompt from YAML, as [`from_yaml`](conversant_core::yaml::from_yaml) reads it.
    ///
    /// # Errors
    ///
    /// [`LoadError`], if the text is not YAML, or not a known prompt.
    #[cfg(feature = "load")]
    pub fn from_yaml(text: &str) -> Result<Self, LoadError> {
        Self::from_value(conversant_core::yaml::from_yaml(text).map_err(LoadError::Yaml)?)
    }

    /// Reads a prompt from a JSON value.
    ///
    /// # Errors
    ///
    /// [`LoadError`], if it is not a known prompt.
    pub fn from_value(value: Json) -> Result<Self, LoadError> {
        if value.get("lc").is_some() { constructor::prompt(value) } else { config::prompt(value) }
    }
}

impl<'de> Deserialize<'de> for LoadedPrompt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Json::deserialize(deserializer)?;
        // An error of serde has no source.
        Self::from_value(value).map_err(|error| D::Error::custom(Report::new(&error)))
    }
}

macro_rules! deserialize {
    ($($prompt:ident: $variant:ident, $kind:literal;)*) => {$(
        impl<'de> Deserialize<'de> for $prompt {
            /// Reads what [`LoadedPrompt`] reads, of this type.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match LoadedPrompt::deserialize(deserializer)? {
                    LoadedPrompt::$variant(prompt) => Ok(prompt),
                    _ => Err(D::Error::custom(concat!("the prompt is not a ", $kind, " prompt"))),
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
