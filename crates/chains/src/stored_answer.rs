//! The answer of a repeated call: its turn is stored already, so that no model needs to be called.

use conversant_core::{
    ChatHistory, Expect, HistoryError, MemoryError, Messages, Point, Range, Reply, SessionId,
    Ticket, Turn, TurnId, Usage, Version,
};

use crate::{
    answer::Answer,
    chain::{Chain, RunContext},
    error::ChainError,
    memory_binding::MemoryBinding,
};

/// The number of turns at the end of a conversation among which a call with a given turn id looks
/// for its own, if its store cannot find a turn by its id: a store without branches. A client
/// repeats a request soon, and a read must not grow with the conversation.
pub(crate) const RECENT_TURNS: usize = 16;

/// The search for an answer that an earlier call with the same turn id has stored.
pub(crate) enum StoredAnswer {
    /// The turn is new, or its memory stores no turns.
    NotSought,
    Sought,
    Found(Box<Result<Answer, ChainError>>),
    /// The stored answer is that of this call, so nothing is to be saved.
    Taken,
}

/// The result of a search.
#[derive(Default)]
pub(crate) struct Search {
    /// `None` if the store does not have the turn, or cannot list turns.
    pub(crate) found: Option<Box<FoundTurn>>,
    /// The fingerprint of the last turn that the search saw.
    tip: Option<u64>,
}

/// The stored turn of a call, and the answer in it.
pub(crate) struct FoundTurn {
    turn: Turn,
    reply: Reply,
}

impl StoredAnswer {
    /// Takes the answer that an earlier call has stored.
    pub(crate) fn take(&mut self) -> Option<Result<Answer, ChainError>> {
        if !matches!(self, Self::Found(_)) {
            return None;
        }
        match std::mem::replace(self, Self::Taken) {
            Self::Found(answer) => Some(*answer),
            _ => None,
        }
    }
}

impl FoundTurn {
    /// Makes the chain's answer from the stored one. `has_first_output` is whether the turns of the
    /// chain's memory contain the chain's first output.
    ///
    /// # Errors
    /// [`ChainError::AlreadyAnswered`], if the chain cannot.
    pub(crate) fn restore(
        self,
        chain: &dyn Chain,
        context: &RunContext,
        has_first_output: bool,
    ) -> Result<Result<Answer, ChainError>, ChainError> {
        let Self { turn, reply } = self;
        let restored = has_first_output.then(|| chain.restore(reply, context)).flatten();
        restored.ok_or_else(|| ChainError::AlreadyAnswered { turn: Box::new(turn) })
    }
}

impl Search {
    /// Returns whether the memory was loaded with the turns that the search saw. If not, another
    /// process may have stored the turn in between.
    pub(crate) fn is_current(&self, ticket: &Ticket) -> bool {
        let (Some(seen), Some(loaded)) = (self.tip, ticket.version()) else { return true };
        loaded.tip == 0 || loaded.tip == seen
    }
}

/// Looks for the turn of a call.
///
/// # Errors
/// [`ChainError`], if the turn is stored with another question or an incomplete answer: the new
/// answer would be paid for and could not be stored.
pub(crate) async fn find(
    binding: &MemoryBinding,
    id: TurnId,
    input: &Messages,
) -> Result<Search, ChainError> {
    let Some((history, session)) = binding.memory().stored_in() else {
        return Ok(Search::default());
    };
    // A view that ends at the turn finds it on any branch and at any distance from the tip.
    let at_turn = history.at(Point::After(id));
    let listed = if at_turn.is_some() { 1 } else { RECENT_TURNS };
    let Some(turns) = known(history.turns(session, Range::LastTurns(listed)).await)? else {
        return Ok(Search::default());
    };
    let tip = Some(turns.last().map_or(0, |turn| turn.id().fingerprint()));
    let mut found = turns.into_iter().find(|turn| turn.id() == id);
    if let Some(view) = at_turn.filter(|_| found.is_none()) {
        let turns = known(view.turns(session, Range::LastTurns(1)).await)?;
        found = turns.into_iter().flatten().find(|turn| turn.id() == id);
    }
    let Some(turn) = found else { return Ok(Search { found: None, tip }) };
    if turn.is_incomplete() {
        return Err(ChainError::IncompleteTurn { id });
    }
    let reply = reply_of(&turn, input).ok_or(ChainError::TurnIdInUse { id })?;
    let is_asked = begins_with(&turn, input) || keeps_as(history, session, &turn, input).await?;
    if !is_asked {
        return Err(ChainError::TurnIdInUse { id });
    }
    if binding.is_at_point()
        && tip != Some(id.fingerprint())
        && let Some(base) = turn.base()
    {
        // The turn is stored, so that this stores nothing, and moves the view after it.
        let moved = history.append(session, &turn, Expect::SameEpoch(base)).await;
        moved.map_err(|error| ChainError::Load(MemoryError::History(error)))?;
    }
    Ok(Search { found: Some(Box::new(FoundTurn { turn, reply })), tip })
}

/// Returns the turns of a list. `None` if the store cannot list turns or does not have the turn.
fn known(listed: Result<Vec<Turn>, HistoryError>) -> Result<Option<Vec<Turn>>, ChainError> {
    match listed {
        Ok(turns) => Ok(Some(turns)),
        Err(HistoryError::Unsupported { .. } | HistoryError::UnknownTurn { .. }) => Ok(None),
        Err(error) => Err(ChainError::Load(MemoryError::History(error))),
    }
}

fn begins_with(turn: &Turn, input: &Messages) -> bool {
    turn.messages().slice(..input.len()) == *input
}

/// Returns whether a store that changes messages, such as one that redacts them, keeps the turn
/// with this input as it is stored. Only the store can tell: it compares what it stores.
async fn keeps_as(
    history: &dyn ChatHistory,
    session: &SessionId,
    turn: &Turn,
    input: &Messages,
) -> Result<bool, ChainError> {
    if history.is_verbatim() {
        return Ok(false);
    }
    let mut messages = input.clone();
    messages.append(&turn.messages().slice(input.len()..));
    let asked = Turn::identified(turn.id(), messages);
    // An append is not refused for its expectation if the turn is there. If it has gone since then,
    // this version, which no session has, keeps it from being stored again.
    let never = Expect::Exactly(Version::new(0, i64::MAX.unsigned_abs()));
    match history.append(session, &asked, never).await {
        Ok(_) => Ok(true),
        Err(HistoryError::TurnIdInUse { .. } | HistoryError::Stale { .. }) => Ok(false),
        Err(error) => Err(ChainError::Load(MemoryError::History(error))),
    }
}

/// Returns the answer of a turn whose question has as many messages as this input.
fn reply_of(turn: &Turn, input: &Messages) -> Option<Reply> {
    let messages = turn.messages();
    let answer = messages.len().checked_sub(1).filter(|&last| last >= input.len())?;
    let message = messages.get(answer)?.without_call_record().into_owned();
    let reply = Reply::new(message)
        .with_intermediate(messages.slice(input.len()..answer))
        .with_usage(Usage::default())
        .with_from_cache(true);
    Some(reply)
}
