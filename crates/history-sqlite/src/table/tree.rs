//! The tree of a session's turns: its tip, alternatives and forks.

use std::collections::HashMap;

use conversant_core::{Alternative, Expect, HistoryError, Point, SessionId, Version};
use rusqlite::Connection;

use super::{
    branch::{self, Part},
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
    let current = match session.turns > number {
        true => Some(branch::with_turn(connection, session.head(), number)?.key),
        false => None,
    };
    let tree = branch::tree(connection, session)?;
    let mut followers: Vec<Follower<'_>> = Vec::new();
    // The follower that each branch comes after. A branch comes after the one that it leaves.
    let mut following: HashMap<i64, usize> = HashMap::new();
    for part in &tree {
        let key = part.branch.key;
        if Some(key) == before && number < part.limit {
            followers.push(Follower { first: part, newest: part });
            following.insert(key, followers.len() - 1);
            continue;
        }
        let index = match part.branch.parent {
            parent if parent == before && part.branch.turns == number => {
                followers.push(Follower { first: part, newest: part });
                followers.len() - 1
            }
            parent if parent == before && part.branch.turns < number => continue,
            parent => match parent.and_then(|parent| following.get(&parent)) {
                Some(&index) => index,
                None => continue,
            },
        };
        following.insert(key, index);
        if let Some(follower) = followers.get_mut(index)
            && part.branch.touched >= follower.newest.branch.touched
        {
            follower.newest = part;
        }
    }
    let mut alternatives = Vec::new();
    for Follower { first, newest } in followers {
        let key = first.branch.key;
        let turn = match key == session.key && number < session.earlier {
            true => Some(earlier::header(connection, session, number)?),
            false => stored_at(connection, key, number)?,
        };
        let Some(turn) = turn else { continue };
        let from = newest.branch.turns.max(if newest.branch.key == key { number } else { 0 });
        let last = match last_of(connection, newest.branch.key, from, newest.limit)? {
            None if newest.branch.key == session.key && number < session.earlier => {
                Some(earlier::header(connection, session, session.earlier - 1)?)
            }
            last => last,
        };
        let newest = last.map_or(turn.id, |last| last.id);
        alternatives.push(Alternative::new(turn.id, newest).with_current(current == Some(key)));
    }
    Ok(alternatives)
}

/// A branch with a turn that follows a point.
struct Follower<'t> {
    first: &'t Part,
    /// The last touched of the branch and of those that come after.
    newest: &'t Part,
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
    // One without turns and labels is not a session.
    if at.turns == 0 && label::load(connection, origin)?.1.is_empty() {
        return Ok(current);
    }
    let mut session = session::begin(connection, into, &target)?;
    session.use_at(now());
    label::copy(connection, origin, &session)?;
    if at.turns == 0 {
        Session { written: now(), ..session }.update(connection, into)?;
        return Ok(session.version);
    }
    branch::fork(connection, &session, at.head(), at.turns, at.version.messages)?;
    let version = Version::new(session.version.epoch, at.version.messages).with_tip(at.version.tip);
    let branch = Some(session.key);
    Session { branch, turns: at.turns, version, written: now(), ..session }
        .update(connection, into)?;
    Ok(version)
}
