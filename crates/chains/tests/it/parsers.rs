//! Output parsers: odd lists, and JSON that is cut at every character.

#[cfg(feature = "regex")]
use conversant_chains::RegexParser;
#[cfg(feature = "xml")]
use conversant_chains::XmlParser;
use conversant_chains::{
    CommaListParser, DatetimeParser, JsonParser, MarkdownListParser, NumberedListParser,
    parse_partial_json, without_reasoning,
};
use conversant_core::{OutputParser, Value};
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
        // The longest prefix that is JSON once what the whole text leaves open is closed.
        (r#"{"a": {"b": nul, "c": 1}"#, Some(json!({}))),
        (r#"{"a": {"b": [1], "c": x, "d": {"#, None),
        ("[1.5.2", Some(json!([1.5]))),
        ("[01", Some(json!([0]))),
        ("[-0, 1e", Some(json!([0, 1]))),
        ("]", None),
        ("[1}", None),
        (r#"{"a" 1}"#, None),
        (r#"{"a": 1 2}"#, None),
        ("{a: 1}", None),
        (r#"{"a": "\x"}"#, None),
        // A backslash escapes no raw control character.
        ("{\"a\": \"x\\\ny\"}", None),
        ("{\"a\": \"x\\\ty\"}", None),
        ("{\"a\": \"x\\\\\\\ry\"}", None),
        ("{\"a\": \"x\\\\\ny\"}", Some(json!({"a": "x\\\ny"}))),
        ("[\"q\\\n```", Some(json!([]))),
        ("{\"a\": 1, \"b\\\n\": 2", Some(json!({"a": 1}))),
    ];
    for (text, expected) in cases {
        assert_eq!(&parse_partial_json(text), expected, "{text}");
    }
    assert_eq!(parse_partial_json(&"[".repeat(100_000)), None);
    assert_eq!(
        JsonParser.parse("{a: 1}").unwrap_err().to_string(),
        "cannot parse the answer: it contains no JSON"
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
        let parsed = DatetimeParser::new(format).ok().and_then(|parser| parser.parse(text).ok());
        let parsed = parsed.as_ref().and_then(|value| value.as_text());
        assert_eq!(parsed, expected, "{format} {text}");
    }
}

/// A format with which no answer is a time is refused before an answer is paid for.
#[test]
fn a_format_that_nothing_matches_is_refused() {
    let formats = ["%Y-%m-%d %Q", "%Y %Y", "100%", "%c %Y", "%G-%V", "%G-%V-%u %j", "%Y %V %u"];
    let errors = formats.map(|format| match DatetimeParser::new(format) {
        Ok(_) => format!("`{format}` was accepted"),
        Err(error) => error.to_string(),
    });
    insta::assert_snapshot!(errors.join("\n"), @r"
    invalid format of a date and time `%Y-%m-%d %Q`: it has the unknown directive `%Q`
    invalid format of a date and time `%Y %Y`: it has the directive `%Y` twice
    invalid format of a date and time `100%`: it ends with `%`
    invalid format of a date and time `%c %Y`: it has the directive `%Y` twice
    invalid format of a date and time `%G-%V`: `%G` needs `%V` and a weekday, and not `%j`
    invalid format of a date and time `%G-%V-%u %j`: `%G` needs `%V` and a weekday, and not `%j`
    invalid format of a date and time `%Y %V %u`: `%V` needs `%G`, and not `%Y`
    ");
}

#[test]
fn json_is_found_in_prose() {
    let table = [
        ("Sure! {\"a\": 1}", Some(json!({"a": 1}))),
        ("Sure! {\"a\": 1} Hope {this} helps.", Some(json!({"a": 1}))),
        ("Use {braces} and [brackets]: {\"a\": 1}", Some(json!({"a": 1}))),
        ("```python\n{\"a\": 1}\n```", Some(json!({"a": 1}))),
        ("An example, {\"a\": 0}:\n```json\n{\"a\": 1}\n```", Some(json!({"a": 1}))),
        ("3 items: [1, 2, 3]", Some(json!([1, 2, 3]))),
        // Of several values, the first.
        ("{\"a\": 1}\n{\"a\": 2}", Some(json!({"a": 1}))),
        ("First [1], then [2].", Some(json!([1]))),
        // The last one may be cut off.
        ("Here: {\"a\": [1, 2", Some(json!({"a": [1, 2]}))),
        // A part of malformed JSON means nothing.
        ("{\"a\": True, \"b\": {\"c\": 1}}", None),
        ("Here: {\"a\": True, \"b\": {\"c\": 1}}", None),
        // Reasoning is not the answer.
        ("<think>{\"a\": 0}?</think>\n{\"a\": 1}", Some(json!({"a": 1}))),
        ("<think>maybe {\"a\": 0}", None),
        ("so {\"a\": 0}\n</think>\n\n{\"a\": 1}", Some(json!({"a": 1}))),
        ("{\"tag\": \"</think>\"}", Some(json!({"tag": "</think>"}))),
        ("", None),
    ];
    for (text, expected) in table {
        let value = JsonParser.parse(text).ok().map(|value| serde_json::to_value(value).unwrap());
        assert_eq!(value, expected, "{text}");
    }
    // Time is bounded, however many brackets there are.
    for bracket in ["{", "[", "[}", "{x} "] {
        let _ = JsonParser.parse(&bracket.repeat(100_000));
    }
}

#[test]
fn reasoning_is_not_part_of_the_answer() {
    let table = [
        ("<think>a</think>b", "b"),
        ("<think>a</think>End it with\n</think>\nalone.", "End it with\n</think>\nalone."),
        ("\n<think>\na\n</think>\n\n b ", "b "),
        ("<thinking>a</thinking>b", "b"),
        ("<think>a</think><think>b</think>c", "c"),
        ("<think></think>", ""),
        ("<think>a", ""),
        ("a\n</think>\nb", "b"),
        ("a</think>", ""),
        (" b <think>c</think>", " b <think>c</think>"),
        ("the tag </think> ends it", "the tag </think> ends it"),
        (" as it is ", " as it is "),
    ];
    for (answer, expected) in table {
        assert_eq!(without_reasoning(answer), expected, "{answer:?}");
    }
}

#[cfg(feature = "regex")]
#[test]
fn regular_expressions_that_python_refuses_are_errors() {
    let refused = [
        "(",
        "a)",
        "[",
        "*",
        "a**",
        "^*",
        r"\b+",
        r"\z",
        r"\p{L}",
        "(?<a>b)",
        "(?P<1>b)",
        r"(\1)",
        r"\1(a)",
        "(?P<x>a)(?P<x>b)",
        "a(?i)b",
        "(?-i)a",
        "(?L)a",
        "(?au)a",
        "a{2,1}",
        "[b-a]",
        r"[\w-a]",
        "(?<=a+)b",
        r"\x1",
        r"\N{DIGIT ONE}",
        "(?P=x)",
        "(?(2)a)(b)",
        "(?#a",
        "a\\",
        r"\ud800",
    ];
    let errors = refused.map(|regex| match RegexParser::new(regex, Vec::<String>::new()) {
        Ok(_) => format!("`{regex}` was accepted"),
        Err(error) => error.to_string(),
    });
    insta::assert_snapshot!(errors.join("\n"));
}

#[cfg(feature = "regex")]
#[test]
fn long_searches_end() {
    let table = [
        // Each start takes the whole text, and none matches.
        (r"(?=(a+))\1+b", "a".repeat(30_000), false),
        (r"(?:a|aa)+(?!.)c", "a".repeat(30_000), false),
        // One step for each start.
        (r"(?<=Score: )(\d+)", "a".repeat(100_000) + "Score: 7", true),
        (r"(\w+) \1(?!\w)", "a b ".repeat(2_000) + "c c", true),
        (r"(\w+) \1(?!\w)", "some words of prose, ".repeat(5_000) + "c c", true),
        (r"(?<!a)b", "ab".repeat(50_000) + "cb", true),
    ];
    for (regex, text, matches) in table {
        let parser = RegexParser::new(regex, Vec::<String>::new()).unwrap();
        assert_eq!(parser.parse(&text).is_ok(), matches, "{regex}");
    }
}

/// The limit of a search is one of steps, so that an idle and a busy machine read an answer in the
/// same way.
#[cfg(feature = "regex")]
#[test]
fn the_limit_of_a_search_is_one_of_steps() {
    let table = [
        // A step reads a few characters, however long the text is.
        (r"(?<=x)y", "ab".repeat(200_000), "the regular expression does not match"),
        (r"(?<=x)y", "ab".repeat(2_000_000), "the regular expression takes too many steps"),
        // A step can read the whole text.
        (r"(?:a|aa)+(?!.)c", "a".repeat(15), "the regular expression does not match"),
        (r"(?:a|aa)+(?!.)c", "a".repeat(60), "the regular expression takes too many steps"),
    ];
    for (regex, text, expected) in table {
        let parser = RegexParser::new(regex, Vec::<String>::new()).unwrap();
        let error = parser.parse(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{regex} on {} bytes: {error}", text.len());
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

/// Long answers of patterns that invite a parser to read the rest again and again. Reading them in
/// quadratic time would take minutes.
#[test]
fn long_answers_are_read_once() {
    let count = 200_000;
    let blank = MarkdownListParser.parse(&format!("{}- a", "\n".repeat(count))).unwrap();
    assert_eq!(blank.to_text(), r#"["a"]"#);
    let numbers = format!("[{}1", "1,".repeat(count));
    let Value::Data(read) = JsonParser.parse(&numbers).unwrap() else { panic!("no JSON") };
    assert_eq!(read.as_array().unwrap().len(), count + 1);
    #[cfg(feature = "xml")]
    for text in ["<".repeat(count), format!("{}>", "<".repeat(count)), "<a b".repeat(count)] {
        assert!(XmlParser.parse(&text).is_err());
    }
}
