//! YAML in an answer: in a fenced block, or bare.

use conversant_core::{OutputParser, ParseError, Value, without_reasoning, yaml::from_yaml};

use super::characters::is_space;

/// Reads a YAML mapping or list in an answer: the first fenced block, or else the answer itself,
/// without [reasoning](crate::without_reasoning) at its start.
///
/// It is read by [`from_yaml`], so that `yes` is a text, and aliases that expand to more than
/// 20,000 parts are refused.
///
/// LangChain 0.1.20 `langchain/output_parsers/yaml.py::YamlOutputParser.parse`; for an answer of a
/// type, as there, see [`TypedParser`](crate::TypedParser).
///
/// # Examples
///
/// ```
/// use conversant_chains::YamlParser;
/// use conversant_core::OutputParser;
///
/// let value = YamlParser.parse("Sure:\n```yaml\nname: Ada\ntags: [a, b]\n```")?;
/// assert_eq!(value.to_text(), r#"{"name":"Ada","tags":["a","b"]}"#);
/// assert!(YamlParser.parse("I cannot do that.").is_err());
/// # Ok::<(), conversant_core::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct YamlParser;

impl OutputParser for YamlParser {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        let yaml = yaml(text);
        let value = from_yaml(yaml).map_err(|fault| {
            ParseError::without_source(text, "it is not YAML").with_detail(fault.to_string())
        })?;
        if value.is_array() || value.is_object() {
            return Ok(value.into());
        }
        Err(ParseError::without_source(text, "there is neither a mapping nor a list in it"))
    }

    fn format_instructions(&self) -> Option<&str> {
        Some("Answer with YAML alone, in a fenced block (```yaml).")
    }
}

/// Returns the first fenced block that begins a line, or the whole answer.
fn yaml(text: &str) -> &str {
    let text = without_reasoning(text).trim_matches(is_space);
    let block = text.match_indices("```").find(|(at, _)| {
        text.get(..*at).is_some_and(|before| before.is_empty() || before.ends_with('\n'))
    });
    let Some(block) = block.and_then(|(at, fence)| text.get(at + fence.len()..)) else {
        return text;
    };
    let languages = ["yaml", "yml"];
    let block = languages.iter().find_map(|name| block.strip_prefix(name)).unwrap_or(block);
    block.split_once("```").map_or(block, |(yaml, _)| yaml)
}
