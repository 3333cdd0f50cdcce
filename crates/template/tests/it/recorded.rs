//! The recorded f-string cases: what LangChain 0.1.20 did, or what conversant refuses on purpose.

use conversant_template::{Argument, RenderError, Template};
use serde_json::{Value, json};

#[test]
fn every_case_ends_as_recorded() {
    let mut differences = Vec::new();
    for line in include_str!("../data/recorded.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let got = run(&case["in"]);
        if got != case["out"] {
            differences.push(format!("{}: {got}\n  not {}", case["id"], case["out"]));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn run(case: &Value) -> Value {
    let Ok(template) = Template::parse(case["template"].as_str().unwrap()) else {
        return json!({"err": "invalid_template"});
    };
    let partial = &case["partial_variables"];
    let text = template.render(|name| match case["values"].get(name).or(partial.get(name))? {
        Value::String(text) => Some(Argument::from(text)),
        Value::Number(number) if number.is_f64() => number.as_f64().map(Argument::from),
        other => other.as_i64().map(Argument::from),
    });
    let mut variables: Vec<_> =
        template.variables().iter().filter(|name| partial.get(name).is_none()).collect();
    variables.sort();
    match text {
        Ok(text) => json!({"ok": {"input_variables": variables, "text": text}}),
        Err(RenderError::MissingVariable { .. }) => json!({"err": "missing_variable"}),
        Err(_) => json!({"err": "invalid_template"}),
    }
}
