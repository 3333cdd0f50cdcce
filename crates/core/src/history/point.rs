//! Points of a conversation, and the turns that follow them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::turn::TurnId;

/// A point of a conversation: its start, or the place after a turn.
///
/// The turns of a session are a tree: each follows a point, and several turns may follow the same
/// one. The conversation is the path from the start to the session's *tip*, the point that the next
/// turn follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Point {
    /// Before the first turn.
    Start,
    /// After a turn.
    After(TurnId),
}

impl Point {
    /// Returns the turn before the point.
    #[must_use]
    pub const fn turn(self) -> Option<TurnId> {
        match self {
            Self::Start => None,
            Self::After(turn) => Some(turn),
        }
    }
}

impl From<TurnId> for Point {
    fn from(turn: TurnId) -> Self {
        Self::After(turn)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("the start"),
            Self::After(turn) => write!(f, "turn {turn}"),
        }
    }
}

/// One of the turns that follow a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alternative {
    /// The turn.
    pub turn: TurnId,
    /// The last stored of the turns that follow it, or the turn itself. As the tip, it shows the
    /// whole alternative.
    pub newest: TurnId,
    /// Whether the turn is on the path to the session's tip.
    pub is_current: bool,
}

impl Alternative {
    /// Creates an alternative that is not on the path to the tip.
    #[must_use]
    pub const fn new(turn: TurnId, newest: TurnId) -> Self {
        Self { turn, newest, is_current: false }
    }

    /// Sets whether the turn is on the path to the session's tip.
    #[must_use]
    pub const fn with_current(mut self, is_current: bool) -> Self {
        self.is_current = is_current;
        self
    }
}
