//! Puts one choice of an answer together: from the pieces of a stream, or from a whole message,
//! which is a single piece.

use std::{borrow::Cow, collections::VecDeque, mem};

use conversant_core::{Content, DecodeError, Delta, FinishReason, Part, PartKind};
use serde_json::{Map, Value as Json, json};

use super::{
    answer::Draft,
    answer_decoder::Ending,
    message_in::{ContentIn, MessageIn},
    provider_fields::{PROVIDER_FIELDS, ProviderField, join_part, stand_for_text},
    tolerant::Text,
    tool_call_accumulator::{Place, ToolCallAccumulator},
};

/// The pieces of a stream, for its reader. `None` for a whole answer, which has no pieces.
pub(super) type Pieces<'p> = Option<&'p mut VecDeque<Delta>>;

/// One choice, as far as it has come.
#[derive(Debug, Default, Clone)]
pub(super) struct ChoiceAccumulator {
    /// The text since the last part.
    text: Option<String>,
    /// The parts that are not text, and the text before them.
    parts: Vec<Json>,
    /// The positions of the parts that have text, of those that came in pieces.
    parts_with_text: Vec<usize>,
    /// Whether the content was `null` when it came.
    null_content: bool,
    refusal: Option<String>,
    calls: ToolCallAccumulator,
    kept: Option<Box<Map<String, Json>>>,
    finish_reason: Option<FinishReason>,
    /// Whether the finish reason says that the choice was cut off, and nothing came after it.
    is_cut_off: bool,
    ending: Ending,
    messages: Messages,
    /// Whether the last event that said something had a finish reason.
    said_with_reason: Option<bool>,
}

/// How messages come in the events of a stream, where there are some.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Messages {
    /// There were none; what has come are deltas.
    #[default]
    None,
    /// There was one.
    First,
    /// Each is a piece.
    Pieces,
    /// Each is the answer so far.
    Growing,
}

impl ChoiceAccumulator {
    pub(super) const fn ending(&self) -> Ending {
        self.ending
    }

    pub(super) const fn finish_reason(&self) -> Option<&FinishReason> {
        self.finish_reason.as_ref()
    }

    /// Returns whether nothing has come.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_answer() && self.kept.is_none()
    }

    fn has_content(&self) -> bool {
        self.text.as_ref().is_some_and(|text| !text.is_empty()) || !self.parts.is_empty()
    }

    /// Returns whether anything of an answer has come; reasoning is none.
    fn has_answer(&self) -> bool {
        self.has_content()
            || self.refusal.is_some()
            || !self.calls.is_empty()
            || self.kept.as_deref().is_some_and(stand_for_text)
    }

    /// Returns the text that has come.
    pub(super) fn partial(&self) -> Cow<'_, str> {
        let text = self.text.as_deref().unwrap_or_default();
        if self.parts.is_empty() {
            return Cow::Borrowed(text);
        }
        let before = self.parts.iter().filter_map(text_of);
        before.chain([text]).collect::<String>().into()
    }

    fn has_no_text(&self) -> bool {
        let mut parts = self.parts_with_text.iter().filter_map(|at| text_of(self.parts.get(*at)?));
        self.text.as_ref().is_none_or(String::is_empty) && parts.all(str::is_empty)
    }

    /// Returns what follows the text that has come, if a text begins with it.
    fn after_known<'t>(&self, text: &'t str) -> Option<&'t str> {
        let parts = self.parts_with_text.iter().filter_map(|at| text_of(self.parts.get(*at)?));
        let mut known = parts.chain([self.text.as_deref().unwrap_or_default()]);
        known.try_fold(text, |rest, known| rest.strip_prefix(known))
    }

    /// Takes the text of an event that says nothing else.
    #[inline]
    pub(super) fn take_only_text(&mut self, text: &str, pieces: &mut VecDeque<Delta>) {
        if !text.is_empty() {
            self.note(true, false);
        }
        self.push_text(Cow::Borrowed(text), &mut Some(pieces));
    }

    /// Takes a message, or a piece of one, with the finish reason that came with it.
    ///
    /// # Errors
    /// [`DecodeError`], if its content can't be read or it has too many calls.
    pub(super) fn take(
        &mut self,
        text: Option<Text<'_>>,
        message: Option<MessageIn<'_>>,
        finish_reason: Option<Text<'_>>,
        mut pieces: Pieces<'_>,
    ) -> Result<(), DecodeError> {
        let is_whole = pieces.is_none();
        let before = pieces.as_ref().map_or(0, |pieces| pieces.len());
        // A message has the text once more.
        let has_content = message.as_ref().is_some_and(MessageIn::has_content);
        if let Some(Text(text)) = text.filter(|_| !has_content) {
            self.push_text(text, &mut pieces);
        }
        if let Some(message) = message {
            self.take_message(message, &mut pieces)?;
        }
        // Some gateways write the word in place of the value.
        let reason = finish_reason.filter(|reason| !matches!(&*reason.0, "" | "null"));
        let said = pieces.as_ref().map_or(0, |pieces| pieces.len()) > before;
        self.note(said, reason.is_some());
        if let Some(reason) = reason {
            self.take_reason(FinishReason::from(&*reason.0));
        }
        if is_whole {
            self.ending = Ending::Certain;
        }
        Ok(())
    }

    /// Takes a finish reason. Some servers end with another one, which does not make an answer
    /// whole that was cut off.
    fn take_reason(&mut self, reason: FinishReason) {
        let is_cut_off = reason.is_cut_off();
        if self.is_cut_off && !is_cut_off {
            return;
        }
        self.is_cut_off = is_cut_off;
        self.finish_reason = Some(reason);
    }

    /// Returns what is new in a message that an event has in place of a delta.
    ///
    /// After deltas it is the answer once more, of which counts what had not come. Otherwise
    /// messages are pieces, or each is the answer so far.
    ///
    /// # Errors
    /// [`DecodeError`], if they are neither.
    pub(super) fn unrepeated<'m>(
        &mut self,
        mut message: MessageIn<'m>,
    ) -> Result<MessageIn<'m>, DecodeError> {
        if self.is_empty() {
            self.messages = Messages::First;
            return Ok(message);
        }
        if self.messages == Messages::None {
            message.content = message.content.and_then(|content| self.rest_of(content));
            message.tool_calls = message.tool_calls.map(|calls| self.calls.rest_of(calls));
            if let (Some(known), Some(Text(text))) = (&self.refusal, &mut message.refusal) {
                *text = text.strip_prefix(known.as_str()).unwrap_or_default().to_owned().into();
            }
            message.kept.retain_mut(|(field, value)| {
                let known = self.kept.as_deref().and_then(|kept| kept.get(field.name));
                known.is_none_or(|known| field.cut_known(known, value))
            });
            return Ok(message);
        }
        if let Some(ContentIn::Text(text)) = &mut message.content
            && !text.is_empty()
        {
            let is_first = self.has_no_text();
            let rest = self.after_known(text).filter(|_| !is_first);
            (self.messages, *text) = match (self.messages, rest) {
                (Messages::First | Messages::Growing, Some(rest)) => {
                    (Messages::Growing, rest.to_owned().into())
                }
                (Messages::Growing, None) if !is_first => {
                    let what = "its messages are neither pieces of an answer nor the answer so far";
                    return Err(DecodeError::new(what));
                }
                (form, _) if is_first => (form, mem::take(text)),
                _ => (Messages::Pieces, mem::take(text)),
            };
        }
        Ok(message)
    }

    /// Returns what had not come of the content of a message after deltas: all of it, or what
    /// follows the text that has come.
    fn rest_of<'m>(&self, content: ContentIn<'m>) -> Option<ContentIn<'m>> {
        if !self.has_content() {
            return Some(content);
        }
        let ContentIn::Text(text) = content else { return None };
        let rest = self.after_known(&text).filter(|rest| !rest.is_empty())?;
        Some(ContentIn::Text(rest.to_owned().into()))
    }

    /// Notes whether an event said something and had a finish reason.
    ///
    /// A reason ends the choice if the events before had none. Text that follows revokes it.
    fn note(&mut self, said: bool, has_reason: bool) {
        let ending = match (has_reason, self.said_with_reason) {
            (true, Some(false)) if self.has_answer() => Ending::Certain,
            (true, Some(false) | None) => Ending::Likely,
            (true, Some(true)) | (false, _) => Ending::Open,
        };
        if said {
            self.is_cut_off = false;
            self.said_with_reason = Some(has_reason);
            self.ending = ending;
        } else if self.ending == Ending::Open {
            self.ending = ending;
        }
    }

    fn take_message(
        &mut self,
        message: MessageIn<'_>,
        pieces: &mut Pieces<'_>,
    ) -> Result<(), DecodeError> {
        self.take_kept(message.kept, pieces);
        match message.content {
            None => {}
            Some(ContentIn::Null) => self.null_content = true,
            Some(ContentIn::Text(text)) => self.push_text(text, pieces),
            Some(ContentIn::Parts(parts)) => {
                for part in parts {
                    match part.get("refusal").and_then(Json::as_str) {
                        Some(refusal) => self.push_refusal(Cow::Borrowed(refusal), pieces),
                        None if pieces.is_none() => self.push_whole_part(part),
                        None => self.push_part(part, pieces),
                    }
                }
            }
            Some(ContentIn::Other(kind)) => {
                return Err(DecodeError::new(format!("`content` is {kind}, not text")));
            }
        }
        if let Some(Text(refusal)) = message.refusal {
            self.push_refusal(refusal, pieces);
        }
        let calls = message.tool_calls.unwrap_or_default().0;
        let of = calls.len();
        for (position, call) in calls.into_iter().enumerate() {
            let place = pieces.is_some().then_some(Place { position, of });
            let piece = self.calls.take(call, place)?;
            if let Some(pieces) = pieces {
                pieces.extend(piece.map(Delta::ToolCall));
            }
        }
        Ok(())
    }

    fn push_refusal(&mut self, refusal: Cow<'_, str>, pieces: &mut Pieces<'_>) {
        if refusal.is_empty() {
            return;
        }
        self.refusal.get_or_insert_default().push_str(&refusal);
        if let Some(pieces) = pieces {
            pieces.push_back(Delta::Refusal(refusal.into_owned()));
        }
    }

    fn push_text(&mut self, text: Cow<'_, str>, pieces: &mut Pieces<'_>) {
        if let Some(pieces) = pieces
            && !text.is_empty()
        {
            pieces.push_back(Delta::Text(text.as_ref().to_owned()));
        }
        match &mut self.text {
            Some(known) => known.push_str(&text),
            None => self.text = Some(text.into_owned()),
        }
    }

    /// Takes a part of a whole answer. Plain text is one with the plain text before it, as in a
    /// stream.
    fn push_whole_part(&mut self, part: Json) {
        if let Some(text) = plain_text(&part)
            && let Some(last) = self.parts.last_mut()
            && let Some(known) = plain_text(last)
        {
            let text = [known, text].concat();
            *last = json!({"type": "text", "text": text});
        } else {
            self.parts.push(part);
        }
    }

    /// Takes a part from a stream. Text is appended to the text; what is not text stays a part.
    fn push_part(&mut self, part: Json, pieces: &mut Pieces<'_>) {
        let Ok(read) = serde_json::from_value::<Part>(part.clone()) else { return };
        if let Some(text) = read.as_text() {
            return self.push_text(Cow::Borrowed(text), pieces);
        }
        if let (Some(pieces), Some(reasoning)) = (pieces, read.reasoning()) {
            pieces.push_back(Delta::Reasoning(reasoning.into_owned()));
        }
        let is_continued =
            self.text.as_ref().is_none_or(String::is_empty) && read.kind() == PartKind::Reasoning;
        let part = match self.parts.last_mut().filter(|_| is_continued) {
            Some(last) => join_part(last, part).err(),
            None => Some(part),
        };
        if let Some(part) = part {
            self.end_text();
            self.parts.push(part);
        }
        self.note_last_part();
    }

    /// Notes whether the last part has text.
    fn note_last_part(&mut self) {
        if let Some(last) = self.parts.len().checked_sub(1)
            && self.parts_with_text.last() != Some(&last)
            && self.parts.last().and_then(text_of).is_some_and(|text| !text.is_empty())
        {
            self.parts_with_text.push(last);
        }
    }

    /// Makes a part of the text since the last part.
    fn end_text(&mut self) {
        if let Some(text) = self.text.take().filter(|text| !text.is_empty()) {
            self.parts.push(json!({"type": "text", "text": text}));
            self.note_last_part();
        }
    }

    fn take_kept(&mut self, fields: Vec<(&'static ProviderField, Json)>, pieces: &mut Pieces<'_>) {
        if fields.is_empty() {
            return;
        }
        if let Some(pieces) = pieces {
            // The same reasoning may come by several names, of which the first counts.
            let of = |known: &ProviderField| {
                let (_, value) = fields.iter().find(|(field, _)| *field == known)?;
                known.reasoning(value).filter(|text| !text.is_empty())
            };
            let reasoning = PROVIDER_FIELDS.iter().find_map(of);
            pieces.extend(reasoning.map(|text| Delta::Reasoning(text.into_owned())));
        }
        let kept = self.kept.get_or_insert_default();
        for (field, value) in fields {
            if pieces.is_some() {
                field.join(kept, value);
            } else {
                kept.insert(field.name.to_owned(), value);
            }
        }
    }

    /// Returns the choice, put together.
    pub(super) fn finish(mut self) -> Draft {
        let had_text = self.text.is_some();
        let content = if self.parts.is_empty() {
            self.text.take().map(Content::Text)
        } else {
            self.end_text();
            let part = |part| serde_json::from_value::<Part>(part).ok();
            Some(Content::Parts(self.parts.into_iter().filter_map(part).collect()))
        };
        let is_cut_off = self.finish_reason.as_ref().is_some_and(FinishReason::is_cut_off);
        let (tool_calls, invalid_tool_calls) = self.calls.finish(is_cut_off);
        Draft {
            content,
            is_content_absent: !had_text && !self.null_content,
            refusal: self.refusal,
            tool_calls,
            invalid_tool_calls,
            kept: self.kept,
            finish_reason: self.finish_reason,
        }
    }
}

/// Returns the text of a part that is text and nothing else.
fn plain_text(part: &Json) -> Option<&str> {
    let part = part.as_object().filter(|part| part.len() == 2)?;
    part.get("type").filter(|kind| *kind == "text").and(part.get("text")?.as_str())
}

fn text_of(part: &Json) -> Option<&str> {
    part.get("text")?.as_str()
}
