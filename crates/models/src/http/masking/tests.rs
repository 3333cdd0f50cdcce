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

/// A header's value has a scheme, which servers leave out.
#[test]
fn credentials_are_masked_without_their_scheme() {
    let mask = Mask::new(["Bearer canary/0123456789".into(), "Two words".into()]);
    for (text, masked) in [
        ("Authorization: Bearer canary/0123456789", "Authorization: [key]"),
        ("invalid token canary\\/0123456789.", "invalid token [key]."),
        ("of words", "of words"),
    ] {
        assert_eq!(mask.text(text), masked);
    }
}

/// A body is cut to a size, or by a connection that breaks off.
#[test]
fn a_key_that_is_cut_off_is_masked() {
    let mask = Mask::new(["canary-0123456789".into(), "tok/a&b+\"c\\d=e f".into()]);
    for (text, masked) in [
        ("the key canary-0123456789", "the key [key]"),
        ("the key canary-012345678", "the key [key]"),
        ("the key canary-0", "the key [key]"),
        // Too little to tell: a word may begin so.
        ("the key canary-", "the key canary-"),
        ("canary-0 is a word", "canary-0 is a word"),
        ("tok/a&b+\"c", "[key]"),
        ("tok%2Fa%26b%2b%22c%5Cd", "[key]"),
        ("tok%2Fa%26b%2b%22c%5", "[key]"),
        ("tok\\/a\\u0026b+\\\"c\\\\d\\u00", "[key]"),
        ("tok/a&amp;b+&quot;c\\d&equ", "[key]"),
        ("tok/a&amp;b+&quot;c, not d", "tok/a&amp;b+&quot;c, not d"),
    ] {
        assert_eq!(mask.text(text), masked);
    }
}

/// A model can write one character for as long as it may answer. Each of these took minutes, or
/// more stack than a thread has.
#[test]
fn long_texts_are_masked_in_one_pass() {
    let mask = Mask::new(["Bearer canary/0123456789+\\".into(), "\\&%+".into()]);
    let end = " Bearer canary/0123456789+\\.";
    for piece in [
        "\\",
        "amp;",
        "&amp;",
        "&aäää",
        "&#",
        "%25",
        "25",
        "+",
        "%",
        "ask-",
        "Bearer+",
        "canary%2F",
    ] {
        for start in ["", "&"] {
            let text = format!("{start}{}", piece.repeat((1 << 16) / piece.len()));
            let masked = mask.text(&format!("{text}{end}"));
            assert_eq!(masked, format!("{text} [key]."), "{start}{piece}");
        }
    }
}
