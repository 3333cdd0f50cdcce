//! Lists of sessions: their titles, labels and times, and deletion by filter.

use std::time::{Duration, SystemTime};

use conversant_core::{HistoryError, SessionCursor, SessionFilter, SessionId, SessionInfo, clock};
use rusqlite::{Connection, params_from_iter, types::Value};

use super::{
    in_order::{InOrder, Order},
    label, now, search, session,
    session_row::{MAX_LAG, Session, session_columns},
    totals, unix_millis, word_index,
};
use crate::{
    error::{in_session, sqlite_error},
    statement::transaction,
};

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

/// Returns the first millisecond that is not before a time.
fn millis_from(time: SystemTime) -> i64 {
    let nanos = Duration::from_nanos(999_999);
    time.checked_add(nanos).map_or(i64::MAX, unix_millis)
}

/// The sessions that a list is made of, and their order.
#[derive(Clone, Copy)]
struct Selection<'s> {
    filter: &'s SessionFilter,
    /// The only session that it can be, if it is known.
    key: Option<i64>,
    after: Option<&'s SessionCursor>,
    order: Order,
    time_to_live: Option<i64>,
}

impl<'s> Selection<'s> {
    const fn new(filter: &'s SessionFilter, order: Order, time_to_live: Option<i64>) -> Self {
        Self { filter, key: None, after: None, order, time_to_live }
    }

    /// Finds at most `limit` of the sessions.
    fn find(
        &self,
        connection: &Connection,
        limit: usize,
    ) -> Result<Vec<(Session, SessionId)>, HistoryError> {
        if self.filter.words().next().is_none() {
            return self.read(connection, limit);
        }
        let mut found: Vec<(Session, SessionId)> = Vec::new();
        for key in search::sessions(connection, self.filter.search_words()?.into_iter())? {
            found.extend(Self { key: Some(key), ..*self }.read(connection, 1)?);
        }
        found.sort_by(|(a, a_id), (b, b_id)| (a.used, a_id).cmp(&(b.used, b_id)));
        if self.order == Order::NewestFirst {
            found.reverse();
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Reads at most `limit` of the sessions, with any text.
    fn read(
        &self,
        connection: &Connection,
        limit: usize,
    ) -> Result<Vec<(Session, SessionId)>, HistoryError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (statement, values) = self.statement();
        let mut statement = connection.prepare_cached(&statement).map_err(sqlite_error)?;
        let rows = statement.query(params_from_iter(values)).map_err(sqlite_error)?;
        let mut sessions = InOrder::new(rows, self.order);
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(session) = sessions.next()?
        {
            found.push(session);
        }
        Ok(found)
    }

    /// Returns the statement that selects the sessions, with any text, and its values.
    fn statement(&self) -> (String, Vec<Value>) {
        let mut statement = concat!(
            "SELECT ",
            session_columns!(),
            ", id FROM sessions WHERE (turns > 0 OR branch IS NOT NULL
         OR EXISTS (SELECT 1 FROM labels WHERE session = key))"
        )
        .to_owned();
        let mut values: Vec<Value> = Vec::new();
        let mut add = |condition: &str, with: &[Value]| {
            statement.push_str(condition);
            values.extend_from_slice(with);
        };
        if let Some(key) = self.key {
            add(" AND key = ?", &[key.into()]);
        }
        for (name, value) in &self.filter.labels {
            add(
                " AND key IN (SELECT session FROM labels
                 WHERE name = ? AND value = ? AND name <> '')",
                &[name.clone().into(), value.clone().into()],
            );
        }
        // Each condition comes twice: for the index, and for the last use itself.
        if let Some(since) = self.filter.used_since.map(millis_from) {
            let earliest = since.saturating_sub(MAX_LAG);
            add(" AND used >= ? AND used + used_lag >= ?", &[earliest.into(), since.into()]);
        }
        if let Some(before) = self.filter.used_before.map(millis_from) {
            add(" AND used < ? AND used + used_lag < ?", &[before.into(), before.into()]);
        }
        if let Some(time) = self.time_to_live {
            add(" AND written >= ?", &[now().saturating_sub(time).into()]);
        }
        if let Some(after) = self.after {
            let millis = i64::try_from(after.last_used_millis()).unwrap_or(i64::MAX);
            let session = after.session().as_str().to_owned();
            let values = [millis.into(), millis.into(), session.into()];
            add(" AND used <= ? AND (used + used_lag, id) < (?, ?)", &values);
        }
        statement.push_str(match self.order {
            Order::NewestFirst => " ORDER BY used DESC, id DESC",
            Order::OldestFirst => " ORDER BY used, id",
        });
        (statement, values)
    }
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
        for (session, id) in (Selection { after, ..selection }).find(connection, limit)? {
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
        for (session, id) in
            (Selection { key: Some(found.key), ..selection }).read(connection, 1)?
        {
            listed.push(connection, &session, &id)?;
        }
        Ok(listed)
    })
}

/// Deletes at most `limit` sessions that a filter selects, least recently used first, and returns
/// how many it deleted.
pub(crate) fn delete(
    connection: &Connection,
    filter: &SessionFilter,
    limit: usize,
    time_to_live: Option<i64>,
) -> Result<usize, HistoryError> {
    let selection = Selection::new(filter, Order::OldestFirst, time_to_live);
    let found = selection.find(connection, limit)?;
    for (_, id) in &found {
        session::delete(connection, id, time_to_live)?;
    }
    Ok(found.len())
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
