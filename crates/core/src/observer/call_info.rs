//! The identity of a call.

use std::fmt;

use crate::{random, session::SessionId, turn::TurnId};

/// The id of a call: 64 random bits. A turn that is repeated has the same turn id but another call
/// id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(u64);

impl CallId {
    /// Creates a new id, from the system's source of randomness.
    #[must_use]
    pub fn random() -> Self {
        Self(random::bits())
    }

    /// Creates an id from 64 bits, for tests.
    #[must_use]
    pub const fn from_u64(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The call that an event belongs to.
///
/// # Examples
///
/// ```
/// use conversant_core::{CallId, CallInfo};
///
/// let call = CallInfo::new(CallId::from_u64(7)).with_chain("LLMChain");
/// assert_eq!(call.id.to_string(), "0000000000000007");
/// assert_eq!(call.chain.as_deref(), Some("LLMChain"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallInfo {
    /// The call's id. All events of a call have the same.
    pub id: CallId,
    /// The call from inside which this one was made, if there is one.
    pub parent: Option<CallId>,
    /// The chain's name, unless a model is called without a chain.
    pub chain: Option<String>,
    /// The session in which the turn is stored, if the chain's memory has one.
    pub session: Option<SessionId>,
    /// The id of the turn, unless a model is called without a chain.
    pub turn_id: Option<TurnId>,
}

impl CallInfo {
    /// Creates the identity of a call that has an id only.
    #[must_use]
    pub const fn new(id: CallId) -> Self {
        Self { id, parent: None, chain: None, session: None, turn_id: None }
    }

    /// Sets the chain's name.
    #[must_use]
    pub fn with_chain(mut self, chain: impl Into<String>) -> Self {
        self.chain = Some(chain.into());
        self
    }

    /// Sets the session.
    #[must_use]
    pub fn with_session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// Sets the id of the turn.
    #[must_use]
    pub const fn with_turn_id(mut self, id: TurnId) -> Self {
        self.turn_id = Some(id);
        self
    }
}
