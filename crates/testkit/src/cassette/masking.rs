//! Removal of ids, secrets and defaults from recordings.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::credentials::{MASK, mask_credentials};

/// The fields that hold ids of messages, tool calls and items of the Responses interface.
const ID_FIELDS: &[&str] =
    &["call_id", "id", "item_id", "previous_response_id", "response_id", "tool_call_id"];

/// The fields that are left out where they have no content, so that a recording is short.
const OPTIONAL_FIELDS: &[&str] = &[
    "additional_kwargs",
    "alternatives",
    "cache_write_tokens",
    "cached_tokens",
    "done_marker_seen",
    "example",
    "finish_reason",
    "id",
    "invalid_tool_calls",
    "model",
    "name",
    "reasoning_tokens",
    "request_id",
    "response_metadata",
    "tool_calls",
    "usage",
];

/// The fields whose content belongs to tools and schemas: ids and defaults in them stay.
const FOREIGN_FIELDS: &[&str] = &["args", "parameters", "schema"];

/// Removes fields without content.
pub(super) fn remove_defaults(value: &mut Json) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(remove_defaults),
        Json::Object(fields) => {
            fields.retain(|name, value| {
                let is_default = match value {
                    Json::Null => true,
                    Json::Array(items) => items.is_empty(),
                    Json::Object(fields) => fields.is_empty(),
                    // A whole answer has seen the end of its stream.
                    Json::Bool(flag) => *flag == (name == "done_marker_seen"),
                    _ => false,
                };
                !is_default || !OPTIONAL_FIELDS.contains(&name.as_str())
            });
            for (name, value) in fields.iter_mut() {
                if !FOREIGN_FIELDS.contains(&name.as_str()) {
                    remove_defaults(value);
                }
            }
        }
        _ => {}
    }
}

/// The secrets of a cassette.
#[derive(Clone, Default)]
pub(super) struct Masks(Vec<String>);

impl Masks {
    pub(super) fn add(&mut self, secret: String) {
        if !secret.is_empty() {
            self.0.push(secret);
        }
    }

    /// Replaces secrets and credentials in all texts of a value.
    pub(super) fn apply(&self, value: &mut Json) {
        texts(value, &[], &mut |field, text| self.mask(field, text));
    }

    /// Replaces what [`apply`](Self::apply) replaces in the pieces of a text. A secret can be split
    /// between them: then the text becomes one piece.
    pub(super) fn apply_to_pieces(&self, pieces: &mut Vec<String>) {
        let mut whole = pieces.concat();
        self.mask("", &mut whole);
        pieces.iter_mut().for_each(|piece| self.mask("", piece));
        if pieces.concat() != whole {
            *pieces = vec![whole];
        }
    }

    fn mask(&self, field: &str, text: &mut String) {
        mask_credentials(field, text);
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), MASK);
            }
        }
    }
}

/// Ids in the order in which they appeared, each with its replacement.
#[derive(Default)]
pub(super) struct Ids(HashMap<String, String>);

impl Ids {
    /// Replaces the ids in a value: the first id by `id_1`, and so on.
    pub(super) fn replace(&mut self, value: &mut Json) {
        texts(value, FOREIGN_FIELDS, &mut |field, text| {
            if ID_FIELDS.contains(&field) && !text.is_empty() {
                let next = self.0.len() + 1;
                let id = self.0.entry(text.clone()).or_insert_with(|| format!("id_{next}"));
                text.clone_from(id);
            }
        });
    }
}

/// Calls a function for each text in a value, with the name of its field. The content of the fields
/// `but` is skipped.
fn texts(value: &mut Json, but: &[&str], change: &mut dyn FnMut(&str, &mut String)) {
    fn walk(
        field: &str,
        value: &mut Json,
        but: &[&str],
        change: &mut dyn FnMut(&str, &mut String),
    ) {
        match value {
            Json::String(text) => change(field, text),
            Json::Array(items) => {
                items.iter_mut().for_each(|item| walk(field, item, but, change));
            }
            Json::Object(fields) => {
                for (name, value) in
                    fields.iter_mut().filter(|(name, _)| !but.contains(&name.as_str()))
                {
                    walk(name, value, but, change);
                }
            }
            _ => {}
        }
    }
    walk("", value, but, change);
}
