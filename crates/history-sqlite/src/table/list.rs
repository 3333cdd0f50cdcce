//! Lists of sessions: their titles, labels and times.

use std::time::SystemTime;

use conversant_core::{HistoryError, SessionCursor, SessionFilter, SessionId, SessionInfo, clock};
use rusqlite::Connection;

use super::{
    failed::Failed, in_order::Order, label, now, selection::Selection, session,
    session_row::Session, totals, word_index,
};
use crate::{error::in_session, statement::transaction};

pub(crate) use super::totals::count;

/// A part of a list, and the sessions in it whose counts are not stored.
#[derive(Default)]
pub(crate) struct Listed {
    pub(crate) sessions: Vec<SessionInfo>,
    pub(crate) uncounted: Vec<SessionId>,
}

impl Listed {
    fn push(
        &mut self,
        connection: &Connection,
        session: &Session,
        id: &SessionId,
    ) -> Result<(), HistoryError> {
        if session.bytes.is_none() {
            self.uncounted.push(id.clone());
        }
        let found = info(connection, session, id.clone());
        self.sessions.push(found.map_err(|error| in_session(error, Some(id)))?);
        Ok(())
    }
}

fn info(
    connection: &Connection,
    session: &Session,
    id: SessionId,
) -> Result<SessionInfo, HistoryError> {
    let counted = totals::of(connection, session)?;
    let mut info = SessionInfo::new(id, time(session.used));
    (info.title, info.labels) = label::load(connection, session)?;
    info.created_at = (counted.created > 0).then(|| time(counted.created));
    info.turns = session.turns;
    info.bytes = counted.bytes.unsigned_abs();
    info.totals = counted.totals;
    Ok(info)
}

fn time(millis: i64) -> SystemTime {
    clock::time(u64::try_from(millis).unwrap_or_default())
}

/// Lists at most `limit` sessions that a filter selects, most recently used first.
pub(crate) fn list(
    connection: &Connection,
    filter: &SessionFilter,
    after: Option<&SessionCursor>,
    limit: usize,
    time_to_live: Option<i64>,
) -> Result<Listed, HistoryError> {
    transaction(connection, "BEGIN", || {
        let mut listed = Listed::default();
        let selection = Selection::new(filter, Order::NewestFirst, time_to_live);
        let selection = Selection { after, ..selection };
        for (session, id) in selection.find(connection, limit, &mut Failed::Ends)? {
            listed.push(connection, &session, &id)?;
        }
        Ok(listed)
    })
}

/// Returns a session as a list shows it, if it does.
pub(crate) fn one(
    connection: &Connection,
    id: &SessionId,
    time_to_live: Option<i64>,
) -> Result<Listed, HistoryError> {
    transaction(connection, "BEGIN", || {
        let mut listed = Listed::default();
        let Some(found) = session::find(connection, id, time_to_live)?.session else {
            return Ok(listed);
        };
        let filter = SessionFilter::new();
        let selection = Selection::new(&filter, Order::NewestFirst, time_to_live);
        let selection = Selection { key: Some(found.key), ..selection };
        for (session, id) in selection.read(connection, 1, &mut Failed::Ends)? {
            listed.push(connection, &session, &id)?;
        }
        Ok(listed)
    })
}

/// Sets a label of a session, or removes it. The empty name is that of the title.
pub(crate) fn set(
    connection: &Connection,
    id: &SessionId,
    name: &str,
    value: Option<&str>,
    time_to_live: Option<i64>,
) -> Result<(), HistoryError> {
    let found = session::find(connection, id, time_to_live)?;
    let Some(value) = value else {
        return match &found.session {
            Some(session) => {
                word_index::follow(connection, session.has_search)?;
                label::remove(connection, session, name)
            }
            None => Ok(()),
        };
    };
    let mut session = session::begin(connection, id, &found)?;
    if session.used == 0 {
        session.use_at(now());
        session.written = session.written.max(session.used);
        session.update(connection, id)?;
    }
    label::set(connection, &session, name, value)
}
