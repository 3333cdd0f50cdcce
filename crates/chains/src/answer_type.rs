//! The type that a call asks for.

use std::sync::Arc;

use conversant_core::{OutputParser, ResponseFormat};

/// The type of the answer that a call asks for, as [`Chain::answering_as`] receives it: its parser,
/// and its format for servers that enforce JSON Schemas.
///
/// [`Chain::answering_as`]: crate::Chain::answering_as
#[derive(Clone)]
pub struct AnswerType {
    pub(crate) parser: Arc<dyn OutputParser>,
    pub(crate) format: Option<ResponseFormat>,
}

impl AnswerType {
    /// Creates the answer type of a Rust type: a [`TypedParser`](crate::TypedParser) of JSON, and
    /// its schema as the format. Servers enforce schemas of objects only, so that a type of another
    /// kind has no format.
    #[cfg(feature = "schema")]
    #[must_use]
    pub fn of<T>() -> Self
    where
        T: serde::de::DeserializeOwned + schemars::JsonSchema + 'static,
    {
        let format = conversant_core::schema::response_format::<T>();
        let is_object = matches!(
            &format,
            ResponseFormat::JsonSchema { schema, .. }
                if schema.get("type").is_some_and(|kind| kind == "object")
        );
        let parser = Arc::new(crate::parser::TypedParser::<T>::json());
        Self { parser, format: is_object.then_some(format) }
    }

    /// Returns the parser. Its instructions are for models whose server does not enforce schemas.
    #[must_use]
    pub fn parser(&self) -> &dyn OutputParser {
        &*self.parser
    }

    /// Returns the format, for models whose server enforces schemas.
    #[must_use]
    pub const fn format(&self) -> Option<&ResponseFormat> {
        self.format.as_ref()
    }
}

impl std::fmt::Debug for AnswerType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnswerType").field("format", &self.format).finish_non_exhaustive()
    }
}
