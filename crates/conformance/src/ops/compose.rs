//! `compose`: chains made of chains, over a scripted completion model.

use conversant_chains::{
    ChainError, ConversationChain, LlmChain, Outcome, SequentialChain, SimpleSequentialChain,
    Verbose, WiringError, WiringFault,
};
use conversant_core::Variables;
use conversant_prompts::PromptTemplate;
use conversant_testkit::ScriptedCompletion;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{case, failure::Failure, memories, short_form};

#[derive(Deserialize)]
struct Input {
    #[serde(flatten)]
    kind: Kind,
    model_replies: Vec<String>,
    #[serde(default)]
    verbose: bool,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Kind {
    SimpleSequential {
        chains: Vec<Step>,
        #[serde(default)]
        strip_outputs: bool,
        inputs: Map<String, Json>,
    },
    Sequential {
        chains: Vec<Step>,
        input_variables: Vec<String>,
        output_variables: Option<Vec<String>>,
        #[serde(default)]
        return_all: bool,
        memory: Option<memories::Spec>,
        inputs: Map<String, Json>,
    },
    Conversation {
        template: String,
        memory: memories::Spec,
        calls: Vec<String>,
    },
}

#[derive(Deserialize)]
struct Step {
    template: String,
    output_key: Option<String>,
}

pub(crate) fn run(input: &Json) -> Result<Json, Failure> {
    let input: Input = case::input(input)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::broken(&error))?.block_on(run_calls(input))
}

async fn run_calls(input: Input) -> Result<Json, Failure> {
    let Input { kind, model_replies, verbose } = input;
    let model = ScriptedCompletion::new(model_replies);
    let (observer, transcripts) = Verbose::buffer();
    // Each builder has the same method.
    macro_rules! watched {
        ($builder:expr) => {
            if verbose { $builder.observer(observer) } else { $builder }
        };
    }
    let outputs = match kind {
        Kind::SimpleSequential { chains, strip_outputs, inputs } => {
            let mut builder = SimpleSequentialChain::builder().strip_outputs(strip_outputs);
            for step in chains {
                builder = builder.chain(step.build(&model)?);
            }
            let chain = watched!(builder).build().map_err(|error| refused(&error))?;
            all(&chain.invoke(short_form::variables(&inputs)).await.map_err(failed)?)
        }
        Kind::Sequential {
            chains,
            input_variables,
            output_variables,
            return_all,
            memory,
            inputs,
        } => {
            let mut builder = SequentialChain::builder().return_all(return_all);
            for step in chains {
                builder = builder.chain(step.build(&model)?);
            }
            if let Some(outputs) = output_variables {
                builder = builder.outputs(outputs);
            }
            if let Some(memory) = memory {
                builder = builder.memory(memory.build(&model)?.memory);
            }
            // The reference takes inputs that no chain uses.
            for name in &input_variables {
                builder = builder.allow_unused(name);
            }
            let chain = watched!(builder.inputs(input_variables))
                .build()
                .map_err(|error| refused(&error))?;
            all(&chain.invoke(short_form::variables(&inputs)).await.map_err(failed)?)
        }
        Kind::Conversation { template, memory, calls } => {
            let builder = ConversationChain::builder()
                .prompt(PromptTemplate::from_template(template)?)
                .model(model.clone())
                .memory(memory.build(&model)?.memory);
            let chain = watched!(builder).build().map_err(|error| refused(&error))?;
            let mut answers = Vec::new();
            for call in calls {
                let inputs = Variables::from([("input", call)]);
                answers.push(chain.predict(inputs).await.map_err(failed)?);
            }
            json!(answers)
        }
    };
    let prompts: Vec<_> = model.requests().iter().map(|request| request.prompt.clone()).collect();
    Ok(json!({"outputs": outputs, "prompts": prompts, "stdout": transcripts.take()}))
}

impl Step {
    fn build(self, model: &ScriptedCompletion) -> Result<LlmChain, Failure> {
        let prompt = PromptTemplate::from_template(self.template)?;
        let mut builder = LlmChain::builder().prompt(prompt).model(model.clone());
        if let Some(key) = self.output_key {
            builder = builder.output_key(key);
        }
        builder.build().map_err(|error| refused(&error))
    }
}

/// Returns the inputs, the memory's variables and the outputs.
fn all(outcome: &Outcome) -> Json {
    short_form::write_variables(&outcome.variables)
}

/// Returns the kind of the first fault, as the reference reports only one.
fn refused(error: &WiringError) -> Failure {
    let kind = match error.faults().first() {
        Some(WiringFault::StepNotGiven { .. }) => "missing_variable",
        Some(WiringFault::TakenOutput { .. }) => "duplicate_key",
        Some(WiringFault::UnknownOutput { .. }) => "unknown_output",
        _ => "wiring",
    };
    Failure::Refused(kind)
}

fn failed(error: ChainError) -> Failure {
    match error {
        ChainError::Step(step) => failed(step.source),
        other => Failure::from(other),
    }
}
