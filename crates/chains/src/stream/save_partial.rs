//! The save of a stream that is given up: of the whole turn, or of what was received.

use std::{
    future::poll_fn,
    task::{Poll, ready},
};

use conversant_core::{Delta, Reply};

use super::{ChainStream, Failed, Running, State, Unsaved, partial_of};
use crate::{answer::Answer, chain::Chain, error::ChainError, memory_binding::MemoryBinding};

/// The reason for which there is nothing to save in a memory of facts, or that is read only.
const NO_TURNS: &str = "the memory saves no turns";

impl ChainStream {
    /// Ends the stream and saves what was received, instead of dropping it. It saves:
    ///
    /// - nothing, if the turn is saved already;
    /// - the whole turn, if the answer is complete: its save is running or has failed, or the
    ///   model, the chain or its last step does not stream;
    /// - otherwise a turn with the text that was received, marked as incomplete. If a tool loop has
    ///   run tools, the turn has the calls and results of all rounds that have ended, as the loop
    ///   has sent them to its model, and the text that follows them, so that a later answer knows
    ///   what was done. The text of a round that has not ended is not kept. A turn that was resumed
    ///   also has the calls and results that came before. Of branches, it is the text of the first
    ///   one alone, as in a whole turn.
    ///
    /// The call's deadline does not apply. After `Ok`, the memory has the turn.
    ///
    /// # Errors
    /// - [`ChainError::NotSaved`] if the save fails, as it does if the conversation was cleared
    ///   since the call has loaded it.
    /// - [`ChainError::ToolCalls`] if the whole answer calls tools. It has the turn, which is not
    ///   stored before it is resumed with their results.
    /// - [`ChainError::NothingToSave`] if no text was received, or none after the results of tools,
    ///   the chain has no memory, or the memory saves no turns or stores another output than the
    ///   chain's first. What tools have done before the model failed is in the stream's error
    ///   ([`ModelError::exchange`](conversant_core::ModelError::exchange)).
    /// - The error of a complete answer that cannot be used, such as [`ChainError::Parse`] or
    ///   [`ChainError::RefusedAnswer`], if no text was received; and that of a step whose own
    ///   memory could not save it, also after the turn of the chain was saved.
    /// - [`ChainError::Closed`], [`ChainError::Reentrant`] or [`ChainError::QueueTimeout`] if the
    ///   stream has failed and the conversation cannot be entered again. A conversation that is
    ///   closed can be, until the limit of its [`close`](crate::LlmChain::close) has passed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use conversant_chains::LlmChain;
    /// use conversant_core::vars;
    /// use conversant_memory::BufferMemory;
    /// use conversant_prompts::PromptTemplate;
    /// use conversant_testkit::{ScriptedChat, ScriptedReply};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let memory = Arc::new(BufferMemory::new());
    /// let chain = LlmChain::builder()
    ///     .prompt(PromptTemplate::from_template("{history}\nHuman: {input}")?)
    ///     .model(ScriptedChat::new([ScriptedReply::pieces(["Once ", "upon a time"])]))
    ///     .memory(Arc::clone(&memory))
    ///     .build()?;
    ///
    /// let mut stream = chain.stream(vars! { "input" => "A story, please." }).await?;
    /// let _first = stream.next().await;
    /// stream.save_partial().await?; // the reader has gone
    ///
    /// let kept = memory.messages().await?;
    /// assert_eq!(kept.to_string(), "Human: A story, please.\nAI: Once ");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn save_partial(self) -> Result<(), ChainError> {
        let Some(binding) = self.runner.binding() else {
            return Err(ChainError::NothingToSave { reason: "the chain has no memory" });
        };
        let saves_turns = binding.memory().saves_turns();
        let mut unsaved_step = None;
        let ended = match self.state {
            State::Running(running) => {
                let mut running = *running;
                let rounds = std::mem::take(&mut running.rounds);
                let partial = partial_of(&running.stream, rounds, &running.call);
                let complete = running.complete(self.runner.chain(), binding).await?;
                let Running { stream, mut call, .. } = running;
                // Closes the model's connection before the save.
                drop(stream);
                match complete {
                    Some(Ok(answer)) => {
                        call.reenter(binding).await?;
                        let settled =
                            call.settle(self.runner.chain(), Some(binding), &answer).await;
                        if settled.is_err() {
                            call.release(Some(binding)).await;
                        }
                        Ok(settled?)
                    }
                    Some(Err(error)) if partial.fault().is_some() => {
                        call.release(Some(binding)).await;
                        return Err(error);
                    }
                    Some(Err(error)) => {
                        unsaved_step = error.not_saved().is_some().then_some(error);
                        Err(Failed { call, unsaved: Unsaved::Partial(partial) })
                    }
                    None => Err(Failed { call, unsaved: Unsaved::Partial(partial) }),
                }
            }
            State::Ending(ending) => match ending.await {
                Ok((outcome, _)) => Ok(outcome.pending),
                Err((_, failed)) => Err(*failed),
            },
            State::Failed(failed) => Err(*failed),
            State::Ended(outcome) => Ok(outcome.pending),
        };
        let Failed { mut call, unsaved } = match ended {
            Ok(Some(pending)) => return Err(ChainError::ToolCalls(Box::new(pending))),
            Ok(None) if saves_turns => return Ok(()),
            Ok(None) => return Err(ChainError::NothingToSave { reason: NO_TURNS }),
            Err(failed) => failed,
        };
        let nothing = match &unsaved {
            _ if !saves_turns => Some(NO_TURNS),
            Unsaved::Partial(_) if !binding.stores_first_output() => {
                Some("the memory stores another output than the one that was received")
            }
            Unsaved::Partial(partial) => partial.fault(),
            Unsaved::Turn(_) => None,
        };
        if let Some(reason) = nothing {
            call.release(Some(binding)).await;
            return Err(unsaved_step.unwrap_or(ChainError::NothingToSave { reason }));
        }
        match unsaved {
            Unsaved::Partial(partial) => {
                call.reenter(binding).await?;
                call.save(Some(binding), &partial.into_answer(), true).await?;
                unsaved_step.map_or(Ok(()), Err)
            }
            Unsaved::Turn(turn) => {
                call.reenter(binding).await?;
                call.save_again(binding, *turn).await
            }
        }
    }
}

impl Running {
    /// Returns the answer, if it is complete: it was there as a whole, so that reading on waits for
    /// no model and starts nothing. Of any other stream, reading on would run tools or branches.
    ///
    /// # Errors
    /// The conversation cannot be entered again.
    async fn complete(
        &mut self,
        chain: &dyn Chain,
        binding: &MemoryBinding,
    ) -> Result<Option<Result<Answer, ChainError>>, ChainError> {
        let Self { stream, answer, call, .. } = self;
        if !stream.is_complete() {
            return Ok(None);
        }
        call.reenter(binding).await?;
        let ended = poll_fn(|context| {
            loop {
                match call.poll_part(|| stream.poll(answer, context)) {
                    Poll::Ready(Ok(Delta::Done(reply))) => return Poll::Ready(Some(Ok(reply))),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                    // A step saves its turn.
                    Poll::Pending => {
                        ready!(call.poll_exceeded(context));
                        return Poll::Ready(None);
                    }
                }
            }
        });
        let reply = match ended.await {
            Some(Ok(reply)) => reply,
            Some(Err(error)) => return Ok(Some(Err(error))),
            None => return Ok(None),
        };
        let answer = match answer.take() {
            Some(answer) => Ok(*answer),
            None => call.finish(chain, Reply::clone(&reply)),
        };
        let checked = answer
            .and_then(|answer| call.check_answer(chain, Some(binding), &answer).map(|()| answer));
        Ok(Some(checked))
    }
}
