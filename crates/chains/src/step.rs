//! Callable chains as chains themselves, so that others can have them as steps.

use std::{
    borrow::Cow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use conversant_core::{Delta, Memory, ModelError, Slot, Variables};
use futures_core::Stream;

use crate::{
    answer::Answer,
    answer_stream::{AnswerItem, AnswerSource, AnswerStream},
    answer_type::AnswerType,
    apply::Boxed,
    call_inputs::CallInputs,
    chain::{Chain, RunContext, Streaming},
    error::ChainError,
    outcome::Outcome,
    runner::Runner,
    stream::ChainStream,
};

impl Runner {
    /// Runs a call whose inputs are among the variables of another chain. Boxed, so that it is
    /// compiled once and not for each kind of chain.
    pub(crate) fn run_step<'a>(
        &'a self,
        variables: &Variables,
        context: &RunContext,
    ) -> Boxed<'a, Result<Answer, ChainError>> {
        let inputs = self.step_inputs(variables, context);
        Box::pin(async move {
            let outcome = self.invoke(inputs).await?;
            Ok(answer_of(outcome, self.chain.outputs()))
        })
    }

    /// Like [`run_step`](Self::run_step), piece by piece.
    pub(crate) fn stream_step(
        self: Arc<Self>,
        variables: &Variables,
        context: &RunContext,
    ) -> Boxed<'static, Result<Streaming, ChainError>> {
        let inputs = self.step_inputs(variables, context);
        let outputs = self.chain.outputs().to_vec();
        Box::pin(async move {
            let stream = ChainStream::start(self, inputs).await?.keeping_partial();
            Ok(Streaming::Steps(AnswerStream::new(StepSource { stream, outputs })))
        })
    }

    fn step_inputs(&self, variables: &Variables, context: &RunContext) -> CallInputs {
        let inputs = self.inputs_among(variables);
        let options = self.with_defaults(context.options().clone());
        CallInputs::new(inputs, options).of_step(context)
    }

    /// Returns a chain that is this one, except that it answers in a type. It shares the memory,
    /// the queue and the observers.
    pub(crate) fn answering_as(&self, answer_type: &AnswerType) -> Option<Arc<dyn Chain>> {
        let chain = self.chain.answering_as(answer_type)?;
        let provided = self.memory().map_or(&[][..], Memory::variables);
        let is_input = |slot: &&Slot| provided.iter().all(|from| from.name() != slot.name());
        let inputs = chain.slots().iter().filter(is_input).cloned().collect();
        let runner = Arc::new(Self {
            chain,
            depth: self.depth,
            inputs,
            binding: self.binding.clone(),
            observation: self.observation.clone(),
            concurrency: self.concurrency,
            prompt_cache_key: self.prompt_cache_key.clone(),
            origin: self.origin.clone(),
        });
        Some(Arc::new(AnsweringStep { runner }))
    }

    /// Returns the variables but for those that the memory provides.
    fn inputs_among(&self, variables: &Variables) -> Variables {
        // Values are shared, and so are names that are literals.
        let mut inputs = variables.clone();
        for slot in self.memory().map_or(&[][..], Memory::variables) {
            inputs.remove(slot.name());
        }
        inputs
    }
}

/// Returns the answer within the result of a call.
fn answer_of(outcome: Outcome, names: &[Cow<'static, str>]) -> Answer {
    let Outcome { mut variables, reply, pending, messages, refused, .. } = outcome;
    let mut outputs = Variables::with_capacity(names.len());
    for name in names {
        if let Some(value) = variables.remove(name) {
            outputs.insert(name.clone(), value);
        }
    }
    let completed = pending.and_then(|pending| pending.completed().cloned());
    Answer { outputs, reply, messages, refused, completed }
}

/// The answer of a step, whose turn is saved before the last item.
struct StepSource {
    stream: ChainStream,
    outputs: Vec<Cow<'static, str>>,
}

impl AnswerSource for StepSource {
    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Result<AnswerItem, ChainError>> {
        let item = ready!(Pin::new(&mut self.stream).poll_next(context));
        // A chain's stream ends with `Done` or an error.
        let item = item.unwrap_or(Err(ChainError::Model(ModelError::Cancelled)));
        Poll::Ready(item.map(|piece| match (piece, self.stream.outcome()) {
            (Delta::Done(reply), Some(outcome)) => {
                let answer = answer_of(outcome.clone(), &self.outputs);
                AnswerItem::Done(reply, Box::new(answer))
            }
            (piece, _) => AnswerItem::Piece(piece),
        }))
    }

    fn partial(&self) -> &str {
        self.stream.partial()
    }

    fn is_complete(&self) -> bool {
        self.stream.is_complete()
    }
}

/// Implements [`Chain`] for a callable chain, which has a field `runner`.
macro_rules! impl_chain {
    ([$($generics:tt)*] $chain:ty) => {
        /// As a step of another chain, a chain with a memory saves a turn of its own as soon as it
        /// has answered, even if a later step fails.
        #[async_trait::async_trait]
        impl $($generics)* crate::Chain for $chain {
            fn name(&self) -> &str {
                crate::Chain::name(&*self.runner.chain)
            }

            fn slots(&self) -> &[conversant_core::Slot] {
                &self.runner.inputs
            }

            fn outputs(&self) -> &[std::borrow::Cow<'static, str>] {
                crate::Chain::outputs(&*self.runner.chain)
            }

            async fn run(
                &self,
                variables: &conversant_core::Variables,
                context: &crate::RunContext,
            ) -> Result<crate::Answer, crate::ChainError> {
                self.runner.run_step(variables, context).await
            }

            async fn stream(
                &self,
                variables: &conversant_core::Variables,
                context: &crate::RunContext,
            ) -> Result<crate::Streaming, crate::ChainError> {
                let runner = std::sync::Arc::clone(&self.runner);
                runner.stream_step(variables, context).await
            }

            fn restore(
                &self,
                reply: conversant_core::Reply,
                context: &crate::RunContext,
            ) -> Option<Result<crate::Answer, crate::ChainError>> {
                crate::Chain::restore(&*self.runner.chain, reply, context)
            }

            fn depth(&self) -> usize {
                self.runner.depth
            }

            fn takes_exchange(&self) -> bool {
                crate::Chain::takes_exchange(&*self.runner.chain)
            }

            fn answering_as(
                &self,
                answer_type: &crate::AnswerType,
            ) -> Option<std::sync::Arc<dyn crate::Chain>> {
                self.runner.answering_as(answer_type)
            }
        }
    };
}
pub(crate) use impl_chain;

/// A callable chain whose steps answer in a type.
struct AnsweringStep {
    runner: Arc<Runner>,
}

impl_chain!([] AnsweringStep);
