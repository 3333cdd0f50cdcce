//! The parameters of a request, as they are set once.

use conversant_core::{CallOptions, ModelError};
use serde_json::{Map, Number, Value as Json};

/// Names that are not parameters: what a call is about, and what has a setting of its own.
const RESERVED: &[&str] = &[
    "messages",
    "prompt",
    "stream",
    "stop",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
];

/// Parameters by their names on the wire, in the order in which they were set.
#[derive(Debug, Clone, Default)]
pub(super) struct Params {
    fields: Map<String, Json>,
    /// What a call may set otherwise.
    pub(super) options: CallOptions,
    /// The first fault, told when the adapter is built.
    fault: Option<String>,
}

impl Params {
    pub(super) fn set(&mut self, name: &str, value: impl Into<Json>) {
        if RESERVED.contains(&name) {
            self.fail(format!("`{name}` can't be set as an extra parameter"));
            return;
        }
        self.fields.insert(name.to_owned(), value.into());
    }

    pub(super) fn set_float(&mut self, name: &str, value: f64) {
        match Number::from_f64(value) {
            Some(number) => self.set(name, number),
            None => self.fail(format!("`{name}` is no finite number")),
        }
    }

    /// Takes out a parameter that was set to nothing.
    pub(super) fn remove_null(&mut self, name: &str) {
        if self.get(name).is_some_and(Json::is_null) {
            self.fields.shift_remove(name);
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        self.fields.get(name)
    }

    /// Returns how many answers are asked for.
    pub(super) fn choices(&self) -> usize {
        let n = self.get("n").and_then(Json::as_u64).unwrap_or(1);
        usize::try_from(n).unwrap_or(usize::MAX)
    }

    fn fail(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    /// Encodes what every request begins with: `{"model":…,"temperature":…,`.
    ///
    /// # Errors
    /// [`ModelError::Config`], if a parameter can't be sent.
    pub(super) fn head(&self, model: &str) -> Result<Vec<u8>, ModelError> {
        if let Some(fault) = &self.fault {
            return Err(ModelError::config(fault.as_str()));
        }
        let mut fields = Map::new();
        fields.insert("model".to_owned(), model.into());
        fields.extend(self.fields.clone());
        let mut head = Json::Object(fields).to_string().into_bytes();
        head.pop();
        head.push(b',');
        Ok(head)
    }
}
