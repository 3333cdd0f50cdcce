//! The output parser trait and its error.

use crate::{box_error::BoxError, value::Value, withheld::Withheld};

/// A parser that converts a model's answer into a value.
///
/// A chain calls it after the model has answered. The value becomes the chain's output; the memory
/// keeps the original answer. A panic is an error to the chain, which holds the answer as well.
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
///         text.trim().parse::<i64>().map(Value::from).map_err(|error| ParseError::new(text, "not a number", error))
///     }
/// }
///
/// assert_eq!(Number.parse(" 42 ")?, Value::from(42));
/// assert_eq!(Number.parse("many").unwrap_err().to_string(), "cannot parse the answer: not a number");
/// # Ok::<(), ParseError>(())
/// ```
pub trait OutputParser: Send + Sync {
    /// Parses an answer.
    ///
    /// # Errors
    /// [`ParseError`], which holds the answer.
    fn parse(&self, text: &str) -> Result<Value, ParseError>;

    /// Returns instructions for the model about the format of its answer, if there are any.
    fn format_instructions(&self) -> Option<&str> {
        None
    }
}

macro_rules! forward_parser {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        impl<P: OutputParser + ?Sized> OutputParser for $pointer {
            fn parse(&self, text: &str) -> Result<Value, ParseError> {
                (**self).parse(text)
            }
            fn format_instructions(&self) -> Option<&str> {
                (**self).format_instructions()
            }
        }
    )*};
}
forward_parser!(&P, Box<P>, std::sync::Arc<P>);

/// An answer that cannot be parsed. The error holds the answer, which was paid for.
#[derive(thiserror::Error)]
#[error("cannot parse the answer: {reason}")]
#[non_exhaustive]
pub struct ParseError {
    /// The answer.
    pub text: Withheld,
    /// The reason. It does not quote the answer.
    pub reason: String,
    /// The fault in detail, for the model that corrects the answer. It may quote the answer.
    pub detail: Option<Withheld>,
    /// The cause, if there is one. As part of the error it is printed, so it must not quote the
    /// answer, as errors of serde_json do: their text belongs into the detail.
    pub source: Option<BoxError>,
}

impl ParseError {
    /// Creates the error with a cause that does not quote the answer.
    #[must_use]
    pub fn new(text: &str, reason: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self { text: text.into(), reason: reason.into(), detail: None, source: Some(source.into()) }
    }

    /// Creates the error without a cause.
    #[must_use]
    pub fn without_source(text: &str, reason: impl Into<String>) -> Self {
        Self { text: text.into(), reason: reason.into(), detail: None, source: None }
    }

    /// Sets the fault in detail, for the model that corrects the answer. `Debug` withholds it.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::ParseError;
    ///
    /// fn names(text: &str) -> Result<Vec<String>, ParseError> {
    ///     serde_json::from_str(text).map_err(|error| {
    ///         // It quotes values of the answer.
    ///         ParseError::without_source(text, "not a list of names").with_detail(error.to_string())
    ///     })
    /// }
    /// assert!(!format!("{:?}", names(r#"["Ada", "my secret", 7]"#).unwrap_err()).contains('7'));
    /// ```
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Withheld>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Returns the fault for the model that corrects the answer: the reason and the detail.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::ParseError;
    ///
    /// let error = ParseError::without_source("{\"age\": \"7\"}", "not an age");
    /// assert_eq!(error.with_detail("`7` is a text").fault(), "not an age (`7` is a text)");
    /// ```
    #[must_use]
    pub fn fault(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{} ({})", self.reason, detail.as_str()),
            None => self.reason.clone(),
        }
    }
}

crate::debug_as_report!(ParseError);
