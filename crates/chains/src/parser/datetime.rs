//! Dates and times in an answer.

use conversant_core::{OutputParser, ParseError, Value};

use super::{characters::is_space, strptime::Format};

/// LangChain's format.
const DEFAULT: &str = "%Y-%m-%dT%H:%M:%S.%fZ";

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
/// let parser = DatetimeParser::new("%B %d, %Y")?;
/// assert_eq!(parser.parse("March 3, 2021\n")?.as_text(), Some("2021-03-03T00:00:00"));
/// assert!(parser.parse("February 30, 2021").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct DatetimeParser {
    text: String,
    format: Format,
    instructions: String,
}

/// A format of dates and times that cannot be used.
#[derive(thiserror::Error)]
#[error("invalid format of a date and time `{format}`: {reason}")]
#[non_exhaustive]
pub struct DatetimeFormatError {
    /// The format.
    pub format: String,
    /// The fault.
    pub reason: String,
}

conversant_core::debug_as_report!(DatetimeFormatError);

impl Default for DatetimeParser {
    /// Creates a parser for LangChain's format, `%Y-%m-%dT%H:%M:%S.%fZ`.
    fn default() -> Self {
        // The format has no fault.
        Self::of(DEFAULT.to_owned(), Format::new(DEFAULT).unwrap_or_default())
    }
}

impl DatetimeParser {
    /// Creates a parser for a format.
    ///
    /// # Errors
    ///
    /// [`DatetimeFormatError`] if no text fits the format: a directive is unknown, is there twice,
    /// or lacks those that it needs, or `%` is the last character.
    pub fn new(format: impl Into<String>) -> Result<Self, DatetimeFormatError> {
        let text = format.into();
        match Format::new(&text) {
            Ok(format) => Ok(Self::of(text, format)),
            Err(reason) => Err(DatetimeFormatError { format: text, reason }),
        }
    }

    fn of(text: String, format: Format) -> Self {
        let instructions =
            format!("Answer with a date and time alone, in this format of strftime: {text}");
        Self { text, format, instructions }
    }
}

impl OutputParser for DatetimeParser {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        let answer = text.trim_matches(is_space);
        match self.format.parse(answer) {
            Some(time) => Ok(time.into()),
            None => {
                let reason = format!("not a date and time in the format `{}`", self.text);
                Err(ParseError::without_source(text, reason))
            }
        }
    }

    fn format_instructions(&self) -> Option<&str> {
        Some(&self.instructions)
    }
}
