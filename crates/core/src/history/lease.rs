//! Leases of sessions, and the secrets of their holders.

use std::fmt;

use uuid::Uuid;

use crate::{random, session::SessionId};

/// Exclusive use of a session, until the lease is released or expires.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The session.
    pub session: SessionId,
    /// The holder's secret.
    pub holder: LeaseHolder,
}

impl Lease {
    /// Creates a lease of a session for a holder.
    #[must_use]
    pub const fn new(session: SessionId, holder: LeaseHolder) -> Self {
        Self { session, holder }
    }
}

/// The secret of a lease's holder. Who has it can release the lease, so `Debug` withholds it, and
/// no client should see it.
///
/// # Examples
///
/// ```
/// use conversant_core::LeaseHolder;
///
/// let holder = LeaseHolder::from_bytes([7; 16]);
/// assert_eq!(holder.as_bytes(), &[7; 16]);
/// assert_eq!(holder.stored_text(), "07070707-0707-0707-0707-070707070707");
/// assert_eq!(format!("{holder:?}"), "LeaseHolder { .. }");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseHolder([u8; 16]);

impl LeaseHolder {
    /// Creates a holder from bytes that cannot be guessed. `conversant_history::lease_holder` takes
    /// them from the system's source of randomness.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Creates a holder from the hash keys of the standard library. No two are alike, but they are
    /// no secrets: for a store whose callers share the process.
    #[must_use]
    pub fn in_process() -> Self {
        let [high, low] = [random::bits(), random::bits()];
        Self((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
    }

    /// Returns the bytes, for a store that compares them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Returns the text by which a store keeps the holder, in the form of a UUID. It is as secret
    /// as the holder.
    #[must_use]
    pub fn stored_text(&self) -> String {
        Uuid::from_bytes(self.0).to_string()
    }
}

impl fmt::Debug for LeaseHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseHolder").finish_non_exhaustive()
    }
}
