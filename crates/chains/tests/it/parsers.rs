//! Output parsers: odd lists, and JSON that is cut at every character.

#[cfg(feature = "regex")]
use conversant_chains::RegexParser;
#[cfg(feature = "xml")]
use conversant_chains::XmlParser;
use conversant_chains::{
    CommaListParser, DatetimeParser, JsonParser, MarkdownListParser, NumberedListParser,
    parse_partial_json,
};
use conversant_core::OutputParser;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

#[test]
fn odd_lists() {
    let lists: &[(&dyn OutputParser, &str, Json)] = &[
        (&CommaListParser, "", json!([""])),
        (&CommaListParser, " a ,\u{1f}b\u{a0},", json!(["a", "b", ""])),
        (&NumberedListParser, "no list", json!([])),
        (&NumberedListParser, "12.5 and 3.\nthree", json!(["three"])),
        (&NumberedListParser, "1.  two spaces\r\n2.x 3. y", json!([" two spaces\r", "y"])),
        (&NumberedListParser, "1. ", json!([])),
        (&MarkdownListParser, "-x\n -  y\n\n\t* z", json!([" y", "z"])),
        (&MarkdownListParser, "-\nnext line", json!(["next line"])),
        (&MarkdownListParser, "a - b", json!([])),
    ];
    for (parser, text, expected) in lists {
        let value = serde_json::to_value(parser.parse(text).unwrap()).unwrap();
        assert_eq!(&value, expected, "{text:?}");
    }
}

#[test]
fn cut_json() {
    // Text, and what is made of it.
    let cases: &[(&str, Option<Json>)] = &[
        ("", None),
        ("{", Some(json!({}))),
        (r#"{"a"#, Some(json!({}))),
        (r#"{"a": "#, Some(json!({}))),
        (r#"{"a": "x\"#, Some(json!({}))),
        (r#"{"a": "x\u00"#, Some(json!({}))),
        (r#"{"a": "x\n"#, Some(json!({"a": "x\n"}))),
        ("{\"a\": \"raw\nline", Some(json!({"a": "raw\nline"}))),
        (r#"{"a": 12"#, Some(json!({"a": 12}))),
        (r#"{"a": 1."#, Some(json!({"a": 1}))),
        (r#"{"a": -"#, Some(json!({}))),
        ("[1, 2", Some(json!([1, 2]))),
        ("[1, fals", Some(json!([1]))),
        (r#"[{"a": 1}, {"#, Some(json!([{"a": 1}, {}]))),
        (r#"{"a": 1} and more"#, Some(json!({"a": 1}))),
        (r#""open"#, Some(json!("open"))),
        ("7", Some(json!(7))),
        ("]", None),
        (r#"{"a" 1}"#, None),
        (r#"{"a": 1 2}"#, None),
        ("{a: 1}", None),
        (r#"{"a": "\x"}"#, None),
    ];
    for (text, expected) in cases {
        assert_eq!(&parse_partial_json(text), expected, "{text}");
    }
    assert_eq!(parse_partial_json(&"[".repeat(100_000)), None);
    assert_eq!(
        JsonParser.parse("{a: 1}").unwrap_err().to_string(),
        "cannot parse the answer: there is no JSON in it"
    );
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        "\\PC{0,8}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec(("[a-z\"\\\\é]{0,3}", inner), 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whole_json_is_read_whole_and_a_part_never_panics(value in json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        prop_assert_eq!(parse_partial_json(&text), Some(value.clone()));
        let is_container = value.is_object() || value.is_array();
        for (end, _) in text.char_indices().skip(1) {
            let part = parse_partial_json(&text[..end]);
            prop_assert!(part.is_some() || !is_container, "{}", &text[..end]);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}\",:0-9a-z\\\\ ]{0,40}") {
        let _ = parse_partial_json(&text);
        for parser in [&JsonParser as &dyn OutputParser, &CommaListParser, &NumberedListParser, &MarkdownListParser] {
            let _ = parser.parse(&text);
        }
    }
}

#[test]
fn dates_are_read_as_python_reads_them() {
    let table = [
        ("%d %b %y", "5 mar 69", Some("1969-03-05T00:00:00")),
        ("%d %b %y", "5 MAR 68", Some("2068-03-05T00:00:00")),
        ("%I:%M %p", "12:30 AM", Some("1900-01-01T00:30:00")),
        ("%I:%M %p", "12:30 pm", Some("1900-01-01T12:30:00")),
        ("%Y-%j", "2024-366", Some("2024-12-31T00:00:00")),
        ("%Y %W %w", "2024 1 1", Some("2024-01-01T00:00:00")),
        ("%G-W%V-%u", "2020-W53-5", Some("2021-01-01T00:00:00")),
        ("%Y-%m-%d %z", "2024-01-05 -0330", Some("2024-01-05T00:00:00-03:30")),
        ("%H:%M:%S.%f", "23:59:59.5", Some("1900-01-01T23:59:59.500000")),
        ("%Y%m%d", "20240105", Some("2024-01-05T00:00:00")),
        ("%Y  %m", "2024 \n 5", Some("2024-05-01T00:00:00")),
        ("100%% %Y", "100% 2024", Some("2024-01-01T00:00:00")),
        ("%Y-%m-%d", "2023-02-29", None),
        ("%m-%d", "2-29", None),
        ("%H:%M", "12:345", None),
        ("%S", "61", None),
        ("%Y %Y", "2024 2024", None),
        ("%Q", "1", None),
        ("%", "", None),
    ];
    for (format, text, expected) in table {
        let parsed = DatetimeParser::new(format).parse(text);
        let parsed = parsed.as_ref().ok().and_then(|value| value.as_text());
        assert_eq!(parsed, expected, "{format} {text}");
    }
}

#[cfg(feature = "regex")]
#[test]
fn anchors_are_pythons() {
    let table = [
        ("^a$", "a\n", true),
        ("^a$", "a\n\n", false),
        (r"a\Z", "a\n", false),
        ("[$]a", "$a", true),
        ("(?m)^a$", "b\na\nc", true),
        (r"(\w)\1", "aa", true),
        ("[]a]", "]", true),
    ];
    for (regex, text, matches) in table {
        let parser = RegexParser::new(regex, Vec::<String>::new()).unwrap();
        assert_eq!(parser.parse(text).is_ok(), matches, "{regex} {text:?}");
    }
}

#[cfg(feature = "xml")]
#[test]
fn hostile_xml_is_an_error() {
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let bomb = "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>";
    for text in [deep.as_str(), bomb, "", "```xml", "<a", "<a b='1' b='2'/>", "<a>&b;</a>"] {
        assert!(XmlParser.parse(text).is_err());
    }
}
