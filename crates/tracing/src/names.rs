//! Values of attributes and labels that spans and metrics share.

use conversant_core::ModelDescription;

/// A value that is not known, by the semantic conventions.
pub(crate) const OTHER: &str = "_OTHER";

/// Returns the value of `gen_ai.operation.name` for a model.
pub(crate) const fn operation(model: &ModelDescription) -> &'static str {
    if model.is_completion { "text_completion" } else { "chat" }
}

/// Returns the value of `gen_ai.provider.name` for a model.
pub(crate) fn provider(model: &ModelDescription) -> &str {
    model.provider.as_deref().unwrap_or(OTHER)
}
