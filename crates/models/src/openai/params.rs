//! The parameters of the model, which are set once.

use std::{fmt, ops::RangeInclusive};

use conversant_core::{CallOptions, ModelError};
use serde_json::{Map, Number, Value as Json};

/// Names that `extra` does not take: parts of a call, and parameters with a method.
const RESERVED: &[&str] = &[
    "messages",
    "prompt",
    "stream",
    "stop",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "prompt_cache_key",
];

/// Parameters by their names on the wire, in the order in which they were set.
#[derive(Clone, Default)]
pub(super) struct Params {
    fields: Map<String, Json>,
    /// The defaults of a call's options.
    pub(super) options: CallOptions,
    /// The first fault, an error of `build`.
    fault: Option<String>,
}

impl Params {
    pub(super) fn set(&mut self, name: &str, value: impl Into<Json>) {
        if RESERVED.contains(&name) {
            self.fail(format!("cannot set `{name}` as an extra parameter; use its own setting"));
            return;
        }
        self.fields.insert(name.to_owned(), value.into());
    }

    pub(super) fn set_float(&mut self, name: &str, value: f64) {
        match Number::from_f64(value) {
            Some(number) => self.set(name, number),
            None => self.fail(format!("`{name}` must be finite")),
        }
    }

    /// Sets a number in a range that all servers have.
    pub(super) fn set_within(&mut self, name: &str, value: f64, range: RangeInclusive<f64>) {
        if range.contains(&value) || !value.is_finite() {
            return self.set_float(name, value);
        }
        let (start, end) = range.into_inner();
        self.fail(match end.is_finite() {
            true => format!("`{name}` must be from {start} to {end}"),
            false => format!("`{name}` must be at least {start}"),
        });
    }

    /// Sets the stop sequences.
    pub(super) fn set_stop(&mut self, stop: impl IntoIterator<Item = impl Into<String>>) {
        self.options = std::mem::take(&mut self.options).with_stop(stop);
        if self.options.stop.iter().any(String::is_empty) {
            self.fail("a stop sequence is empty: no answer could have a text".to_owned());
        }
    }

    /// Sets a number that is at least 1.
    pub(super) fn set_count(&mut self, name: &str, value: u32) {
        match value {
            0 => self.fail(format!("`{name}` must be at least 1")),
            value => self.set(name, value),
        }
    }

    /// Removes a parameter that was set to null.
    pub(super) fn remove_null(&mut self, name: &str) {
        if self.get(name).is_some_and(Json::is_null) {
            self.fields.shift_remove(name);
        }
    }

    /// Removes a parameter and returns it.
    #[cfg(feature = "responses")]
    pub(super) fn take(&mut self, name: &str) -> Option<Json> {
        self.fields.shift_remove(name)
    }

    /// Returns the names of the parameters.
    #[cfg(feature = "responses")]
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// Renames a parameter, unless the other name is set too.
    pub(super) fn rename(&mut self, name: &str, other: &str) {
        if self.fields.contains_key(other) {
            return;
        }
        let named = |field: String| if field == name { other.to_owned() } else { field };
        let fields = std::mem::take(&mut self.fields);
        self.fields = fields.into_iter().map(|(field, value)| (named(field), value)).collect();
    }

    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        self.fields.get(name)
    }

    /// Returns the number of answers that are asked for.
    pub(super) fn choices(&self) -> usize {
        let n = self.get("n").and_then(Json::as_u64).unwrap_or(1);
        usize::try_from(n).unwrap_or(usize::MAX)
    }

    fn fail(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    /// Encodes the start of every request: `{"model":…,"temperature":…,`.
    ///
    /// # Errors
    /// [`ModelError::Config`], if a parameter is invalid.
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

impl fmt::Debug for Params {
    /// Shows the names of the parameters without their values: some servers take keys there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Params")
            .field("fields", &self.fields.keys().collect::<Vec<_>>())
            .field("options", &self.options)
            .field("fault", &self.fault)
            .finish()
    }
}
