//! Positions in a session.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A position in a session: how many messages it has had since it was last cleared, and which turn
/// was its last.
///
/// The default is the version of a session that was never written. `Display` is the epoch, a dot,
/// and the number of messages.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Version {
    /// The number of times the session was cleared.
    pub epoch: u64,
    /// The number of messages since then.
    pub messages: u64,
    /// A fingerprint of the last turn's id ([`TurnId::fingerprint`](crate::TurnId::fingerprint)),
    /// or 0 if it is not known.
    ///
    /// Sessions with the same number of messages can be different conversations. A store may have
    /// been emptied, restored from a backup or replaced while a service was running. The
    /// fingerprint distinguishes them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tip: u64,
}

impl Version {
    /// Creates a version whose last turn is not known.
    #[must_use]
    pub const fn new(epoch: u64, messages: u64) -> Self {
        Self { epoch, messages, tip: 0 }
    }

    /// Sets the fingerprint of the last turn's id.
    #[must_use]
    pub const fn with_tip(mut self, tip: u64) -> Self {
        self.tip = tip;
        self
    }

    /// Returns whether both versions are the same position of the same conversation. A tip that is
    /// not known (0) matches any other.
    #[must_use]
    pub const fn matches(self, other: Self) -> bool {
        self.epoch == other.epoch
            && self.messages == other.messages
            && (self.tip == other.tip || self.tip == 0 || other.tip == 0)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.messages)
    }
}
