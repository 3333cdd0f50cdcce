//! The output parser seam.

use crate::{BoxError, value::Value, withheld::Withheld};

/// Something that makes a value of a model's answer.
///
/// **Who calls it**: a chain, after the model has answered. What it makes is the chain's output; the memory keeps the answer as it was.
///
/// # Examples
///
/// ```
/// use conversant_core::{OutputParser, ParseError, Value};
///
/// struct Number;
///
/// impl OutputParser for Number {
///     fn parse(&self, text: &str) -> Result<Value, ParseError> {
///         text.trim().parse::<i64>().map(Value::from).map_err(|error| ParseError::new(text, "no number", error))
///     }
/// }
///
/// assert_eq!(Number.parse(" 42 ")?, Value::from(42));
/// assert_eq!(Number.parse("many").unwrap_err().to_string(), "the answer can't be parsed: no number");
/// # Ok::<(), ParseError>(())
/// ```
pub trait OutputParser: Send + Sync {
    /// Parses an answer.
    ///
    /// # Errors
    /// [`ParseError`], which holds the answer.
    fn parse(&self, text: &str) -> Result<Value, ParseError>;

    /// Returns what to tell the model about the form of its answer, if there is something to tell.
    fn format_instructions(&self) -> Option<&str> {
        None
    }
}

/// An answer that a parser can't make anything of. It holds the answer, which was paid for.
#[derive(Debug, thiserror::Error)]
#[error("the answer can't be parsed: {reason}")]
#[non_exhaustive]
pub struct ParseError {
    /// The answer.
    pub text: Withheld,
    /// What is wrong with it.
    pub reason: String,
    /// The cause, if there is one.
    pub source: Option<BoxError>,
}

impl ParseError {
    /// Creates it.
    #[must_use]
    pub fn new(text: &str, reason: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self { text: text.into(), reason: reason.into(), source: Some(source.into()) }
    }

    /// Creates it without a cause.
    #[must_use]
    pub fn without_source(text: &str, reason: impl Into<String>) -> Self {
        Self { text: text.into(), reason: reason.into(), source: None }
    }
}
