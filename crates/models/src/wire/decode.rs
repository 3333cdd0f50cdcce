//! From a body's bytes to a type, with an error that says where the body is wrong and quotes none
//! of it.

use std::borrow::Cow;

use conversant_core::{DecodeError, ModelError, Withheld};
use serde_json::error::Category;

use super::{
    surrogates,
    tolerant::{ReadTolerant, Tolerant},
};

/// The maximum size of the part of a body that an error keeps, in bytes.
pub(crate) const MAX_KEPT: usize = 8 * 1024;
/// The maximum number of characters of an HTML page that an error keeps.
const MAX_PAGE: usize = 200;

/// Reads JSON from UTF-8 bytes, with or without a byte order mark.
///
/// # Errors
/// [`ModelError::Decode`].
pub(super) fn read<'de, T: ReadTolerant<'de>>(text: &'de str) -> Result<T, DecodeError> {
    match serde_json::from_str::<Tolerant<T>>(text) {
        Ok(Tolerant(Some(value))) => Ok(value),
        Ok(Tolerant(None)) => Err(DecodeError::new("it is not an object")),
        Err(error) => Err(DecodeError::new(describe(text, &error))),
    }
    .map_err(|error| error.with_body(excerpt(text.as_bytes())))
}

/// Adds to the error of an event where it happened.
pub(super) fn in_event(mut error: DecodeError) -> ModelError {
    error.what.insert_str(0, "in an event of the stream, ");
    error.into()
}

/// Returns a body as text, without its byte order mark.
pub(super) fn text_of(body: &[u8]) -> Result<&str, ModelError> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let offset = error.valid_up_to();
        DecodeError::new(format!("it is not UTF-8 from byte {offset} on")).with_body(excerpt(body))
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Returns the part of a body that an error keeps. Of a page in place of an answer it is the
/// beginning, with control characters escaped.
pub(crate) fn excerpt(body: &[u8]) -> Withheld {
    let body = body.get(..MAX_KEPT).unwrap_or(body);
    let text = String::from_utf8_lossy(body);
    if !is_page(&text) {
        return Withheld::from(text.into_owned());
    }
    let mut beginning = String::new();
    for c in text.chars().take(MAX_PAGE) {
        match c {
            c if c.is_control() => beginning.extend(c.escape_default()),
            c => beginning.push(c),
        }
    }
    beginning.into()
}

/// Cuts a text that is larger than what an error keeps of it.
pub(super) fn cut(text: Withheld) -> Withheld {
    if text.len() <= MAX_KEPT {
        return text;
    }
    let end = (0..=MAX_KEPT).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default().into()
}

/// Returns whether a body is HTML or XML.
pub(super) fn is_page(text: &str) -> bool {
    text.trim_start().starts_with('<')
}

/// Returns the error of a stream that begins with anything but events, or `None` if it begins with
/// nothing.
pub(crate) fn without_events(prefix: &[u8]) -> Option<ModelError> {
    let text = String::from_utf8_lossy(prefix);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_field = |line: &str| {
        let name = line.split_once(':').map_or(line, |(name, _)| name);
        matches!(name, "" | "data" | "event" | "id" | "retry")
    };
    lines.next().filter(|line| !is_field(line))?;
    let error = DecodeError::new("it has no events of a stream");
    Some(error.with_body(excerpt(prefix)).into())
}

/// Says what is wrong, in words that quote nothing of the body.
fn describe(text: &str, error: &serde_json::Error) -> String {
    if text.trim_start().is_empty() {
        return "it is empty".to_owned();
    }
    if is_page(text) {
        return "it is HTML or XML, not JSON".to_owned();
    }
    let place = format!("line {}, column {}", error.line(), error.column());
    let message = error.to_string();
    let reason = message.split(" at line ").next().unwrap_or_default();
    match error.classify() {
        Category::Eof => format!("its JSON ends too early ({place})"),
        // The limits of `tolerant` are the only errors of this kind.
        Category::Data => format!("{reason} ({place})"),
        Category::Io | Category::Syntax => format!("it is not JSON: {reason} ({place})"),
    }
}

/// Replaces `NaN`, `Infinity` and `-Infinity`, which Python writes, by `null`. Strings stay as they
/// are.
///
/// Returns `None` if there are none.
pub(super) fn without_nan(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut copied = 0;
    let mut rest = text;
    let at = |rest: &str| text.len() - rest.len();
    while let Some(c) = rest.chars().next() {
        match c {
            '"' => rest = skip_string(rest),
            'N' | 'I' | '-' => {
                let words = ["NaN", "Infinity", "-Infinity", "-NaN"];
                let found = words.iter().find_map(|word| rest.strip_prefix(word));
                if let Some(after) = found {
                    out.push_str(text.get(copied..at(rest))?);
                    out.push_str("null");
                    copied = at(after);
                    rest = after;
                } else {
                    rest = rest.get(1..)?;
                }
            }
            c => rest = rest.get(c.len_utf8()..)?,
        }
    }
    if copied == 0 {
        return None;
    }
    out.push_str(text.get(copied..)?);
    Some(out)
}

/// Skips a JSON string, from its first quote.
fn skip_string(text: &str) -> &str {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.and_then(|end| text.get(end + 2..)).unwrap_or_default()
}

/// Returns the text that is to be read as JSON, repaired if a server is known to write it wrongly:
/// numbers of Python, and halves of characters.
pub(super) fn repaired(text: &str) -> Cow<'_, str> {
    let text = without_nan(text).map_or(Cow::Borrowed(text), Cow::Owned);
    match surrogates::mended(&text) {
        Some(mended) => Cow::Owned(mended.text),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::without_nan;

    #[test]
    fn numbers_of_python_become_null_outside_of_strings() {
        let text = r#"{"a": NaN, "b": [-Infinity, Infinity, -1], "NaN": "\"NaN \\"}"#;
        let mended = r#"{"a": null, "b": [null, null, -1], "NaN": "\"NaN \\"}"#;
        assert_eq!(without_nan(text).as_deref(), Some(mended));
        assert_eq!(without_nan(r#"{"a": "NaN", "b": "\\"}"#), None);
        assert_eq!(without_nan("\"cut off"), None);
    }
}
