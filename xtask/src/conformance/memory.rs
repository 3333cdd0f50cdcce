//! `memory`: a memory, driven by hand.

use conversant_core::{LoadContext, Memory, Slot, Ticket, Turn, Variables};
use conversant_testkit::{ScriptedCompletion, block_on};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value as Json, json};

use super::{
    Failure, case,
    memories::{Built, Spec},
    short,
};

#[derive(Deserialize)]
struct Input {
    memory: Spec,
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
    let built = input.memory.build(&model)?;
    let mut variables: Vec<_> = built.memory.variables().iter().map(Slot::name).collect();
    variables.sort_unstable();
    let mut steps = Vec::new();
    for step in &input.steps {
        steps.push(match block_on(take(&built, step)) {
            Ok(value) => json!({ "ok": value }),
            Err(Failure::Refused(kind)) => json!({ "err": kind }),
            Err(failure) => return Err(failure),
        });
    }
    let prompts: Vec<_> = model.requests().into_iter().map(|request| request.prompt).collect();
    Ok(json!({"variables": variables, "steps": steps, "model_prompts": prompts}))
}

async fn take(built: &Built, step: &Step) -> Result<Json, Failure> {
    match step {
        Step::Save { inputs, outputs } => {
            save(built, &short::variables(inputs), &short::variables(outputs)).await?;
            Ok(Json::Null)
        }
        Step::Load(inputs) => load(&*built.memory, &short::variables(inputs)).await,
        Step::Clear(_) => {
            built.memory.clear().await?;
            Ok(Json::Null)
        }
    }
}

/// Saves as whoever keeps a memory by hand does: picks the words, saves the turn, and lets the memory tidy up.
///
/// Each part of the reference's combined memory picks for itself when its turn comes, so that those before one that can't tell
/// have saved already.
async fn save(built: &Built, inputs: &Variables, outputs: &Variables) -> Result<(), Failure> {
    let mut picked = Vec::new();
    for part in built.parts.iter().filter(|part| part.saves_turns()) {
        match part.keys().pick(inputs, outputs, part.variables()) {
            Ok((question, answer)) => picked.push((part, Turn::exchange(question, answer))),
            Err(error) => {
                for (part, turn) in picked {
                    save_turn(&**part, &turn).await?;
                }
                return Err((&error).into());
            }
        }
    }
    match picked.first() {
        Some((_, turn)) => save_turn(&*built.memory, turn).await,
        None => Ok(()),
    }
}

async fn save_turn(memory: &dyn Memory, turn: &Turn) -> Result<(), Failure> {
    memory.save(turn, Ticket::default()).await?;
    memory.maintain().await?;
    Ok(())
}

/// Loads what a memory shows.
pub(crate) async fn load(memory: &dyn Memory, inputs: &Variables) -> Result<Json, Failure> {
    let loaded = memory.load(LoadContext::new(inputs)).await?;
    Ok(short::write_variables(&loaded.variables))
}
