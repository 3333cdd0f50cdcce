//! Session ids.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{fnv1a::fnv1a, turn::TurnId};

/// The longest session id, in bytes.
const MAX_BYTES: usize = 512;

/// The beginning of the ids under which memories store what belongs to a user or a group. A session
/// of such a name would show it, and its deletion would delete it.
const RESERVED: &str = "conversant:";

/// The id of a conversation in a store: 1 to 512 bytes of UTF-8 without NUL, which do not begin
/// with `conversant:`.
///
/// Stores bind or encode it as data and compare it byte for byte. There is no default, so that two
/// users never share a conversation by accident.
///
/// # Examples
///
/// ```
/// use conversant_core::SessionId;
///
/// let session = SessionId::new("user-7")?;
/// assert_eq!(session.as_str(), "user-7");
/// assert_eq!(SessionId::new("").unwrap_err().to_string(), "invalid session id: it has 0 bytes; use 1 to 512");
/// # Ok::<(), conversant_core::SessionIdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// Creates a session id.
    ///
    /// # Errors
    /// [`SessionIdError`] if the id is empty, longer than 512 bytes, contains a NUL or begins with
    /// `conversant:`.
    pub fn new(id: impl AsRef<str>) -> Result<Self, SessionIdError> {
        let id = id.as_ref();
        check_unreserved(id)?;
        Ok(Self(id.into()))
    }

    /// Creates the id of a session that a store contains, for implementers of stores and memories.
    /// It may begin with `conversant:`: memories store what belongs to a user or a group under such
    /// ids, so never pass an id that a client has chosen.
    ///
    /// # Errors
    /// [`SessionIdError`] if the id is empty, longer than 512 bytes or contains a NUL.
    pub fn from_stored(id: impl AsRef<str>) -> Result<Self, SessionIdError> {
        let id = id.as_ref();
        check(id)?;
        Ok(Self(id.into()))
    }

    /// Creates a reserved id: `conversant:KIND:ID`, or `conversant:long-KIND:HASH` if that is too
    /// long for an id.
    pub(crate) fn reserved(kind: &str, id: &str) -> Self {
        let name = format!("{RESERVED}{kind}:{id}");
        if name.len() <= MAX_BYTES {
            return Self(name.into());
        }
        Self(format!("{RESERVED}long-{kind}:{:016x}", fnv1a(id.bytes())).into())
    }

    /// Returns whether the id begins with `conversant:`.
    pub(crate) fn is_reserved(&self) -> bool {
        self.0.starts_with(RESERVED)
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_unreserved(id: &str) -> Result<(), SessionIdError> {
    check(id)?;
    if id.starts_with(RESERVED) { Err(SessionIdError::Reserved) } else { Ok(()) }
}

fn check(id: &str) -> Result<(), SessionIdError> {
    if id.is_empty() || id.len() > MAX_BYTES {
        return Err(SessionIdError::Length { bytes: id.len() });
    }
    id.find('\0').map_or(Ok(()), |offset| Err(SessionIdError::Nul { offset }))
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<TurnId> for SessionId {
    /// Converts a new turn id into a session id, for a conversation without a name.
    fn from(id: TurnId) -> Self {
        Self(id.to_string().into())
    }
}

/// Shares the text; the other conversions copy it.
impl TryFrom<Arc<str>> for SessionId {
    type Error = SessionIdError;

    fn try_from(id: Arc<str>) -> Result<Self, SessionIdError> {
        check_unreserved(&id)?;
        Ok(Self(id))
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

/// An invalid session id.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionIdError {
    /// The id is empty or too long.
    #[error("invalid session id: it has {bytes} bytes; use 1 to 512")]
    Length {
        /// The length in bytes.
        bytes: usize,
    },
    /// The id contains a NUL character.
    #[error("invalid session id: it contains a NUL at byte {offset}")]
    Nul {
        /// The byte offset of the NUL.
        offset: usize,
    },
    /// The id is one of those under which memories store what belongs to a user or a group.
    #[error("invalid session id: it begins with `conversant:`, which is reserved; choose another")]
    Reserved,
}

crate::debug_as_report!(SessionIdError);
