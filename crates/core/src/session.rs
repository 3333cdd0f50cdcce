//! The name of a conversation.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::turn::TurnId;

/// The longest session id, in bytes.
const LONGEST: usize = 512;

/// The name of a conversation in a store that holds many: 1 to 512 bytes of UTF-8 without NUL.
///
/// It is data: stores bind or encode it, and compare it byte for byte. There is no default, so that no two users share
/// a conversation by accident.
///
/// # Examples
///
/// ```
/// use conversant_core::SessionId;
///
/// let session = SessionId::new("user-7")?;
/// assert_eq!(session.as_str(), "user-7");
/// assert_eq!(SessionId::new("").unwrap_err().to_string(), "a session id has 1 to 512 bytes, and this one has 0");
/// # Ok::<(), conversant_core::SessionIdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// Creates a session id.
    ///
    /// # Errors
    /// [`SessionIdError`], if it is empty, longer than 512 bytes or holds a NUL.
    pub fn new(id: impl Into<Arc<str>>) -> Result<Self, SessionIdError> {
        let id = id.into();
        if id.is_empty() || id.len() > LONGEST {
            return Err(SessionIdError::Length { bytes: id.len() });
        }
        match id.find('\0') {
            Some(offset) => Err(SessionIdError::Nul { offset }),
            None => Ok(Self(id)),
        }
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<TurnId> for SessionId {
    /// Makes a session id of a fresh turn id, for a conversation that needs a name and has none.
    fn from(id: TurnId) -> Self {
        Self(id.to_string().into())
    }
}

impl TryFrom<String> for SessionId {
    type Error = SessionIdError;

    fn try_from(id: String) -> Result<Self, SessionIdError> {
        Self::new(id)
    }
}

impl TryFrom<&str> for SessionId {
    type Error = SessionIdError;

    fn try_from(id: &str) -> Result<Self, SessionIdError> {
        Self::new(id)
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.as_str().to_owned()
    }
}

/// A text that is no session id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionIdError {
    /// It is empty or too long.
    #[error("a session id has 1 to 512 bytes, and this one has {bytes}")]
    Length {
        /// How many bytes it has.
        bytes: usize,
    },
    /// It holds a NUL character.
    #[error("a session id holds no NUL, and this one has one at byte {offset}")]
    Nul {
        /// Where.
        offset: usize,
    },
}
