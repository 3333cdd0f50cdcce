//! Holders of leases.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conversant_core::{HistoryError, LeaseHolder, TurnId};

/// The time by which a lease can begin later than now, by a clock that is corrected in small steps.
const CLOCK_STEP: Duration = Duration::from_secs(5);

/// Returns an unguessable holder of a lease: a UUID of version 4, from the system's
/// source of randomness. Only the caller that was given it can release the lease.
///
/// # Errors
/// [`HistoryError::Backend`] if the system has no source of randomness.
///
/// # Examples
///
/// ```
/// use conversant_core::{Lease, SessionId};
/// use conversant_history::lease_holder;
///
/// let lease = Lease::new(SessionId::new("user-7")?, lease_holder()?);
/// assert_ne!(lease.holder, lease_holder()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn lease_holder() -> Result<LeaseHolder, HistoryError> {
    let random = random()? & !(0xf << 76 | 0b11 << 62);
    Ok(uuid(random | 4 << 76))
}

/// Returns an unguessable holder of a lease that begins at a time, by the clock of the
/// machine: a UUID of version 7, with 74 random bits. A lease that is stored with the time at which
/// it ends is over if it [begins later than now](begins_later).
///
/// # Errors
/// [`HistoryError::Backend`] if the system has no source of randomness.
pub fn lease_holder_at(begin: SystemTime) -> Result<LeaseHolder, HistoryError> {
    let Ok(since) = begin.duration_since(UNIX_EPOCH) else { return lease_holder() };
    let random = random()? & !(u128::MAX << 80 | 0xf << 76 | 0b11 << 62);
    Ok(uuid(since.as_millis() << 80 | random | 7 << 76))
}

/// Returns whether the lease of a [holder](lease_holder_at) begins later than now, and by more than
/// the clock is corrected in small steps. The clock was ahead then: a lease that lasted until the
/// time that is stored with it would last longer than it was acquired for.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use conversant_history::{begins_later, lease_holder_at};
///
/// let now = SystemTime::now();
/// let hour = Duration::from_secs(3600);
/// assert!(!begins_later(&lease_holder_at(now)?, now));
/// assert!(begins_later(&lease_holder_at(now + hour)?, now));
/// # Ok::<(), conversant_core::HistoryError>(())
/// ```
#[must_use]
pub fn begins_later(holder: &LeaseHolder, now: SystemTime) -> bool {
    let is_later = |begin: SystemTime| begin.duration_since(now).is_ok_and(|by| by > CLOCK_STEP);
    TurnId::from_u128(u128::from_be_bytes(*holder.as_bytes())).created_at().is_some_and(is_later)
}

/// Sets the variant of a UUID.
fn uuid(bits: u128) -> LeaseHolder {
    LeaseHolder::from_bytes((bits | 0b10 << 62).to_be_bytes())
}

fn random() -> Result<u128, HistoryError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| HistoryError::Backend { source: error.into() })?;
    Ok(u128::from_be_bytes(bytes))
}
