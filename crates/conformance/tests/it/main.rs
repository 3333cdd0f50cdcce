//! The runner of cases: results, their order, and how a difference is shown.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::convert::Infallible;

use conversant_conformance::{Case, Count, compare, run_all};
use serde_json::{Value as Json, json};

fn case(op: &str, input: &Json) -> Case {
    serde_json::from_value(json!({"id": "x", "op": op, "in": input})).unwrap()
}

fn result(op: &str, input: &Json) -> Json {
    case(op, input).result()
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
        (case("prompt", &json!({})), json!({"err": "cannot read `in`: missing field `template`"})),
    ] {
        assert_eq!(case.result(), out, "{} {}", case.op, case.input);
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
        result("chain", &input).pointer("/ok/outputs/0/ok/history").cloned()
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
        let case: Case =
            serde_json::from_value(json!({"id": "x", "op": "none", "in": 0, "out": expected}))
                .unwrap();
        let difference = case.difference(&got);
        assert_eq!(difference.map(|difference| difference.to_string()), shown);
    }
}

#[test]
fn results_are_in_the_order_of_the_cases() {
    let cases: Vec<_> = (0..200)
        .map(|n| {
            let input = json!({"messages": [], "human_prefix": "", "ai_prefix": ""});
            let op = if n % 3 == 0 { "no_such_op" } else { "buffer_string" };
            let case =
                json!({"id": n.to_string(), "op": op, "in": input, "out": {"ok": {"text": ""}}});
            serde_json::from_value::<Case>(case).unwrap()
        })
        .collect();
    let mut ids = Vec::new();
    let each = |case: &Case, _| {
        ids.push(case.id.clone());
        Ok::<_, Infallible>(())
    };
    run_all(&cases, each).unwrap();
    assert_eq!(ids, (0..200).map(|n| n.to_string()).collect::<Vec<_>>());

    let mut failed = Vec::new();
    let count = compare(&cases, |difference| failed.push(difference.to_string()));
    assert_eq!(count, Count { passed: 133, failed: 67 });
    assert_eq!(
        failed[1],
        "3: at /\n  expected {\"ok\":{\"text\":\"\"}}\n  got      {\"err\":\"not built yet\"}"
    );

    let mut begun = 0;
    let each = |_: &Case, _| {
        begun += 1;
        if begun < 5 { Ok(()) } else { Err("stop") }
    };
    assert_eq!((run_all(&cases, each), begun), (Err("stop"), 5));
}

#[test]
fn a_line_that_is_not_a_case_fails_under_its_place() {
    let folder = std::env::temp_dir().join(format!("conformance-{}", std::process::id()));
    std::fs::write(&folder, "{\"id\": \"a\"}\n\n").unwrap();
    let cases = Case::read_all(&folder).unwrap();
    std::fs::remove_file(&folder).unwrap();
    let [case] = &cases[..] else { panic!("{cases:?}") };
    assert!(case.id.ends_with(":1"), "{}", case.id);
    let reason = "invalid case: \"missing field `op` at line 1 column 11\"";
    assert_eq!(case.result(), json!({ "err": reason }));
    assert!(case.difference(&case.result()).is_some());
    assert!(Case::read_all(&folder).unwrap_err().to_string().contains("conformance-"));
}
