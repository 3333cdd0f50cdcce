//! Holders of leases.

use conversant_core::{HistoryError, LeaseHolder};

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
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| HistoryError::Backend { source: error.into() })?;
    let random = u128::from_be_bytes(bytes) & !(0xf << 76 | 0b11 << 62);
    let uuid = random | 4 << 76 | 0b10 << 62;
    Ok(LeaseHolder::from_bytes(uuid.to_be_bytes()))
}
