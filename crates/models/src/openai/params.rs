//! The parameters of the model, which are set once.

use std::{fmt, ops::RangeInclusive};

use conversant_core::CallOptions;
use secrecy::SecretString;
use serde_json::{Map, Number, Value as Json};

use super::faults::Faults;
use crate::http::masking::Mask;

/// Names that `extra` does not take, and what to do instead: parts of a call, and parameters with a
/// method.
const RESERVED: &[(&str, &str)] = &[
    ("messages", PART_OF_CALL),
    ("prompt", PART_OF_CALL),
    ("input", PART_OF_CALL),
    ("stream", PART_OF_CALL),
    ("model", "it is the name that `builder` takes"),
    ("stream_options", "use `stream_usage`"),
    ("stop", SETTING),
    ("tools", SETTING),
    ("tool_choice", SETTING),
    ("parallel_tool_calls", SETTING),
    ("response_format", SETTING),
    ("prompt_cache_key", SETTING),
];
const PART_OF_CALL: &str = "it is part of each call";
const SETTING: &str = "use its own setting";

/// The ends of names, in lower case, whose values are secrets.
const SECRETS: &[&str] = &[
    "key",
    "token",
    "secret",
    "password",
    "passwd",
    "credential",
    "credentials",
    "authorization",
    "connection_string",
];
/// The length of the shortest value of such a name that is masked: shorter ones are words.
const MIN_SECRET: usize = 8;

/// Parameters by their names on the wire, in the order in which they were set.
#[derive(Clone, Default)]
pub(super) struct Params {
    fields: Map<String, Json>,
    /// The defaults of a call's options.
    pub(super) options: CallOptions,
    /// The faults of the parameters, which `build` refuses.
    pub(super) faults: Faults,
}

impl Params {
    pub(super) fn set(&mut self, name: &str, value: impl Into<Json>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// Sets a parameter that has no method.
    pub(super) fn set_extra(&mut self, name: &str, value: impl Into<Json>) {
        match RESERVED.iter().find(|(reserved, _)| *reserved == name) {
            Some((_, instead)) => {
                self.fail(format!("cannot set `{name}` as an extra parameter; {instead}"));
            }
            None => self.set(name, value),
        }
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
            0 => self.fail(at_least_one(name)),
            value => self.set(name, value),
        }
    }

    /// Refuses a parameter of 0, which asks for nothing.
    pub(super) fn refuse_zero(&mut self, name: &str) {
        if self.get(name).and_then(Json::as_u64) == Some(0) {
            self.fail(at_least_one(name));
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

    /// Renames a parameter.
    pub(super) fn rename(&mut self, name: &str, other: &str) {
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
        self.faults.add(fault);
    }

    /// Returns the mask of the keys that parameters have: those of other services, to which some
    /// servers connect.
    pub(super) fn mask(&self) -> Mask {
        let mut secrets = Vec::new();
        for (name, value) in &self.fields {
            collect_secrets(name, value, &mut secrets);
        }
        Mask::new(secrets)
    }

    /// Encodes the start of every request: `{"model":…,"temperature":…,`.
    pub(super) fn head(&self, model: &str) -> Vec<u8> {
        let mut fields = Map::new();
        fields.insert("model".to_owned(), model.into());
        fields.extend(self.fields.clone());
        let mut head = Json::Object(fields).to_string().into_bytes();
        head.pop();
        head.push(b',');
        head
    }
}

fn at_least_one(name: &str) -> String {
    format!("`{name}` must be at least 1")
}

/// Collects the texts in a value that are below names of secrets.
fn collect_secrets(name: &str, value: &Json, secrets: &mut Vec<SecretString>) {
    match value {
        Json::String(text) if text.len() >= MIN_SECRET => {
            let name = name.to_ascii_lowercase();
            if SECRETS.iter().any(|end| name.ends_with(end)) {
                secrets.push(text.as_str().into());
            }
        }
        Json::Array(items) => items.iter().for_each(|item| collect_secrets(name, item, secrets)),
        Json::Object(fields) => {
            fields.iter().for_each(|(name, value)| collect_secrets(name, value, secrets));
        }
        _ => {}
    }
}

impl fmt::Debug for Params {
    /// Shows the names of the parameters without their values: some servers take keys there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Params")
            .field("fields", &self.fields.keys().collect::<Vec<_>>())
            .field("options", &self.options)
            .field("faults", &self.faults)
            .finish()
    }
}
