//! The runner itself: what it makes of cases, and how it shows a difference.

use serde_json::{Value as Json, json};

use super::{Case, Difference, out_of};

fn case(op: &str, input: &Json) -> Case {
    serde_json::from_value(json!({"id": "x", "op": op, "in": input})).unwrap()
}

#[test]
fn a_case_becomes_its_result_or_a_kind_of_error() {
    let prompt = |template: &str, values: Json| {
        case(
            "prompt",
            &json!({"template": template, "template_format": "f-string", "values": values}),
        )
    };
    for (case, out) in [
        (prompt("{x}!", json!({"x": 1})), json!({"ok": {"input_variables": ["x"], "text": "1!"}})),
        (prompt("{x}", json!({})), json!({"err": "missing_variable"})),
        (prompt("{x", json!({})), json!({"err": "invalid_template"})),
        (prompt("{x:d}", json!({"x": "one"})), json!({"err": "invalid_template"})),
        (case("no_such_op", &json!({})), json!({"err": "not built yet"})),
        (
            case("prompt", &json!({})),
            json!({"err": "its `in` can't be read: missing field `template`"}),
        ),
    ] {
        assert_eq!(out_of(&case), out, "{} {}", case.op, case.input);
    }
}

#[test]
fn the_reference_shows_in_invoke_what_the_call_saved() {
    let chain = |kind: &str| {
        let input = json!({
            "prompt": {"chat": [{"placeholder": "history"}, {"role": "human", "template": "{q}"}]},
            "memory": {"kind": kind, "config": {"return_messages": true}},
            "model": {"kind": "chat", "model": "m"},
            "model_replies": ["hello"],
            "calls": [{"method": "invoke", "inputs": {"q": "hi"}}],
        });
        out_of(&case("chain", &input)).pointer("/ok/outputs/0/ok/history").cloned()
    };
    let turn = json!([{"type": "human", "data": {"content": "hi"}}, {"type": "ai", "data": {"content": "hello"}}]);
    assert_eq!(chain("buffer"), Some(turn));
    assert_eq!(chain("window"), Some(json!([])));
}

#[test]
fn a_difference_is_shown_where_it_begins() {
    let long = "a".repeat(300);
    for (expected, got, shown) in [
        (json!({"ok": 1}), json!({"ok": 1}), None),
        (
            json!({"ok": {"text": "abc"}}),
            json!({"ok": {"text": "abd"}}),
            Some("x: at /ok/text\n  expected \"abc\"\n  got      \"abd\"".to_owned()),
        ),
        (
            json!({"ok": [1, 2]}),
            json!({"ok": [1]}),
            Some("x: at /ok/1\n  expected 2\n  got      nothing".to_owned()),
        ),
        (
            json!({"ok": {}}),
            json!({"err": "missing_variable"}),
            Some(
                "x: at /\n  expected {\"ok\":{}}\n  got      {\"err\":\"missing_variable\"}"
                    .to_owned(),
            ),
        ),
        (
            json!(format!("{long}b")),
            json!(format!("{long}c")),
            Some(format!("x: at /\n  expected …\"{0}b\"\n  got      …\"{0}c\"", "a".repeat(25))),
        ),
    ] {
        let difference = Difference::between("x", &expected, &got);
        assert_eq!(difference.map(|difference| difference.to_string()), shown);
    }
}
