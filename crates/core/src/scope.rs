//! Scopes of what a memory knows: a session, a user or a group.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::session::SessionId;

/// The longest id of a user or a group, in bytes.
const MAX_BYTES: usize = 480;

/// The sessions that share what a memory has derived from conversations: facts, or turns that a
/// search finds.
///
/// The default is the session alone. A wider scope is always a choice of the program, by the type
/// of its id.
///
/// # Examples
///
/// ```
/// use conversant_core::{GroupId, Scope, UserId};
///
/// assert_eq!(Scope::default(), Scope::Session);
/// let ada = Scope::from(UserId::new("ada")?);
/// assert_ne!(ada, Scope::from(GroupId::new("ada")?));
/// assert_eq!(UserId::new("").unwrap_err().to_string(), "invalid user id: it has 0 bytes; use 1 to 480");
/// # Ok::<(), conversant_core::ScopeIdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Scope {
    /// The session in which it was said.
    #[default]
    Session,
    /// All sessions of one user.
    User(UserId),
    /// All sessions of a group of users. **Each user of the group sees what the others have said.**
    Group(GroupId),
}

impl Scope {
    /// Returns the session whose note [`FACTS`](crate::Note::FACTS) has the facts of a user or a
    /// group: `conversant:user:ID` or `conversant:group:ID`. `None` for a session, which has its
    /// own.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Scope, UserId};
    ///
    /// let ada = Scope::from(UserId::new("ada")?);
    /// assert_eq!(ada.facts_session().unwrap().as_str(), "conversant:user:ada");
    /// assert_eq!(Scope::Session.facts_session(), None);
    /// # Ok::<(), conversant_core::ScopeIdError>(())
    /// ```
    #[must_use]
    pub fn facts_session(&self) -> Option<SessionId> {
        match self {
            Self::Session => None,
            Self::User(user) => Some(SessionId::reserved("user", user.as_str())),
            Self::Group(group) => Some(SessionId::reserved("group", group.as_str())),
        }
    }
}

macro_rules! scope_id {
    ($(#[$doc:meta])* $id:ident: $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $id(Arc<str>);

        impl $id {
            /// Creates an id.
            ///
            /// # Errors
            /// [`ScopeIdError`] if the id is empty, longer than 480 bytes or contains a NUL.
            pub fn new(id: impl AsRef<str>) -> Result<Self, ScopeIdError> {
                let id = id.as_ref();
                check(id, $kind)?;
                Ok(Self(id.into()))
            }

            /// Returns the id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        /// Shares the text; the other conversions copy it.
        impl TryFrom<Arc<str>> for $id {
            type Error = ScopeIdError;

            fn try_from(id: Arc<str>) -> Result<Self, ScopeIdError> {
                check(&id, $kind)?;
                Ok(Self(id))
            }
        }

        impl TryFrom<String> for $id {
            type Error = ScopeIdError;

            fn try_from(id: String) -> Result<Self, ScopeIdError> {
                Self::new(id)
            }
        }

        impl TryFrom<&str> for $id {
            type Error = ScopeIdError;

            fn try_from(id: &str) -> Result<Self, ScopeIdError> {
                Self::new(id)
            }
        }

        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.as_str().to_owned()
            }
        }
    };
}

fn check(id: &str, kind: &'static str) -> Result<(), ScopeIdError> {
    if id.is_empty() || id.len() > MAX_BYTES {
        return Err(ScopeIdError::Length { kind, bytes: id.len() });
    }
    id.find('\0').map_or(Ok(()), |offset| Err(ScopeIdError::Nul { kind, offset }))
}

scope_id! {
    /// The id of a user: 1 to 480 bytes of UTF-8 without NUL.
    UserId: "user"
}

scope_id! {
    /// The id of a group of users: 1 to 480 bytes of UTF-8 without NUL.
    GroupId: "group"
}

impl From<UserId> for Scope {
    fn from(user: UserId) -> Self {
        Self::User(user)
    }
}

impl From<GroupId> for Scope {
    fn from(group: GroupId) -> Self {
        Self::Group(group)
    }
}

/// An invalid id of a user or a group.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeIdError {
    /// The id is empty or too long.
    #[error("invalid {kind} id: it has {bytes} bytes; use 1 to 480")]
    Length {
        /// `user` or `group`.
        kind: &'static str,
        /// The length in bytes.
        bytes: usize,
    },
    /// The id contains a NUL character.
    #[error("invalid {kind} id: it contains a NUL at byte {offset}")]
    Nul {
        /// `user` or `group`.
        kind: &'static str,
        /// The byte offset of the NUL.
        offset: usize,
    },
}

crate::debug_as_report!(ScopeIdError);
