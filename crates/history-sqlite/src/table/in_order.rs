//! Rows of sessions by their last use, from which the order of the index differs by up to a minute.

use std::collections::{BTreeMap, btree_map::OccupiedEntry};

use conversant_core::{HistoryError, SessionId};
use rusqlite::{Row, Rows};

use super::{
    failed::Failed,
    session_row::{COLUMNS, MAX_LAG, Session},
};
use crate::error::{corrupt, sqlite_error};

/// The order of a list, by the last use of its sessions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    NewestFirst,
    OldestFirst,
}

/// The sessions of rows that are in the order of the index, those within a minute in any order.
pub(super) struct InOrder<'r> {
    rows: Rows<'r>,
    order: Order,
    /// The place in the index of the row that was read last, or `None` if all were read.
    read_to: Option<i64>,
    sorted: Sorted,
}

type Sorted = BTreeMap<(i64, SessionId), Session>;

impl<'r> InOrder<'r> {
    pub(super) const fn new(rows: Rows<'r>, order: Order) -> Self {
        Self { rows, order, read_to: Some(0), sorted: BTreeMap::new() }
    }

    /// Returns the next session. One whose row is damaged is an error, or passed over.
    pub(super) fn next(
        &mut self,
        failed: &mut Failed,
    ) -> Result<Option<(Session, SessionId)>, HistoryError> {
        loop {
            match first(&mut self.sorted, self.order) {
                Some(first) => {
                    // Whether no session that is still to come can be before it.
                    let is_next = self.read_to.is_none_or(|listed| match self.order {
                        Order::NewestFirst => first.key().0 > listed.saturating_add(MAX_LAG),
                        Order::OldestFirst => first.key().0 < listed,
                    });
                    if is_next {
                        let ((_, id), session) = first.remove_entry();
                        return Ok(Some((session, id)));
                    }
                }
                None if self.read_to.is_none() => return Ok(None),
                None => {}
            }
            let Some(row) = self.rows.next().map_err(sqlite_error)? else {
                self.read_to = None;
                continue;
            };
            if let Some((session, id)) = failed.session(read(row))? {
                self.read_to = Some(session.listed);
                self.sorted.insert((session.used, id), session);
            }
        }
    }
}

/// Reads a session and its id, which is the last column.
pub(super) fn read(row: &Row<'_>) -> Result<(Session, SessionId), HistoryError> {
    let name: String = row.get(COLUMNS).map_err(sqlite_error)?;
    let session = Session::read(row, &name)?;
    let id = SessionId::from_stored(name);
    Ok((session, id.map_err(|error| corrupt("invalid session id", error))?))
}

/// Returns the session that comes first in an order.
fn first(
    sorted: &mut Sorted,
    order: Order,
) -> Option<OccupiedEntry<'_, (i64, SessionId), Session>> {
    match order {
        Order::NewestFirst => sorted.last_entry(),
        Order::OldestFirst => sorted.first_entry(),
    }
}
