//! One call of a chain: wait, load, run, save. The order of events is documented at [`Event`].

mod answer_check;
mod repetition;
pub(crate) mod unsaved_turn;

use std::{
    task::{Context, Poll},
    time::Duration,
};

use conversant_core::{
    BoxError, CallResult, Event, LoadContext, MaintainContext, MemoryError, Messages,
    MissingVariable, PromptError, Reply, Ticket, Turn, TurnId, Variables, Warning,
};

use crate::{
    answer::Answer,
    call_inputs::CallInputs,
    call_phase::CallPhase,
    chain::{Chain, RunContext, Streaming},
    error::ChainError,
    limits::{Exceeded, Limits},
    memory_binding::{Maintenance, MemoryBinding},
    not_saved::NotSaved,
    observation::{CallObservation, Observation},
    outcome::Outcome,
    pending::PendingTurn,
    queue::{Permit, Polled},
    stored_answer::StoredAnswer,
};

/// The time that a memory has to release what a failed call's load acquired, though the call's
/// deadline has passed.
const RELEASE_TIME: Duration = Duration::from_millis(200);

/// The time after the deadline for which a composition waits for each chain inside of another.
const GRACE_OF_A_STEP: Duration = Duration::from_millis(250);

/// The most time after the deadline for which a composition waits for all chains inside of it. The
/// queue gives the place of a call away a second after its deadline.
const MAX_GRACE: Duration = Duration::from_millis(750);

/// The state of a call. After [`begin`](Self::begin), the memory is loaded and the call holds the
/// place in its conversation's queue.
pub(crate) struct CallState {
    variables: Variables,
    context: RunContext,
    turn_id: TurnId,
    /// The user's messages, taken from the inputs before anything is merged.
    input: Messages,
    /// The ticket of the load.
    ticket: Option<Ticket>,
    /// Whether the load may hold something, such as a lease, that neither a save nor
    /// [`Memory::abandon`](conversant_core::Memory::abandon) has released.
    needs_release: bool,
    stored: StoredAnswer,
    limits: Limits,
    permit: Option<Permit>,
    observation: Option<Box<CallObservation>>,
}

impl CallState {
    pub(crate) fn new(
        chain: &dyn Chain,
        binding: Option<&MemoryBinding>,
        observation: &Observation,
        inputs: CallInputs,
    ) -> Self {
        let CallInputs { variables, mut options, mut resumed, may_be_stored } = inputs;
        let earlier = resumed.record.take();
        let turn_id = *options.turn_id.get_or_insert_with(TurnId::random);
        let observation = observation.start(chain, binding, Some(turn_id), &mut options, earlier);
        let limits = Limits::new(options.deadline);
        let context = RunContext::new(options).with_resumed(resumed).repeatable(may_be_stored);
        let sought = binding.filter(|binding| may_be_stored && binding.memory().saves_turns());
        Self {
            variables,
            context,
            turn_id,
            input: Messages::new(),
            ticket: None,
            needs_release: false,
            stored: sought.map_or(StoredAnswer::NotSought, |_| StoredAnswer::Sought),
            limits,
            permit: None,
            observation,
        }
    }

    /// Waits for the conversation, loads its memory, and emits that the chain has started. A call
    /// that fails here has ended.
    pub(crate) async fn begin(
        &mut self,
        chain: &dyn Chain,
        binding: Option<&MemoryBinding>,
    ) -> Result<(), ChainError> {
        let begun = self.enter_and_load(chain, binding).await;
        if let (Err(error), Some(observation)) = (&begun, &mut self.observation) {
            let _polled = self.permit.as_ref().and_then(Permit::mark_polled);
            observation.end(CallResult::failed(error, error.class()), None);
        }
        begun
    }

    async fn enter_and_load(
        &mut self,
        chain: &dyn Chain,
        binding: Option<&MemoryBinding>,
    ) -> Result<(), ChainError> {
        if self.variables.contains("stop") {
            let reason = "stop sequences are set in `CallOptions`";
            return Err(ChainError::TakenInput { name: "stop".to_owned(), reason });
        }
        if let Some(binding) = binding {
            let slots = binding.memory().variables();
            if let Some(slot) = slots.iter().find(|slot| self.variables.contains(slot.name())) {
                let reason = "the memory provides it";
                return Err(ChainError::TakenInput { name: slot.name().to_owned(), reason });
            }
            self.enter(binding).await?;
            let queue = self.elapsed();
            self.input = binding.input_messages(&self.variables);
            match self.stored {
                // Boxed, so that other calls are not larger for it.
                StoredAnswer::Sought => Box::pin(self.find_or_load(chain, binding)).await?,
                _ => self.load(binding).await?,
            }
            if let Some(observation) = &mut self.observation {
                let load = observation.elapsed();
                observation.timings.queue = queue;
                observation.timings.load = queue.map(|queue| load.saturating_sub(queue));
            }
        }
        self.emit(&Event::chain_started(chain.name(), &self.variables));
        Ok(())
    }

    /// Returns the time since the call started, if it is observed.
    fn elapsed(&self) -> Option<Duration> {
        self.observation.as_ref().map(|observation| observation.elapsed())
    }

    async fn enter(&mut self, binding: &MemoryBinding) -> Result<(), ChainError> {
        let enter = binding.enter(self.context.options().no_wait, self.limits.deadline());
        let entered = self.limits.run(None, enter).await;
        self.permit = Some(entered.map_err(|exceeded| exceeded.during(CallPhase::Queue))??);
        Ok(())
    }

    async fn load(&mut self, binding: &MemoryBinding) -> Result<(), ChainError> {
        let loaded = {
            let text = binding.input_text(&self.variables);
            let context = LoadContext::new(&self.variables);
            let context = match &text {
                Some(text) => context.with_input(text),
                None => context,
            };
            let context = match self.limits.deadline() {
                Some(deadline) => context.with_deadline(deadline),
                None => context,
            };
            let context = context.with_events(&self.context.options().events);
            let load = binding.memory().load(context);
            self.limits.run(self.permit.as_ref(), load).await
        };
        let loaded = match loaded {
            Ok(loaded) => loaded.map_err(ChainError::Load)?,
            Err(exceeded) => {
                // The load had no time to release what it acquired.
                self.needs_release = true;
                self.release(Some(binding)).await;
                return Err(exceeded.during(CallPhase::Load));
            }
        };
        self.variables.extend(loaded.variables);
        self.ticket = Some(loaded.ticket);
        self.needs_release = true;
        Ok(())
    }

    /// Checks that every required variable is there and that the memory would accept the turn. The
    /// input of the turn is required even if the prompt has another value for it: a turn without a
    /// question would begin the next prompt with an answer.
    fn check(&self, chain: &dyn Chain, binding: Option<&MemoryBinding>) -> Result<(), ChainError> {
        let mut missing = match PromptError::check_missing(chain.slots(), &self.variables) {
            Err(PromptError::MissingVariables { missing }) => missing,
            _ => Vec::new(),
        };
        if let Some(name) = binding.and_then(MemoryBinding::input_name)
            && !self.variables.contains(name)
            && missing.iter().all(|missing| missing.name != name)
        {
            missing.push(MissingVariable::new(name, self.variables.names()));
        }
        if !missing.is_empty() {
            return Err(ChainError::MissingInputs { missing });
        }
        let _polled = self.mark_polled();
        match binding {
            Some(binding) => binding.check(&self.input).map_err(ChainError::RefusedInput),
            None => Ok(()),
        }
    }

    /// Runs the chain's steps.
    async fn run(
        &mut self,
        chain: &dyn Chain,
        binding: Option<&MemoryBinding>,
    ) -> Result<Answer, ChainError> {
        if let Some(answer) = self.stored.take() {
            return answer;
        }
        self.check(chain, binding)?;
        self.limits.set_grace(grace(chain));
        let run = chain.run(&self.variables, &self.context);
        let answer = self.limits.run(self.permit.as_ref(), run).await;
        answer.map_err(|exceeded| exceeded.during(CallPhase::Run))?
    }

    /// Runs the chain's steps up to an answer that arrives piece by piece.
    pub(crate) async fn stream(
        &mut self,
        chain: &dyn Chain,
        binding: Option<&MemoryBinding>,
    ) -> Result<Streaming, ChainError> {
        if let Some(answer) = self.stored.take() {
            return answer.map(|answer| Streaming::Whole(Box::new(answer)));
        }
        self.check(chain, binding)?;
        self.limits.set_grace(grace(chain));
        let stream = chain.stream(&self.variables, &self.context);
        let streaming = self.limits.run(self.permit.as_ref(), stream).await;
        streaming.map_err(|exceeded| exceeded.during(CallPhase::Run))?
    }

    /// Saves the turn and, if it is due, does the memory's maintenance. Only a save that fails is
    /// an error.
    pub(crate) async fn save(
        &mut self,
        binding: Option<&MemoryBinding>,
        answer: &Answer,
        incomplete: bool,
    ) -> Result<(), ChainError> {
        let Some(binding) = binding else { return Ok(()) };
        let saving = self.elapsed();
        self.limits.set_grace(Duration::ZERO);
        let (turn, ticket) = self.turn(binding, answer, incomplete);
        let memory = binding.memory();
        let saved = self.limits.run(self.permit.as_ref(), memory.save(&turn, ticket)).await;
        // A save that was interrupted may not have released what the load acquired.
        self.needs_release &= saved.is_err();
        match saved.unwrap_or_else(|exceeded| Err(exceeded.interrupted())) {
            Ok(saved) => self.warn(&saved.warnings),
            Err(source) => {
                let (text, reply) = (binding.output(answer).into(), answer.reply.clone());
                return Err(ChainError::NotSaved(Box::new(NotSaved {
                    text,
                    reply,
                    turn,
                    session: binding.session(),
                    source,
                })));
            }
        }
        if binding.maintenance == Maintenance::Inline && memory.needs_maintenance() {
            let maintained = {
                let mut context =
                    MaintainContext::new().with_events(&self.context.options().events);
                context.deadline = self.limits.deadline();
                let maintain = memory.maintain_with(context);
                self.limits.run(self.permit.as_ref(), maintain).await
            };
            match maintained.unwrap_or_else(|exceeded| Err(exceeded.interrupted())) {
                Ok(maintained) => self.warn(&maintained.warnings),
                Err(error) => self.warn(&[not_maintained(error)]),
            }
        }
        if let (Some(observation), Some(saving)) = (&mut self.observation, saving) {
            observation.timings.save = Some(observation.elapsed().saturating_sub(saving));
        }
        Ok(())
    }

    /// Returns the turn of an answer, with the ticket to save it with.
    fn turn(
        &mut self,
        binding: &MemoryBinding,
        answer: &Answer,
        incomplete: bool,
    ) -> (Turn, Ticket) {
        let ticket = self.ticket.clone().unwrap_or_default();
        let input = std::mem::take(&mut self.input);
        let record =
            self.observation.as_ref().and_then(|observation| observation.stored_record(answer));
        let turn = binding.turn(self.turn_id, input, answer, record.as_deref());
        let turn = turn.with_incomplete(incomplete || answer.is_cut_off());
        match ticket.version() {
            Some(base) => (turn.with_base(base), ticket),
            None => (turn, ticket),
        }
    }

    /// Parses the model's reply.
    pub(crate) fn finish(&self, chain: &dyn Chain, reply: Reply) -> Result<Answer, ChainError> {
        let _polled = self.mark_polled();
        chain.finish(reply, &self.context)
    }

    /// Gives the place in the queue back.
    pub(crate) fn leave(&mut self) {
        self.permit = None;
    }

    /// Polls a part of the call, such as the stream of its answer.
    pub(crate) fn poll_part<T>(&self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let polled = self.permit.as_ref().map(Permit::mark_polled);
        // `poll_exceeded` reports that the place is lost.
        if let Some(None) = polled { Poll::Pending } else { poll() }
    }

    /// Marks the call as being polled, while code of others runs that may call the conversation.
    fn mark_polled(&self) -> Option<Polled<'_>> {
        self.permit.as_ref().and_then(Permit::mark_polled)
    }

    /// Returns the calls and results of the turn that were there before the call.
    pub(crate) const fn exchange(&self) -> &Messages {
        self.context.exchange()
    }

    fn emit(&self, event: &Event<'_>) {
        if self.context.options().events.is_enabled() {
            let _polled = self.mark_polled();
            self.context.emit(event);
        }
    }

    /// Waits until a limit is reached.
    pub(crate) fn poll_exceeded(&mut self, context: &mut Context<'_>) -> Poll<Exceeded> {
        self.limits.poll_exceeded(self.permit.as_ref(), context)
    }

    pub(crate) fn deadline_has_passed(&self) -> bool {
        self.limits.has_passed()
    }

    fn warn(&self, warnings: &[Warning]) {
        for warning in warnings {
            self.emit(&Event::warned(warning));
        }
    }

    /// Saves the turn of an answer, or returns it if its tool calls have no results.
    pub(crate) async fn settle(
        &mut self,
        chain: &dyn Chain,
        binding: Option<&MemoryBinding>,
        answer: &Answer,
    ) -> Result<Option<PendingTurn>, ChainError> {
        self.check_answer(chain, binding, answer)?;
        if matches!(self.stored, StoredAnswer::Taken) {
            return Ok(None);
        }
        if !PendingTurn::is_due(answer) {
            self.save(binding, answer, false).await?;
            return Ok(None);
        }
        let slots = binding.map_or(&[][..], |binding| binding.memory().variables());
        let is_input = |name: &str| slots.iter().all(|slot| slot.name() != name);
        let inputs = self.variables.iter().filter(|(name, _)| is_input(name));
        let inputs = inputs.map(|(name, value)| (name.to_owned(), value.clone())).collect();
        self.release(binding).await;
        let record = self.observation.as_ref().map(|observation| observation.turn_record(answer));
        Ok(PendingTurn::of(answer, self.turn_id, inputs, record, self.context.options()))
    }

    /// Ends a call that succeeded.
    pub(crate) fn end(
        self,
        chain: &dyn Chain,
        mut answer: Answer,
        pending: Option<PendingTurn>,
    ) -> Outcome {
        self.emit(&Event::chain_ended(chain.name(), &answer.outputs));
        let Self { mut variables, turn_id, permit, observation, .. } = self;
        let result = if pending.is_some() { CallResult::ToolCalls } else { CallResult::Answered };
        let record = observation.map(|mut observation| {
            let _polled = permit.as_ref().and_then(Permit::mark_polled);
            observation.end(result, Some(&answer))
        });
        drop(permit);
        variables.extend(std::mem::take(&mut answer.outputs));
        let output_key = chain.outputs().first().cloned().unwrap_or_default();
        let Answer { reply, messages, refused, .. } = answer;
        Outcome { variables, reply, turn_id, refused, pending, record, output_key, messages }
    }

    /// Ends a call that failed after its start: emits the failure, and lets the memory release what
    /// the load acquired, unless a save has.
    pub(crate) async fn fail(
        &mut self,
        chain: &dyn Chain,
        binding: Option<&MemoryBinding>,
        error: ChainError,
    ) -> ChainError {
        self.emit(&Event::chain_failed(chain.name(), &error));
        self.release(binding).await;
        if let Some(observation) = &mut self.observation {
            let _polled = self.permit.as_ref().and_then(Permit::mark_polled);
            observation.end(CallResult::failed(&error, error.class()), None);
        }
        error
    }

    /// Lets the memory release what the load acquired, unless that is done.
    pub(crate) async fn release(&mut self, binding: Option<&MemoryBinding>) {
        if let Some(binding) = binding.filter(|_| self.needs_release) {
            self.needs_release = false;
            self.limits.leave_at_least(RELEASE_TIME);
            let abandon = binding.memory().abandon(self.ticket.clone().unwrap_or_default());
            // A release that takes too long is dropped: a lease ends by itself.
            let _ = self.limits.run(None, abandon).await;
        }
    }
}

/// Runs a whole call.
pub(crate) fn invoke<'c>(
    chain: &'c dyn Chain,
    binding: Option<&'c MemoryBinding>,
    observation: &Observation,
    inputs: CallInputs,
) -> impl Future<Output = Result<Outcome, ChainError>> + Send + 'c {
    // Created outside of the future: an `async fn` stores its arguments twice.
    let mut call = CallState::new(chain, binding, observation, inputs);
    async move {
        call.begin(chain, binding).await?;
        let error = match call.run(chain, binding).await {
            Ok(answer) => match call.settle(chain, binding, &answer).await {
                Ok(pending) => return Ok(call.end(chain, answer, pending)),
                Err(error) => error,
            },
            Err(error) => error,
        };
        Err(call.fail(chain, binding, error).await)
    }
}

/// Returns how long after the deadline the steps of a chain may end: a step that is a chain has its
/// own release, and an error with the outputs of the steps before it.
fn grace(chain: &dyn Chain) -> Duration {
    let inner = u32::try_from(chain.depth().saturating_sub(1)).unwrap_or(u32::MAX);
    GRACE_OF_A_STEP.saturating_mul(inner).min(MAX_GRACE)
}

fn not_maintained(error: MemoryError) -> Warning {
    Warning::new("cannot maintain the memory; the next turn tries again", BoxError::from(error))
}
