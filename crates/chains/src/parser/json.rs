//! JSON in an answer: bare, in a fenced block, in prose, or cut off.

use conversant_core::{OutputParser, ParseError, Value, without_reasoning};
use serde_json::Value as Json;

use super::{
    characters::is_space,
    partial_json::{after_brackets, parse_first_value, parse_partial_json},
};

/// The most brackets of an answer at which JSON is searched: 64. Prose can have many.
const MAX_STARTS: usize = 64;

/// The text between the parts of a Markdown document that are code.
const FENCE: &str = "```";

/// Reads JSON in an answer. It takes the first of these that is JSON:
///
/// 1. the answer itself, without [reasoning](crate::without_reasoning) at its start;
/// 2. its first fenced block, with or without a language;
/// 3. the first object or list in its text, so of several values the first.
///
/// A text, number or word of JSON at the start is taken if there is neither an object nor a list.
/// Text after the value is ignored. What a cut-off answer left open is closed; to refuse such an
/// answer, parse it into a type with `TypedParser`.
///
/// LangChain 0.1.20 `langchain_core/output_parsers/json.py::JsonOutputParser.parse`, which does not
/// look at prose, and returns `None` where a bracket closes one of another kind.
///
/// # Examples
///
/// ```
/// use conversant_chains::JsonParser;
/// use conversant_core::OutputParser;
///
/// let value = JsonParser.parse("Here you go:\n```json\n{\"a\": [1, 2]}\n```\nDone.")?;
/// assert_eq!(value.to_text(), r#"{"a":[1,2]}"#);
/// assert_eq!(JsonParser.parse(r#"The answer is {"a": 1}, I think."#)?.to_text(), r#"{"a":1}"#);
/// assert_eq!(JsonParser.parse(r#"{"a": ["cut o"#)?.to_text(), r#"{"a":["cut o"]}"#);
/// assert!(JsonParser.parse("no JSON at all").is_err());
/// # Ok::<(), conversant_core::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonParser;

impl OutputParser for JsonParser {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        match json_values(text).next() {
            Some(json) => Ok(json.into()),
            None => Err(no_json(text)),
        }
    }

    fn format_instructions(&self) -> Option<&str> {
        Some("Answer with JSON alone.")
    }
}

pub(super) fn no_json(text: &str) -> ParseError {
    let reason = if text.contains(|character| !is_space(character)) {
        "it contains no JSON"
    } else {
        "it is empty"
    };
    ParseError::without_source(text, reason)
}

/// Returns the values that an answer may mean, in the order of [`JsonParser`]. The last may be cut
/// off.
pub(super) fn json_values(text: &str) -> impl Iterator<Item = Json> {
    let text = without_reasoning(text).trim_matches(is_space);
    let (before, fenced) = match text.split_once(FENCE) {
        Some((before, block)) => (before, Some(block.strip_prefix("json").unwrap_or(block))),
        None => (text, None),
    };
    let bare = [Some(text), fenced].into_iter().flatten().filter_map(|candidate| {
        parse_partial_json(candidate.trim_matches(is_space).trim_matches('`'))
    });
    // A number or a word that begins prose is not what the prose is about.
    let (lists_and_objects, scalars) = bare.partition::<Vec<_>, _>(is_list_or_object);
    let blocks = fenced.map_or_else(|| Found::new(""), Found::new);
    lists_and_objects.into_iter().chain(blocks).chain(Found::new(before)).chain(scalars)
}

/// Returns the values of [`json_values`] that are not cut off.
#[cfg(feature = "schema")]
pub(super) fn whole_json_values(text: &str) -> Vec<Json> {
    let text = without_reasoning(text).trim_matches(is_space);
    let unquoted = text.trim_matches('`');
    let bare = match unquoted.starts_with(['{', '[']) {
        true => parse_first_value(unquoted).map(|(value, _)| value),
        false => unquoted.parse().ok(),
    };
    let (before, fenced) = text.split_once(FENCE).unwrap_or((text, ""));
    let mut values: Vec<Json> = bare.into_iter().collect();
    for part in [fenced, before] {
        values.extend(Found { is_whole: true, ..Found::new(part) });
    }
    // A fenced word or number.
    let block = fenced.split(FENCE).next().unwrap_or_default();
    let block = block.strip_prefix("json").unwrap_or(block);
    values.extend(block.trim_matches(is_space).parse::<Json>().ok());
    values
}

/// Returns the value of an answer that is still arriving, if there is a list or an object in it.
#[cfg(feature = "schema")]
pub(crate) fn partial_json_in(text: &str) -> Option<Json> {
    json_values(text).find(is_list_or_object)
}

fn is_list_or_object(value: &Json) -> bool {
    value.is_array() || value.is_object()
}

/// The objects and lists in a text with prose around them.
struct Found<'t> {
    rest: &'t str,
    starts: usize,
    /// Whether a value that is cut off is left out.
    is_whole: bool,
}

impl<'t> Found<'t> {
    const fn new(rest: &'t str) -> Self {
        Self { rest, starts: 0, is_whole: false }
    }
}

impl Iterator for Found<'_> {
    type Item = Json;

    fn next(&mut self) -> Option<Json> {
        while self.starts < MAX_STARTS {
            self.starts += 1;
            let start = self.rest.get(self.rest.find(['{', '['])?..)?;
            if let Some((value, rest)) = parse_first_value(start) {
                self.rest = rest;
                return Some(value);
            }
            match after_brackets(start) {
                // Prose in brackets, or malformed JSON, whose parts mean nothing by themselves.
                Some(rest) => self.rest = rest,
                // The value at the end of an answer may be cut off.
                None => {
                    self.rest = "";
                    let value = if self.is_whole { None } else { parse_partial_json(start) };
                    return value.filter(is_not_empty);
                }
            }
        }
        None
    }
}

/// Returns whether there is content in a value: empty brackets in prose are not a list.
fn is_not_empty(value: &Json) -> bool {
    match value {
        Json::Array(items) => !items.is_empty(),
        Json::Object(members) => !members.is_empty(),
        _ => true,
    }
}
