//! Errors of a transfer.

use std::{fmt, io};

use conversant_core::{HistoryError, SessionId};

/// A transfer that failed. What was transferred before remains; repeating the transfer adds nothing
/// twice.
///
/// No error quotes the text of a file.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// A history failed.
    #[error("cannot transfer a session")]
    History(#[source] HistoryError),
    /// A history failed at a session.
    #[error("cannot transfer session `{session}`")]
    Session {
        /// The session.
        session: SessionId,
        /// The history's error.
        source: HistoryError,
    },
    /// The file cannot be read or written.
    #[error("cannot read or write the file")]
    Io(#[source] io::Error),
    /// The file is not a sequence of conversations from this place on.
    #[error("cannot read conversation {conversation} at byte {offset} of the file: {fault}")]
    File {
        /// The position of the conversation, counted from 1.
        conversation: u64,
        /// The place in the file, in bytes from 0.
        offset: u64,
        /// The fault.
        fault: FileFault,
    },
    /// A line of an export of this crate is not a turn of a session.
    #[error("cannot import line {line}: {fault} at byte {column}")]
    Line {
        /// The number of the line, counted from 1.
        line: u64,
        /// The place in the line, counted from 1.
        column: usize,
        /// The fault.
        fault: LineFault,
    },
}

conversant_core::debug_as_report!(TransferError);

impl TransferError {
    /// Names the session at which a history failed.
    pub(crate) fn in_session(self, session: &SessionId) -> Self {
        match self {
            Self::History(source) => Self::Session { session: session.clone(), source },
            other => other,
        }
    }
}

impl From<HistoryError> for TransferError {
    fn from(error: HistoryError) -> Self {
        Self::History(error)
    }
}

impl From<io::Error> for TransferError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A fault of a file, from which on nothing more can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileFault {
    /// The file is a ZIP archive, such as the one in which ChatGPT's export comes.
    Archive,
    /// The file ends within its list.
    EndsEarly,
    /// Something other than a comma or the end of the list follows a conversation.
    Separator,
    /// A comma or a closing bracket is between conversations that are not in a list.
    Between,
    /// Something follows the end of the list.
    Trailing,
    /// The file must be a list of messages, and is not a list.
    NotAList,
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Archive => "it is a ZIP archive; extract its JSON files first",
            Self::EndsEarly => "it ends within its list; get the whole file and import it again",
            Self::Separator => "expected a comma or the end of the list",
            Self::Between => {
                "a comma or a bracket is between conversations; remove it, or write `[` before \
                 the first one and `]` after the last"
            }
            Self::Trailing => "expected the end of the file after the list",
            Self::NotAList => "expected a list",
        })
    }
}

/// A fault of a line that is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineFault {
    /// The line is not UTF-8.
    Encoding,
    /// The line is not JSON, or ends too early.
    Syntax,
    /// The line is JSON, but has a missing, unknown or invalid value.
    Value,
    /// The line is longer than the import accepts.
    TooLong,
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encoding => "invalid UTF-8",
            Self::Syntax => "invalid JSON",
            Self::Value => "missing or invalid value",
            Self::TooLong => "the line is too long",
        })
    }
}
