//! The parts of a text that are masked.

use super::Mask;

#[test]
fn keys_are_masked_wherever_they_stand() {
    let mask = Mask::new(["canary-key-7f3".into(), "x".into()]);
    for (text, masked) in [
        ("Incorrect API key provided: canary-key-7f3.", "Incorrect API key provided: [key]."),
        ("canary-key-7f3canary-key-7f3", "[key][key]"),
        ("another's: sk-proj-abcdef123456 here", "another's: [key] here"),
        ("cut off: sk-abc***********xyz.", "cut off: [key]"),
        ("a risk-free task-force, x", "a risk-free task-force, x"),
        ("sk-", "sk-"),
    ] {
        assert_eq!(mask.text(text), masked);
    }
}

/// Servers escape what they quote.
#[test]
fn keys_are_masked_however_they_are_escaped() {
    let mask = Mask::new(["tok/a&b+\"c\\d=e f".into(), "plain-key_1.2".into()]);
    for quoted in [
        r#"tok/a&b+"c\d=e f"#,
        // JSON, as PHP, .NET and Python write it, and JSON in JSON.
        r#"tok\/a&b+\"c\\d=e f"#,
        r#"tok/a\u0026b\u002B\u0022c\\d\u003de f"#,
        r#"tok\\/a\\u0026b+\\\"c\\\\d=e f"#,
        // A URL, once and twice.
        "tok%2Fa%26b%2b%22c%5Cd%3De%20f",
        "tok/a%26b%2B%22c%5Cd=e+f",
        "tok%252Fa%2526b%252B%2522c%255Cd%253De%2520f",
        // HTML.
        "tok/a&amp;b+&quot;c\\d=e f",
        "tok&#47;a&#x26;b&#43;&#34;c&#92;d&#x3D;e&#32;f",
        "tok/a&amp;amp;b+&amp;quot;c\\d=e f",
        "tok&sol;a&amp;b&plus;&quot;c\\d&equals;e f",
    ] {
        let text = format!("{{\"wrong: {quoted}\"}} & 100 % \\u00e4 plain-key_1.2 &c; %zz");
        let masked = "{\"wrong: [key]\"} & 100 % \\u00e4 [key] &c; %zz";
        assert_eq!(mask.text(&text), masked, "{quoted}");
    }
    for text in
        ["tok%2", "tok/a&amp", "tok/a&", "\\", "%", "tok/a\\u00", "&#99999999999;", "ä\\ä%ä&ä"]
    {
        assert_eq!(mask.text(text), text);
    }
}
