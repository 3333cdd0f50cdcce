//! The model calls of memories: prompts, and the decoding of answers.

pub(crate) mod entity_extractor;
pub(crate) mod limits;
pub(crate) mod prompted_model;
pub(crate) mod static_prompt;
pub(crate) mod summarizer;
pub(crate) mod triples;
