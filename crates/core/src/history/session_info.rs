//! A session as a list shows it, and the limits of its title and labels.

use std::{collections::BTreeMap, fmt, ops::Add};

use serde::{Deserialize, Serialize};

use super::error::{HistoryError, TextFault};
use crate::{
    clock::SystemTime,
    model::Usage,
    observer::{CallRecord, Cost},
    role::Role,
    session::SessionId,
    turn::Turn,
    withheld::Bytes,
};

/// A session as a list shows it to people.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use conversant_core::{SessionId, SessionInfo};
///
/// let used = UNIX_EPOCH + Duration::from_secs(1_780_000_000);
/// let mut info = SessionInfo::new(SessionId::new("chat-1")?, used);
/// info.title = Some("A trip to Kyoto".to_owned());
/// assert_eq!((info.turns, info.totals.usage), (0, None));
/// # Ok::<(), conversant_core::SessionIdError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The session.
    pub session: SessionId,
    /// The title, if one is set: at most [`MAX_TITLE_BYTES`](Self::MAX_TITLE_BYTES).
    pub title: Option<String>,
    /// The labels: values by their names, such as the user of the session.
    pub labels: BTreeMap<String, String>,
    /// The time of the first turn, or of a title or label that came before it. `None` if it is not
    /// known: an earlier version stored the turn, and its id has no time.
    ///
    /// The time of a turn is that in its [id](crate::TurnId::created_at), so that a copy in another
    /// store has the same times. Times are exact to the millisecond.
    pub created_at: Option<SystemTime>,
    /// The time of the latest turn, or of the fork if there are no later turns. Setting a title or
    /// a label of a session does not change it, unless that begins the session.
    pub last_used_at: SystemTime,
    /// The number of turns from the start to the tip.
    pub turns: u64,
    /// The size of all turns that were stored in the session since it was last cleared, in bytes of
    /// the JSON in which the store keeps them. Turns of branches that were left are counted, and
    /// turns that a fork shares with its source only in the source.
    pub bytes: u64,
    /// The sums of what is recorded with the same turns.
    pub totals: UsageTotals,
}

/// Withholds the title.
impl fmt::Debug for SessionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session, title, labels, created_at, last_used_at, turns, bytes, totals } = self;
        f.debug_struct("SessionInfo")
            .field("session", session)
            .field("title", &title.as_deref().map(Bytes))
            .field("labels", labels)
            .field("created_at", created_at)
            .field("last_used_at", last_used_at)
            .field("turns", turns)
            .field("bytes", bytes)
            .field("totals", totals)
            .finish()
    }
}

impl SessionInfo {
    /// The longest title, in bytes.
    pub const MAX_TITLE_BYTES: usize = 1000;
    /// The longest name of a label, in bytes.
    pub const MAX_LABEL_NAME_BYTES: usize = 64;
    /// The longest value of a label, in bytes: as long as a session id.
    pub const MAX_LABEL_VALUE_BYTES: usize = 512;
    /// The most labels of a session.
    pub const MAX_LABELS: usize = 32;

    /// Creates the description of an empty session.
    #[must_use]
    pub const fn new(session: SessionId, last_used_at: SystemTime) -> Self {
        Self {
            session,
            title: None,
            labels: BTreeMap::new(),
            created_at: None,
            last_used_at,
            turns: 0,
            bytes: 0,
            totals: UsageTotals { usage: None, cost: None },
        }
    }

    /// Checks a title, for stores: 1 to `max_bytes` bytes without control characters. Stores accept
    /// [`MAX_TITLE_BYTES`](Self::MAX_TITLE_BYTES); one that encodes titles may accept fewer.
    ///
    /// # Errors
    /// [`HistoryError::InvalidText`].
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::SessionInfo;
    ///
    /// SessionInfo::check_title("A trip to Kyoto", SessionInfo::MAX_TITLE_BYTES)?;
    /// let error = SessionInfo::check_title("A trip\nto Kyoto", 100).unwrap_err();
    /// let expected = "cannot use the title: it has a control character at byte 6; remove it";
    /// assert_eq!(error.to_string(), expected);
    /// # Ok::<(), conversant_core::HistoryError>(())
    /// ```
    pub fn check_title(title: &str, max_bytes: usize) -> Result<(), HistoryError> {
        check_text("title", title, 1, max_bytes)
    }

    /// Checks a label, for stores: a name of 1 to
    /// [`MAX_LABEL_NAME_BYTES`](Self::MAX_LABEL_NAME_BYTES) bytes, and a value of at most
    /// `max_bytes`, both without control characters. Stores accept
    /// [`MAX_LABEL_VALUE_BYTES`](Self::MAX_LABEL_VALUE_BYTES); one that encodes values may accept
    /// fewer.
    ///
    /// # Errors
    /// [`HistoryError::InvalidText`].
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::SessionInfo;
    ///
    /// SessionInfo::check_label("user", Some("ada"), SessionInfo::MAX_LABEL_VALUE_BYTES)?;
    /// let error = SessionInfo::check_label("", None, 100).unwrap_err();
    /// let expected = "cannot use the label's name: it has 0 bytes; use 1 to 64";
    /// assert_eq!(error.to_string(), expected);
    /// # Ok::<(), conversant_core::HistoryError>(())
    /// ```
    pub fn check_label(
        name: &str,
        value: Option<&str>,
        max_bytes: usize,
    ) -> Result<(), HistoryError> {
        check_text("label's name", name, 1, Self::MAX_LABEL_NAME_BYTES)?;
        check_text("label's value", value.unwrap_or_default(), 0, max_bytes)
    }
}

/// Sums of the usage and cost that are recorded with stored turns. What is recorded with no turn is
/// absent, not 0.
///
/// # Examples
///
/// ```
/// use conversant_core::{CallRecord, Message, Turn, Usage, UsageTotals};
///
/// let record = CallRecord::new().with_usage(Usage::new(8, 17));
/// let turn = Turn::new(vec![Message::human("Hi"), Message::ai("Hello!").with_call_record(&record)]);
/// let totals = UsageTotals::of_turn(&turn) + UsageTotals::of_turn(&turn);
/// assert_eq!((totals.usage, totals.cost), (Some(Usage::new(16, 34)), None));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UsageTotals {
    /// The tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The cost of the calls whose prices were known.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "picos")]
    pub cost: Option<Cost>,
}

impl UsageTotals {
    /// Creates sums.
    #[must_use]
    pub const fn new(usage: Option<Usage>, cost: Option<Cost>) -> Self {
        Self { usage, cost }
    }

    /// Returns what is recorded with a turn: the [record](Turn::call_record) of its call or, in
    /// turns of other programs, the sum of what each of its answers has.
    #[must_use]
    pub fn of_turn(turn: &Turn) -> Self {
        let answers = || turn.messages().iter().rev().filter(|message| *message.role() == Role::Ai);
        // The record of a whole call is in its last answer.
        let of = |record: CallRecord| Self::new(record.usage, record.cost);
        match answers().next() {
            Some(last) if last.has_call_record() => last.call_record().map(of).unwrap_or_default(),
            _ => answers()
                .filter_map(crate::Message::call_record)
                .map(of)
                .fold(Self::default(), Add::add),
        }
    }

    /// Returns whether nothing is recorded.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.usage.is_none() && self.cost.is_none()
    }
}

impl Add for UsageTotals {
    type Output = Self;

    /// Adds what both have. Sums that are too large stay at their maximum.
    fn add(self, other: Self) -> Self {
        fn sum<T: Add<Output = T>>(a: Option<T>, b: Option<T>) -> Option<T> {
            match (a, b) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            }
        }
        Self { usage: sum(self.usage, other.usage), cost: sum(self.cost, other.cost) }
    }
}

/// The stored form of a cost: its picos.
mod picos {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::observer::Cost;

    #[expect(clippy::ref_option, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(
        cost: &Option<Cost>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        cost.map(Cost::as_picos).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Cost>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Cost::from_picos))
    }
}

fn check_text(what: &'static str, text: &str, min: usize, max: usize) -> Result<(), HistoryError> {
    if !(min..=max).contains(&text.len()) {
        let fault = TextFault::Length { bytes: text.len(), min, max };
        return Err(HistoryError::InvalidText { what, fault });
    }
    match text.find(char::is_control) {
        Some(offset) => {
            Err(HistoryError::InvalidText { what, fault: TextFault::Control { offset } })
        }
        None => Ok(()),
    }
}
