//! Leases: exclusive use of a session until the machine's clock says that it is over.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conversant_core::{HistoryError, Lease, SessionId};
use conversant_history::lease_holder;
use rusqlite::{Connection, params};

use super::millis;
use crate::statement::execute;

/// Returns the milliseconds since 1970. They are negative where the clock is not set, so that a
/// lease ends there too.
fn now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    }
}

/// Leases a session, unless another lease of it has not expired.
pub(crate) fn acquire(
    connection: &Connection,
    session: &SessionId,
    time: Duration,
) -> Result<Lease, HistoryError> {
    let now = now();
    execute(connection, "DELETE FROM leases WHERE until <= ?1", [now])?;
    let holder = lease_holder()?;
    let until = now.saturating_add(millis(time));
    let statement = "INSERT OR IGNORE INTO leases (session, holder, until) VALUES (?1, ?2, ?3)";
    let row = params![session.as_str(), holder.as_bytes(), until];
    match execute(connection, statement, row)? {
        0 => Err(HistoryError::Busy),
        _ => Ok(Lease::new(session.clone(), holder)),
    }
}

/// Releases a lease. Does nothing if it has expired.
pub(crate) fn release(connection: &Connection, lease: &Lease) -> Result<(), HistoryError> {
    let statement = "DELETE FROM leases WHERE session = ?1 AND holder = ?2";
    let row = params![lease.session.as_str(), lease.holder.as_bytes()];
    execute(connection, statement, row).map(drop)
}
