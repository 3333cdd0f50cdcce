//! The expectations of an append.

use std::cmp::Ordering;

use super::error::HistoryError;
use crate::version::Version;

/// The state in which an append expects the session.
///
/// # Examples
///
/// ```
/// use conversant_core::{Expect, HistoryError, Version};
///
/// // A call loaded two messages. Meanwhile another writer has appended two more.
/// let (loaded, now) = (Version::new(0, 2), Version::new(0, 4));
/// assert!(Expect::SameEpoch(loaded).check(now).is_ok());
/// let refused = Expect::Exactly(loaded).check(now);
/// assert!(matches!(refused, Err(HistoryError::Stale { .. })));
///
/// // The session was cleared, which begins a new epoch.
/// assert!(Expect::SameEpoch(loaded).check(Version::new(1, 0)).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expect {
    /// Any state: the turn is appended to what is stored.
    Any,
    /// The session was not cleared or replaced since this version. Turns may have been added.
    SameEpoch(Version),
    /// The session is at this version; no turn was added since.
    Exactly(Version),
}

impl Expect {
    /// Returns the version that is expected, if one is.
    #[must_use]
    pub const fn version(self) -> Option<Version> {
        match self {
            Self::Any => None,
            Self::SameEpoch(version) | Self::Exactly(version) => Some(version),
        }
    }

    /// Checks the expectation against a session's version. Every store applies this rule, and
    /// compares the [`tip`](Version::tip) of an earlier version with that of the turn which the
    /// session had then.
    ///
    /// # Errors
    /// [`HistoryError::Stale`].
    pub fn check(self, current: Version) -> Result<(), HistoryError> {
        let (expected, holds) = match self {
            Self::Any => return Ok(()),
            Self::SameEpoch(version) => {
                let same = match version.messages.cmp(&current.messages) {
                    // The store compares the tip that the session had then.
                    Ordering::Less => true,
                    Ordering::Equal => version.matches(current),
                    Ordering::Greater => version.tip == 0,
                };
                (version, version.epoch == current.epoch && same)
            }
            Self::Exactly(version) => (version, version.matches(current)),
        };
        if holds { Ok(()) } else { Err(HistoryError::Stale { expected, current }) }
    }
}
