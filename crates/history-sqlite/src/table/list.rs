//! Lists of sessions: their titles, labels and times, and deletion by filter.

use std::{
    collections::{BTreeMap, btree_map::OccupiedEntry},
    ops::ControlFlow,
    time::{Duration, SystemTime},
};

use conversant_core::{HistoryError, SessionCursor, SessionFilter, SessionId, SessionInfo, clock};
use rusqlite::{Connection, params_from_iter, types::Value};

use super::{
    label, now, search, session,
    session_row::{COLUMNS, MAX_LAG, Session, session_columns},
    totals, unix_millis, word_index,
};
use crate::{
    error::{corrupt, sqlite_error},
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
        id: SessionId,
    ) -> Result<(), HistoryError> {
        if session.bytes.is_none() {
            self.uncounted.push(id.clone());
        }
        self.sessions.push(info(connection, session, id)?);
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

/// The order of a list, by the last use of its sessions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    NewestFirst,
    OldestFirst,
}

/// Calls a function with the sessions that a filter selects, without its text, until it breaks.
fn select(
    connection: &Connection,
    filter: &SessionFilter,
    key: Option<i64>,
    after: Option<&SessionCursor>,
    order: Order,
    time_to_live: Option<i64>,
    mut each: impl FnMut(&Session, SessionId) -> Result<ControlFlow<()>, HistoryError>,
) -> Result<(), HistoryError> {
    let mut select = concat!(
        "SELECT ",
        session_columns!(),
        ", id FROM sessions WHERE (turns > 0 OR branch IS NOT NULL
         OR EXISTS (SELECT 1 FROM labels WHERE session = key))"
    )
    .to_owned();
    let mut values: Vec<Value> = Vec::new();
    let mut add = |condition: &str, with: &[Value]| {
        select.push_str(condition);
        values.extend_from_slice(with);
    };
    if let Some(key) = key {
        add(" AND key = ?", &[key.into()]);
    }
    for (name, value) in &filter.labels {
        add(
            " AND key IN (SELECT session FROM labels WHERE name = ? AND value = ? AND name <> '')",
            &[name.clone().into(), value.clone().into()],
        );
    }
    // Each condition comes twice: for the index, and for the last use itself.
    if let Some(since) = filter.used_since.map(millis_from) {
        let earliest = since.saturating_sub(MAX_LAG);
        add(" AND used >= ? AND used + used_lag >= ?", &[earliest.into(), since.into()]);
    }
    if let Some(before) = filter.used_before.map(millis_from) {
        add(" AND used < ? AND used + used_lag < ?", &[before.into(), before.into()]);
    }
    if let Some(time) = time_to_live {
        add(" AND written >= ?", &[now().saturating_sub(time).into()]);
    }
    if let Some(after) = after {
        let millis = i64::try_from(after.last_used_millis()).unwrap_or(i64::MAX);
        let session = after.session().as_str().to_owned();
        let values = [millis.into(), millis.into(), session.into()];
        add(" AND used <= ? AND (used + used_lag, id) < (?, ?)", &values);
    }
    select.push_str(match order {
        Order::NewestFirst => " ORDER BY used DESC, id DESC",
        Order::OldestFirst => " ORDER BY used, id",
    });
    let mut select = connection.prepare_cached(&select).map_err(sqlite_error)?;
    let mut rows = select.query(params_from_iter(values)).map_err(sqlite_error)?;
    // The rows are in the order of the index, those within a minute in any order.
    let mut sorted: BTreeMap<(i64, SessionId), Session> = BTreeMap::new();
    loop {
        let row = rows.next().map_err(sqlite_error)?;
        let next = match row {
            Some(row) => {
                let name: String = row.get(COLUMNS).map_err(sqlite_error)?;
                let session = Session::read(row, &name)?;
                let id = SessionId::from_stored(name);
                let id = id.map_err(|error| corrupt("invalid session id", error))?;
                Some((session, id))
            }
            None => None,
        };
        let listed = next.as_ref().map(|(session, _)| session.listed);
        while let Some(first) = first(&mut sorted, order) {
            // Whether a session that is still to come can be before it.
            let can_follow = listed.is_some_and(|listed| match order {
                Order::NewestFirst => first.key().0 <= listed.saturating_add(MAX_LAG),
                Order::OldestFirst => first.key().0 >= listed,
            });
            if can_follow {
                break;
            }
            let ((_, id), session) = first.remove_entry();
            if each(&session, id)?.is_break() {
                return Ok(());
            }
        }
        let Some((session, id)) = next else { return Ok(()) };
        sorted.insert((session.used, id), session);
    }
}

/// Returns the session that comes first in an order.
fn first(
    sorted: &mut BTreeMap<(i64, SessionId), Session>,
    order: Order,
) -> Option<OccupiedEntry<'_, (i64, SessionId), Session>> {
    match order {
        Order::NewestFirst => sorted.last_entry(),
        Order::OldestFirst => sorted.first_entry(),
    }
}

/// Finds at most `limit` sessions that a filter selects, in an order.
fn find(
    connection: &Connection,
    filter: &SessionFilter,
    after: Option<&SessionCursor>,
    limit: usize,
    order: Order,
    time_to_live: Option<i64>,
) -> Result<Vec<(Session, SessionId)>, HistoryError> {
    let mut found: Vec<(Session, SessionId)> = Vec::new();
    if filter.words().next().is_none() {
        if limit > 0 {
            select(connection, filter, None, after, order, time_to_live, |session, id| {
                found.push((*session, id));
                let is_full = found.len() >= limit;
                Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
        }
        return Ok(found);
    }
    for key in search::sessions(connection, filter.search_words()?.into_iter())? {
        select(connection, filter, Some(key), after, order, time_to_live, |session, id| {
            found.push((*session, id));
            Ok(ControlFlow::Continue(()))
        })?;
    }
    found.sort_by(|(a, a_id), (b, b_id)| (a.used, a_id).cmp(&(b.used, b_id)));
    if order == Order::NewestFirst {
        found.reverse();
    }
    found.truncate(limit);
    Ok(found)
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
        let order = Order::NewestFirst;
        for (session, id) in find(connection, filter, after, limit, order, time_to_live)? {
            listed.push(connection, &session, id)?;
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
        let (filter, order) = (SessionFilter::new(), Order::NewestFirst);
        select(connection, &filter, Some(found.key), None, order, time_to_live, |session, id| {
            listed.push(connection, session, id)?;
            Ok(ControlFlow::Break(()))
        })?;
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
    let found = find(connection, filter, None, limit, Order::OldestFirst, time_to_live)?;
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
