//! Answers with named fields: lines of text, or a JSON object with certain keys.

use conversant_core::{OutputParser, ParseError, Value};
use serde_json::{Map, Value as Json};

use super::{
    characters::is_space,
    json::{json_values, no_json},
};

/// Reads fields that are written `Format: value`, up to a full stop, an apostrophe or the line's
/// end.
///
/// Needs the feature `parsers`.
///
/// Each format must be there once. LangChain 0.1.20
/// `langchain/output_parsers/regex_dict.py::RegexDictParser.parse`.
///
/// # Examples
///
/// ```
/// use conversant_chains::RegexDictParser;
/// use conversant_core::OutputParser;
///
/// let parser = RegexDictParser::new([("name", "Name"), ("age", "Age")]).with_no_update_value("N/A");
/// assert_eq!(parser.parse("Name: Ada\nAge: N/A")?.to_text(), r#"{"name":"Ada"}"#);
/// # Ok::<(), conversant_core::ParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct RegexDictParser {
    formats: Vec<(String, String)>,
    no_update_value: Option<String>,
}

impl RegexDictParser {
    /// Creates a parser from pairs of an output key and the label that precedes its value.
    #[must_use]
    pub fn new<K: Into<String>, F: Into<String>>(
        formats: impl IntoIterator<Item = (K, F)>,
    ) -> Self {
        let formats = formats.into_iter().map(|(key, format)| (key.into(), format.into()));
        Self { formats: formats.collect(), no_update_value: None }
    }

    /// Sets the value that leaves a key out.
    #[must_use]
    pub fn with_no_update_value(mut self, value: impl Into<String>) -> Self {
        self.no_update_value = Some(value.into());
        self
    }
}

impl OutputParser for RegexDictParser {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        let mut fields = Map::new();
        for (key, format) in &self.formats {
            let label = format!("{format}:");
            let mut found = None;
            let mut rest = text;
            while let Some((_, after)) = rest.split_once(&label) {
                let after = after.strip_prefix(is_space).unwrap_or(after);
                let end = after.find(['.', '\'', '\n']).unwrap_or(after.len());
                let (value, behind) = after.split_at_checked(end).unwrap_or((after, ""));
                if found.replace(value).is_some() {
                    let reason = format!("`{label}` is there more than once");
                    return Err(ParseError::without_source(text, reason));
                }
                rest = behind.strip_prefix('.').unwrap_or(behind);
            }
            let Some(value) = found else {
                return Err(ParseError::without_source(text, format!("missing `{label}`")));
            };
            if self.no_update_value.as_deref() != Some(value) {
                fields.insert(key.clone(), Json::from(value));
            }
        }
        Ok(Json::Object(fields).into())
    }
}

/// Reads a JSON object that has certain keys. It may be fenced, in prose, or cut off: of the values
/// that [`JsonParser`](crate::JsonParser) finds, it is the first that has them.
///
/// Needs the feature `parsers`.
///
/// LangChain 0.1.20 `langchain/output_parsers/structured.py::StructuredOutputParser.parse`.
///
/// # Examples
///
/// ```
/// use conversant_chains::StructuredParser;
/// use conversant_core::OutputParser;
///
/// let parser = StructuredParser::new(["answer", "source"]);
/// assert!(parser.parse("```json\n{\"answer\": \"42\", \"source\": null}\n```").is_ok());
/// assert!(parser.parse("{\"answer\": \"42\"}").is_err());
/// ```
#[derive(Debug, Clone)]
pub struct StructuredParser {
    keys: Vec<String>,
    instructions: String,
}

impl StructuredParser {
    /// Creates a parser for objects with these keys.
    #[must_use]
    pub fn new<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        let keys: Vec<String> = keys.into_iter().map(Into::into).collect();
        let instructions = format!("Answer with a JSON object with the keys {}.", keys.join(", "));
        Self { keys, instructions }
    }
}

impl OutputParser for StructuredParser {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        let mut fault = None;
        for json in json_values(text) {
            let missing = match json.as_object() {
                Some(fields) => self.keys.iter().find(|key| !fields.contains_key(key.as_str())),
                None => {
                    fault.get_or_insert_with(|| "not a JSON object".to_owned());
                    continue;
                }
            };
            match missing {
                Some(key) => fault.get_or_insert_with(|| format!("missing key `{key}`")),
                None => return Ok(json.into()),
            };
        }
        Err(match fault {
            Some(reason) => ParseError::without_source(text, reason),
            None => no_json(text),
        })
    }

    fn format_instructions(&self) -> Option<&str> {
        Some(&self.instructions)
    }
}
