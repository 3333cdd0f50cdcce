//! `memory`: the steps of a memory without a chain.

use std::mem;

use conversant_core::{
    CompletionRequest, LoadContext, Memory, ModelError, Slot, Ticket, Turn, Variables,
};
use conversant_testkit::{ScriptedCompletion, ScriptedReply, block_on};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value as Json, json};

use crate::{
    case,
    failure::Failure,
    memories::{Built, Spec},
    short_form,
};

#[derive(Deserialize)]
struct Input {
    memory: Spec,
    #[serde(flatten)]
    answers: Answers,
    steps: Vec<Step>,
}

/// The answers of the memory's model.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answers {
    /// In the order of the calls.
    ModelReplies(Vec<String>),
    /// By prompt.
    ModelAnswers(Map<String, Json>),
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
    let model = input.answers.model();
    let built = input.memory.build(&model)?;
    let mut variables: Vec<_> = built.memory.variables().iter().map(Slot::name).collect();
    variables.sort_unstable();
    let mut steps = Vec::new();
    let mut ticket = Ticket::default();
    for step in &input.steps {
        steps.push(match block_on(take(&built, step, &mut ticket)) {
            Ok(value) => json!({ "ok": value }),
            Err(Failure::Refused(kind)) => json!({ "err": kind }),
            Err(failure) => return Err(failure),
        });
    }
    let mut prompts: Vec<_> = model.requests().into_iter().map(|request| request.prompt).collect();
    let name = match &input.answers {
        Answers::ModelReplies(_) => "model_prompts",
        Answers::ModelAnswers(answers) => {
            if let Some(prompt) = prompts.iter().find(|prompt| !answers.contains_key(*prompt)) {
                return Err(Failure::Broken(format!("unexpected prompt {prompt:?}")));
            }
            prompts.retain(|prompt| prompt.starts_with("S|") || prompt.starts_with("K|"));
            "writer_prompts"
        }
    };
    Ok(json!({"variables": variables, "steps": steps, name: prompts}))
}

impl Answers {
    fn model(&self) -> ScriptedCompletion {
        match self {
            Self::ModelReplies(replies) => ScriptedCompletion::new(replies.clone()),
            Self::ModelAnswers(answers) => {
                let answers = answers.clone();
                ScriptedCompletion::with_handler(move |request: &CompletionRequest| {
                    match answers.get(&request.prompt).and_then(Json::as_str) {
                        Some(answer) => ScriptedReply::text(answer),
                        None => ModelError::custom("unexpected prompt", false, None).into(),
                    }
                })
            }
        }
    }
}

/// Takes a step. A load leaves its ticket to the save that follows, as in a chain.
async fn take(built: &Built, step: &Step, ticket: &mut Ticket) -> Result<Json, Failure> {
    let loaded_before = mem::take(ticket);
    match step {
        Step::Save { inputs, outputs } => {
            let [inputs, outputs] = [inputs, outputs].map(short_form::variables);
            save(built, &inputs, &outputs, loaded_before).await?;
            Ok(Json::Null)
        }
        Step::Load(inputs) => {
            let inputs = short_form::variables(inputs);
            let loaded = built.memory.load(LoadContext::new(&inputs)).await?;
            *ticket = loaded.ticket;
            Ok(short_form::write_variables(&loaded.variables))
        }
        Step::Clear(_) => {
            built.memory.clear().await?;
            Ok(Json::Null)
        }
    }
}

/// Picks a turn, saves it and maintains the memory, as a chain does.
///
/// Each part of LangChain's combined memory picks the turn itself when it saves, so the parts
/// before one that cannot determine the turn have saved it already.
async fn save(
    built: &Built,
    inputs: &Variables,
    outputs: &Variables,
    ticket: Ticket,
) -> Result<(), Failure> {
    let mut picked = Vec::new();
    for part in built.parts.iter().filter(|part| part.saves_turns()) {
        match part.keys().pick(inputs, outputs, part.variables()) {
            Ok((question, answer)) => picked.push((part, Turn::exchange(question, answer))),
            Err(error) => {
                for (part, turn) in picked {
                    save_turn(&**part, &turn, Ticket::default()).await?;
                }
                return Err((&error).into());
            }
        }
    }
    match picked.first() {
        Some((_, turn)) => save_turn(&*built.memory, turn, ticket).await,
        None => Ok(()),
    }
}

async fn save_turn(memory: &dyn Memory, turn: &Turn, ticket: Ticket) -> Result<(), Failure> {
    memory.save(turn, ticket).await?;
    memory.maintain().await?;
    Ok(())
}
