//! Points of a session's tree of turns.

use conversant_core::{Expect, HistoryError, Point, Version};
use rusqlite::Connection;

use super::{
    branch::{self, Part},
    path,
    session_row::Session,
    turn_row::Header,
};

/// Returns a session as it was at a point, as if the point was its tip.
pub(super) fn at(
    connection: &Connection,
    session: Option<&Session>,
    point: Point,
) -> Result<Option<Session>, HistoryError> {
    match (session, point) {
        (None, Point::Start) => Ok(None),
        (Some(session), Point::Start) => {
            let root = session.branch.map(|_| branch::root(connection, session));
            let branch = root.transpose()?.map(|root| root.key);
            let version = Version::new(session.version.epoch, 0);
            Ok(Some(Session { branch, turns: 0, version, ..*session }))
        }
        (Some(session), Point::After(turn)) => match path::find(connection, session, turn)? {
            Some((key, header)) => after(connection, session, key, &header).map(Some),
            None => Err(HistoryError::UnknownTurn { turn }),
        },
        (None, Point::After(turn)) => Err(HistoryError::UnknownTurn { turn }),
        (_, point) => match point.turn() {
            Some(turn) => Err(HistoryError::UnknownTurn { turn }),
            None => Err(HistoryError::Unsupported { what: "this point" }),
        },
    }
}

/// Returns whether a session, as [`at`] returns it, ends with its last turn.
pub(super) fn is_tip(
    connection: &Connection,
    session: &Session,
    at: &Session,
) -> Result<bool, HistoryError> {
    if at.turns != session.turns || at.turns == 0 || at.head() == session.head() {
        return Ok(at.turns == session.turns);
    }
    // The first branch of a fork has no turns of its own at first: the last one is in another.
    let last = branch::with_turn(connection, session.head(), at.turns - 1)?;
    Ok(last.key == at.head())
}

/// Returns a session as it was after a turn of a branch.
fn after(
    connection: &Connection,
    session: &Session,
    key: i64,
    header: &Header,
) -> Result<Session, HistoryError> {
    let mut at = Session {
        branch: session.branch.map(|_| key),
        turns: header.number + 1,
        version: Version::new(session.version.epoch, header.end()),
        ..*session
    };
    at.version.tip = match header.count {
        0 => path::tip_before(connection, &at, header.number)?,
        _ => header.tip(),
    };
    Ok(at)
}

/// Returns a session as it was at a version that is not on the path to its tip.
pub(super) fn left(
    connection: &Connection,
    session: &Session,
    expect: Expect,
) -> Result<Option<Session>, HistoryError> {
    let Expect::SameEpoch(version) = expect else { return Ok(None) };
    if session.branch.is_none() || version.epoch != session.version.epoch || version.tip == 0 {
        return Ok(None);
    }
    // Shared branches end where the session was forked.
    for Part { branch, limit } in branch::tree(connection, session)? {
        if let Some(header) = path::ending_at(connection, &branch, limit, version)? {
            return after(connection, session, branch.key, &header).map(Some);
        }
    }
    Ok(None)
}
