//! One call of a chain: load, run, save. The order of events is the reference's; see [`Event`].

use conversant_core::{CallOptions, Event, MissingVariable, Ticket, TurnId, Variables};

use crate::{
    Answer, Chain, ChainError, Outcome, RunContext, chain::Observers, link::Link, queue::Permit,
};

/// A call. Once it has [begun](Prepared::begin) the memory is loaded, and its place in the conversation's queue is held.
pub(crate) struct Prepared {
    pub(crate) variables: Variables,
    pub(crate) context: RunContext,
    pub(crate) turn_id: TurnId,
    /// What the load gave, until the turn is saved.
    pub(crate) ticket: Option<Ticket>,
    permit: Option<Permit>,
}

impl Prepared {
    pub(crate) fn new(observers: Observers, inputs: Variables, mut options: CallOptions) -> Self {
        let turn_id = *options.turn_id.get_or_insert_with(TurnId::random);
        let context = RunContext::new(options, observers);
        Self { variables: inputs, context, turn_id, ticket: None, permit: None }
    }

    /// Waits for the conversation, loads its memory, and tells that the chain has started.
    pub(crate) async fn begin(
        &mut self,
        chain: &dyn Chain,
        link: Option<&Link>,
    ) -> Result<(), ChainError> {
        let variables = &mut self.variables;
        if variables.contains("stop") {
            let reason = "stop sequences are given in `CallOptions`";
            return Err(ChainError::TakenInput { name: "stop".to_owned(), reason });
        }
        if let Some(link) = link {
            if let Some(slot) =
                link.memory.variables().iter().find(|slot| variables.contains(slot.name()))
            {
                let reason = "the memory gives it";
                return Err(ChainError::TakenInput { name: slot.name().to_owned(), reason });
            }
            self.permit = Some(link.queue.enter().await);
            let loaded = link.load(variables).await?;
            variables.extend(loaded.variables);
            self.ticket = Some(loaded.ticket);
        }
        self.context.emit(&Event::chain_started(chain.name(), variables));
        Ok(())
    }
}

/// Runs a whole call.
pub(crate) fn invoke<'c>(
    chain: &'c dyn Chain,
    link: Option<&'c Link>,
    observers: Observers,
    inputs: Variables,
    options: CallOptions,
) -> impl Future<Output = Result<Outcome, ChainError>> + Send + 'c {
    // Made here, and used where the future holds it: an `async fn` has room for its arguments twice.
    let mut prepared = Prepared::new(observers, inputs, options);
    async move {
        prepared.begin(chain, link).await?;
        let run = async {
            check(chain, &prepared.variables)?;
            let answer = chain.run(&prepared.variables, &prepared.context).await?;
            save(link, &mut prepared, &answer, false).await?;
            Ok(answer)
        };
        match run.await {
            Ok(answer) => Ok(end(chain, prepared, answer)),
            Err(error) => Err(fail(chain, link, &prepared, error).await),
        }
    }
}

/// Checks that every required variable is there, and names all that are missing.
pub(crate) fn check(chain: &dyn Chain, variables: &Variables) -> Result<(), ChainError> {
    let lacking =
        chain.slots().iter().filter(|slot| slot.is_required() && !variables.contains(slot.name()));
    let missing: Vec<_> =
        lacking.map(|slot| MissingVariable::new(slot.name(), variables.names())).collect();
    if missing.is_empty() { Ok(()) } else { Err(ChainError::MissingInputs { missing }) }
}

/// Saves the turn, if there is a memory.
pub(crate) async fn save(
    link: Option<&Link>,
    prepared: &mut Prepared,
    answer: &Answer,
    incomplete: bool,
) -> Result<(), ChainError> {
    let Some(link) = link else { return Ok(()) };
    let ticket = prepared.ticket.take().unwrap_or_default();
    let mut turn = link.turn(prepared.turn_id, &prepared.variables, answer);
    turn = turn.with_incomplete(incomplete);
    if let Some(base) = ticket.version() {
        turn = turn.with_base(base);
    }
    link.save(turn, ticket, answer, &prepared.context).await
}

/// Ends a call well.
pub(crate) fn end(chain: &dyn Chain, prepared: Prepared, answer: Answer) -> Outcome {
    let Prepared { mut variables, context, turn_id, permit, .. } = prepared;
    context.emit(&Event::chain_ended(chain.name(), &answer.outputs));
    drop(permit);
    variables.extend(answer.outputs);
    let output_key = chain.outputs().first().cloned().unwrap_or_default();
    Outcome { variables, reply: answer.reply, turn_id, output_key }
}

/// Tells that a call failed after its start, and that its load came to nothing.
pub(crate) async fn fail(
    chain: &dyn Chain,
    link: Option<&Link>,
    prepared: &Prepared,
    error: ChainError,
) -> ChainError {
    prepared.context.emit(&Event::chain_failed(chain.name(), &error));
    abandon(link, prepared.ticket.clone()).await;
    error
}

/// Gives back what a load holds, unless its turn was saved or tried to be.
pub(crate) async fn abandon(link: Option<&Link>, ticket: Option<Ticket>) {
    if let (Some(link), Some(ticket)) = (link, ticket) {
        link.memory().abandon(ticket).await;
    }
}
