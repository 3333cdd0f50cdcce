//! The model calls of memories: prompts, and the decoding of answers.

#[cfg(feature = "entities")]
pub(crate) mod entity_extractor;
pub(crate) mod limits;
pub(crate) mod prompted_model;
pub(crate) mod static_prompt;
#[cfg(feature = "summaries")]
pub(crate) mod summarizer;
#[cfg(feature = "entities")]
pub(crate) mod triples;
