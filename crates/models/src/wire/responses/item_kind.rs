//! The kinds of output items.

use serde_json::Value as Json;

use super::output::item_type;

/// The kind of an output item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemKind {
    Message,
    Reasoning,
    FunctionCall,
    Other,
}

impl ItemKind {
    /// Returns the kind of an item, if the item says it.
    pub(super) fn of(item: &Json) -> Option<Self> {
        match item_type(item) {
            "" => None,
            "message" => Some(Self::Message),
            "reasoning" => Some(Self::Reasoning),
            "function_call" => Some(Self::FunctionCall),
            _ => Some(Self::Other),
        }
    }
}
