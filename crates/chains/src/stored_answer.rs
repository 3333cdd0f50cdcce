//! The answer of a repeated call: its turn is stored already, so that no model needs to be called.

use conversant_core::{
    HistoryError, Memory, MemoryError, Messages, Range, Reply, Turn, TurnId, Usage,
};

use crate::error::ChainError;

/// The number of turns at the end of a conversation among which a call with a given turn id looks
/// for its own. A client repeats a request soon, and a read must not grow with the conversation.
pub(crate) const RECENT_TURNS: usize = 16;

/// The search for an answer that an earlier call with the same turn id has stored.
pub(crate) enum StoredAnswer {
    /// The turn is new, or its chain does not look for it.
    NotSought,
    Sought,
    Found(Box<Reply>),
    /// The stored answer is that of this call, so nothing is to be saved.
    Taken,
}

/// Returns the answer of a turn that is stored already, or `None` if the turn is not among the
/// recent ones, is incomplete, or cannot be listed by the memory's store.
pub(crate) async fn find(
    memory: &dyn Memory,
    id: TurnId,
    input: &Messages,
) -> Result<Option<Box<Reply>>, ChainError> {
    let Some((history, session)) = memory.stored_in() else { return Ok(None) };
    let turns = match history.turns(session, Range::LastTurns(RECENT_TURNS)).await {
        Ok(turns) => turns,
        Err(HistoryError::Unsupported { .. }) => return Ok(None),
        Err(error) => return Err(ChainError::Load(MemoryError::History(error))),
    };
    let Some(turn) = turns.iter().find(|turn| turn.id() == id && !turn.is_incomplete()) else {
        return Ok(None);
    };
    reply_of(turn, input).map(Some).ok_or(ChainError::TurnIdInUse { id })
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
