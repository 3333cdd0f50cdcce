//! The sessions that a filter selects.

use std::time::{Duration, SystemTime};

use conversant_core::{HistoryError, SessionCursor, SessionFilter, SessionId};
use rusqlite::{Connection, params_from_iter, types::Value};

use super::{
    failed::Failed,
    in_order::{InOrder, Order},
    now, search,
    session_row::{MAX_LAG, Session, session_columns},
    unix_millis,
};
use crate::error::sqlite_error;

/// Returns the first millisecond that is not before a time.
fn millis_from(time: SystemTime) -> i64 {
    let nanos = Duration::from_nanos(999_999);
    time.checked_add(nanos).map_or(i64::MAX, unix_millis)
}

/// The sessions that a list is made of, and their order.
#[derive(Clone, Copy)]
pub(super) struct Selection<'s> {
    pub(super) filter: &'s SessionFilter,
    /// The only session that it can be, if it is known.
    pub(super) key: Option<i64>,
    pub(super) after: Option<&'s SessionCursor>,
    pub(super) order: Order,
    pub(super) time_to_live: Option<i64>,
}

impl<'s> Selection<'s> {
    pub(super) const fn new(
        filter: &'s SessionFilter,
        order: Order,
        time_to_live: Option<i64>,
    ) -> Self {
        Self { filter, key: None, after: None, order, time_to_live }
    }

    /// Finds at most `limit` of the sessions.
    pub(super) fn find(
        &self,
        connection: &Connection,
        limit: usize,
        failed: &mut Failed,
    ) -> Result<Vec<(Session, SessionId)>, HistoryError> {
        if self.filter.words().next().is_none() {
            return self.read(connection, limit, failed);
        }
        let mut found: Vec<(Session, SessionId)> = Vec::new();
        for key in search::sessions(connection, self.filter.search_words()?.into_iter())? {
            found.extend(Self { key: Some(key), ..*self }.read(connection, 1, failed)?);
        }
        found.sort_by(|(a, a_id), (b, b_id)| (a.used, a_id).cmp(&(b.used, b_id)));
        if self.order == Order::NewestFirst {
            found.reverse();
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Reads at most `limit` of the sessions, with any text.
    pub(super) fn read(
        &self,
        connection: &Connection,
        limit: usize,
        failed: &mut Failed,
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
            && let Some(session) = sessions.next(failed)?
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
