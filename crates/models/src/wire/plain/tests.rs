//! What is taken is what serde_json takes it for; what servers send is taken.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value as Json;

use super::from_str;
use crate::wire::{lenient::TextOr, usage::UsageIn};

/// Reads a text both ways, as several types, and returns whether it was plain as JSON of any kind.
fn agree(text: &str) -> bool {
    fn same<'de, T: Deserialize<'de> + std::fmt::Debug>(text: &'de str) -> bool {
        let Ok(value) = from_str::<T>(text) else { return false };
        let wanted: T = serde_json::from_str(text).unwrap();
        assert_eq!(format!("{value:?}"), format!("{wanted:?}"), "{text}");
        true
    }
    same::<IgnoredAny>(text);
    same::<Option<u64>>(text);
    same::<Vec<f32>>(text);
    same::<TextOr<'_>>(text);
    same::<UsageIn>(text);
    same::<Json>(text)
}

#[test]
fn what_servers_send_is_plain() {
    for text in [
        r#"{"a": [1, 23, {"b": null}], "c": "x", "d": [], "e": {}, "f": [true, false]}"#,
        "\n{ \"text\" : \"two\\nlines, \\u00e9 \\ud83d\\ude00\" ,\r\n\t\"n\":0 } ",
        r#"{"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": 0}}"#,
        "9999999999999999999",
    ] {
        assert!(agree(text), "{text}");
    }
    let skipped = r#"[-0.5e-3, 1E+9, 0, -7, "\ud800", {"a": {"b\n": [1.25]}}]"#;
    assert!(from_str::<IgnoredAny>(skipped).is_ok());
}

#[test]
fn what_is_not_plain_is_refused() {
    let deep = "[".repeat(33) + &"]".repeat(33);
    for text in [
        "",
        " ",
        "{",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "\"",
        "\"\\",
        "\"\\\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"a\nb\"",
        "nul",
        "nulll",
        "tru",
        "01",
        "-",
        "-1",
        "1.",
        "1.5",
        ".5",
        "1e",
        "1e5",
        "12345678901234567890",
        "+1",
        "1 1",
        "{}{}",
        "NaN",
        "\u{feff}1",
        &deep,
    ] {
        assert!(!agree(text), "{text}");
        if serde_json::from_str::<IgnoredAny>(text).is_err() {
            assert!(from_str::<IgnoredAny>(text).is_err(), "{text}");
        }
    }
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof!["prompt_tokens(_details)?", "cached_tokens", any::<String>()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((key, inner), 0..4)
                .prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_with_any_fault_is_read_as_by_serde_json(
        json in json(), pretty: bool, at: prop::sample::Index, fault in "|[\\[\\]{},:\"\\\\ 0-9a-eE.+\\-\n\u{1}é]",
    ) {
        let mut text = if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) }.unwrap();
        agree(&text);
        let mut place = at.index(text.len());
        while !text.is_char_boundary(place) {
            place -= 1;
        }
        let mut inserted = text.clone();
        inserted.insert_str(place, &fault);
        agree(&inserted);
        text.remove(place);
        agree(&text);
        text.truncate(place);
        agree(&text);
    }
}
