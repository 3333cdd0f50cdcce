//! The methods with which a chain is called.

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
            ///
            /// # Examples
            ///
            /// ```
            /// use std::time::Duration;
            /// use conversant_core::{CallOptions, vars};
            /// # use conversant_chains::LlmChain;
            /// # use conversant_prompts::PromptTemplate;
            /// # use conversant_testkit::ScriptedChat;
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let prompt = PromptTemplate::from_template("The capital of {country}?")?;
            /// # let model = ScriptedChat::new(["Tokyo.", "Rome."]);
            /// # let chain = LlmChain::builder().prompt(prompt).model(model).build()?;
            /// let options = CallOptions::new().with_timeout(Duration::from_secs(20));
            /// let answer = chain.predict_with(vars! { "country" => "Japan" }, options).await?;
            /// assert_eq!(answer, "Tokyo.");
            /// # Ok(())
            /// # }
            /// ```
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
            ///
            /// # Examples
            ///
            /// ```
            /// use conversant_core::vars;
            /// # use conversant_chains::LlmChain;
            /// # use conversant_prompts::PromptTemplate;
            /// # use conversant_testkit::ScriptedChat;
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let prompt = PromptTemplate::from_template("The capital of {country}?")?;
            /// # let model = ScriptedChat::new(["Tokyo.", "Rome."]);
            /// # let chain = LlmChain::builder().prompt(prompt).model(model).build()?;
            /// let countries = ["Japan", "Italy"].map(|country| vars! { "country" => country });
            /// for result in chain.apply(countries).await {
            ///     println!("{}", result?.text());
            /// }
            /// # Ok(())
            /// # }
            /// ```
            pub async fn apply(
                &self,
                inputs: impl IntoIterator<Item = conversant_core::Variables>,
            ) -> Vec<Result<crate::Outcome, crate::ChainError>> {
                let inputs = inputs.into_iter().collect();
                self.runner.apply(inputs, conversant_core::CallOptions::new()).await
            }

            /// Like [`apply`](Self::apply), with options that hold for each call. A turn id is
            /// ignored, since each call has its own turn.
            pub async fn apply_with(
                &self,
                inputs: impl IntoIterator<Item = conversant_core::Variables>,
                options: conversant_core::CallOptions,
            ) -> Vec<Result<crate::Outcome, crate::ChainError>> {
                self.runner.apply(inputs.into_iter().collect(), options).await
            }

            /// Like [`apply`](Self::apply), but returns each result as soon as its call ends, with
            /// the index of its inputs.
            pub fn apply_as_completed(
                &self,
                inputs: impl IntoIterator<Item = conversant_core::Variables>,
            ) -> crate::Batch {
                self.apply_as_completed_with(inputs, conversant_core::CallOptions::new())
            }

            /// Like [`apply_as_completed`](Self::apply_as_completed), with options that hold for
            /// each call. A turn id is ignored, since each call has its own turn.
            pub fn apply_as_completed_with(
                &self,
                inputs: impl IntoIterator<Item = conversant_core::Variables>,
                options: conversant_core::CallOptions,
            ) -> crate::Batch {
                self.runner.apply_as_completed(inputs.into_iter().collect(), options)
            }

            /// Runs a call and returns its answer piece by piece. The turn is saved at the end of
            /// the stream, before [`Delta::Done`](conversant_core::Delta::Done) is returned. A
            /// stream that fails or is dropped saves nothing.
            ///
            /// # Errors
            /// [`ChainError`](crate::ChainError), by the step that failed before the answer began.
            ///
            /// # Examples
            ///
            /// ```
            /// use conversant_core::{Delta, vars};
            /// # use conversant_chains::LlmChain;
            /// # use conversant_prompts::PromptTemplate;
            /// # use conversant_testkit::ScriptedChat;
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let prompt = PromptTemplate::from_template("The capital of {country}?")?;
            /// # let model = ScriptedChat::new(["Tokyo.", "Rome."]);
            /// # let chain = LlmChain::builder().prompt(prompt).model(model).build()?;
            /// let mut stream = chain.stream(vars! { "country" => "Japan" }).await?;
            /// let mut answer = String::new();
            /// while let Some(piece) = stream.next().await {
            ///     if let Delta::Text(text) = piece? {
            ///         answer.push_str(&text);
            ///     }
            /// }
            /// assert_eq!(answer, "Tokyo.");
            /// # Ok(())
            /// # }
            /// ```
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
            /// otherwise as for `invoke`. The turn can be resumed again after an error: its calls
            /// need not be run twice. If it is stored already, the stored answer is returned. After
            /// [`ChainError::NotSaved`](crate::ChainError::NotSaved), save its turn instead. A tool
            /// loop as the model runs its own tools again, if the error came after them
            /// ([`ModelError::exchange`](conversant_core::ModelError::exchange)).
            pub async fn resume(
                &self,
                pending: &crate::PendingTurn,
                results: impl IntoIterator<Item = conversant_core::Message>,
            ) -> Result<crate::Outcome, crate::ChainError> {
                self.resume_with(pending, results, conversant_core::CallOptions::new()).await
            }

            /// Like [`resume`](Self::resume), with options, such as a deadline. The turn keeps its
            /// id, and the tools of its call unless there are others.
            ///
            /// # Errors
            /// As for `resume`.
            pub async fn resume_with(
                &self,
                pending: &crate::PendingTurn,
                results: impl IntoIterator<Item = conversant_core::Message>,
                options: conversant_core::CallOptions,
            ) -> Result<crate::Outcome, crate::ChainError> {
                self.runner.resume(pending, results.into_iter().collect(), options).await
            }

            /// Like [`resume`](Self::resume), piece by piece.
            ///
            /// # Errors
            /// As for `resume`.
            pub async fn resume_stream(
                &self,
                pending: &crate::PendingTurn,
                results: impl IntoIterator<Item = conversant_core::Message>,
            ) -> Result<crate::ChainStream, crate::ChainError> {
                self.resume_stream_with(pending, results, conversant_core::CallOptions::new()).await
            }

            /// Like [`resume_stream`](Self::resume_stream), with options, such as a deadline. The
            /// turn keeps its id, and the tools of its call unless there are others.
            ///
            /// # Errors
            /// As for `resume`.
            pub async fn resume_stream_with(
                &self,
                pending: &crate::PendingTurn,
                results: impl IntoIterator<Item = conversant_core::Message>,
                options: conversant_core::CallOptions,
            ) -> Result<crate::ChainStream, crate::ChainError> {
                let runner = std::sync::Arc::clone(&self.runner);
                let inputs = runner.continued(pending, results.into_iter().collect(), options)?;
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
                self.runner.maintain(conversant_core::CallOptions::new()).await
            }

            /// Like [`maintain`](Self::maintain), with a deadline, or without a wait for other
            /// calls.
            ///
            /// # Errors
            /// As for `maintain`, and [`ChainError::DeadlineExceeded`](crate::ChainError) or
            /// [`ChainError::Busy`](crate::ChainError).
            pub async fn maintain_with(
                &self,
                options: conversant_core::CallOptions,
            ) -> Result<conversant_core::Saved, crate::ChainError> {
                self.runner.maintain(options).await
            }

            /// Closes the conversation: new calls and waiting calls fail with
            /// [`ChainError::Closed`](crate::ChainError::Closed), and the running call has `limit`
            /// to end, with a [`save_partial`](crate::ChainStream::save_partial) that is asked for
            /// meanwhile. Then it is given up, and fails at its next wait: with `Closed`, or with
            /// [`ChainError::NotSaved`](crate::ChainError::NotSaved) if the model has answered.
            ///
            /// Returns the number of calls that were given up. Calls of a chain without a memory
            /// are not counted and go on. A call that closes its own conversation, as from a tool,
            /// is neither waited for nor given up.
            pub async fn close(&self, limit: std::time::Duration) -> usize {
                self.runner.close(limit).await
            }
        }
    };
}
pub(crate) use impl_calls;
