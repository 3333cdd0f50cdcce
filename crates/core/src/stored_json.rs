//! The JSON text in which stores keep messages, and its limits.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::{
    content::Content,
    history::HistoryError,
    json_text::push_text,
    message::Message,
    messages::Messages,
    stored::{Compact, plain},
};

/// The deepest nesting of JSON that a store accepts.
///
/// `serde_json` reads at most 127 levels. The rest is left to the text that a store wraps around a
/// message.
const MAX_DEPTH: usize = 120;

/// More than the bytes of a stored message without those of its fields, and of the fields that
/// [`Messages::to_compact_json`] leaves out.
const MAX_DEFAULT_BYTES: u64 = 200;

/// The most bytes of JSON for a byte of text: `\u0000`.
const MAX_ESCAPED_BYTES: u64 = 6;

impl Message {
    /// Encodes the message as the JSON text in which stores keep it: LangChain's stored form, as
    /// [`to_stored`](Self::to_stored) returns it. Every store applies the same limits, so that a
    /// conversation that one accepts can be copied to any other.
    ///
    /// # Errors
    /// - [`HistoryError::TooLarge`] if the text has more than `max_bytes` bytes.
    /// - [`HistoryError::Unsupported`] if the JSON is nested more than 120 levels deep, since it
    ///   could not be read again, or if the message answers a tool or function but lacks its id or
    ///   name.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::Message;
    ///
    /// let json = Message::human("Hi").to_stored_json(1024)?;
    /// assert!(json.starts_with(r#"{"type":"human","data":{"content":"Hi""#));
    /// let error = Message::human("Hi").to_stored_json(16).unwrap_err();
    /// assert!(error.to_string().ends_with("the limit is 16 bytes"));
    /// # Ok::<(), conversant_core::HistoryError>(())
    /// ```
    pub fn to_stored_json(&self, max_bytes: u64) -> Result<String, HistoryError> {
        let json = serde_json::to_string(self).map_err(|_| unanswered())?;
        check(&json, json.len() as u64, max_bytes)?;
        Ok(json)
    }

    /// Encodes the message as [`to_stored_json`](Self::to_stored_json) does, without the fields
    /// that have their default value. The limits are the same, and count the whole form.
    ///
    /// # Errors
    /// Those of [`to_stored_json`](Self::to_stored_json).
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::Message;
    ///
    /// let json = Message::human("Hi").to_compact_json(1024)?;
    /// assert_eq!(json, r#"{"type":"human","data":{"content":"Hi"}}"#);
    /// assert_eq!(Message::from_stored_json(&json, "row 7")?, Message::human("Hi"));
    /// # Ok::<(), conversant_core::HistoryError>(())
    /// ```
    pub fn to_compact_json(&self, max_bytes: u64) -> Result<String, HistoryError> {
        let mut json = String::new();
        self.push_compact_json(&mut json, max_bytes)?;
        Ok(json)
    }

    /// Appends [`to_compact_json`](Self::to_compact_json) to a text.
    fn push_compact_json(&self, json: &mut String, max_bytes: u64) -> Result<(), HistoryError> {
        let measured = |compact: usize| match (compact as u64).saturating_add(MAX_DEFAULT_BYTES) {
            most if most > max_bytes => self.stored_json_len(),
            _ => compact as u64,
        };
        match self.content() {
            // Most messages: all but the text is known, and not deep.
            Content::Text(text) if self.is_plain() => {
                let begin = json.len();
                for part in [r#"{"type":""#, self.role().type_name(), r#"","data":{"content":"#] {
                    json.push_str(part);
                }
                push_text(json, text);
                json.push_str("}}");
                check_size(measured(json.len() - begin), max_bytes)
            }
            Content::Text(_) | Content::Parts(_) => {
                let compact = serde_json::to_string(&Compact(self)).map_err(|_| unanswered())?;
                check(&compact, measured(compact.len()), max_bytes)?;
                json.push_str(&compact);
                Ok(())
            }
        }
    }

    /// Checks, without an encoding where none is needed, that a store accepts the message.
    ///
    /// # Errors
    /// Those of [`to_stored_json`](Self::to_stored_json).
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::Message;
    ///
    /// Message::human("Hi").check_stored_json(1024)?;
    /// assert!(Message::human("Hi").check_stored_json(16).is_err());
    /// # Ok::<(), conversant_core::HistoryError>(())
    /// ```
    pub fn check_stored_json(&self, max_bytes: u64) -> Result<(), HistoryError> {
        match self.content() {
            Content::Text(text) if self.is_plain() => {
                let most = (text.len() as u64).saturating_mul(MAX_ESCAPED_BYTES);
                if most.saturating_add(MAX_DEFAULT_BYTES) <= max_bytes {
                    return Ok(());
                }
            }
            Content::Text(_) | Content::Parts(_) => {}
        }
        self.to_stored_json(max_bytes).map(drop)
    }

    /// Returns the number of bytes of [`to_stored_json`](Self::to_stored_json), by which
    /// [`Range::LastBytes`](crate::Range::LastBytes) counts. A message without a stored form counts
    /// by its text.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::Message;
    ///
    /// let message = Message::human("Hi");
    /// assert_eq!(message.stored_json_len(), message.to_stored_json(1024)?.len() as u64);
    /// # Ok::<(), conversant_core::HistoryError>(())
    /// ```
    #[must_use]
    pub fn stored_json_len(&self) -> u64 {
        let whole = match (self.content(), plain::fields_after_text(self.role())) {
            (Content::Text(text), Some(fields)) if self.is_plain() => {
                let begin = plain::text_begin(self.role()).into_iter().map(str::len);
                let known = begin.sum::<usize>() + fields.len() + plain::END.len();
                serde_json::to_string(text).map(|text| known + text.len())
            }
            // A writer that only counts would compile all of the encoding again.
            _ => serde_json::to_vec(self).map(|json| json.len()),
        };
        whole.unwrap_or_else(|_| self.text().len()) as u64
    }

    /// Decodes a message from the JSON text in which a store keeps it. `place` names the stored
    /// item in the error.
    ///
    /// # Errors
    /// [`HistoryError::Corrupt`] if the text is not JSON or not a stored message.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::Message;
    ///
    /// let json = Message::human("Hi").to_stored_json(1024)?;
    /// assert_eq!(Message::from_stored_json(&json, "row 7")?, Message::human("Hi"));
    /// let error = Message::from_stored_json("{", "row 7").unwrap_err();
    /// assert_eq!(error.to_string(), "cannot use the history: cannot decode row 7");
    /// # Ok::<(), conversant_core::HistoryError>(())
    /// ```
    pub fn from_stored_json(
        json: impl AsRef<[u8]>,
        place: impl fmt::Display,
    ) -> Result<Self, HistoryError> {
        decode(json.as_ref(), place)
    }

    /// Decodes messages from a JSON array of stored messages, such as
    /// [`Messages::to_compact_json`] returns. `place` names the stored item in the error.
    ///
    /// # Errors
    /// [`HistoryError::Corrupt`] if the text is not JSON or not an array of stored messages.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::Message;
    ///
    /// let json = r#"[{"type": "human", "data": {"content": "Hi"}}]"#;
    /// assert_eq!(Message::list_from_stored_json(json, "turn 7")?, [Message::human("Hi")]);
    /// # Ok::<(), conversant_core::HistoryError>(())
    /// ```
    pub fn list_from_stored_json(
        json: impl AsRef<[u8]>,
        place: impl fmt::Display,
    ) -> Result<Vec<Self>, HistoryError> {
        let json = json.as_ref();
        plain::list(json).map_or_else(|| decode(json, place), Ok)
    }
}

impl Messages {
    /// Encodes the messages as a JSON array of LangChain's stored form, without the fields that
    /// have their default value: a third of the bytes of a short message. The limits are those of
    /// [`Message::to_stored_json`], for each message, and count the whole form.
    ///
    /// # Errors
    /// Those of [`Message::to_stored_json`].
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, Messages};
    ///
    /// let messages = Messages::from(Message::human("Hi"));
    /// let json = messages.to_compact_json(1024)?;
    /// assert_eq!(json, r#"[{"type":"human","data":{"content":"Hi"}}]"#);
    /// assert_eq!(Message::list_from_stored_json(&json, "turn 7")?, [Message::human("Hi")]);
    /// # Ok::<(), conversant_core::HistoryError>(())
    /// ```
    pub fn to_compact_json(&self, max_message_bytes: u64) -> Result<String, HistoryError> {
        let text: usize = self.iter().map(|message| message.text().len()).sum();
        let mut json = String::with_capacity(text + text / 16 + 64 * self.len() + 2);
        json.push('[');
        for (index, message) in self.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            message.push_compact_json(&mut json, max_message_bytes)?;
        }
        json.push(']');
        Ok(json)
    }
}

fn decode<T: DeserializeOwned>(json: &[u8], place: impl fmt::Display) -> Result<T, HistoryError> {
    serde_json::from_slice(json).map_err(|error| HistoryError::Corrupt {
        what: format!("cannot decode {place}"),
        source: Some(error.into()),
    })
}

const fn unanswered() -> HistoryError {
    let what = "a tool or function message without the id or name of what it answers";
    HistoryError::Unsupported { what }
}

const fn check_size(bytes: u64, limit: u64) -> Result<(), HistoryError> {
    if bytes > limit {
        return Err(HistoryError::TooLarge { what: "message", bytes, limit });
    }
    Ok(())
}

/// Checks the size of a message's JSON, and how deeply it is nested.
fn check(json: &str, bytes: u64, max_bytes: u64) -> Result<(), HistoryError> {
    check_size(bytes, max_bytes)?;
    if is_too_deep(json) {
        let what = "values nested more than 120 levels deep";
        return Err(HistoryError::Unsupported { what });
    }
    Ok(())
}

/// Returns whether JSON is nested more than [`MAX_DEPTH`] levels deep.
fn is_too_deep(json: &str) -> bool {
    // Nearly all messages have fewer brackets than that, inside texts or not.
    let brackets = json.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
    brackets > MAX_DEPTH && depth(json) > MAX_DEPTH
}

/// Returns the number of brackets that are open at the deepest point of JSON.
fn depth(json: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                open += 1;
                deepest = deepest.max(open);
            }
            b']' | b'}' if !in_text => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
