//! Leases: exclusive use of a session until the machine's clock says that it is over.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conversant_core::{HistoryError, Lease, LeaseHolder, SessionId};
use conversant_history::{begins_later, lease_holder_at};
use rusqlite::{Connection, OptionalExtension, params};

use super::millis;
use crate::{error::sqlite_error, statement::execute};

/// Returns the milliseconds since 1970. They are negative where the clock is not set, so that a
/// lease ends there too.
fn since_1970(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
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
    let clock = SystemTime::now();
    let now = since_1970(clock);
    execute(connection, "DELETE FROM leases WHERE until <= ?1", [now])?;
    let holder = lease_holder_at(clock)?;
    let until = now.saturating_add(millis(time));
    let row = params![session.as_str(), holder.as_bytes(), until];
    let statement = "INSERT OR IGNORE INTO leases (session, holder, until) VALUES (?1, ?2, ?3)";
    if execute(connection, statement, row)? == 0 {
        if !begins_later(&self::holder(connection, session)?, clock) {
            return Err(HistoryError::Busy);
        }
        // The clock was ahead when it was acquired.
        let statement = "UPDATE leases SET holder = ?2, until = ?3 WHERE session = ?1";
        execute(connection, statement, row)?;
    }
    Ok(Lease::new(session.clone(), holder))
}

/// Returns the holder of a lease. A damaged one is of no time.
fn holder(connection: &Connection, session: &SessionId) -> Result<LeaseHolder, HistoryError> {
    let holder: Option<Vec<u8>> = connection
        .prepare_cached("SELECT holder FROM leases WHERE session = ?1")
        .and_then(|mut select| select.query_row([session.as_str()], |row| row.get(0)).optional())
        .map_err(sqlite_error)?;
    let bytes = holder.and_then(|holder| holder.try_into().ok()).unwrap_or_default();
    Ok(LeaseHolder::from_bytes(bytes))
}

/// Releases a lease. Does nothing if it has expired.
pub(crate) fn release(connection: &Connection, lease: &Lease) -> Result<(), HistoryError> {
    let statement = "DELETE FROM leases WHERE session = ?1 AND holder = ?2";
    let row = params![lease.session.as_str(), lease.holder.as_bytes()];
    execute(connection, statement, row).map(drop)
}
