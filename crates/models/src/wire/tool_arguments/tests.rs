//! Arguments that are read, and arguments that are not.
#![allow(clippy::unwrap_used)]

use conversant_core::Message;
use serde_json::json;

use super::CallReader;

#[test]
fn arguments_are_read_as_the_reference_reads_them() {
    for (text, args) in [
        (r#"{"a": 1}"#, json!({"a": 1})),
        ("{\"a\": \"tab\there\nand \\\" there\"}", json!({"a": "tab\there\nand \" there"})),
        ("{\n\t\"a\": \"\u{1}\"\n}", json!({"a": "\u{1}"})),
        ("", json!({})),
        (" \n", json!({})),
        ("null", json!({})),
        ("[]", json!({})),
        (r#"{"a": 1, "a": 2}"#, json!({"a": 2})),
    ] {
        let call = CallReader::new(false, 0).read(None, Some("f".into()), text.to_owned()).unwrap();
        assert_eq!(call.args, args, "{text}");
    }
}

#[test]
fn what_is_no_object_is_kept_as_it_is() {
    for text in [r#"{"a": "#, "[1]", "1", "\"x\"", "true", "NaN", r#"{"a": "\ud800"}"#] {
        let call = CallReader::new(false, 0)
            .read(Some("id".into()), Some("f".into()), text.to_owned())
            .unwrap_err();
        assert_eq!((call.args.as_deref(), call.id.as_deref()), (Some(text), Some("id")));
        assert!(call.error.is_some_and(|error| !error.contains(text)), "{text}");
    }
}

#[test]
fn arguments_that_no_history_stores_are_invalid() {
    for (levels, is_read) in [(116, true), (117, false), (124, false), (127, false)] {
        let text = format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        let read = CallReader::new(false, 0).read(None, Some("f".into()), text.clone());
        match read {
            Ok(call) => {
                let message = Message::ai("").with_tool_calls([call]);
                assert!(is_read && message.to_stored_json(4096).is_ok(), "{levels}");
            }
            Err(call) => {
                assert_eq!((is_read, call.args.as_deref()), (false, Some(&*text)), "{levels}");
                assert!(call.error.unwrap().contains("116 levels"), "{levels}");
            }
        }
    }
}
