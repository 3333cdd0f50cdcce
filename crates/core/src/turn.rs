//! Turns of a conversation and their ids.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use crate::{
    clock::{self, SystemTime, UNIX_EPOCH},
    content::Content,
    message::Message,
    messages::Messages,
    random,
    version::Version,
};

/// The id of a turn. Saving a turn is idempotent by its id.
///
/// A UUID of version 7, made before the model is called.
///
/// # Examples
///
/// ```
/// use conversant_core::TurnId;
///
/// let id = TurnId::random();
/// assert_eq!(id.to_string().parse::<TurnId>()?, id);
/// # Ok::<(), conversant_core::TurnIdError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TurnId(Uuid);

impl TurnId {
    /// Creates a new id, from the time and the system's source of randomness.
    ///
    /// On `wasm32-unknown-unknown`, both come from JavaScript.
    #[must_use]
    pub fn random() -> Self {
        Self::at(SystemTime::now())
    }

    /// Creates a new id as if it were made at a time, for tests and for imports.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use conversant_core::TurnId;
    ///
    /// let time = UNIX_EPOCH + Duration::from_millis(1_780_000_000_123);
    /// assert_eq!(TurnId::at(time).created_at(), Some(time));
    /// assert_eq!(TurnId::from_u128(7).created_at(), None);
    /// ```
    #[must_use]
    pub fn at(time: SystemTime) -> Self {
        Self::of_millis(clock::millis(time))
    }

    /// Returns the time at which the id was made, to the millisecond, if it is a UUID of version 7.
    #[must_use]
    pub fn created_at(&self) -> Option<SystemTime> {
        let (seconds, nanos) =
            self.0.get_timestamp().filter(|_| self.0.get_version_num() == 7)?.to_unix();
        UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
    }

    /// Returns the time of a turn with this id that is stored `now`, for lists of sessions. It is
    /// the time at which the id was made, or `now` if that is earlier or the id has no time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use conversant_core::TurnId;
    ///
    /// let [made, now] = [5, 7].map(|time| UNIX_EPOCH + Duration::from_millis(time));
    /// assert_eq!(TurnId::at(made).stored_at(now), made);
    /// assert_eq!(TurnId::at(now).stored_at(made), made);
    /// assert_eq!(TurnId::from_u128(1).stored_at(now), now);
    /// ```
    #[must_use]
    pub fn stored_at(&self, now: SystemTime) -> SystemTime {
        self.created_at().map_or(now, |made| made.min(now))
    }

    fn of_millis(millis: u64) -> Self {
        let mut bytes = [0; 10];
        for chunk in bytes.chunks_mut(8) {
            let random = random::bits().to_ne_bytes();
            chunk.iter_mut().zip(random).for_each(|(byte, random)| *byte = random);
        }
        Self(Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
    }

    /// Creates an id from 128 bits, such as an application's request id.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }

    /// Returns the id's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Returns a fingerprint of the id for [`Version::tip`]: 64 bits that are never 0.
    ///
    /// The two halves of the id, combined by exclusive or. Stores may keep it, so it never changes.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        let (high, low) = self.0.as_u64_pair();
        match high ^ low {
            0 => 1,
            bits => bits,
        }
    }
}

impl fmt::Display for TurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for TurnId {
    type Err = TurnIdError;

    fn from_str(text: &str) -> Result<Self, TurnIdError> {
        Uuid::parse_str(text).map(Self).map_err(|_| TurnIdError)
    }
}

impl TryFrom<String> for TurnId {
    type Error = TurnIdError;

    fn try_from(text: String) -> Result<Self, TurnIdError> {
        text.parse()
    }
}

impl From<TurnId> for String {
    fn from(id: TurnId) -> Self {
        id.to_string()
    }
}

/// A text that is not a turn id.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid turn id: expected a UUID")]
#[non_exhaustive]
pub struct TurnIdError;

/// The messages that one call adds to a conversation: the question, tool calls with their results,
/// and the answer. A history stores a turn whole, once, or not at all.
///
/// # Examples
///
/// ```
/// use conversant_core::{Message, Turn};
///
/// let turn = Turn::exchange("Hi there my friend", "Hello!");
/// assert_eq!(turn.messages().to_string(), "Human: Hi there my friend\nAI: Hello!");
/// assert!(!turn.is_incomplete());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    id: TurnId,
    messages: Messages,
    #[serde(default)]
    incomplete: bool,
    #[serde(default)]
    base: Option<Version>,
}

impl Turn {
    /// Creates a turn of these messages, with a new id.
    #[must_use]
    pub fn new(messages: impl Into<Messages>) -> Self {
        Self::identified(TurnId::random(), messages)
    }

    /// Creates a turn of these messages, with the id of the call that it comes from.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, Turn, TurnId};
    ///
    /// let turn = Turn::identified(TurnId::from_u128(7), Message::human("Hi"));
    /// assert_eq!(turn.id(), TurnId::from_u128(7));
    /// ```
    #[must_use]
    pub fn identified(id: TurnId, messages: impl Into<Messages>) -> Self {
        Self { id, messages: messages.into(), incomplete: false, base: None }
    }

    /// Creates a turn of a human message and the AI's answer, with a new id.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, Turn};
    ///
    /// let turn = Turn::exchange("Hi", "Hello!");
    /// assert_eq!(turn.messages().last(), Some(&Message::ai("Hello!")));
    /// ```
    #[must_use]
    pub fn exchange(question: impl Into<Content>, answer: impl Into<Content>) -> Self {
        Self::new(vec![Message::human(question), Message::ai(answer)])
    }

    /// Sets the id.
    #[must_use]
    pub const fn with_id(mut self, id: TurnId) -> Self {
        self.id = id;
        self
    }

    /// Sets whether the turn is incomplete: its answer was cut off.
    #[must_use]
    pub const fn with_incomplete(mut self, incomplete: bool) -> Self {
        self.incomplete = incomplete;
        self
    }

    /// Sets the version of the conversation that the turn's prompt contained.
    #[must_use]
    pub const fn with_base(mut self, base: Version) -> Self {
        self.base = Some(base);
        self
    }

    /// Returns the id.
    #[must_use]
    pub const fn id(&self) -> TurnId {
        self.id
    }

    /// Returns the messages, in order.
    #[must_use]
    pub const fn messages(&self) -> &Messages {
        &self.messages
    }

    /// Returns whether the answer was cut off.
    #[must_use]
    pub const fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Returns the version of the conversation that the turn's prompt contained, if it is known.
    #[must_use]
    pub const fn base(&self) -> Option<Version> {
        self.base
    }
}

crate::debug_as_report!(TurnIdError);
