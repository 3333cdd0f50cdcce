//! Limits of the parsers: deep nesting is an error, long input takes linear time, and no error
//! quotes the answer.

#[cfg(feature = "regex")]
use conversant_chains::RegexParser;
#[cfg(feature = "schema")]
use conversant_chains::TypedParser;
#[cfg(feature = "xml")]
use conversant_chains::XmlParser;
#[cfg(feature = "yaml")]
use conversant_chains::YamlParser;
use conversant_chains::{
    BooleanParser, DatetimeParser, EnumParser, JsonParser, RegexDictParser, StructuredParser,
};
use conversant_core::{OutputParser, ParseError};

/// A word of the answers, which no error may show.
const SECRET: &str = "Sekretwort";

/// Returns all that an error shows, with its sources.
fn shown(error: &ParseError) -> String {
    let mut shown = format!("{error} {error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        shown += &format!(" {error} {error:?}");
        source = error.source();
    }
    shown
}

/// A type with a place for each way in which an answer does not fit.
#[cfg(feature = "schema")]
#[derive(Debug, schemars::JsonSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Record {
    age: u8,
    color: Color,
    counts: std::collections::BTreeMap<String, u8>,
    shape: Option<Shape>,
}

#[cfg(feature = "schema")]
#[derive(Debug, schemars::JsonSchema, serde::Deserialize)]
enum Color {
    Red,
}

#[cfg(feature = "schema")]
#[derive(Debug, schemars::JsonSchema, serde::Deserialize)]
#[serde(tag = "kind")]
#[allow(dead_code)]
enum Shape {
    Circle { radius: u8 },
}

/// Each kind of group is translated by a call inside of the call for the group around it.
#[cfg(feature = "regex")]
#[test]
fn deep_regular_expressions_are_errors() {
    for opening in ["(", "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(a|", "(?(1)"] {
        for depth in [100, 100_000] {
            let regex = format!("(a){}b{}", opening.repeat(depth), ")".repeat(depth));
            let error = RegexParser::new(&regex, ["a"]).unwrap_err();
            assert!(error.reason.contains("nested too deeply at position"), "{}", error.reason);
        }
    }
    // Groups that follow each other are not nested.
    let nested = [("(", ")", 60), ("(a|", ")", 60), ("(?i:", ")", 60), ("(?:", ")?+", 30)];
    for (open, close, depth) in nested {
        let regex = format!("{}b{}", open.repeat(depth), close.repeat(depth));
        let found = RegexParser::new(&format!("(a){regex}{regex}"), ["a"]);
        assert!(found.is_ok(), "{open}{close}");
    }
}

/// Each name is looked up once.
#[cfg(feature = "regex")]
#[test]
fn groups_can_have_many_names() {
    let regex: String = (0..20_000).map(|index| format!("(?P<g{index}>a)")).collect();
    assert!(RegexParser::new(&regex, ["a"]).is_ok());
    let error = RegexParser::new(&format!("{regex}(?P<g0>a)"), ["a"]).unwrap_err();
    assert!(error.reason.contains("bad group name `g0`"), "{}", error.reason);
}

/// A format is matched without a call for each of its elements.
#[test]
fn formats_of_times_can_be_long() {
    let prefix = "a ".repeat(20_000);
    let parser = DatetimeParser::new(format!("{prefix}%Y")).unwrap();
    let time = parser.parse(&format!("{prefix}2024")).unwrap();
    assert_eq!(time.as_text(), Some("2024-01-01T00:00:00"));
    assert!(parser.parse(&prefix).is_err());
    let too_long = "a".repeat(1_000_000);
    assert!(DatetimeParser::new(too_long.clone()).unwrap().parse(&too_long).is_err());
}

/// Python tries other lengths of directives and spaces if the first do not match.
#[test]
fn times_are_read_in_the_next_way_if_one_does_not_match() {
    let table = [
        ("%H%M", "123", Some("1900-01-01T12:03:00")),
        ("%H %d%M", "1   57", Some("1900-01-05T01:07:00")),
        ("%f%S", "1234567", Some("1900-01-01T00:00:07.123456")),
        ("%f%S", "12", Some("1900-01-01T00:00:02.100000")),
        ("%f%S%M x", "123 x", Some("1900-01-01T00:03:02.100000")),
        ("%f%S%M x", "123456 x", Some("1900-01-01T00:06:05.123400")),
        ("%d %m", "12", None),
    ];
    for (format, text, expected) in table {
        let time = DatetimeParser::new(format).unwrap().parse(text).ok();
        assert_eq!(time.as_ref().and_then(|time| time.as_text()), expected, "{format} {text}");
    }
}

/// A list of lists: each has ten times the one before it.
#[cfg(feature = "yaml")]
#[test]
fn aliases_of_yaml_expand_to_a_limit() {
    let nested = |levels: usize| -> String {
        let level = |level: usize| {
            format!("a{}: &a{0} [{}]\n", level + 1, format!("*a{level}, ").repeat(10))
        };
        "a0: &a0 [x]\n".to_owned() + &(0..levels).map(level).collect::<String>()
    };
    assert!(YamlParser.parse(&nested(3)).is_ok());
    for levels in [4, 6, 9, 1_000] {
        let error = YamlParser.parse(&nested(levels)).unwrap_err();
        assert!(shown(&error).contains("not YAML"), "{}", shown(&error));
    }
}

/// The parser compares each attribute with all others of its element, and an element copies the
/// namespaces around it. It would take minutes for some of these.
#[cfg(feature = "xml")]
#[test]
fn xml_is_limited_where_it_takes_quadratic_time() {
    let numbered =
        |count: usize, part: &dyn Fn(usize) -> String| -> String { (0..count).map(part).collect() };
    let attributes = |count| numbered(count, &|index| format!(" a{index} = '>'"));
    let prefixes = |count| numbered(count, &|index| format!(" xmlns:a{index}=\"u\""));
    let siblings = |count| numbered(count, &|index| format!("<b xmlns:a{index}='u'/>"));
    let long = "u".repeat(100_000);
    let table = [
        (format!("<a{}/>", attributes(256)), None),
        (format!("<a{}/>", attributes(200_000)), Some("an element has more than 256 attributes")),
        (
            format!("<!DOCTYPE a SYSTEM '<!--'><a{}/>", attributes(200_000)),
            Some("an element has more than 256 attributes"),
        ),
        (format!("<a{}/>", prefixes(200_000)), Some("an element has more than 256 attributes")),
        (format!("<a{}>{}</a>", prefixes(200), siblings(56)), None),
        (
            format!("<a{}>{}</a>", prefixes(200), siblings(50_000)),
            Some("there are more than 256 namespace declarations"),
        ),
        (
            format!("<a>{}</a>", "<b xmlns='u' a:xmlns = 'v'/>".repeat(50_000)),
            Some("there are more than 256 namespace declarations"),
        ),
        // The tag of each element has the name of its namespace.
        (
            format!("<a xmlns='{long}'>{}</a>", "<b/>".repeat(100_000)),
            Some("the name of a namespace is longer than 256 bytes"),
        ),
        // Neither a `>` in a value nor a tag in a comment counts.
        (format!("<a>{}</a>", "<b c='\"d=&gt;' e=\">\"/>".repeat(1000)), None),
        (format!("<a>{}</a>", "<!-- <b> --><![CDATA[<b>]]><?c <b>?>".repeat(1000)), None),
    ];
    for (xml, expected) in table {
        let error = XmlParser.parse(&xml).err().map(|error| error.reason);
        assert_eq!(error.as_deref(), expected, "{xml:.60}");
    }
}

/// Tags that a look at the text alone cannot tell from others.
#[cfg(feature = "xml")]
#[test]
fn deep_xml_is_an_error_whatever_its_tags_look_like() {
    let count = 100_000;
    let table = [
        ("", "<a>", "</a>"),
        ("", "<a b='/>'>", "</a>"),
        ("", "<a b = \"'/>\">", "</a>"),
        ("", "<a><!--</a>-->", "</a>"),
        ("", "<a><![CDATA[</a>]]>", "</a>"),
        ("", "<a><?b </a>?>", "</a>"),
        ("<!DOCTYPE a SYSTEM '<!--'>", "<a>", "</a>"),
    ];
    for (before, open, close) in table {
        let xml = format!("{before}{}{}", open.repeat(count), close.repeat(count));
        let error = XmlParser.parse(&xml).unwrap_err();
        assert_eq!(error.reason, "elements are nested too deeply", "{before}{open}");
        let xml = format!("{before}{}{}", open.repeat(100), close.repeat(100));
        assert!(XmlParser.parse(&xml).is_ok(), "{before}{open}");
    }
}

/// The detail is for the model that corrects the answer.
#[test]
fn no_error_quotes_the_answer() {
    let choice = EnumParser::new(["red"]);
    let fields = RegexDictParser::new([("name", "Name")]);
    let structured = StructuredParser::new(["name"]);
    let (boolean, date) = (BooleanParser::default(), DatetimeParser::default());
    let mut parsers: Vec<&dyn OutputParser> =
        vec![&JsonParser, &choice, &fields, &structured, &boolean, &date];
    #[cfg(feature = "xml")]
    parsers.push(&XmlParser);
    #[cfg(feature = "yaml")]
    parsers.push(&YamlParser);
    #[cfg(feature = "regex")]
    let regex = RegexParser::new("(a)b", ["a"]).unwrap();
    #[cfg(feature = "regex")]
    parsers.push(&regex);
    #[cfg(feature = "schema")]
    let typed = TypedParser::<Record>::json();
    #[cfg(feature = "schema")]
    parsers.push(&typed);
    #[cfg(all(feature = "schema", feature = "yaml"))]
    let typed_yaml = TypedParser::<Record>::yaml();
    #[cfg(all(feature = "schema", feature = "yaml"))]
    parsers.push(&typed_yaml);
    let answers = [
        "Sekretwort",
        r#"{"age": "Sekretwort"}"#,
        r#"{"age": 1, "Sekretwort": 1}"#,
        r#"{"age": 1, "color": "Sekretwort"}"#,
        r#"{"age": 1, "color": {"Sekretwort": 1}}"#,
        r#"{"age": 1, "color": "Red", "counts": {"Sekretwort": "x"}}"#,
        r#"{"age": 1, "color": "Red", "counts": {}, "shape": {"kind": "Sekretwort"}}"#,
        r#"{"age": 1, "color": "Red", "counts": {}, "shape": "Sekretwort"}"#,
        r#"{"age": {"Sekretwort": "#,
        "<a><Sekretwort></a>",
        "<a></Sekretwort>",
        "<a>&Sekretwort;</a>",
        "<a b='&Sekretwort;'/>",
        "<Sekretwort:a/>",
        "<a Sekretwort='' Sekretwort=''/>",
        "<a xmlns:Sekretwort='' xmlns:Sekretwort=''/>",
        "<a><?xml Sekretwort?></a>",
        "<!DOCTYPE Sekretwort [ <!ELEMENT Sekretwort",
        "```yaml\na: *Sekretwort\n```",
        "a: !Sekretwort [",
        "a: 1\na: Sekretwort\n a",
        "- Sekretwort\nSekretwort: x\n",
        "{{{Sekretwort",
        "{\"Sekretwort\": 1, \"Sekretwort\"",
        "Name: Sekretwort\nName: Sekretwort",
    ];
    let mut errors = 0;
    for answer in answers {
        for error in parsers.iter().filter_map(|parser| parser.parse(answer).err()) {
            assert!(!shown(&error).contains(SECRET), "{answer}: {}", shown(&error));
            assert_eq!(error.text.as_str(), answer);
            errors += 1;
        }
    }
    assert!(errors > answers.len());
    #[cfg(feature = "xml")]
    {
        let error = XmlParser.parse("<a><Sekretwort></a>").unwrap_err();
        assert_eq!(error.to_string(), "cannot parse the answer: invalid XML");
        assert_eq!(error.fault(), "invalid XML (expected 'Sekretwort' tag, not 'a' at 1:16)");
    }
}
