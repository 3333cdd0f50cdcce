//! `parse`: a model's answer, parsed.

use conversant_chains::{
    BooleanParser, CommaListParser, DatetimeParser, EnumParser, JsonParser, MarkdownListParser,
    NumberedListParser, RegexDictParser, RegexParser, StrParser, StructuredParser, XmlParser,
};
use conversant_core::OutputParser;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{case, failure::Failure};

#[derive(Deserialize)]
struct Input {
    parser: String,
    #[serde(default)]
    config: Config,
    text: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    values: Vec<String>,
    format: Option<String>,
    regex: String,
    output_keys: Vec<String>,
    default_output_key: Option<String>,
    output_key_to_format: Map<String, Json>,
    no_update_value: Option<String>,
    true_val: Option<String>,
    false_val: Option<String>,
    keys: Vec<String>,
}

pub(crate) fn run(input: &Json) -> Result<Json, Failure> {
    let Input { parser, config, text } = case::input(input)?;
    let parser: Box<dyn OutputParser> = match parser.as_str() {
        "str" => Box::new(StrParser),
        "comma_list" => Box::new(CommaListParser),
        "numbered_list" => Box::new(NumberedListParser),
        "markdown_list" => Box::new(MarkdownListParser),
        "json" => Box::new(JsonParser),
        "enum" => Box::new(EnumParser::new(config.values)),
        "datetime" => {
            let parser = match config.format {
                Some(format) => DatetimeParser::new(format),
                None => Ok(DatetimeParser::default()),
            };
            Box::new(parser.map_err(|_| Failure::Refused("invalid_output"))?)
        }
        "regex" => {
            let parser = RegexParser::new(&config.regex, config.output_keys);
            let parser = parser.map_err(|_| Failure::Refused("invalid_output"))?;
            Box::new(match config.default_output_key {
                Some(key) => parser.with_default_output_key(key),
                None => parser,
            })
        }
        "regex_dict" => {
            let formats = config.output_key_to_format;
            let formats = formats.iter().map(|(key, format)| (key, format.as_str()));
            let parser = RegexDictParser::new(
                formats.map(|(key, format)| (key.as_str(), format.unwrap_or_default())),
            );
            Box::new(match config.no_update_value {
                Some(value) => parser.with_no_update_value(value),
                None => parser,
            })
        }
        "boolean" => Box::new(BooleanParser::new(
            config.true_val.unwrap_or_else(|| "YES".to_owned()),
            config.false_val.unwrap_or_else(|| "NO".to_owned()),
        )),
        "structured" => Box::new(StructuredParser::new(config.keys)),
        "xml" => Box::new(XmlParser),
        _ => return Err(Failure::NotBuilt),
    };
    let value = parser.parse(&text).map_err(|_| Failure::Refused("invalid_output"))?;
    Ok(json!({ "value": value }))
}
