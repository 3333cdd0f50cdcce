//! The JSON text in which stores keep a message, and its limits.

use std::fmt;

use crate::{history::HistoryError, message::Message};

/// The deepest nesting of JSON that a store accepts.
///
/// `serde_json` reads at most 127 levels. The rest is left to the text that a store wraps around a
/// message.
const MAX_DEPTH: usize = 120;

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
    /// assert!(error.to_string().ends_with("the history's limit is 16 bytes"));
    /// # Ok::<(), conversant_core::HistoryError>(())
    /// ```
    pub fn to_stored_json(&self, max_bytes: u64) -> Result<String, HistoryError> {
        let Ok(json) = serde_json::to_string(self) else {
            let what = "a tool or function message without the id or name of what it answers";
            return Err(HistoryError::Unsupported { what });
        };
        let bytes = json.len() as u64;
        if bytes > max_bytes {
            return Err(HistoryError::TooLarge { bytes, limit: max_bytes });
        }
        if is_too_deep(&json) {
            let what = "values nested more than 120 levels deep";
            return Err(HistoryError::Unsupported { what });
        }
        Ok(json)
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
        serde_json::from_slice(json.as_ref()).map_err(|error| HistoryError::Corrupt {
            what: format!("cannot decode {place}"),
            source: Some(error.into()),
        })
    }
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
