//! The fields of a message that one provider knows and another does not: how their pieces join, and
//! who gets them back.
//!
//! A new field of a server is a line of [`PROVIDER_FIELDS`]. The rules are those of
//! [`wire`](crate::wire): a field is kept verbatim and goes back under its own name, in its own
//! place, to the endpoint that it came from.

use std::borrow::Cow;

use conversant_core::reasoning_in;
use serde_json::{Map, Value as Json};

/// A field that is kept with the message or the tool call it came with.
#[derive(Debug, PartialEq)]
pub(super) struct ProviderField {
    /// The name on the wire, and in `additional_kwargs`.
    pub(super) name: &'static str,
    join: Join,
    pub(super) replay: Replay,
}

/// How the pieces of a streamed field become one value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Join {
    /// Text is appended, also inside of objects, except for names and ids. Items of lists that have
    /// the same `index`, or else the same `id`, are one.
    Append,
    /// Objects are merged; of the same value, the last piece counts.
    Merge,
    /// Lists are joined, whose items are whole. One that comes again counts once.
    Collect,
}

/// Where a field goes in later requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Replay {
    /// Nowhere.
    Never,
    /// To the endpoint that it came from.
    ToEndpoint,
    /// To the endpoint that it came from, for the same model: it is signed or encrypted.
    ToModel,
}

const fn field(name: &'static str, join: Join, replay: Replay) -> ProviderField {
    ProviderField { name, join, replay }
}

/// Those that hold reasoning as text come first, in the order in which they are believed.
pub(super) const PROVIDER_FIELDS: &[ProviderField] = &[
    // DeepSeek, Kimi, Qwen, GLM, xAI, SGLang, llama.cpp.
    field("reasoning_content", Join::Append, Replay::ToEndpoint),
    // OpenRouter, Groq, vLLM, Ollama.
    field("reasoning", Join::Append, Replay::ToEndpoint),
    // GitHub Copilot.
    field("reasoning_text", Join::Append, Replay::ToEndpoint),
    // Ollama's own name, which some front ends pass on.
    field("thinking", Join::Append, Replay::ToEndpoint),
    field("reasoning_opaque", Join::Merge, Replay::ToModel),
    // OpenRouter, MiniMax.
    field("reasoning_details", Join::Append, Replay::ToModel),
    // LiteLLM.
    field("thinking_blocks", Join::Append, Replay::ToModel),
    field("provider_specific_fields", Join::Merge, Replay::ToModel),
    // Gemini: thought signatures.
    field("extra_content", Join::Merge, Replay::ToModel),
    // OpenAI's form of tool calls before there were several. It is sent with the tool calls.
    field("function_call", Join::Append, Replay::Never),
    field("audio", Join::Append, Replay::Never),
    field("annotations", Join::Append, Replay::Never),
    // OpenRouter, LiteLLM: the images that a model made.
    field("images", Join::Collect, Replay::ToEndpoint),
];

/// Finds a field by its name.
pub(super) fn find(name: &str) -> Option<&'static ProviderField> {
    PROVIDER_FIELDS.iter().find(|field| field.name == name)
}

impl ProviderField {
    /// Returns the reasoning that a value of this field says, for people.
    pub(super) fn reasoning<'v>(&self, value: &'v Json) -> Option<Cow<'v, str>> {
        reasoning_in(self.name, value)
    }

    /// Cuts off what is known of a whole value, and returns whether it has more: reasoning as text
    /// that goes on, or further items of those that are whole.
    pub(super) fn cut_known(&self, known: &Json, whole: &mut Json) -> bool {
        if self.join == Join::Collect {
            return whole.as_array().is_some_and(|items| !items.is_empty());
        }
        let rest = match (known, &*whole) {
            (Json::String(known), Json::String(text)) if self.reasoning(whole).is_some() => {
                text.strip_prefix(known.as_str()).filter(|rest| !rest.is_empty())
            }
            _ => None,
        };
        let Some(rest) = rest.map(Json::from) else { return false };
        *whole = rest;
        true
    }

    /// Adds a piece of the field, from a stream, to what has come of it.
    pub(super) fn join(&self, kept: &mut Map<String, Json>, piece: Json) {
        match kept.get_mut(self.name) {
            None => {
                let mut whole = empty_of(&piece);
                join(self.join, &mut whole, piece);
                kept.insert(self.name.to_owned(), whole);
            }
            Some(whole) => join(self.join, whole, piece),
        }
    }
}

/// Returns an empty list for a list, whose items may belong together; else nothing.
fn empty_of(piece: &Json) -> Json {
    if piece.is_array() { Json::Array(Vec::new()) } else { Json::Null }
}

fn join(how: Join, whole: &mut Json, piece: Json) {
    match (how, whole, piece) {
        (_, _, Json::Null) => {}
        (Join::Append, Json::String(whole), Json::String(more)) => whole.push_str(&more),
        (Join::Append | Join::Merge, Json::Object(whole), Json::Object(fields)) => {
            join_fields(how, whole, fields);
        }
        (Join::Append, Json::Array(whole), Json::Array(items)) => join_items(whole, items),
        (Join::Collect, Json::Array(whole), Json::Array(items)) => {
            for item in items {
                if !whole.iter().rev().take(MAX_OPEN).any(|known| *known == item) {
                    whole.push(item);
                }
            }
        }
        (_, whole, piece) => *whole = piece,
    }
}

fn join_fields(how: Join, whole: &mut Map<String, Json>, fields: Map<String, Json>) {
    for (name, piece) in fields {
        match whole.get_mut(&name) {
            None => {
                whole.insert(name, piece);
            }
            // They name the value, and may come with each piece.
            Some(known) if is_name(&name) && !is_blank(known) => {}
            Some(known) => join(how, known, piece),
        }
    }
}

/// Returns whether a field is set once, not written in pieces.
fn is_name(field: &str) -> bool {
    matches!(field, "id" | "type" | "format" | "index" | "name" | "expires_at")
}

fn is_blank(value: &Json) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// The fields that are an answer even without text.
const STAND_FOR_TEXT: &[&str] = &["function_call", "audio", "images"];

/// Returns whether one of the fields of a message is an answer even without text.
pub(super) fn stand_for_text(kept: &Map<String, Json>) -> bool {
    let is_said =
        |value: &Json| !value.is_null() && value.as_array().is_none_or(|it| !it.is_empty());
    STAND_FOR_TEXT.iter().any(|name| kept.get(*name).is_some_and(is_said))
}

/// The number of items that are searched for the one that a piece belongs to, or repeats: the last
/// ones.
const MAX_OPEN: usize = 64;

/// Joins items of the same index, or without an index those of the same id.
fn join_items(whole: &mut Vec<Json>, items: Vec<Json>) {
    for item in items {
        let (index, id) = (key("index", &item), key("id", &item));
        let belongs = |known: &Json| match (index, id) {
            // Some servers reuse an index for a part of another type.
            (Some(_), _) => key("index", known) == index && same_type(known, &item),
            (None, Some(_)) => key("id", known) == id,
            (None, None) => key("index", known).is_none() && same_type(known, &item),
        };
        let known = match (index, id) {
            // A piece that names no item continues the last one.
            (None, None) => whole.last_mut().filter(|known| belongs(known)),
            _ => whole.iter_mut().rev().take(MAX_OPEN).find(|known| belongs(known)),
        };
        match (known, item) {
            (Some(Json::Object(known)), Json::Object(fields)) => {
                join_fields(Join::Append, known, fields);
            }
            (_, item) => whole.push(item),
        }
    }
}

/// Adds a piece of a content part to the part before, if it is one of the same type.
///
/// # Errors
/// The piece, if it is a part of its own.
pub(super) fn join_part(whole: &mut Json, piece: Json) -> Result<(), Json> {
    match (whole, piece) {
        (Json::Object(whole), Json::Object(piece)) if whole.get("type") == piece.get("type") => {
            join_fields(Join::Append, whole, piece);
            Ok(())
        }
        (_, piece) => Err(piece),
    }
}

fn key<'i>(name: &str, item: &'i Json) -> Option<&'i Json> {
    item.get(name).filter(|key| !key.is_null())
}

fn same_type(known: &Json, item: &Json) -> bool {
    match (known.get("type"), item.get("type")) {
        (Some(known), Some(item)) => known == item,
        _ => true,
    }
}
