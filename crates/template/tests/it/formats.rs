//! Format specs against a golden table of what Python 3.11's `format` returns.
//!
//! Each line of `tests/data/format.jsonl` is a template, the value of its variable `x` under the
//! name of its type, and the text, or null where Python refuses.

use conversant_template::{Argument, Template};
use serde_json::Value;

#[test]
fn every_row_is_as_python_writes_it() {
    let mut differences = Vec::new();
    for line in include_str!("../data/format.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let argument = argument(&row);
        let template = Template::parse(row["template"].as_str().unwrap());
        let text = template.ok().and_then(|t| t.render(|_| Some(argument.clone())).ok());
        if text.as_deref() != row["out"].as_str() {
            differences.push(format!("{line}\n  gave {text:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn argument(row: &Value) -> Argument<'_> {
    if let Some(text) = row["text"].as_str() {
        Argument::from(text)
    } else if row["none"] == true {
        Argument::None
    } else if let Some(truth) = row["bool"].as_bool() {
        Argument::from(truth)
    } else if let Some(float) = row["float"].as_str() {
        Argument::from(float.parse::<f64>().unwrap())
    } else if let Some(integer) = row["int"].as_i64() {
        Argument::from(integer)
    } else {
        Argument::from(row["int"].as_u64().unwrap())
    }
}
