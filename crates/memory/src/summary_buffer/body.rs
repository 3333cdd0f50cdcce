//! What a summary buffer keeps beside the conversation.

use conversant_core::{HistoryError, Message, Messages, Value};
use serde_json::{Value as Json, json};

/// A summary, and the system messages that the conversation opens with, which stay as they were said.
#[derive(Default)]
pub(super) struct Body {
    pub(super) summary: String,
    pub(super) opening: Messages,
}

impl Body {
    /// Returns the summary as the message that it is shown as.
    pub(super) fn message(&self) -> Option<Message> {
        (!self.summary.is_empty()).then(|| Message::system(self.summary.as_str()))
    }

    pub(super) fn read(value: &Value) -> Result<Self, HistoryError> {
        let Value::Data(data) = value else {
            let summary = value.to_text().into_owned();
            return Ok(Self { summary, opening: Messages::new() });
        };
        let corrupt = |source: serde_json::Error| HistoryError::Corrupt {
            what: "the note `summary_buffer`".to_owned(),
            source: Some(source.into()),
        };
        let field = |name: &str| data.get(name).cloned().unwrap_or_default();
        Ok(Self {
            summary: serde_json::from_value(field("summary")).map_err(corrupt)?,
            opening: serde_json::from_value(field("opening")).map_err(corrupt)?,
        })
    }

    pub(super) fn write(self) -> Value {
        if self.opening.is_empty() {
            return Value::from(self.summary);
        }
        let opening: Vec<Json> = self.opening.iter().map(Message::to_stored).collect();
        Value::from(json!({"summary": self.summary, "opening": opening}))
    }
}
