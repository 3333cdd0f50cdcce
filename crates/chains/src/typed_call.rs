//! Calls that ask for an answer of a Rust type.

mod value_stream;

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use conversant_core::{CallOptions, Slot, Value, Variables};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub use self::value_stream::ValueStream;
use crate::{
    answer::Answer,
    answer_type::AnswerType,
    any_runner::AnyRunner,
    call::{CallInputs, invoke},
    chain::{Chain, RunContext},
    error::ChainError,
    memory_binding::MemoryBinding,
    observation::Observation,
    parser::from_output,
    stream::ChainStream,
};

/// Runs a call and returns its answer as a value of a type.
pub(crate) async fn predict_as<T>(
    runner: Arc<dyn AnyRunner>,
    inputs: Variables,
    options: CallOptions,
) -> Result<T, ChainError>
where
    T: DeserializeOwned + JsonSchema + 'static,
{
    let runner = TypedRunner::new(runner, AnswerType::of::<T>());
    let inputs = CallInputs::new(inputs, options);
    let call = invoke(runner.chain(), runner.binding(), runner.observation(), inputs);
    let mut outcome = call.await?;
    match outcome.pending.take() {
        Some(pending) => Err(ChainError::ToolCalls(Box::new(pending))),
        None => from_output(outcome.output()).map_err(|error| ChainError::unparsed(error, None)),
    }
}

/// Runs a call and returns the values of its answer as it arrives.
pub(crate) async fn stream_as<T>(
    runner: Arc<dyn AnyRunner>,
    inputs: Variables,
    options: CallOptions,
) -> Result<ValueStream<T>, ChainError>
where
    T: DeserializeOwned + JsonSchema + 'static,
{
    let runner = Arc::new(TypedRunner::new(runner, AnswerType::of::<T>()));
    ChainStream::start(runner, CallInputs::new(inputs, options)).await.map(ValueStream::new)
}

/// A runner whose chain answers in a type.
struct TypedRunner {
    runner: Arc<dyn AnyRunner>,
    answer_type: AnswerType,
    /// The chain, if it can ask its model for the type. Otherwise its output is parsed.
    answering: Option<Arc<dyn Chain>>,
}

impl TypedRunner {
    fn new(runner: Arc<dyn AnyRunner>, answer_type: AnswerType) -> Self {
        let answering = runner.chain().answering_as(&answer_type);
        Self { runner, answer_type, answering }
    }
}

impl AnyRunner for TypedRunner {
    fn chain(&self) -> &dyn Chain {
        self.answering.as_deref().unwrap_or(self)
    }

    fn binding(&self) -> Option<&MemoryBinding> {
        self.runner.binding()
    }

    fn observation(&self) -> &Observation {
        self.runner.observation()
    }
}

/// The chain of the runner, whose first output is parsed. It streams its answer as a whole.
#[async_trait]
impl Chain for TypedRunner {
    fn name(&self) -> &str {
        self.runner.chain().name()
    }

    fn slots(&self) -> &[Slot] {
        self.runner.chain().slots()
    }

    fn outputs(&self) -> &[Cow<'static, str>] {
        self.runner.chain().outputs()
    }

    async fn run(&self, variables: &Variables, context: &RunContext) -> Result<Answer, ChainError> {
        let mut answer = self.runner.chain().run(variables, context).await?;
        let Some(name) = self.outputs().first() else { return Ok(answer) };
        let text = answer.outputs.get(name).map(Value::to_text).unwrap_or_default();
        match self.answer_type.parser().parse(&text) {
            Ok(value) => {
                answer.outputs.insert(name.clone(), value);
                Ok(answer)
            }
            Err(error) => Err(ChainError::unparsed(error, answer.reply)),
        }
    }
}
