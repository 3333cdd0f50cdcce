//! The tree of a session's turns: its tip, alternatives and forks.

use conversant_core::{Alternative, Expect, HistoryError, Point, SessionId, TurnId, Version};
use rusqlite::Connection;

use super::{
    branch::{self, Branch},
    earlier, label, now, path,
    point::at,
    session,
    session_row::Session,
    turn_row::{last_of, stored_at},
};
use crate::statement::transaction;

/// Moves the tip of a session to a point.
pub(crate) fn set_tip(
    connection: &Connection,
    id: &SessionId,
    tip: Point,
    expect: Expect,
    time_to_live: Option<i64>,
) -> Result<Version, HistoryError> {
    let found = session::find_whole(connection, id, time_to_live)?;
    path::check(connection, found.version, found.session.as_ref(), expect)?;
    let at = at(connection, found.session.as_ref(), tip)?;
    // A session that was never written is at its start.
    let (Some(session), Some(at)) = (&found.session, at) else { return Ok(found.version) };
    if (at.turns, at.branch) != (session.turns, session.branch) {
        branch::begin(connection, session)?;
        let branch = Some(at.head());
        Session { branch, written: now(), ..at }.update(connection, id)?;
    }
    Ok(at.version)
}

/// Lists the turns of a session that follow a point.
pub(crate) fn alternatives(
    connection: &Connection,
    id: &SessionId,
    point: Point,
    time_to_live: Option<i64>,
) -> Result<Vec<Alternative>, HistoryError> {
    transaction(connection, "BEGIN", || {
        let found = session::find(connection, id, time_to_live)?;
        let at = at(connection, found.session.as_ref(), point)?;
        match (&found.session, at) {
            (Some(session), Some(at)) => followers(connection, session, &at),
            _ => Ok(Vec::new()),
        }
    })
}

fn followers(
    connection: &Connection,
    session: &Session,
    at: &Session,
) -> Result<Vec<Alternative>, HistoryError> {
    let number = at.turns;
    // A branch that begins at this point is a follower, not the branch before it.
    let before = match number.checked_sub(1) {
        Some(last) => Some(branch::with_turn(connection, at.head(), last)?.key),
        None => None,
    };
    let own = Branch::of_session(connection, session.key)?;
    let mut followers: Vec<i64> = before.into_iter().collect();
    let leaves = |branch: &&Branch| branch.parent == before && branch.turns == number;
    followers.extend(own.iter().filter(leaves).map(|branch| branch.key));
    if number == 0 {
        let root = branch::root(connection, session)?.key;
        followers.retain(|&key| key != root);
        followers.insert(0, root);
    }
    let current = match session.turns > number {
        true => Some(branch::with_turn(connection, session.head(), number)?.key),
        false => None,
    };
    let mut alternatives = Vec::new();
    for key in followers {
        if number >= branch::limit(connection, session, key)? {
            continue;
        }
        let first = match key == session.key && number < session.earlier {
            true => Some(earlier::header(connection, session, number)?),
            false => stored_at(connection, key, number)?,
        };
        let Some(first) = first else { continue };
        let newest = newest(connection, session, &own, key, number)?.unwrap_or(first.id);
        let is_current = current == Some(key);
        alternatives.push(Alternative::new(first.id, newest).with_current(is_current));
    }
    Ok(alternatives)
}

/// Returns the turn that was stored last of a turn and all that follow it.
fn newest(
    connection: &Connection,
    session: &Session,
    own: &[Branch],
    key: i64,
    number: u64,
) -> Result<Option<TurnId>, HistoryError> {
    let mut newest: Option<(u64, TurnId)> = None;
    let mut open = vec![(key, number)];
    while let Some((key, number)) = open.pop() {
        let limit = branch::limit(connection, session, key)?;
        let last = match last_of(connection, key, number, limit)? {
            None if key == session.key && number < session.earlier => {
                Some(earlier::header(connection, session, session.earlier - 1)?)
            }
            last => last,
        };
        if let Some(last) = last {
            let branch = own.iter().find(|branch| branch.key == key);
            let touched = branch.map_or(0, |branch| branch.touched);
            if newest.is_none_or(|(most, _)| touched >= most) {
                newest = Some((touched, last.id));
            }
        }
        let leaves = own.iter().filter(|other| other.parent == Some(key) && other.turns > number);
        open.extend(leaves.map(|other| (other.key, other.turns)));
    }
    Ok(newest.map(|(_, id)| id))
}

/// Begins a session with the turns of another one up to a point. They are shared.
pub(crate) fn fork(
    connection: &Connection,
    id: &SessionId,
    point: Point,
    into: &SessionId,
    time_to_live: Option<i64>,
) -> Result<Version, HistoryError> {
    let source = session::find_whole(connection, id, time_to_live)?;
    let at = at(connection, source.session.as_ref(), point)?;
    let target = session::find(connection, into, time_to_live)?;
    let current = target.version;
    if target.session.as_ref().is_some_and(|session| session.turns > 0 || session.branch.is_some())
    {
        let expected = Version::new(current.epoch, 0);
        return Err(HistoryError::Stale { expected, current });
    }
    // A session that was never written has nothing to take over.
    let (Some(origin), Some(at)) = (&source.session, at) else { return Ok(current) };
    let mut session = session::begin(connection, into, &target)?;
    session.use_at(now());
    label::copy(connection, origin, &session)?;
    branch::fork(connection, &session, at.head(), at.turns, at.version.messages)?;
    let version = Version::new(session.version.epoch, at.version.messages).with_tip(at.version.tip);
    let branch = Some(session.key);
    Session { branch, turns: at.turns, version, written: now(), ..session }
        .update(connection, into)?;
    Ok(version)
}
