//! Variables, the values that they hold, and the nearest name.

use std::{borrow::Cow, sync::Arc};

use conversant_core::{
    Message, Messages, Slot, SlotKind, Value, ValueKind, Variables, nearest, vars,
};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn variables_are_iterated_by_reference() {
    let variables = vars! { "a" => 1, "b" => "x" };
    let mut names = Vec::new();
    for (name, value) in &variables {
        names.push(format!("{name}={}", value.to_text()));
    }
    assert_eq!(names, ["a=1", "b=x"]);
    let mut entries = variables.iter();
    assert_eq!((entries.len(), format!("{entries:?}")), (2, "VariablesIter(<2>)".to_owned()));
    assert_eq!(entries.next_back().map(|(name, _)| name), Some("b"));
}

#[test]
fn values_and_their_text() {
    let messages = Messages::from(vec![Message::human("hi"), Message::ai("hello")]);
    let table: Vec<(Value, ValueKind, &str)> = vec![
        ("hi".into(), ValueKind::Text, "hi"),
        (String::from("hi").into(), ValueKind::Text, "hi"),
        ((&String::from("hi")).into(), ValueKind::Text, "hi"),
        (Cow::Borrowed("hi").into(), ValueKind::Text, "hi"),
        (Arc::<str>::from("hi").into(), ValueKind::Text, "hi"),
        (7.into(), ValueKind::Integer, "7"),
        (u8::MAX.into(), ValueKind::Integer, "255"),
        (i64::MIN.into(), ValueKind::Integer, "-9223372036854775808"),
        (7_usize.into(), ValueKind::Integer, "7"),
        (u64::MAX.into(), ValueKind::Data, "18446744073709551615"),
        (1.0.into(), ValueKind::Float, "1.0"),
        (0.5_f32.into(), ValueKind::Float, "0.5"),
        (true.into(), ValueKind::Data, "true"),
        (messages.into(), ValueKind::Messages, "Human: hi\nAI: hello"),
        (vec![Message::ai("x")].into(), ValueKind::Messages, "AI: x"),
        (json!({"b": [1, null], "a": "x"}).into(), ValueKind::Data, r#"{"b":[1,null],"a":"x"}"#),
        (json!("text").into(), ValueKind::Text, "text"),
        (json!(-3).into(), ValueKind::Integer, "-3"),
        (json!(2.5).into(), ValueKind::Float, "2.5"),
        (json!(null).into(), ValueKind::Data, "null"),
    ];
    for (value, kind, text) in table {
        assert_eq!((value.kind(), value.to_text().as_ref()), (kind, text));
        assert_eq!(value.as_text().is_some(), kind == ValueKind::Text);
        assert_eq!(value.as_messages().is_some(), kind == ValueKind::Messages);
        if kind != ValueKind::Messages {
            let json = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
        }
    }
    let kinds = [
        ValueKind::Text,
        ValueKind::Integer,
        ValueKind::Float,
        ValueKind::Messages,
        ValueKind::Data,
    ];
    let names = kinds.map(|kind| kind.to_string()).join(", ");
    assert_eq!(names, "text, an integer, a float, messages, data");
}

#[test]
fn variables_keep_their_order_and_their_place() {
    let mut variables = vars! { "b" => 1, "a" => "x", String::from("c") => 2.5 };
    assert_eq!(variables.insert("b", 2), Some(Value::from(1)));
    assert_eq!(variables.insert("d", 3), None);
    assert_eq!(variables.names().collect::<Vec<_>>(), ["b", "a", "c", "d"]);
    assert_eq!(variables.remove("a"), Some(Value::from("x")));
    assert_eq!(variables.remove("a"), None);
    assert_eq!((variables.len(), variables.contains("a"), variables.is_empty()), (3, false, false));
    assert_eq!(variables.get("c"), Some(&Value::from(2.5)));
    variables.extend([("e", "y"), ("b", "z")]);
    assert_eq!(serde_json::to_string(&variables).unwrap(), r#"{"b":"z","c":2.5,"d":3,"e":"y"}"#);
    let read: Variables = serde_json::from_str(r#"{"b":"z","c":2.5,"d":3,"e":"y"}"#).unwrap();
    assert_eq!(read, variables);
    assert_ne!(Variables::from([("a", 1), ("b", 2)]), Variables::from([("b", 2), ("a", 1)]));
    let names: Vec<_> = variables.into_iter().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["b", "c", "d", "e"]);
    assert!(vars! {}.is_empty() && Variables::with_capacity(4).is_empty());
}

proptest! {
    /// The names are more than are scanned, so that they are indexed, and fewer again.
    #[test]
    fn variables_are_a_list_of_pairs(
        steps in prop::collection::vec((any::<bool>(), 0_u8..24, any::<i64>()), 0..200),
    ) {
        let (mut variables, mut pairs) = (Variables::new(), Vec::<(String, i64)>::new());
        for (is_insert, name, value) in steps {
            let name = name.to_string();
            let place = pairs.iter().position(|(known, _)| *known == name);
            let before = place.map(|place| Value::from(pairs[place].1));
            if is_insert {
                prop_assert_eq!(variables.insert(name.clone(), value), before);
                match place {
                    Some(place) => pairs[place].1 = value,
                    None => pairs.push((name, value)),
                }
            } else {
                prop_assert_eq!(variables.remove(&name), before);
                place.map(|place| pairs.remove(place));
            }
            for (name, value) in &pairs {
                prop_assert_eq!(variables.get(name), Some(&Value::from(*value)));
            }
            prop_assert_eq!(&variables, &pairs.iter().cloned().collect());
        }
    }
}

#[test]
fn slots() {
    let text = Slot::text("a");
    assert_eq!((text.name(), text.kind(), text.is_required()), ("a", SlotKind::Text, true));
    assert!(!text.optional().is_required());
    assert_eq!(
        [SlotKind::Text, SlotKind::Messages].map(|kind| kind.to_string()),
        ["text", "messages"]
    );
}

#[test]
fn the_nearest_name() {
    for (name, candidates, expected) in [
        ("chat_histroy", vec!["human_input", "chat_history"], Some("chat_history")),
        ("chatHistory", vec!["chat_history"], Some("chat_history")),
        ("chat-history", vec!["chat_history"], Some("chat_history")),
        ("CHAT HISTORY", vec!["chat_history"], Some("chat_history")),
        ("history", vec!["chat_history"], Some("chat_history")),
        ("nam", vec!["name", "names"], Some("name")),
        ("x", vec!["y"], None),
        ("x", vec!["X"], Some("X")),
        ("größe", vec!["groesse", "größe_"], Some("größe_")),
        ("a", vec![], None),
    ] {
        assert_eq!(nearest(name, candidates), expected, "{name}");
    }
}
