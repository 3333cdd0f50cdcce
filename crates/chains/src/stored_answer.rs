//! The answer of a repeated call: its turn is stored already, so that no model needs to be called.

use conversant_core::{
    HistoryError, Memory, MemoryError, Messages, Range, Reply, Ticket, Turn, TurnId, Usage,
};

use crate::error::ChainError;

/// The number of turns at the end of a conversation among which a call with a given turn id looks
/// for its own. A client repeats a request soon, and a read must not grow with the conversation.
pub(crate) const RECENT_TURNS: usize = 16;

/// The search for an answer that an earlier call with the same turn id has stored.
pub(crate) enum StoredAnswer {
    /// The turn is new, or its memory stores no turns.
    NotSought,
    Sought {
        /// Whether the chain can make its answer from the stored reply.
        restores: bool,
    },
    Found(Box<Reply>),
    /// The stored answer is that of this call, so nothing is to be saved.
    Taken,
}

/// The result of a search.
#[derive(Default)]
pub(crate) struct Search {
    /// The answer of the turn. `None` if the turn is not among the recent ones, or cannot be listed
    /// by the memory's store.
    pub(crate) reply: Option<Box<Reply>>,
    /// The fingerprint of the last turn that the search saw.
    tip: Option<u64>,
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
    memory: &dyn Memory,
    id: TurnId,
    input: &Messages,
) -> Result<Search, ChainError> {
    let Some((history, session)) = memory.stored_in() else { return Ok(Search::default()) };
    let turns = match history.turns(session, Range::LastTurns(RECENT_TURNS)).await {
        Ok(turns) => turns,
        Err(HistoryError::Unsupported { .. }) => return Ok(Search::default()),
        Err(error) => return Err(ChainError::Load(MemoryError::History(error))),
    };
    let tip = Some(turns.last().map_or(0, |turn| turn.id().fingerprint()));
    let Some(turn) = turns.iter().find(|turn| turn.id() == id) else {
        return Ok(Search { reply: None, tip });
    };
    if turn.is_incomplete() {
        return Err(ChainError::IncompleteTurn { id });
    }
    let reply = reply_of(turn, input).ok_or(ChainError::TurnIdInUse { id })?;
    Ok(Search { reply: Some(reply), tip })
}

/// Returns the answer of a turn, if the turn begins with this input.
fn reply_of(turn: &Turn, input: &Messages) -> Option<Box<Reply>> {
    let messages = turn.messages();
    let answer = messages.len().checked_sub(1).filter(|&last| last >= input.len())?;
    if messages.slice(..input.len()) != *input {
        return None;
    }
    let message = messages.get(answer)?.without_call_record().into_owned();
    let reply = Reply::new(message)
        .with_intermediate(messages.slice(input.len()..answer))
        .with_usage(Usage::default())
        .with_from_cache(true);
    Some(Box::new(reply))
}
