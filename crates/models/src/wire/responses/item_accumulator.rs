//! Puts one output item of a streamed response together.

use std::collections::{BTreeMap, VecDeque};

use conversant_core::{Delta, ToolCallDelta};
use serde_json::{Map, Value as Json, json};

use super::{
    output::{arguments, item_type, parts},
    part_texts::PartTexts,
};
use crate::wire::kept_size::kept_size;

/// An output item, as far as it has come.
#[derive(Debug, Default, Clone)]
pub(super) struct ItemAccumulator {
    pub(super) output_index: Option<u64>,
    pub(super) id: Option<String>,
    /// The item as it came last: when it was added, or when it was done.
    item: Map<String, Json>,
    is_done: bool,
    texts: PartTexts,
    refusals: PartTexts,
    summaries: PartTexts,
    reasoning: PartTexts,
    arguments: String,
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

impl ItemAccumulator {
    pub(super) fn new(output_index: Option<u64>, id: Option<String>) -> Self {
        Self { output_index, id, ..Self::default() }
    }

    pub(super) fn kind(&self) -> &str {
        self.item.get("type").and_then(Json::as_str).unwrap_or_default()
    }

    pub(super) const fn is_done(&self) -> bool {
        self.is_done
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

    fn field(&mut self, field: Field) -> &mut PartTexts {
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
        let texts = self.field(field);
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
        let texts = self.field(field);
        let at = index.unwrap_or_else(|| texts.last_index());
        let known = texts.get(at).unwrap_or_default();
        if let Some(rest) = whole.strip_prefix(known) {
            let rest = rest.to_owned();
            self.push(field, index, &rest, pieces);
        }
    }

    /// Takes more of a call's arguments.
    pub(super) fn push_arguments(&mut self, piece: &str, pieces: &mut VecDeque<Delta>) {
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

    /// Takes the whole arguments of a call, of which some may have come.
    pub(super) fn complete_arguments(&mut self, whole: &str, pieces: &mut VecDeque<Delta>) {
        if let Some(rest) = whole.strip_prefix(self.arguments.as_str()) {
            let rest = rest.to_owned();
            self.push_arguments(&rest, pieces);
        } else if !whole.is_empty() {
            self.held += whole.len().saturating_sub(self.arguments.len());
            whole.clone_into(&mut self.arguments);
        }
    }

    /// Takes the item itself, with all that it says: when it is added, done, or in the whole
    /// response.
    pub(super) fn take(&mut self, item: &Json, done: bool, pieces: &mut VecDeque<Delta>) {
        let Some(fields) = item.as_object() else { return };
        for (name, value) in fields {
            if !value.is_null() || !self.item.contains_key(name) {
                self.item.insert(name.clone(), value.clone());
            }
        }
        self.is_done |= done;
        let id = fields.get("id").and_then(Json::as_str).filter(|id| !id.is_empty());
        if self.id.is_none() {
            self.id = id.map(str::to_owned);
        }
        for (index, part) in parts(item).iter().enumerate() {
            let kind = item_type(item);
            let field = if kind == "reasoning" { Field::Reasoning } else { Field::Text };
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

    /// Returns the item, put together, or `None` if nothing of it has come.
    pub(super) fn finish(mut self) -> Option<Json> {
        if self.item.is_empty() {
            let kind = match () {
                () if !self.texts.is_empty() || !self.refusals.is_empty() => "message",
                () if !self.summaries.is_empty() || !self.reasoning.is_empty() => "reasoning",
                () => return None,
            };
            self.item.insert("type".to_owned(), kind.into());
        }
        match self.kind() {
            "message" => {
                self.fill("role", "assistant".into());
                let content = self.content();
                self.fill("content", content);
            }
            "reasoning" => {
                let summary = parts_of(&self.summaries, "summary_text");
                self.fill("summary", summary);
                if !self.reasoning.is_empty() {
                    let content = parts_of(&self.reasoning, "reasoning_text");
                    self.fill("content", content);
                }
            }
            "function_call" => {
                self.item.insert("arguments".to_owned(), self.arguments.into());
            }
            _ => {}
        }
        Some(Json::Object(self.item))
    }

    /// Sets a field of the item that did not come with it.
    fn fill(&mut self, name: &str, value: Json) {
        let is_nothing =
            |known: &Json| known.is_null() || known.as_array().is_some_and(Vec::is_empty);
        if self.item.get(name).is_none_or(is_nothing) {
            self.item.insert(name.to_owned(), value);
        }
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
