//! Calls that ask for an answer of a Rust type.

mod value_stream;

use std::{ops::Deref, sync::Arc};

use conversant_core::{CallOptions, Variables};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub use self::value_stream::ValueStream;
use crate::{
    answer_type::AnswerType,
    answering::answering,
    any_runner::AnyRunner,
    call::invoke,
    call_inputs::CallInputs,
    chain::{Chain, forward_chain},
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
    let runner = TypedRunner::new(runner, &AnswerType::of::<T>());
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
    let runner = Arc::new(TypedRunner::new(runner, &AnswerType::of::<T>()));
    let output = runner.chain().outputs().first().cloned().unwrap_or_default();
    let stream = ChainStream::start(runner, CallInputs::new(inputs, options)).await?;
    Ok(ValueStream::new(stream, output))
}

/// A runner whose chain answers in a type.
struct TypedRunner {
    runner: Arc<dyn AnyRunner>,
    chain: Arc<dyn Chain>,
}

impl TypedRunner {
    fn new(runner: Arc<dyn AnyRunner>, answer_type: &AnswerType) -> Self {
        let chain: Arc<dyn Chain> = Arc::new(ChainOfRunner(Arc::clone(&runner)));
        Self { chain: answering(&chain, None, answer_type), runner }
    }
}

impl AnyRunner for TypedRunner {
    fn chain(&self) -> &(dyn Chain + 'static) {
        &*self.chain
    }

    fn binding(&self) -> Option<&MemoryBinding> {
        self.runner.binding()
    }

    fn observation(&self) -> &Observation {
        self.runner.observation()
    }
}

/// The chain of a runner.
struct ChainOfRunner(Arc<dyn AnyRunner>);

impl Deref for ChainOfRunner {
    type Target = dyn Chain;

    fn deref(&self) -> &Self::Target {
        self.0.chain()
    }
}

forward_chain!([] ChainOfRunner);
