//! Limits of the parsers: deep nesting is an error, and long input takes linear time.

#[cfg(feature = "regex")]
use conversant_chains::RegexParser;
use conversant_chains::DatetimeParser;
use conversant_core::OutputParser;

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
    let wide = format!("{}{}b{}", "(?:a)".repeat(1000), "(".repeat(60), ")".repeat(60));
    assert!(RegexParser::new(&wide, ["a"]).is_ok());
}

/// A format is matched without a call for each of its elements.
#[test]
fn formats_of_times_can_be_long() {
    let prefix = "a ".repeat(20_000);
    let parser = DatetimeParser::new(format!("{prefix}%Y"));
    let time = parser.parse(&format!("{prefix}2024")).unwrap();
    assert_eq!(time.as_text(), Some("2024-01-01T00:00:00"));
    assert!(parser.parse(&prefix).is_err());
    let too_long = "a".repeat(1_000_000);
    assert!(DatetimeParser::new(too_long.clone()).parse(&too_long).is_err());
}

/// What Python reads if the first lengths of directives and spaces do not match.
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
        let time = DatetimeParser::new(format).parse(text).ok();
        assert_eq!(time.as_ref().and_then(|time| time.as_text()), expected, "{format} {text}");
    }
}
