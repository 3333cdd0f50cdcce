//! The recorded cases of LangChain 0.1.20, run through the public API.

mod build;

use conversant_core::{KeyError, LoadContext, Memory, Ticket, Turn, Value, Variables};
use conversant_testkit::block_on;
use serde_json::{Value as Json, json};

use self::build::Built;

#[test]
fn memories() {
    let mut differences = Vec::new();
    let mut count = 0;
    for line in include_str!("../data/memory.jsonl").lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let built = build::memory(&case["in"]);
        let got = block_on(run(&built, &case["in"]));
        count += 1;
        if got != case["out"] {
            differences.push(format!("{}: {got}\n  not {}", case["id"], case["out"]));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(count, 80);
}

async fn run(built: &Built, case: &Json) -> Json {
    let memory = &*built.memory;
    let mut variables: Vec<_> = memory.variables().iter().map(|slot| slot.name()).collect();
    variables.sort_unstable();
    let mut steps = Vec::new();
    for step in case["steps"].as_array().unwrap() {
        let step = step.as_object().unwrap();
        let (name, with) = step.iter().next().unwrap();
        steps.push(match name.as_str() {
            "save" => match save(memory, with).await {
                Ok(()) => json!({"ok": null}),
                Err(KeyError::AmbiguousInput { .. }) => json!({"err": "ambiguous_input_key"}),
                Err(KeyError::AmbiguousOutput { .. }) => json!({"err": "ambiguous_output_key"}),
                Err(other) => panic!("no recorded kind: {other}"),
            },
            "load" => json!({"ok": loaded(memory, with).await}),
            "clear" => {
                memory.clear().await.unwrap();
                json!({"ok": null})
            }
            other => panic!("no such step: {other}"),
        });
    }
    json!({"ok": {"variables": variables, "steps": steps, "model_prompts": built.prompts()}})
}

/// Saves as a chain does: the turn is picked by the memory's keys, and what may come after an answer comes after it.
async fn save(memory: &dyn Memory, with: &Json) -> Result<(), KeyError> {
    if !memory.saves_turns() {
        return Ok(());
    }
    let [inputs, outputs] = [&with["inputs"], &with["outputs"]].map(variables);
    let (question, answer) = memory.keys().pick(&inputs, &outputs, memory.variables())?;
    let saved = memory.save(&Turn::exchange(question, answer), Ticket::default()).await.unwrap();
    assert!(saved.warnings.is_empty(), "{:?}", saved.warnings);
    let tidied = memory.maintain().await.unwrap();
    assert!(tidied.warnings.is_empty(), "{:?}", tidied.warnings);
    Ok(())
}

async fn loaded(memory: &dyn Memory, with: &Json) -> Json {
    let inputs = variables(with);
    let loaded = memory.load(LoadContext::new(&inputs)).await.unwrap();
    loaded.variables.iter().map(|(name, value)| (name.to_owned(), shown(value))).collect()
}

/// Writes a value as the cases do: of a message, its type and its content.
fn shown(value: &Value) -> Json {
    match value {
        Value::Messages(messages) => messages
            .iter()
            .map(|message| {
                let content = serde_json::to_value(message.content()).unwrap();
                json!({"type": message.role().type_name(), "data": {"content": content}})
            })
            .collect(),
        other => serde_json::to_value(other).unwrap(),
    }
}

fn variables(json: &Json) -> Variables {
    serde_json::from_value(json.clone()).unwrap()
}
