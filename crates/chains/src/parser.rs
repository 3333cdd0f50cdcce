//! Output parsers, which turn a model's answer into a value.

#[cfg(feature = "regex")]
mod bounded_regex;
mod characters;
#[cfg(feature = "parsers")]
mod choice;
#[cfg(feature = "parsers")]
mod datetime;
#[cfg(feature = "parsers")]
mod fields;
mod json;
#[cfg(feature = "parsers")]
mod list;
mod partial_json;
#[cfg(feature = "regex")]
mod python_regex;
#[cfg(feature = "regex")]
mod regex;
#[cfg(feature = "parsers")]
mod strptime;
#[cfg(feature = "schema")]
mod type_fault;
#[cfg(feature = "schema")]
mod typed;
#[cfg(feature = "xml")]
mod xml;
#[cfg(feature = "yaml")]
mod yaml;

pub use conversant_core::without_reasoning;
use conversant_core::{OutputParser, ParseError, Value};

#[cfg(feature = "composition")]
pub(crate) use self::characters::is_space;
#[cfg(feature = "regex")]
pub use self::regex::{RegexError, RegexParser};
#[cfg(feature = "schema")]
pub use self::typed::TypedParser;
#[cfg(feature = "xml")]
pub use self::xml::XmlParser;
#[cfg(feature = "yaml")]
pub use self::yaml::YamlParser;
#[cfg(feature = "parsers")]
pub use self::{
    choice::{BooleanParser, EnumParser},
    datetime::{DatetimeFormatError, DatetimeParser},
    fields::{RegexDictParser, StructuredParser},
    list::{CommaListParser, MarkdownListParser, NumberedListParser},
};
pub use self::{json::JsonParser, partial_json::parse_partial_json};
#[cfg(feature = "schema")]
pub(crate) use self::{json::partial_json_in, typed::from_output};

/// Gives the answer as it is.
///
/// # Examples
///
/// ```
/// use conversant_chains::StrParser;
/// use conversant_core::OutputParser;
///
/// assert_eq!(StrParser.parse(" as it is ")?.as_text(), Some(" as it is "));
/// # Ok::<(), conversant_core::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct StrParser;

impl OutputParser for StrParser {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        Ok(text.into())
    }
}
