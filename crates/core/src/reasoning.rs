//! Reads what a model thought, wherever its server put it.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use crate::{content::Part, message::Message};

/// The fields of `additional_kwargs` that hold reasoning, the most telling first.
const FIELDS: &[&str] = &[
    "reasoning_content",
    "reasoning",
    "reasoning_text",
    "thinking",
    "reasoning_details",
    "thinking_blocks",
    "output",
];

impl Message {
    /// Returns the model's reasoning, if its server sent it as text. It is in `additional_kwargs`,
    /// where adapters keep it, or in the parts of the content.
    ///
    /// Reasoning is not part of [`text`](Self::text), of prompts as text, or of transcripts.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::Message;
    /// use serde_json::json;
    ///
    /// let message = Message::ai("Four.")
    ///     .with_extra("additional_kwargs", json!({"reasoning_content": "2 + 2 is 4."}));
    /// assert_eq!(message.reasoning().as_deref(), Some("2 + 2 is 4."));
    /// assert_eq!(message.text(), "Four.");
    /// ```
    #[must_use]
    pub fn reasoning(&self) -> Option<Cow<'_, str>> {
        let kwargs = self.extra().get("additional_kwargs");
        let of_field = |name: &&str| reasoning_in(name, kwargs?.get(*name)?);
        FIELDS
            .iter()
            .find_map(of_field)
            .or_else(|| joined(&mut self.content().parts().iter().filter_map(Part::reasoning), ""))
    }
}

impl Part {
    /// Returns the reasoning if this is a part of reasoning with readable text.
    #[must_use]
    pub fn reasoning(&self) -> Option<Cow<'_, str>> {
        part_reasoning(self.as_object()?)
    }
}

/// Returns the reasoning in a field that a provider adds to a message, such as
/// `reasoning_content` or `reasoning_details`, or `None` if the field holds none.
///
/// # Examples
///
/// ```
/// use conversant_core::reasoning_in;
/// use serde_json::json;
///
/// let details = json!([{"type": "reasoning.text", "text": "2 + 2"}]);
/// assert_eq!(reasoning_in("reasoning_details", &details).as_deref(), Some("2 + 2"));
/// assert_eq!(reasoning_in("annotations", &details), None);
/// ```
#[must_use]
pub fn reasoning_in<'v>(field: &str, value: &'v Json) -> Option<Cow<'v, str>> {
    if !FIELDS.contains(&field) {
        return None;
    }
    match value {
        Json::String(text) => (!text.is_empty()).then_some(Cow::Borrowed(text.as_str())),
        Json::Object(fields) => part_text(fields),
        Json::Array(items) if field == "output" => {
            joined(&mut items.iter().filter_map(|item| item_reasoning(item.as_object()?)), "\n\n")
        }
        Json::Array(items) => {
            joined(&mut items.iter().filter_map(|item| part_text(item.as_object()?)), "")
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => None,
    }
}

/// Returns the reasoning of an output item of the Responses interface: its summary, or else its
/// text.
fn item_reasoning(item: &Map<String, Json>) -> Option<Cow<'_, str>> {
    if item.get("type").and_then(Json::as_str) != Some("reasoning") {
        return None;
    }
    let texts = |name: &str| {
        let parts = item.get(name)?.as_array()?;
        joined(
            &mut parts.iter().filter_map(|part| part.get("text")?.as_str().map(Cow::Borrowed)),
            "\n\n",
        )
    };
    texts("summary").or_else(|| texts("content"))
}

fn part_reasoning(part: &Map<String, Json>) -> Option<Cow<'_, str>> {
    match part.get("type")?.as_str()? {
        "thinking" | "reasoning" => part_text(part),
        _ => None,
    }
}

/// Returns the text of an object that holds reasoning.
fn part_text(part: &Map<String, Json>) -> Option<Cow<'_, str>> {
    ["text", "thinking", "summary", "reasoning", "content"].iter().find_map(|name| {
        match part.get(*name)? {
            Json::String(text) => (!text.is_empty()).then_some(Cow::Borrowed(text.as_str())),
            Json::Array(items) => {
                let text = |item: &'_ Json| -> Option<String> {
                    Some(item.get("text")?.as_str()?.to_owned())
                };
                joined(&mut items.iter().filter_map(text).map(Cow::Owned), "")
            }
            _ => None,
        }
    })
}

/// Joins texts; no texts are `None`.
fn joined<'t>(
    texts: &mut dyn Iterator<Item = Cow<'t, str>>,
    separator: &str,
) -> Option<Cow<'t, str>> {
    let first = texts.next()?;
    let rest: Vec<_> = texts.collect();
    if rest.is_empty() {
        return Some(first);
    }
    let mut all = first.into_owned();
    for text in rest {
        all.push_str(separator);
        all.push_str(&text);
    }
    Some(Cow::Owned(all))
}
