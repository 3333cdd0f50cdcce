//! Messages as they are stored: each as LangChain's JSON, in text.

use conversant_core::{HistoryError, Message, Messages};

/// How deep JSON may be nested so that it can be read again: `serde_json` gives up beyond.
const DEEPEST: usize = 127;

/// Writes messages as JSON, one text each.
pub(crate) fn encode(messages: &Messages, limit: u64) -> Result<Vec<String>, HistoryError> {
    messages.iter().map(|message| encode_one(message, limit)).collect()
}

/// Writes a message as JSON.
pub(crate) fn encode_one(message: &Message, limit: u64) -> Result<String, HistoryError> {
    let Ok(json) = serde_json::to_string(message) else {
        return Err(HistoryError::Unsupported {
            what: "a tool's or function's message without the id or name of what it answers",
        });
    };
    let bytes = json.len() as u64;
    if bytes > limit {
        return Err(HistoryError::TooLarge { bytes, limit });
    }
    if depth(&json) > DEEPEST {
        return Err(HistoryError::Unsupported { what: "values nested more than 120 deep" });
    }
    Ok(json)
}

/// Reads a message; `place` says where it is if it can't be read.
pub(crate) fn decode(json: &[u8], place: impl FnOnce() -> String) -> Result<Message, HistoryError> {
    serde_json::from_slice(json).map_err(|error| HistoryError::Corrupt {
        what: format!("{} can't be read", place()),
        source: Some(error.into()),
    })
}

/// Returns how many brackets of JSON are open at once, at most.
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
