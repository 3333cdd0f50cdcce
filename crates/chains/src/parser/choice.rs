//! Answers that are one of a few words.

use conversant_core::{OutputParser, ParseError, Value};

use super::characters::{is_same_letter, is_space};

/// Accepts an answer that is one of a list of values, without the whitespace around it.
///
/// Needs the feature `parsers`.
///
/// LangChain 0.1.20 `langchain/output_parsers/enum.py::EnumOutputParser.parse`.
///
/// # Examples
///
/// ```
/// use conversant_chains::EnumParser;
/// use conversant_core::OutputParser;
///
/// let parser = EnumParser::new(["red", "light blue"]);
/// assert_eq!(parser.parse(" light blue\n")?.as_text(), Some("light blue"));
/// assert!(parser.parse("Red").is_err());
/// # Ok::<(), conversant_core::ParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct EnumParser {
    values: Vec<String>,
    instructions: String,
}

impl EnumParser {
    /// Creates a parser that accepts these values.
    #[must_use]
    pub fn new<V: Into<String>>(values: impl IntoIterator<Item = V>) -> Self {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        let instructions = format!("Answer with one of these alone: {}", values.join(", "));
        Self { values, instructions }
    }
}

impl OutputParser for EnumParser {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        let answer = text.trim_matches(is_space);
        if self.values.iter().any(|value| value == answer) {
            return Ok(answer.into());
        }
        let reason = format!("not one of {}", self.values.join(", "));
        Err(ParseError::without_source(text, reason))
    }

    fn format_instructions(&self) -> Option<&str> {
        Some(&self.instructions)
    }
}

/// Finds one of two words in an answer, without regard to case.
///
/// Needs the feature `parsers`.
///
/// An answer with both words, or with neither, is an error. LangChain 0.1.20
/// `langchain/output_parsers/boolean.py::BooleanOutputParser.parse`.
///
/// # Examples
///
/// ```
/// use conversant_chains::BooleanParser;
/// use conversant_core::OutputParser;
///
/// let parser = BooleanParser::default();
/// assert_eq!(parser.parse("Yes, it is.")?.to_text(), "true");
/// assert!(parser.parse("Yes and no.").is_err());
/// # Ok::<(), conversant_core::ParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct BooleanParser {
    yes: String,
    no: String,
    instructions: String,
}

impl Default for BooleanParser {
    /// Creates a parser for `YES` and `NO`.
    fn default() -> Self {
        Self::new("YES", "NO")
    }
}

impl BooleanParser {
    /// Creates a parser for the words that mean true and false.
    #[must_use]
    pub fn new(yes: impl Into<String>, no: impl Into<String>) -> Self {
        let (yes, no) = (yes.into(), no.into());
        let instructions = format!("Answer with {yes} or {no} alone.");
        Self { yes, no, instructions }
    }
}

impl OutputParser for BooleanParser {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        let text_of: Vec<char> = text.chars().collect();
        let words = [&self.yes, &self.no];
        let (mut found_yes, mut found_no) = (false, false);
        let mut at = 0;
        while at < text_of.len() {
            let found = words.iter().find(|word| is_word_at(&text_of, at, word));
            let length = found.map_or(0, |word| word.chars().count());
            let upper: String = text_of.iter().skip(at).take(length).collect();
            let upper = upper.to_uppercase();
            if found.is_some() {
                found_yes |= upper == self.yes.to_uppercase();
                found_no |= upper == self.no.to_uppercase();
            }
            at += length.max(1);
        }
        match (found_yes, found_no) {
            (true, false) => Ok(serde_json::Value::Bool(true).into()),
            (false, true) => Ok(serde_json::Value::Bool(false).into()),
            (true, true) => {
                let reason = format!("both {} and {}", self.yes, self.no);
                Err(ParseError::without_source(text, reason))
            }
            (false, false) => {
                let reason = format!("neither {} nor {}", self.yes, self.no);
                Err(ParseError::without_source(text, reason))
            }
        }
    }

    fn format_instructions(&self) -> Option<&str> {
        Some(&self.instructions)
    }
}

/// Returns whether a word is at a position, with the word boundaries of a regular expression.
fn is_word_at(text: &[char], at: usize, word: &str) -> bool {
    let is_word = |index: Option<usize>| {
        let character = index.and_then(|index| text.get(index));
        character.is_some_and(|character| character.is_alphanumeric() || *character == '_')
    };
    let is_boundary = |index: usize| is_word(index.checked_sub(1)) != is_word(Some(index));
    let mut end = at;
    for expected in word.chars() {
        if !text.get(end).is_some_and(|found| is_same_letter(*found, expected)) {
            return false;
        }
        end += 1;
    }
    is_boundary(at) && is_boundary(end)
}
