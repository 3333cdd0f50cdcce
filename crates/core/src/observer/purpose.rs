//! The purpose of a request to a model.

use std::fmt;

/// The purpose of a request to a model, as observers see it in
/// [`Event::ModelStarted`](crate::Event::ModelStarted).
///
/// # Examples
///
/// A custom memory that calls a model while it loads:
///
/// ```
/// use conversant_core::{
///     LanguageModel, LoadContext, MemoryError, RequestPurpose,
/// };
///
/// async fn topic(
///     model: &LanguageModel,
///     context: LoadContext<'_>,
/// ) -> Result<String, MemoryError> {
///     let options = context.model_options(RequestPurpose::Memory);
///     let prompt = format!("The topic of: {}", context.input.unwrap_or_default());
///     Ok(model.generate(prompt.into(), options).await?.text().into_owned())
/// }
/// # let _ = topic;
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestPurpose {
    /// The answer of the call.
    #[default]
    Answer,
    /// A memory's summary of the conversation.
    Summary,
    /// The names of entities in the conversation, for a memory.
    EntityNames,
    /// A memory's description of an entity.
    EntityDescription,
    /// Facts for a memory's knowledge graph.
    Facts,
    /// Other work of a memory.
    Memory,
}

impl RequestPurpose {
    /// Returns the name of the purpose, for spans and metrics: `answer`, `summary`,
    /// `entity_names`, `entity_description`, `facts` or `memory`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Summary => "summary",
            Self::EntityNames => "entity_names",
            Self::EntityDescription => "entity_description",
            Self::Facts => "facts",
            Self::Memory => "memory",
        }
    }

    /// Returns whether a memory made the request.
    #[must_use]
    pub const fn is_memory(self) -> bool {
        !matches!(self, Self::Answer)
    }
}

impl fmt::Display for RequestPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
