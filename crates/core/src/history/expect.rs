//! The position that an append expects of a session.

use super::error::HistoryError;
use crate::version::Version;

/// What an append expects of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expect {
    /// Nothing: the turn goes after whatever is there.
    Any,
    /// That it was not cleared since this version.
    SameEpoch(Version),
    /// That it is at this version, no turn was added since.
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

    /// Checks a session's version against what is expected of it: the rule for every store.
    ///
    /// # Errors
    /// [`HistoryError::Stale`].
    pub fn check(self, current: Version) -> Result<(), HistoryError> {
        let (expected, holds) = match self {
            Self::Any => return Ok(()),
            Self::SameEpoch(version) => {
                let same = version.messages != current.messages || version.matches(current);
                (version, version.epoch == current.epoch && same)
            }
            Self::Exactly(version) => (version, version.matches(current)),
        };
        if holds { Ok(()) } else { Err(HistoryError::Stale { expected, current }) }
    }
}
