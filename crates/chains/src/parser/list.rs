//! Lists in an answer: separated by commas, numbered, or as Markdown has them.
//!
//! What counts as an item is what LangChain 0.1's list parsers take for one, down to an item that
//! begins on the next line.

use conversant_core::{OutputParser, ParseError, Value};
use serde_json::Value as Json;

use super::characters::{digit, is_space};

/// Splits an answer at its commas and trims the parts.
///
/// Needs the feature `parsers`.
///
/// # Examples
///
/// ```
/// use conversant_chains::CommaListParser;
/// use conversant_core::OutputParser;
///
/// assert_eq!(CommaListParser.parse("river, stone ,café")?.to_text(), r#"["river","stone","café"]"#);
/// # Ok::<(), conversant_core::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct CommaListParser;

impl OutputParser for CommaListParser {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        Ok(list(text.split(',').map(|part| part.trim_matches(is_space))))
    }

    fn format_instructions(&self) -> Option<&str> {
        Some("Answer with the items alone, separated by commas, such as `red, green, blue`.")
    }
}

/// Takes the items of a numbered list, wherever they stand: `1. river`.
///
/// Needs the feature `parsers`.
///
/// # Examples
///
/// ```
/// use conversant_chains::NumberedListParser;
/// use conversant_core::OutputParser;
///
/// assert_eq!(NumberedListParser.parse("Here:\n1. river\n2. stone")?.to_text(), r#"["river","stone"]"#);
/// # Ok::<(), conversant_core::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct NumberedListParser;

impl OutputParser for NumberedListParser {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        let mut items = Vec::new();
        let mut rest = text;
        while let Some((_, from_digit)) = find(rest, |character| digit(character).is_some()) {
            let after_number =
                from_digit.trim_start_matches(|character: char| digit(character).is_some());
            rest = match after_number.strip_prefix('.').and_then(item) {
                Some((item, after)) => {
                    items.push(item);
                    after
                }
                None => after_number,
            };
        }
        Ok(list(items))
    }

    fn format_instructions(&self) -> Option<&str> {
        Some(
            "Answer with a numbered list, each item on a line of its own, such as:\n1. red\n2. green",
        )
    }
}

/// Takes the items of a Markdown list: lines that begin with `-` or `*`.
///
/// Needs the feature `parsers`.
///
/// # Examples
///
/// ```
/// use conversant_chains::MarkdownListParser;
/// use conversant_core::OutputParser;
///
/// assert_eq!(MarkdownListParser.parse("Here:\n- river\n  * stone")?.to_text(), r#"["river","stone"]"#);
/// # Ok::<(), conversant_core::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct MarkdownListParser;

impl OutputParser for MarkdownListParser {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        let mut items = Vec::new();
        let mut line = Some(text);
        while let Some(start) = line {
            // White space before a mark may span lines, which are read once for all of them.
            let text = start.trim_start_matches(is_space);
            let rest = match text.strip_prefix(['-', '*']).and_then(item) {
                Some((item, after)) => {
                    items.push(item);
                    after
                }
                None => text,
            };
            line = rest.split_once('\n').map(|(_, next)| next);
        }
        Ok(list(items))
    }

    fn format_instructions(&self) -> Option<&str> {
        Some(
            "Answer with a Markdown list, each item on a line of its own, such as:\n- red\n- green",
        )
    }
}

/// Splits at the first character of a kind.
fn find(text: &str, is_wanted: impl Fn(char) -> bool) -> Option<(&str, &str)> {
    text.split_at_checked(text.find(is_wanted)?)
}

/// Returns the item after its mark, one white space and at least one character to the end of the
/// line, and what follows it.
fn item(after_mark: &str) -> Option<(&str, &str)> {
    let mut characters = after_mark.chars();
    characters.next().filter(|&space| is_space(space))?;
    let rest = characters.as_str();
    let (item, _) = rest.split_once('\n').unwrap_or((rest, ""));
    if item.is_empty() {
        return None;
    }
    Some((item, rest.get(item.len()..)?))
}

fn list<'i>(items: impl IntoIterator<Item = &'i str>) -> Value {
    Json::Array(items.into_iter().map(Json::from).collect()).into()
}
