//! `memory`: a memory, driven by hand.

use conversant_core::{LoadContext, Memory, Slot, Ticket, Turn, Variables};
use conversant_testkit::{ScriptedCompletion, block_on};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value as Json, json};

use super::{Failure, case, memories, short};

#[derive(Deserialize)]
struct Input {
    memory: memories::Spec,
    #[serde(default)]
    model_replies: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    Save { inputs: Map<String, Json>, outputs: Map<String, Json> },
    Load(Map<String, Json>),
    Clear(IgnoredAny),
}

pub(crate) fn run(input: &Json) -> Result<Json, Failure> {
    let input: Input = case::input(input)?;
    let model = ScriptedCompletion::new(input.model_replies);
    let memory = input.memory.build(&model)?;
    let mut variables: Vec<_> = memory.variables().iter().map(Slot::name).collect();
    variables.sort_unstable();
    let mut steps = Vec::new();
    for step in &input.steps {
        steps.push(match block_on(take(&*memory, step)) {
            Ok(value) => json!({ "ok": value }),
            Err(Failure::Refused(kind)) => json!({ "err": kind }),
            Err(failure) => return Err(failure),
        });
    }
    let prompts: Vec<_> = model.requests().into_iter().map(|request| request.prompt).collect();
    Ok(json!({"variables": variables, "steps": steps, "model_prompts": prompts}))
}

async fn take(memory: &dyn Memory, step: &Step) -> Result<Json, Failure> {
    match step {
        Step::Save { inputs, outputs } => {
            save(memory, &short::variables(inputs), &short::variables(outputs)).await?;
            Ok(Json::Null)
        }
        Step::Load(inputs) => load(memory, &short::variables(inputs)).await,
        Step::Clear(_) => {
            memory.clear().await?;
            Ok(Json::Null)
        }
    }
}

/// Saves as whoever keeps a memory by hand does: picks the words, saves the turn, and lets the memory tidy up.
async fn save(memory: &dyn Memory, inputs: &Variables, outputs: &Variables) -> Result<(), Failure> {
    if !memory.saves_turns() {
        return Ok(());
    }
    let picked = memory.keys().pick(inputs, outputs, memory.variables());
    let (question, answer) = picked.map_err(|error| Failure::from(&error))?;
    memory.save(&Turn::exchange(question, answer), Ticket::default()).await?;
    memory.tidy().await?;
    Ok(())
}

/// Loads what a memory shows.
pub(crate) async fn load(memory: &dyn Memory, inputs: &Variables) -> Result<Json, Failure> {
    let loaded = memory.load(LoadContext::new(inputs)).await?;
    Ok(short::write_variables(&loaded.variables))
}
