//! Ranges of a session: where they start, and their messages and turns.

use conversant_core::{HistoryError, Message, Range, Turn};
use rusqlite::Connection;

use super::{message, session::Session, turn};

/// Loads the messages of a range.
pub(crate) fn messages(
    connection: &Connection,
    session: &Session,
    range: Range,
) -> Result<Vec<Message>, HistoryError> {
    message::load(connection, session, start(connection, session, range)?)
}

/// Loads the turns that have messages in a range, each whole, and the turns without messages
/// between them.
pub(crate) fn turns(
    connection: &Connection,
    session: &Session,
    range: Range,
) -> Result<Vec<Turn>, HistoryError> {
    let start = start(connection, session, range)?;
    let all = start == 0;
    let mut stored = turn::last(connection, session, |turn| all || turn.end() > start)?;
    stored.reverse();
    let first = stored.first().map_or(session.version.messages, |turn| turn.first);
    let mut messages = message::load(connection, session, first)?.into_iter();
    let turns = stored.into_iter().map(|stored| {
        let count = usize::try_from(stored.count).unwrap_or(usize::MAX);
        stored.into_turn(messages.by_ref().take(count).collect())
    });
    Ok(turns.collect())
}

/// Returns the sequence number of a range's first message.
fn start(connection: &Connection, session: &Session, range: Range) -> Result<u64, HistoryError> {
    let count = session.version.messages;
    match range {
        Range::After(seen) if turn::follows(connection, session, seen)? => {
            Ok(seen.messages.min(count))
        }
        Range::All | Range::After(_) => Ok(0),
        Range::LastMessages(last) => Ok(count.saturating_sub(last as u64)),
        Range::LastTurns(last) => start_of_last_turns(connection, session, last),
        Range::LastBytes(bytes) => message::start_of_last_bytes(connection, session, bytes),
        _ => Err(HistoryError::Unsupported { what: "this range" }),
    }
}

/// Returns the sequence number of the first message of the last `count` turns. Turns without
/// messages do not count.
fn start_of_last_turns(
    connection: &Connection,
    session: &Session,
    count: usize,
) -> Result<u64, HistoryError> {
    let mut left = count;
    let turns = turn::last(connection, session, |turn| {
        let wanted = left > 0;
        left = left.saturating_sub(usize::from(turn.count > 0));
        wanted
    })?;
    Ok(turns.last().map_or(session.version.messages, |turn| turn.first))
}
