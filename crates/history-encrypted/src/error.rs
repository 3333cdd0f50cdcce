//! Errors of records that cannot be decrypted.

use std::fmt;

use conversant_core::{HistoryError, SessionId};

use crate::key::KeyId;

/// A record that cannot be decrypted: the source of a [`HistoryError::Decryption`]. It contains no
/// text and no key.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot decrypt {record}{}: {reason}", of_session(self.session.as_ref()))]
#[non_exhaustive]
pub struct DecryptionError {
    /// The record.
    pub record: Record,
    /// The session of a title, a label or an id: its own id, or that of the store if its own one
    /// is blinded and cannot be decrypted. `None` for a message and a note, whose session is that
    /// of the operation.
    pub session: Option<SessionId>,
    /// The reason.
    pub reason: DecryptionFault,
}

fn of_session(session: Option<&SessionId>) -> String {
    session.map_or_else(String::new, |session| format!(" of the session `{session}`"))
}

conversant_core::debug_as_report!(DecryptionError);

impl DecryptionError {
    fn into_error(self) -> HistoryError {
        HistoryError::Decryption { source: self.into() }
    }
}

/// A record of an encrypted history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// A message, by its position in the part that was loaded, counted from 1.
    Message(u64),
    /// A note.
    Note,
    /// The title of a session.
    Title,
    /// A label of a session.
    Label,
    /// The id of a session, which is blinded.
    SessionId,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(position) => write!(f, "message {position}"),
            Self::Note => f.write_str("a note"),
            Self::Title => f.write_str("a title"),
            Self::Label => f.write_str("a label"),
            Self::SessionId => f.write_str("the id"),
        }
    }
}

/// The reason for which a record cannot be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecryptionFault {
    /// The key is not in the keyring: the keyring is a wrong one, or the key's id was altered.
    UnknownKey(KeyId),
    /// The record was altered, or belongs to another session or to another note.
    Altered,
    /// The record is not encrypted.
    NotEncrypted,
    /// The record is not in a form that this version knows.
    UnknownForm,
    /// The record is authentic, but not in its place: records were removed, added, exchanged or
    /// taken from an earlier state.
    Moved,
    /// A turn lacks messages.
    Cut,
    /// The record's turn, or the version that a note covers, is not the one that was stored.
    Mismatch,
}

impl fmt::Display for DecryptionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownKey(id) => {
                return write!(f, "the keyring does not have its key `{id}`; add that key");
            }
            Self::Altered => "it was altered, or belongs to another session",
            Self::NotEncrypted => {
                "it is not encrypted; copy a plain history into a new encrypted one"
            }
            Self::UnknownForm => "its form is unknown; update the program, or restore the record",
            Self::Moved => {
                "it is not in its place; restore the session, or accept moved records to salvage it"
            }
            Self::Cut => "its turn lacks messages; restore the session",
            Self::Mismatch => "its turn or version is not the one that was stored",
        })
    }
}

impl DecryptionFault {
    /// Returns the error of a record.
    pub(crate) fn of(self, record: Record) -> HistoryError {
        DecryptionError { record, session: None, reason: self }.into_error()
    }

    /// Returns the error of a record, which names its session.
    pub(crate) fn in_session(self, record: Record, session: &SessionId) -> HistoryError {
        DecryptionError { record, session: Some(session.clone()), reason: self }.into_error()
    }
}
