//! From a body's bytes to a type, with an error that says where the body is wrong and quotes nothing of it.

use conversant_core::{DecodeError, ModelError, Withheld};
use serde::Deserialize;
use serde_json::{Value as Json, error::Category};

/// How much of a body an error keeps.
pub(crate) const KEPT: usize = 8 * 1024;
/// How many characters of a page an error keeps.
const PAGE: usize = 200;

/// Reads JSON: UTF-8, one byte order mark allowed.
///
/// # Errors
/// [`ModelError::Decode`], or the error that the body itself is.
pub(super) fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, ModelError> {
    let text = text(body)?;
    serde_json::from_str(text)
        .map_err(|error| DecodeError::new(describe(text, &error)).with_body(kept(body)).into())
}

/// Reads the data of an event.
///
/// # Errors
/// [`ModelError::Decode`].
pub(super) fn read_event<'de, T: Deserialize<'de>>(data: &'de str) -> Result<T, ModelError> {
    serde_json::from_str(data).map_err(|error| {
        let what = format!("in an event of the stream, {}", describe(data, &error));
        DecodeError::new(what).with_body(kept(data.as_bytes())).into()
    })
}

/// Makes the error of an event whose fields make no sense.
pub(super) fn refuse_event(what: &str) -> ModelError {
    DecodeError::new(format!("in an event of the stream, {what}")).into()
}

/// Returns the body as text, without its byte order mark.
fn text(body: &[u8]) -> Result<&str, ModelError> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let offset = error.valid_up_to();
        DecodeError::new(format!("it is no UTF-8 from byte {offset} on")).with_body(kept(body))
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Returns the part of a body that an error keeps: of a page in place of an answer its beginning, control characters escaped.
pub(crate) fn kept(body: &[u8]) -> Withheld {
    let body = body.get(..KEPT).unwrap_or(body);
    let text = String::from_utf8_lossy(body);
    if !text.trim_start().starts_with('<') {
        return Withheld::from(text.into_owned());
    }
    let mut beginning = String::new();
    for c in text.chars().take(PAGE) {
        match c {
            c if c.is_control() => beginning.extend(c.escape_default()),
            c => beginning.push(c),
        }
    }
    beginning.into()
}

/// Says what is wrong, in words that hold nothing of the body: serde's own quote the values that they did not expect.
fn describe(text: &str, error: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    if text.trim_start().is_empty() {
        return "it is empty".to_owned();
    }
    if text.trim_start().starts_with('<') {
        return "it is HTML or XML, not JSON".to_owned();
    }
    match error.classify() {
        Category::Eof => format!("its JSON ends too early ({place})"),
        Category::Io | Category::Syntax => {
            let error = error.to_string();
            let reason = error.split(" at line ").next().unwrap_or("it is no JSON");
            format!("it is no JSON: {reason} ({place})")
        }
        Category::Data => match misfit(text) {
            Some(path) => format!("{path} ({place})"),
            None => format!("a field has another kind of value than it should ({place})"),
        },
    }
}

/// Tells whether a value is of a kind.
type Fits = fn(&Json) -> bool;

/// The kinds that fields must have where they are there and not null.
const KINDS: &[(&str, Fits, &str)] = &[
    ("/model", Json::is_string, "text"),
    ("/choices", Json::is_array, "an array"),
    ("/choices/*", Json::is_object, "an object"),
    ("/choices/*/index", Json::is_u64, "a number from 0 on"),
    ("/choices/*/finish_reason", Json::is_string, "text"),
    ("/choices/*/text", Json::is_string, "text"),
    ("/choices/*/{}", Json::is_object, "an object"),
    ("/choices/*/{}/content", is_text_or_array, "text"),
    ("/choices/*/{}/refusal", Json::is_string, "text"),
    ("/choices/*/{}/reasoning_content", Json::is_string, "text"),
    ("/choices/*/{}/tool_calls", Json::is_array, "an array"),
    ("/choices/*/{}/tool_calls/*", Json::is_object, "an object"),
    ("/choices/*/{}/tool_calls/*/index", Json::is_u64, "a number from 0 on"),
    ("/choices/*/{}/tool_calls/*/id", Json::is_string, "text"),
    ("/choices/*/{}/tool_calls/*/function", Json::is_object, "an object"),
    ("/choices/*/{}/tool_calls/*/function/name", Json::is_string, "text"),
];

fn is_text_or_array(value: &Json) -> bool {
    value.is_string() || value.is_array()
}

/// Finds the first field whose value is of the wrong kind.
fn misfit(text: &str) -> Option<String> {
    if !text.trim_start().starts_with('{') {
        return Some("it is not an object".to_owned());
    }
    let body: Json = serde_json::from_str(text).ok()?;
    KINDS.iter().find_map(|(pattern, fits, kind)| {
        ["message", "delta"].iter().find_map(|message| {
            let path: Vec<_> =
                pattern.split('/').skip(1).map(|s| if s == "{}" { message } else { s }).collect();
            find(&body, &path, *fits).map(|found| format!("`{found}` is not {kind}"))
        })
    })
}

/// Returns the path of the first value at a pattern that does not fit.
fn find(value: &Json, path: &[&str], fits: Fits) -> Option<String> {
    let Some((name, rest)) = path.split_first() else {
        return (!value.is_null() && !fits(value)).then(String::new);
    };
    let (name, found) = if *name == "*" {
        let mut items = value.as_array()?.iter().enumerate();
        items.find_map(|(index, item)| {
            let found = if item.is_null() { Some(String::new()) } else { find(item, rest, fits) };
            Some((format!("[{index}]"), found?))
        })?
    } else {
        ((*name).to_owned(), find(value.get(*name)?, rest, fits)?)
    };
    let dot = if found.is_empty() || found.starts_with('[') { "" } else { "." };
    Some(format!("{name}{dot}{found}"))
}
