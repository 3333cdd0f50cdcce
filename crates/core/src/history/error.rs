//! Errors of a history.

use std::{fmt, time::Duration};

use crate::{box_error::BoxError, turn::TurnId, version::Version};

/// Returns the difference of two versions in words. Versions of as many messages may end with
/// different turns.
fn stale(expected: Version, current: Version) -> String {
    if (expected.epoch, expected.messages) == (current.epoch, current.messages) {
        return format!("version {current} ends with another turn than expected");
    }
    format!("expected version {expected}, found {current}")
}

/// A store that could not do what it was asked to.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The session is not in the expected state: another writer has appended to it, moved its tip,
    /// cleared it or replaced it.
    #[error("cannot change the conversation: {}", stale(*expected, *current))]
    Stale {
        /// The expected version.
        expected: Version,
        /// The stored version.
        current: Version,
    },
    /// Another caller holds the session or the store.
    #[error("cannot use the conversation: it is busy")]
    Busy,
    /// A message, a note or a fact exceeds its size limit. That of messages is a setting of the
    /// store; those of notes ([`Note::MAX_BYTES`](crate::Note::MAX_BYTES)) and facts are fixed.
    #[error("cannot store a {what} of {bytes} bytes: the limit is {limit} bytes")]
    TooLarge {
        /// The object: "message", "note" or "fact".
        what: &'static str,
        /// The size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The disk or the store's quota is full. Nothing was written. Stores on a disk write before
    /// they free space, so that a removal needs some too.
    #[error("cannot write to the history: the store is full")]
    Full {
        /// The store's own error.
        source: BoxError,
    },
    /// The store is read-only.
    #[error("cannot write to the history: it is read-only")]
    ReadOnly {
        /// The store's own error.
        source: Option<BoxError>,
    },
    /// The stored data cannot be read. It was not changed.
    #[error("cannot use the history: {what}")]
    Corrupt {
        /// The fault and its place.
        what: String,
        /// The store's own error.
        source: Option<BoxError>,
    },
    /// An encrypted record cannot be decrypted: it was altered, or its key is missing. Nothing was
    /// changed.
    #[error("cannot decrypt the conversation")]
    Decryption {
        /// The record and the reason.
        source: BoxError,
    },
    /// A later version of this crate wrote the store.
    #[error(
        "cannot open the history: it has schema version {found}, and this program supports versions up to {known}; update the program"
    )]
    SchemaTooNew {
        /// The version found.
        found: u64,
        /// The latest known.
        known: u64,
    },
    /// The session does not have the turn.
    #[error("cannot find turn {turn} in the conversation")]
    UnknownTurn {
        /// The turn.
        turn: TurnId,
    },
    /// Another turn is stored under the turn's id, such as the incomplete answer of a stream that
    /// was stopped, or the answer of another caller. Nothing was changed.
    ///
    /// Save the turn under a new id, by [`Turn::with_id`](crate::Turn::with_id), or show its answer
    /// alone.
    #[error(
        "cannot append turn `{turn}`: the conversation has {} under its id; use a new id",
        if *incomplete { "an incomplete answer" } else { "other messages" }
    )]
    TurnIdInUse {
        /// The turn.
        turn: TurnId,
        /// Whether the stored answer is incomplete.
        incomplete: bool,
    },
    /// A title or label is empty, too long, or has control characters, or a text to search for has
    /// too many words.
    #[error("cannot use the {what}: {fault}")]
    InvalidText {
        /// The text: "title", "label's name", "label's value" or "text to search for".
        what: &'static str,
        /// The fault.
        fault: TextFault,
    },
    /// The session has the most labels already.
    #[error("cannot add the label: the session has {limit} labels; remove one")]
    TooManyLabels {
        /// The most labels of a session.
        limit: usize,
    },
    /// A filter without conditions would delete all sessions.
    #[error("cannot delete sessions: the filter has no conditions; add a label, a time or a text")]
    EmptyFilter,
    /// The store does not support the operation.
    #[error("cannot use {what}: the history does not support it")]
    Unsupported {
        /// The operation.
        what: &'static str,
    },
    /// The store did not complete the operation in time. A turn may be stored or not: append it
    /// again, with the same id. The store settles the operation before it serves a later one on
    /// that session.
    #[error("cannot complete the operation within {limit:?}")]
    TimedOut {
        /// The store's limit for an operation.
        limit: Duration,
    },
    /// The store failed, or could not be reached.
    #[error("cannot reach the history")]
    Backend {
        /// The store's own error.
        source: BoxError,
    },
}

/// A fault of a title, a label or a text to search for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextFault {
    /// It is empty or too long.
    Length {
        /// The length in bytes.
        bytes: usize,
        /// The least length in bytes.
        min: usize,
        /// The greatest length in bytes.
        max: usize,
    },
    /// It has a control character, such as a line break.
    Control {
        /// The byte offset of the character.
        offset: usize,
    },
    /// It has too many different words.
    Words {
        /// The greatest number of them.
        max: usize,
    },
    /// It has a word that begins or ends with a symbol, which the search passes over.
    Symbols,
    /// It has a word that the search passes over, as a whole or in part, such as a stop word of its
    /// language.
    PassedOver,
}

impl fmt::Display for TextFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { bytes, min, max } => {
                write!(f, "it has {bytes} bytes; use {min} to {max}")
            }
            Self::Words { max } => {
                write!(f, "it has more than {max} different words; use fewer")
            }
            Self::Symbols => f.write_str(
                "it has a word that begins or ends with a symbol, which is not looked up; leave out \
                 the symbol, or the word",
            ),
            Self::PassedOver => f.write_str(
                "it has a word that the search passes over, or a part of one; leave it out",
            ),
            Self::Control { offset } => {
                write!(f, "it has a control character at byte {offset}; remove it")
            }
        }
    }
}

crate::debug_as_report!(HistoryError);
