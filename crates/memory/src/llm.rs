//! The model calls of memories: prompts, and the decoding of answers.

pub(crate) mod attempts;
#[cfg(feature = "entities")]
pub(crate) mod entity_extractor;
pub(crate) mod limits;
#[cfg(any(feature = "entities", feature = "summaries"))]
pub(crate) mod prompted_model;
#[cfg(any(feature = "entities", feature = "summaries"))]
pub(crate) mod static_prompt;
#[cfg(feature = "summaries")]
pub(crate) mod summarizer;
#[cfg(feature = "entities")]
pub(crate) mod triples;
