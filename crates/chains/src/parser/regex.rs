//! Answers that a regular expression takes apart.

use conversant_core::{OutputParser, ParseError, Value};
use serde_json::{Map, Value as Json};

use super::{bounded_regex::BoundedRegex, python_regex::translate};

/// Searches an answer with a regular expression; its groups are the values of the output keys.
///
/// The notation is that of Python 3.11, without names of characters (`\N{…}`): flags, look-around,
/// back-references, conditions, possessive repetition and Unicode classes mean what they mean
/// there. Groups can be nested 60 deep, and those with possessive repetition 30. LangChain 0.1.20
/// `langchain/output_parsers/regex.py::RegexParser.parse`.
///
/// A search that takes too many steps is given up, and the answer cannot be parsed. That happens
/// only with look-around, back-references and the like, on long texts. The limit depends on the
/// expression and the text alone, and ends a search after a few seconds.
///
/// # Examples
///
/// ```
/// use conversant_chains::RegexParser;
/// use conversant_core::OutputParser;
///
/// let parser = RegexParser::new(r"Score: (\d+)", ["score"])?;
/// assert_eq!(parser.parse("Score: 7 of 10")?.to_text(), r#"{"score":"7"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct RegexParser {
    regex: BoundedRegex,
    output_keys: Vec<String>,
    default_output_key: Option<String>,
}

/// A regular expression that cannot be used.
#[derive(thiserror::Error)]
#[error("invalid regular expression `{regex}`: {reason}")]
#[non_exhaustive]
pub struct RegexError {
    /// The expression.
    pub regex: String,
    /// The fault and its position.
    pub reason: String,
}

conversant_core::debug_as_report!(RegexError);

impl RegexParser {
    /// Creates a parser from an expression and the keys of its groups, in order.
    ///
    /// # Errors
    ///
    /// [`RegexError`] if the expression cannot be parsed.
    pub fn new<K: Into<String>>(
        regex: &str,
        output_keys: impl IntoIterator<Item = K>,
    ) -> Result<Self, RegexError> {
        let fault = |reason: String| RegexError { regex: regex.to_owned(), reason };
        let translated = translate(regex).map_err(|error| fault(error.to_string()))?;
        let compiled = BoundedRegex::new(translated).map_err(|error| fault(error.to_string()))?;
        let output_keys = output_keys.into_iter().map(Into::into).collect();
        Ok(Self { regex: compiled, output_keys, default_output_key: None })
    }

    /// Sets the key that holds an answer in which the expression is not found. The others are
    /// empty, and so are all if it is not one of the output keys, as in LangChain.
    #[must_use]
    pub fn with_default_output_key(mut self, key: impl Into<String>) -> Self {
        self.default_output_key = Some(key.into());
        self
    }
}

impl OutputParser for RegexParser {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        let found = self.regex.captures(text).map_err(|error| {
            ParseError::new(text, "the regular expression takes too many steps", error)
        })?;
        let mut fields = Map::new();
        for (index, key) in self.output_keys.iter().enumerate() {
            let value = match (&found, &self.default_output_key) {
                (Some(found), _) if index + 1 >= found.len() => {
                    let reason = format!("the regular expression has no group for `{key}`");
                    return Err(ParseError::without_source(text, reason));
                }
                (Some(found), _) => {
                    found.get(index + 1).map_or(Json::Null, |group| group.as_str().into())
                }
                (None, None) => {
                    let reason = "the regular expression does not match";
                    return Err(ParseError::without_source(text, reason));
                }
                (None, Some(default)) if default == key => text.into(),
                (None, Some(_)) => "".into(),
            };
            fields.insert(key.clone(), value);
        }
        if found.is_none() && self.default_output_key.is_none() {
            let reason = "the regular expression does not match";
            return Err(ParseError::without_source(text, reason));
        }
        Ok(Json::Object(fields).into())
    }
}
