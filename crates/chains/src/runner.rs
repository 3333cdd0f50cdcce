//! A chain with its memory and its observers: the part that all callable chains share.

use std::{fmt, future::poll_fn, sync::Arc, task::Poll, time::Duration};

use conversant_core::{CallOptions, MaintainContext, Memory, Message, Saved, Slot, Variables};

use crate::{
    any_runner::AnyRunner,
    apply::{Batch, Boxed, join_bounded},
    call::invoke,
    call_inputs::CallInputs,
    chain::Chain,
    error::{CallPhase, ChainError},
    limits::Limits,
    memory_binding::MemoryBinding,
    observation::Observation,
    outcome::Outcome,
    pending::PendingTurn,
    queue::Queue,
};

/// A chain, ready to be called.
pub(crate) struct Runner {
    pub(crate) chain: Arc<dyn Chain>,
    /// The chain's slots that the memory does not provide.
    pub(crate) inputs: Vec<Slot>,
    pub(crate) binding: Option<MemoryBinding>,
    pub(crate) observation: Observation,
    /// The number of calls of `apply` that run at the same time without a memory.
    pub(crate) concurrency: usize,
    pub(crate) prompt_cache_key: Option<String>,
}

impl AnyRunner for Runner {
    fn chain(&self) -> &(dyn Chain + 'static) {
        &*self.chain
    }

    fn binding(&self) -> Option<&MemoryBinding> {
        self.binding.as_ref()
    }

    fn observation(&self) -> &Observation {
        &self.observation
    }
}

impl Runner {
    pub(crate) fn memory(&self) -> Option<&dyn Memory> {
        self.binding.as_ref().map(MemoryBinding::memory)
    }

    pub(crate) fn queue(&self) -> Option<&Arc<Queue>> {
        self.binding.as_ref().map(|binding| &binding.queue)
    }

    pub(crate) fn call(
        &self,
        inputs: Variables,
        options: CallOptions,
    ) -> impl Future<Output = Result<Outcome, ChainError>> + Send {
        let options = self.with_defaults(options);
        self.invoke(CallInputs::new(inputs, options))
    }

    fn invoke(
        &self,
        inputs: CallInputs,
    ) -> impl Future<Output = Result<Outcome, ChainError>> + Send {
        invoke(&*self.chain, self.binding.as_ref(), &self.observation, inputs)
    }

    /// Runs a call in a box. Calls other than the plain ones do so, since each use of the unboxed
    /// future is compiled by itself.
    pub(crate) fn boxed_call(&self, inputs: CallInputs) -> Boxed<'_, Result<Outcome, ChainError>> {
        Box::pin(self.invoke(inputs))
    }

    /// Returns the options of a call, with the chain's own where a call has none.
    pub(crate) fn with_defaults(&self, mut options: CallOptions) -> CallOptions {
        if options.prompt_cache_key.is_none() {
            options.prompt_cache_key.clone_from(&self.prompt_cache_key);
        }
        options
    }

    pub(crate) async fn resume(
        &self,
        pending: PendingTurn,
        results: Vec<Message>,
        options: CallOptions,
    ) -> Result<Outcome, ChainError> {
        let pending = answered(pending, results)?;
        self.boxed_call(CallInputs::of_pending(pending, self.with_defaults(options))).await
    }

    /// Returns the options of each call of many, which have a turn of their own each, and the
    /// number of calls that run at the same time.
    fn for_many(&self, options: &CallOptions) -> (CallOptions, usize) {
        let mut options = options.clone();
        options.turn_id = None;
        (options, if self.binding.is_some() { 1 } else { self.concurrency })
    }

    pub(crate) fn apply_as_completed(
        self: &Arc<Self>,
        inputs: Vec<Variables>,
        options: &CallOptions,
    ) -> Batch {
        let (options, limit) = self.for_many(options);
        let runner = Arc::clone(self);
        let calls = inputs.into_iter().map(move |inputs| -> Boxed<'static, _> {
            let runner = Arc::clone(&runner);
            let inputs = CallInputs::new(inputs, runner.with_defaults(options.clone()));
            Box::pin(async move { runner.boxed_call(inputs).await })
        });
        Batch::new(calls, limit)
    }

    pub(crate) async fn apply(
        &self,
        inputs: Vec<Variables>,
        options: &CallOptions,
    ) -> Vec<Result<Outcome, ChainError>> {
        let (options, limit) = self.for_many(options);
        let calls = inputs.into_iter().map(|inputs| {
            self.boxed_call(CallInputs::new(inputs, self.with_defaults(options.clone())))
        });
        join_bounded(calls, limit).await
    }

    pub(crate) async fn maintain(&self, options: &CallOptions) -> Result<Saved, ChainError> {
        let Some(binding) = &self.binding else { return Ok(Saved::default()) };
        let mut options = options.clone();
        let observed =
            self.observation.start(&*self.chain, Some(binding), None, &mut options, None);
        let maintained = Self::maintain_observed(binding, &options).await;
        if let Some(mut observed) = observed {
            observed.end_maintenance(maintained.as_ref());
        }
        maintained
    }

    async fn maintain_observed(
        binding: &MemoryBinding,
        options: &CallOptions,
    ) -> Result<Saved, ChainError> {
        let mut limits = Limits::new(options.deadline);
        let permit = limits.run(None, binding.enter(options.no_wait, options.deadline)).await;
        let permit = permit.map_err(|exceeded| exceeded.during(CallPhase::Queue))??;
        let mut context = MaintainContext::new().with_events(&options.events);
        context.deadline = limits.deadline();
        let maintain = binding.memory().maintain_with(context);
        let maintained = limits.run(Some(&permit), maintain).await;
        maintained
            .map_err(|exceeded| exceeded.during(CallPhase::Maintain))?
            .map_err(ChainError::Maintain)
    }

    pub(crate) async fn close(&self, limit: Duration) -> usize {
        close(self.queue().cloned(), limit).await
    }
}

/// Returns a pending turn with the results of its calls.
pub(crate) fn answered(
    pending: PendingTurn,
    results: Vec<Message>,
) -> Result<PendingTurn, ChainError> {
    pending.with_results(results).map_err(|reason| ChainError::ToolResults { reason })
}

/// Closes queues, and waits until their running calls have ended or the limit is reached. Then
/// gives up the calls that still run, and returns their number.
pub(crate) async fn close(queues: impl IntoIterator<Item = Arc<Queue>>, limit: Duration) -> usize {
    let mut running: Vec<_> = queues.into_iter().collect();
    running.iter().for_each(|queue| queue.close());
    let idle = poll_fn(|context| {
        running.retain(|queue| queue.poll_idle(context).is_pending());
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    });
    let _ = Limits::after(limit).run(None, idle).await;
    running.iter().for_each(|queue| queue.abort());
    running.len()
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("chain", &self.chain.name())
            .field("memory", &self.binding)
            .finish_non_exhaustive()
    }
}

/// Implements the methods of a callable chain, which has a field `runner`.
macro_rules! impl_calls {
    ([$($generics:tt)*] $chain:ty) => {
        impl $($generics)* $chain {
            /// Returns the inputs of a call: the chain's slots that the memory does not provide.
            pub fn inputs(&self) -> impl Iterator<Item = &conversant_core::Slot> {
                self.runner.inputs.iter()
            }

            /// Runs a call and returns the output as text.
            ///
            /// # Errors
            /// [`ChainError`](crate::ChainError), by the step that failed.
            pub async fn predict(
                &self,
                inputs: conversant_core::Variables,
            ) -> Result<String, crate::ChainError> {
                let call = self.runner.call(inputs, conversant_core::CallOptions::new());
                call.await.and_then(crate::Outcome::into_answer)
            }

            /// Like [`predict`](Self::predict), with options: stop sequences, a deadline, a turn
            /// id.
            ///
            /// # Errors
            /// [`ChainError`](crate::ChainError), by the step that failed.
            pub async fn predict_with(
                &self,
                inputs: conversant_core::Variables,
                options: conversant_core::CallOptions,
            ) -> Result<String, crate::ChainError> {
                self.runner.call(inputs, options).await.and_then(crate::Outcome::into_answer)
            }

            /// Runs a call and returns its answer as a value of a type.
            ///
            /// The type's JSON Schema goes to the model's server where that enforces schemas
            /// ([`ChatModel::enforces_schemas`](conversant_core::ChatModel::enforces_schemas)), and
            /// into the prompt otherwise: as the variable `format_instructions`, if the prompt has
            /// it, or else before the prompt. The turn has the user's message and the answer as the
            /// model gave it. The chain's own parser is not used; its corrections are.
            ///
            /// A chain of chains asks the model that makes its first output
            /// ([`Chain::answering_as`](crate::Chain::answering_as)).
            ///
            /// # Errors
            /// - [`ChainError::Parse`](crate::ChainError::Parse), with the answer, if it does not
            ///   fit the type or was cut off. No turn is stored.
            /// - [`ModelError::Refused`](conversant_core::ModelError::Refused) in
            ///   [`ChainError::Model`](crate::ChainError::Model), with the model's words.
            /// - Otherwise as for `predict`.
            #[cfg(feature = "schema")]
            pub async fn predict_as<T>(
                &self,
                inputs: conversant_core::Variables,
            ) -> Result<T, crate::ChainError>
            where
                T: serde::de::DeserializeOwned + schemars::JsonSchema + 'static,
            {
                self.predict_as_with(inputs, conversant_core::CallOptions::new()).await
            }

            /// Like [`predict_as`](Self::predict_as), with options.
            ///
            /// # Errors
            /// As for `predict_as`.
            #[cfg(feature = "schema")]
            pub async fn predict_as_with<T>(
                &self,
                inputs: conversant_core::Variables,
                options: conversant_core::CallOptions,
            ) -> Result<T, crate::ChainError>
            where
                T: serde::de::DeserializeOwned + schemars::JsonSchema + 'static,
            {
                let options = self.runner.with_defaults(options);
                crate::typed_call::predict_as(self.runner.clone(), inputs, options).await
            }

            /// Like [`predict_as`](Self::predict_as), with ever more complete values as the answer
            /// arrives.
            ///
            /// # Errors
            /// As for `stream`; an answer that does not fit the type is an error of the stream.
            #[cfg(feature = "schema")]
            pub async fn stream_as<T>(
                &self,
                inputs: conversant_core::Variables,
            ) -> Result<crate::ValueStream<T>, crate::ChainError>
            where
                T: serde::de::DeserializeOwned + schemars::JsonSchema + 'static,
            {
                self.stream_as_with(inputs, conversant_core::CallOptions::new()).await
            }

            /// Like [`stream_as`](Self::stream_as), with options.
            ///
            /// # Errors
            /// As for `stream_as`.
            #[cfg(feature = "schema")]
            pub async fn stream_as_with<T>(
                &self,
                inputs: conversant_core::Variables,
                options: conversant_core::CallOptions,
            ) -> Result<crate::ValueStream<T>, crate::ChainError>
            where
                T: serde::de::DeserializeOwned + schemars::JsonSchema + 'static,
            {
                let options = self.runner.with_defaults(options);
                crate::typed_call::stream_as(self.runner.clone(), inputs, options).await
            }

            /// Runs a call and returns its inputs, the memory's variables, the outputs and the
            /// model's reply.
            ///
            /// # Errors
            /// [`ChainError`](crate::ChainError), by the step that failed.
            pub async fn invoke(
                &self,
                inputs: conversant_core::Variables,
            ) -> Result<crate::Outcome, crate::ChainError> {
                self.runner.call(inputs, conversant_core::CallOptions::new()).await
            }

            /// Like [`invoke`](Self::invoke), with options: stop sequences, a deadline, a turn id.
            ///
            /// # Errors
            /// [`ChainError`](crate::ChainError), by the step that failed.
            pub async fn invoke_with(
                &self,
                inputs: conversant_core::Variables,
                options: conversant_core::CallOptions,
            ) -> Result<crate::Outcome, crate::ChainError> {
                self.runner.call(inputs, options).await
            }

            /// Runs a call for each of the inputs and returns their results in the same order. A
            /// call that fails does not stop the others.
            ///
            /// With a memory, the calls are turns of one conversation and run one after the other.
            /// Without one, up to the builder's `concurrency` run at the same time.
            pub async fn apply(
                &self,
                inputs: impl IntoIterator<Item = conversant_core::Variables>,
            ) -> Vec<Result<crate::Outcome, crate::ChainError>> {
                let inputs = inputs.into_iter().collect();
                self.runner.apply(inputs, &conversant_core::CallOptions::new()).await
            }

            /// Like [`apply`](Self::apply), with options that hold for each call. A turn id is
            /// ignored, since each call has its own turn.
            pub async fn apply_with(
                &self,
                inputs: impl IntoIterator<Item = conversant_core::Variables>,
                options: &conversant_core::CallOptions,
            ) -> Vec<Result<crate::Outcome, crate::ChainError>> {
                self.runner.apply(inputs.into_iter().collect(), options).await
            }

            /// Like [`apply_with`](Self::apply_with), but returns each result as soon as its call
            /// ends, with the index of its inputs.
            pub fn apply_as_completed(
                &self,
                inputs: impl IntoIterator<Item = conversant_core::Variables>,
                options: &conversant_core::CallOptions,
            ) -> crate::Batch {
                self.runner.apply_as_completed(inputs.into_iter().collect(), options)
            }

            /// Runs a call and returns its answer piece by piece. The turn is saved at the end of
            /// the stream, before [`Delta::Done`](conversant_core::Delta::Done) is returned. A
            /// stream that fails or is dropped saves nothing.
            ///
            /// # Errors
            /// [`ChainError`](crate::ChainError), by the step that failed before the answer began.
            pub async fn stream(
                &self,
                inputs: conversant_core::Variables,
            ) -> Result<crate::ChainStream, crate::ChainError> {
                self.stream_with(inputs, conversant_core::CallOptions::new()).await
            }

            /// Like [`stream`](Self::stream), with options: stop sequences, a deadline, a turn id.
            ///
            /// # Errors
            /// [`ChainError`](crate::ChainError), by the step that failed before the answer began.
            pub async fn stream_with(
                &self,
                inputs: conversant_core::Variables,
                options: conversant_core::CallOptions,
            ) -> Result<crate::ChainStream, crate::ChainError> {
                let runner = std::sync::Arc::clone(&self.runner);
                let options = runner.with_defaults(options);
                let inputs = crate::call_inputs::CallInputs::new(inputs, options);
                crate::ChainStream::start(runner, inputs).await
            }

            /// Continues a turn with the results of its tool calls: a tool message for each call.
            /// The memory is loaded again, and the whole exchange is stored as one turn when the
            /// model answers. If it calls tools again, the outcome has the turn once more.
            ///
            /// # Errors
            /// [`ChainError::ToolResults`](crate::ChainError::ToolResults) if a call has no result;
            /// otherwise as for `invoke`.
            pub async fn resume(
                &self,
                pending: crate::PendingTurn,
                results: impl IntoIterator<Item = conversant_core::Message>,
            ) -> Result<crate::Outcome, crate::ChainError> {
                self.resume_with(pending, results, conversant_core::CallOptions::new()).await
            }

            /// Like [`resume`](Self::resume), with options: the tools, a deadline. The turn keeps
            /// its id.
            ///
            /// # Errors
            /// As for `resume`.
            pub async fn resume_with(
                &self,
                pending: crate::PendingTurn,
                results: impl IntoIterator<Item = conversant_core::Message>,
                options: conversant_core::CallOptions,
            ) -> Result<crate::Outcome, crate::ChainError> {
                self.runner.resume(pending, results.into_iter().collect(), options).await
            }

            /// Like [`resume_with`](Self::resume_with), piece by piece.
            ///
            /// # Errors
            /// As for `resume`.
            pub async fn resume_stream(
                &self,
                pending: crate::PendingTurn,
                results: impl IntoIterator<Item = conversant_core::Message>,
                options: conversant_core::CallOptions,
            ) -> Result<crate::ChainStream, crate::ChainError> {
                let results = results.into_iter().collect();
                let pending = crate::runner::answered(pending, results)?;
                let runner = std::sync::Arc::clone(&self.runner);
                let options = runner.with_defaults(options);
                let inputs = crate::call_inputs::CallInputs::of_pending(pending, options);
                crate::ChainStream::start(runner, inputs).await
            }

            /// Does the memory's maintenance now, for a chain that is built with
            /// [`Maintenance::Deferred`](crate::Maintenance::Deferred). Calls of the conversation
            /// wait for it.
            ///
            /// # Errors
            /// [`ChainError::Maintain`](crate::ChainError::Maintain). A failure loses nothing: the
            /// next maintenance tries again.
            pub async fn maintain(
                &self,
            ) -> Result<conversant_core::Saved, crate::ChainError> {
                self.runner.maintain(&conversant_core::CallOptions::new()).await
            }

            /// Like [`maintain`](Self::maintain), with a deadline, or without a wait for other
            /// calls.
            ///
            /// # Errors
            /// As for `maintain`, and [`ChainError::DeadlineExceeded`](crate::ChainError) or
            /// [`ChainError::Busy`](crate::ChainError).
            pub async fn maintain_with(
                &self,
                options: &conversant_core::CallOptions,
            ) -> Result<conversant_core::Saved, crate::ChainError> {
                self.runner.maintain(options).await
            }

            /// Closes the conversation: new calls and waiting calls fail with
            /// [`ChainError::Closed`](crate::ChainError::Closed), and the running call has `limit`
            /// to end. Then it is given up, and fails at its next wait: with `Closed`, or with
            /// [`ChainError::NotSaved`](crate::ChainError::NotSaved) if the model has answered.
            ///
            /// Returns the number of calls that were given up. Calls of a chain without a memory
            /// are not counted and go on.
            pub async fn close(&self, limit: std::time::Duration) -> usize {
                self.runner.close(limit).await
            }
        }
    };
}
pub(crate) use impl_calls;
