//! Leases: one caller at a time, by the time of day that the machine's processes share.

use std::time::Duration;

use conversant_core::{HistoryError, Lease, SessionId, TurnId};
use rusqlite::{Connection, params};

use crate::{clock, failure::failure};

/// Takes a session, if nobody has it or its time is up.
pub(crate) fn take(
    connection: &Connection,
    session: &SessionId,
    time: Duration,
) -> Result<Lease, HistoryError> {
    let now = clock::now();
    connection.execute("DELETE FROM leases WHERE until <= ?1", [now]).map_err(failure)?;
    let holder = TurnId::random();
    let until = now.saturating_add(clock::millis(time));
    let statement = "INSERT OR IGNORE INTO leases (session, holder, until) VALUES (?1, ?2, ?3)";
    let row = params![session.as_str(), holder.as_bytes(), until];
    match connection.execute(statement, row).map_err(failure)? {
        0 => Err(HistoryError::Busy),
        _ => Ok(Lease::new(session.clone(), holder)),
    }
}

/// Gives a session back, if the lease still holds.
pub(crate) fn release(connection: &Connection, lease: &Lease) -> Result<(), HistoryError> {
    let statement = "DELETE FROM leases WHERE session = ?1 AND holder = ?2";
    let row = params![lease.session.as_str(), lease.holder.as_bytes()];
    connection.execute(statement, row).map(drop).map_err(failure)
}
