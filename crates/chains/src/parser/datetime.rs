//! Dates and times in an answer.

use conversant_core::{OutputParser, ParseError, Value};

use super::{characters::is_space, strptime::strptime};

/// Reads a date and time in a format of Python's `strptime`, and returns it in ISO 8601.
///
/// Needs the feature `parsers`.
///
/// An answer that takes more than 100,000 steps to match is an error. A step is an element of the
/// format at a place in the answer. LangChain 0.1.20
/// `langchain/output_parsers/datetime.py::DatetimeOutputParser.parse`.
///
/// # Examples
///
/// ```
/// use conversant_chains::DatetimeParser;
/// use conversant_core::OutputParser;
///
/// let parser = DatetimeParser::new("%B %d, %Y");
/// assert_eq!(parser.parse("March 3, 2021\n")?.as_text(), Some("2021-03-03T00:00:00"));
/// assert!(parser.parse("February 30, 2021").is_err());
/// # Ok::<(), conversant_core::ParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct DatetimeParser {
    format: String,
    instructions: String,
}

impl Default for DatetimeParser {
    /// Creates a parser for LangChain's format, `%Y-%m-%dT%H:%M:%S.%fZ`.
    fn default() -> Self {
        Self::new("%Y-%m-%dT%H:%M:%S.%fZ")
    }
}

impl DatetimeParser {
    /// Creates a parser for a format.
    #[must_use]
    pub fn new(format: impl Into<String>) -> Self {
        let format = format.into();
        let instructions =
            format!("Answer with a date and time alone, in this format of strftime: {format}");
        Self { format, instructions }
    }
}

impl OutputParser for DatetimeParser {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        let answer = text.trim_matches(is_space);
        match strptime(answer, &self.format) {
            Some(time) => Ok(time.into()),
            None => {
                let reason = format!("not a date and time in the format `{}`", self.format);
                Err(ParseError::without_source(text, reason))
            }
        }
    }

    fn format_instructions(&self) -> Option<&str> {
        Some(&self.instructions)
    }
}
