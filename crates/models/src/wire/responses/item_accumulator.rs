//! Puts one output item of a streamed response together.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
};

use conversant_core::{Delta, ToolCallDelta};
use serde_json::{Map, Value as Json, json};

use super::{
    call_arguments::{Said, compare},
    item_kind::ItemKind,
    output::{arguments, message_refusal, message_text, parts},
    part_texts::{PartTexts, texts_length},
};
use crate::wire::kept_size::kept_size;

/// An output item, as far as it has come.
#[derive(Debug, Default, Clone)]
pub(super) struct ItemAccumulator {
    pub(super) output_index: Option<u64>,
    pub(super) id: Option<String>,
    /// The item as it came last: when it was added, or when it was done.
    item: Map<String, Json>,
    /// The kind of the item, if the item has come.
    kind: Option<ItemKind>,
    is_done: bool,
    texts: PartTexts,
    refusals: PartTexts,
    summaries: PartTexts,
    reasoning: PartTexts,
    arguments: String,
    /// Whether the arguments came twice, and differ.
    is_disputed: bool,
    /// The number of bytes of the texts and the arguments that went out.
    said: usize,
    /// The number of bytes that were kept and did not go out.
    held: usize,
    /// Which of the response's calls it is, if it is one.
    call: Option<usize>,
    /// Whether the call's id and name went out.
    is_named: bool,
}

/// A kind of text that an item has parts of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Text,
    Refusal,
    Summary,
    Reasoning,
}

impl Field {
    /// Returns the kind of the items that have such texts.
    pub(super) const fn kind(self) -> ItemKind {
        match self {
            Self::Text | Self::Refusal => ItemKind::Message,
            Self::Summary | Self::Reasoning => ItemKind::Reasoning,
        }
    }
}

impl ItemAccumulator {
    pub(super) fn new(output_index: Option<u64>, id: Option<String>) -> Self {
        Self { output_index, id, ..Self::default() }
    }

    /// Returns the kind of the item, if the item has come.
    pub(super) const fn kind(&self) -> Option<ItemKind> {
        self.kind
    }

    pub(super) const fn is_done(&self) -> bool {
        self.is_done
    }

    /// Returns whether the arguments came twice, and differ.
    pub(super) const fn is_disputed(&self) -> bool {
        self.is_disputed
    }

    /// Returns a field of the item that is text, unless it is empty.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.item.get(name).and_then(Json::as_str).filter(|text| !text.is_empty())
    }

    pub(super) fn arguments(&self) -> &str {
        &self.arguments
    }

    /// Returns the number of bytes that were kept and did not go out as pieces, ever.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Notes which of the calls this is.
    pub(super) const fn set_call(&mut self, index: usize) {
        self.call = Some(index);
    }

    /// Returns the text that has come.
    pub(super) fn text(&self) -> String {
        self.texts.concat()
    }

    fn texts_of(&mut self, field: Field) -> &mut PartTexts {
        match field {
            Field::Text => &mut self.texts,
            Field::Refusal => &mut self.refusals,
            Field::Summary => &mut self.summaries,
            Field::Reasoning => &mut self.reasoning,
        }
    }

    /// Takes a piece of a part's text. Parts of reasoning are set apart by a blank line.
    pub(super) fn push(
        &mut self,
        field: Field,
        index: Option<usize>,
        piece: &str,
        pieces: &mut VecDeque<Delta>,
    ) {
        let texts = self.texts_of(field);
        let index = texts.place(index);
        let separates = index > 0 && texts.get(index).is_none_or(str::is_empty);
        texts.push(index, piece);
        if piece.is_empty() {
            return;
        }
        self.said += piece.len();
        let separator = if separates { "\n\n" } else { "" };
        pieces.push_back(match field {
            Field::Text => Delta::Text(piece.to_owned()),
            Field::Refusal => Delta::Refusal(piece.to_owned()),
            Field::Summary | Field::Reasoning => Delta::Reasoning(format!("{separator}{piece}")),
        });
    }

    /// Takes the whole text of a part, of which some may have come.
    pub(super) fn complete(
        &mut self,
        field: Field,
        index: Option<usize>,
        whole: &str,
        pieces: &mut VecDeque<Delta>,
    ) {
        let texts = self.texts_of(field);
        let at = index.unwrap_or_else(|| texts.last_index());
        let known = texts.get(at).unwrap_or_default();
        if let Some(rest) = whole.strip_prefix(known) {
            let rest = rest.to_owned();
            self.push(field, index, &rest, pieces);
        }
    }

    /// Takes more of a call's arguments.
    pub(super) fn push_arguments(&mut self, piece: &str, pieces: &mut VecDeque<Delta>) {
        // Some servers begin with an empty object, and the arguments follow.
        if self.arguments == "{}" && piece.starts_with('{') {
            self.arguments.clear();
        }
        let Some(call) = self.call else {
            self.held += piece.len();
            self.arguments.push_str(piece);
            return;
        };
        let mut delta = ToolCallDelta::new(call);
        if !self.is_named {
            self.is_named = true;
            let field = |name: &str| self.item.get(name).and_then(Json::as_str).map(str::to_owned);
            (delta.id, delta.name) = (field("call_id"), field("name"));
            // Arguments may have come before the item.
            delta.arguments.clone_from(&self.arguments);
        } else if piece.is_empty() {
            return;
        }
        self.arguments.push_str(piece);
        delta.arguments.push_str(piece);
        self.said += delta.arguments.len();
        pieces.push_back(Delta::ToolCall(delta));
    }

    /// Takes the whole arguments of a call, of which some may have come. They replace what came
    /// only if they say more.
    pub(super) fn complete_arguments(&mut self, whole: &str, pieces: &mut VecDeque<Delta>) {
        if let Some(rest) = whole.strip_prefix(self.arguments.as_str()) {
            let rest = rest.to_owned();
            return self.push_arguments(&rest, pieces);
        }
        match compare(&self.arguments, whole) {
            Said::Less => {}
            Said::More | Said::Same => {
                self.held += whole.len().saturating_sub(self.arguments.len());
                whole.clone_into(&mut self.arguments);
            }
            Said::Other => self.is_disputed = true,
        }
    }

    /// Takes the item itself, with all that it says: when it is added, done, or in the whole
    /// response. It does not replace what came by less.
    pub(super) fn take(&mut self, item: &Json, done: bool, pieces: &mut VecDeque<Delta>) {
        let Some(fields) = item.as_object() else { return };
        for (name, value) in fields {
            if self.item.get(name).is_none_or(|known| !says_less(value, known)) {
                self.item.insert(name.clone(), value.clone());
            }
        }
        self.is_done |= done;
        self.kind = self.kind.or_else(|| ItemKind::of(item));
        let id = fields.get("id").and_then(Json::as_str).filter(|id| !id.is_empty());
        if self.id.is_none() {
            self.id = id.map(str::to_owned);
        }
        if let Some(text) = fields.get("content").and_then(Json::as_str) {
            self.complete(Field::Text, Some(0), text, pieces);
        }
        for (index, part) in parts(item).iter().enumerate() {
            let is_reasoning = self.kind == Some(ItemKind::Reasoning);
            let field = if is_reasoning { Field::Reasoning } else { Field::Text };
            if let Some(text) = part.get("text").and_then(Json::as_str) {
                self.complete(field, Some(index), text, pieces);
            }
            if let Some(text) = part.get("refusal").and_then(Json::as_str) {
                self.complete(Field::Refusal, Some(index), text, pieces);
            }
        }
        let summary = item.get("summary").and_then(Json::as_array).into_iter().flatten();
        for (index, part) in summary.enumerate() {
            if let Some(text) = part.get("text").and_then(Json::as_str) {
                self.complete(Field::Summary, Some(index), text, pieces);
            }
        }
        if self.call.is_some() {
            self.complete_arguments(&arguments(item), pieces);
        }
        // Its texts are counted where they go out.
        self.held += kept_size(item).saturating_sub(self.said.min(text_size(item)));
    }

    /// Returns whether more has come than an item says that was [taken](Self::take).
    pub(super) fn has_more_than(&self, item: &Json) -> bool {
        let lacks = |name: &str| self.field(name).is_some() && is_blank(item.get(name));
        match self.kind {
            Some(ItemKind::Message) => {
                self.texts.has_more_than(text_length(item), || message_text(item))
                    || self.refusals.has_more_than(0, || Some(message_refusal(item)))
            }
            Some(ItemKind::Reasoning) => {
                lacks("encrypted_content")
                    || self.summaries.has_more_than_list(item.get("summary"))
                    || self.reasoning.has_more_than_list(item.get("content"))
            }
            Some(ItemKind::FunctionCall) => {
                self.arguments != arguments(item) || lacks("call_id") || lacks("name")
            }
            Some(ItemKind::Other) | None => false,
        }
    }

    /// Returns whether an answer without the item would lack something.
    pub(super) fn is_needed(&self) -> bool {
        let is_said = |texts: &[&PartTexts]| texts.iter().any(|texts| texts.length() > 0);
        match self.kind_or_guess() {
            Some(ItemKind::Message) => is_said(&[&self.texts, &self.refusals]),
            Some(ItemKind::Reasoning) => {
                self.is_done || is_said(&[&self.summaries, &self.reasoning])
            }
            Some(ItemKind::FunctionCall) => self.is_done || !self.arguments.is_empty(),
            // What the server's tools did is the server's to say.
            Some(ItemKind::Other) | None => false,
        }
    }

    /// Returns the kind of the item, or that of its texts if the item has not come.
    pub(super) fn kind_or_guess(&self) -> Option<ItemKind> {
        self.kind.or(match () {
            () if !self.texts.is_empty() || !self.refusals.is_empty() => Some(ItemKind::Message),
            () if !self.summaries.is_empty() || !self.reasoning.is_empty() => {
                Some(ItemKind::Reasoning)
            }
            () if !self.arguments.is_empty() => Some(ItemKind::FunctionCall),
            () => None,
        })
    }

    /// Returns the item, put together, or `None` if nothing of it has come.
    pub(super) fn finish(mut self) -> Option<Json> {
        self.kind = self.kind_or_guess();
        let is_absent = self.item.is_empty();
        let name = match self.kind {
            // Arguments without the name of their tool.
            Some(ItemKind::FunctionCall) if is_absent => return None,
            Some(ItemKind::Message) => "message",
            Some(ItemKind::Reasoning) => "reasoning",
            Some(ItemKind::FunctionCall) => "function_call",
            Some(ItemKind::Other) => return Some(Json::Object(self.item)),
            None => return (!is_absent).then_some(Json::Object(self.item)),
        };
        self.item.entry("type").or_insert_with(|| name.into());
        let mut item = Json::Object(mem::take(&mut self.item));
        let has_more = self.has_more_than(&item);
        let mut set = |name: &str, is_more: bool, value: &dyn Fn() -> Json| {
            if let Some(fields) = item.as_object_mut()
                && (is_more || fields.get(name).is_none_or(is_nothing))
            {
                fields.insert(name.to_owned(), value());
            }
        };
        match self.kind {
            Some(ItemKind::Message) => {
                set("role", false, &|| "assistant".into());
                set("content", has_more, &|| self.content());
            }
            Some(ItemKind::Reasoning) => {
                let summary = || parts_of(&self.summaries, "summary_text");
                set("summary", has_more && !self.summaries.is_empty(), &summary);
                if !self.reasoning.is_empty() {
                    let content = || parts_of(&self.reasoning, "reasoning_text");
                    set("content", has_more, &content);
                }
            }
            _ => set("arguments", true, &|| self.arguments.as_str().into()),
        }
        Some(item)
    }

    /// Returns the parts of a message. They are counted over all kinds.
    fn content(&self) -> Json {
        let mut parts = BTreeMap::new();
        for (index, refusal) in self.refusals.iter().filter(|(_, text)| !text.is_empty()) {
            parts.insert(index, json!({"type": "refusal", "refusal": refusal}));
        }
        // Of a part that has both, the text counts.
        for (index, text) in self.texts.iter().filter(|(_, text)| !text.is_empty()) {
            let part = json!({"type": "output_text", "text": text, "annotations": []});
            parts.insert(index, part);
        }
        parts.into_values().collect()
    }
}

fn is_nothing(field: &Json) -> bool {
    field.is_null() || field.as_array().is_some_and(Vec::is_empty)
}

/// Returns whether the value of a field says less than the one that is known.
fn says_less(value: &Json, known: &Json) -> bool {
    match (value, known) {
        (Json::Null, _) => true,
        (Json::String(text), Json::String(known)) => text.is_empty() && !known.is_empty(),
        (Json::Array(parts), Json::Array(known)) => {
            parts.is_empty() || texts_length(parts) < texts_length(known)
        }
        _ => false,
    }
}

fn is_blank(field: Option<&Json>) -> bool {
    field.is_none_or(|field| field.is_null() || field.as_str() == Some(""))
}

/// Returns the length of the text of a message item, in bytes.
fn text_length(item: &Json) -> usize {
    let text = item.get("content").and_then(Json::as_str).map(str::len);
    text.unwrap_or_else(|| texts_length(parts(item)))
}

/// Returns the size of an item's texts and arguments, in bytes.
fn text_size(item: &Json) -> usize {
    let summary = item.get("summary").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let parts = parts(item).iter().chain(summary);
    let texts = parts.flat_map(|part| [part.get("text"), part.get("refusal")]);
    let texts = texts.chain([item.get("arguments")]).flatten();
    texts.filter_map(Json::as_str).map(str::len).sum()
}

fn parts_of(texts: &PartTexts, kind: &str) -> Json {
    texts.iter().map(|(_, text)| json!({"type": kind, "text": text})).collect()
}
