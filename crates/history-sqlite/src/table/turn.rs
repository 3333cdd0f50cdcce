//! Appending turns.

use conversant_core::{
    Expect, HistoryError, Message, Point, SessionId, Turn, TurnId, UsageTotals, Version,
};
use rusqlite::Connection;

use super::{
    branch::{self, Branch},
    earlier, now, path, point as points,
    seen::SeenSessions,
    session,
    session_row::Session,
    totals,
    turn_row::{Header, at_place, damaged, decode, insert, insert_new, stored_at},
    unix_millis,
};

/// A turn to append, in its stored form.
pub(crate) struct NewTurn {
    id: TurnId,
    incomplete: bool,
    base: Option<Version>,
    count: u64,
    body: String,
    /// The time of the turn, if its id has one, for lists.
    made: Option<i64>,
    totals: UsageTotals,
}

impl NewTurn {
    /// Encodes a turn.
    pub(crate) fn encode(turn: &Turn, max_message_bytes: u64) -> Result<Self, HistoryError> {
        Ok(Self {
            id: turn.id(),
            incomplete: turn.is_incomplete(),
            base: turn.base(),
            count: turn.messages().len() as u64,
            body: turn.messages().to_compact_json(max_message_bytes)?,
            made: turn.id().created_at().map(unix_millis),
            totals: UsageTotals::of_turn(turn),
        })
    }

    /// Returns the turn's row after the last turn of a session, or of one of its branches.
    fn header(&self, at: &Session) -> Header {
        Header {
            number: at.turns,
            id: self.id,
            first: at.version.messages,
            count: self.count,
            incomplete: self.incomplete,
            base: self.base,
        }
    }

    /// Notes in a session, and in its sums, that the turn is appended now.
    fn count_in(&self, connection: &Connection, session: &mut Session) -> Result<(), HistoryError> {
        let now = now();
        session.use_at(self.made.map_or(now, |made| made.min(now)));
        session.written = now;
        if let Some(bytes) = &mut session.bytes {
            *bytes = bytes.saturating_add_unsigned(self.body.len() as u64);
            totals::add(connection, session, self.totals)?;
        }
        Ok(())
    }

    /// Checks that the turn that is stored under the id is this one.
    fn check_stored(
        &self,
        connection: &Connection,
        session: &Session,
        branch: i64,
        stored: &Header,
    ) -> Result<(), HistoryError> {
        let is_whole = self.incomplete || !stored.incomplete;
        let messages = if stored.number < session.earlier {
            earlier::messages(connection, session, stored)?
        } else {
            let found = at_place(connection, branch, stored.number, |row| {
                if is_whole && row.body == self.body {
                    return Ok(None);
                }
                decode(stored, row.body).map(Some)
            })?;
            match found {
                Some(Some(messages)) => messages,
                Some(None) => return Ok(()),
                None => return Err(damaged()),
            }
        };
        let own = Message::list_from_stored_json(&self.body, "the turn to append")?;
        let own = Turn::identified(self.id, own).with_incomplete(self.incomplete);
        own.check_stored(&stored.into_turn(messages))
    }
}

/// Appends a turn at a point, which becomes the tip, unless it is stored already or the session is
/// not in the expected state. `None` is the tip.
pub(crate) fn append(
    connection: &Connection,
    seen: &mut SeenSessions,
    id: &SessionId,
    turn: &NewTurn,
    point: Option<Point>,
    expect: Expect,
    time_to_live: Option<i64>,
) -> Result<Version, HistoryError> {
    let found = match point {
        None => session::find_seen(connection, seen, id, time_to_live)?,
        Some(_) => session::find_whole(connection, id, time_to_live)?,
    };
    if let (Some(mut session), None) = (found.session, point)
        && turn.count > 0
        && can_follow(&session, expect)
    {
        let header = turn.header(&session);
        if insert_new(connection, session.key, &header, &turn.body)? {
            let version = header.version_after(session.version);
            turn.count_in(connection, &mut session)?;
            session = Session { turns: session.turns + 1, version, ..session };
            session.update(connection, id)?;
            seen.remember(id, session);
            return Ok(version);
        }
    }
    if let Some(session) = &found.session
        && let Some((branch, stored)) = path::find(connection, session, turn.id)?
    {
        turn.check_stored(connection, session, branch, &stored)?;
        return Ok(Version::new(session.version.epoch, stored.end()).with_tip(stored.tip()));
    }
    let at = match point {
        Some(point) => points::at(connection, found.session.as_ref(), point)?,
        None => found.session,
    };
    let current = at.map_or(found.version, |at| at.version);
    let (at, is_tip) = match path::check(connection, current, at.as_ref(), expect) {
        Ok(()) => (at, true),
        // The tip was moved since: the turn is an alternative.
        Err(error) => {
            match found.session.map(|s| points::left(connection, &s, expect)).transpose()? {
                Some(Some(left)) => (Some(left), false),
                _ => return Err(error),
            }
        }
    };
    if turn.count == 0 {
        return Ok(at.map_or(found.version, |at| at.version));
    }
    let mut session = session::begin(connection, id, &found)?;
    let at = at.unwrap_or(session);
    let header = turn.header(&at);
    let version = header.version_after(at.version);
    let branch = store(connection, &session, &at, &header, &turn.body)?;
    turn.count_in(connection, &mut session)?;
    if is_tip {
        session = Session { branch, turns: at.turns + 1, version, ..session };
    }
    session.update(connection, id)?;
    seen.remember(id, session);
    Ok(version)
}

/// Returns whether a turn can follow the last one of a session without a look at other turns.
fn can_follow(session: &Session, expect: Expect) -> bool {
    let is_expected = expect.check(session.version).is_ok()
        && expect.version().is_none_or(|expected| expected == session.version);
    // What an insertion ignores is ignored by its triggers too, which are those of a search.
    is_expected && session.branch.is_none() && session.earlier == 0 && !session.has_search
}

/// Stores a turn at the end of a path, in its branch or in a new one. Returns the key of the branch
/// if the session has several.
fn store(
    connection: &Connection,
    session: &Session,
    at: &Session,
    turn: &Header,
    body: &str,
) -> Result<Option<i64>, HistoryError> {
    if session.branch.is_none() && at.turns == session.turns {
        insert(connection, session.key, turn, body)?;
        return Ok(None);
    }
    let head = at.head();
    let is_own = head == session.key || Branch::load(connection, head)?.session == session.key;
    if is_own && stored_at(connection, head, turn.number)?.is_none() {
        insert(connection, head, turn, body)?;
        branch::touch(connection, session, head)?;
        return Ok(Some(head));
    }
    let parent = match turn.number.checked_sub(1) {
        Some(last) => branch::with_turn(connection, head, last)?.key,
        None => head,
    };
    let key = branch::create(connection, session, parent, turn.number, turn.first)?;
    insert(connection, key, turn, body)?;
    Ok(Some(key))
}
