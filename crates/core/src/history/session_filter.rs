//! Filters and pages of lists of sessions.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{
    error::{HistoryError, TextFault},
    session_info::SessionInfo,
};
use crate::{
    clock::{SystemTime, millis},
    report::Report,
    session::{SessionId, SessionIdError},
    withheld::Bytes,
};

/// The sessions that a list has, or that are deleted: those that fulfil all conditions.
///
/// The default has no conditions and selects all sessions.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use conversant_core::SessionFilter;
///
/// let year = Duration::from_secs(365 * 24 * 3600);
/// let old = SessionFilter::new()
///     .with_label("user", "ada")
///     .with_used_before(SystemTime::now() - year);
/// assert!(!old.is_empty());
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionFilter {
    /// Labels that the session has, with exactly these values.
    pub labels: BTreeMap<String, String>,
    /// The session was used at this time or later.
    pub used_since: Option<SystemTime>,
    /// The session was used before this time, and not since.
    pub used_before: Option<SystemTime>,
    /// Words that the session has, in its title or in its messages: see
    /// [`with_text`](Self::with_text).
    pub text: Option<String>,
}

/// Withholds the words to search for.
impl fmt::Debug for SessionFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { labels, used_since, used_before, text } = self;
        f.debug_struct("SessionFilter")
            .field("labels", labels)
            .field("used_since", used_since)
            .field("used_before", used_before)
            .field("text", &text.as_deref().map(Bytes))
            .finish()
    }
}

impl SessionFilter {
    /// The most different words that are searched for at a time.
    pub const MAX_WORDS: usize = 64;

    /// Creates a filter without conditions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a label that the session has, with exactly this value.
    #[must_use]
    pub fn with_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Sets the time at which, or after which, the session was last used.
    #[must_use]
    pub const fn with_used_since(mut self, time: SystemTime) -> Self {
        self.used_since = Some(time);
        self
    }

    /// Sets the time before which the session was last used.
    #[must_use]
    pub const fn with_used_before(mut self, time: SystemTime) -> Self {
        self.used_before = Some(time);
        self
    }

    /// Sets words to search for, separated by white space or control characters. The session has
    /// each of them, in any order, in its title or in the texts of its turns, whose branches are
    /// all searched.
    ///
    /// Every store with search finds whole words, without regard to case. A store may find more:
    /// words that begin with these, other parts or, with a search for one language, other forms. It
    /// may pass over words without letters and digits and the stop words of that language, with
    /// which it deletes nothing. One without search returns
    /// [`HistoryError::Unsupported`]. More than [`MAX_WORDS`](Self::MAX_WORDS) different words are
    /// [`HistoryError::InvalidText`]: without some of them, sessions would be listed or deleted
    /// that are not meant.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Returns the words to search for, each once, in the order of the text.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::SessionFilter;
    ///
    /// let filter = SessionFilter::new().with_text("lentil  soup, lentil");
    /// assert_eq!(filter.words().collect::<Vec<_>>(), ["lentil", "soup,"]);
    /// ```
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let text = self.text.as_deref().unwrap_or_default();
        let words = text.split(|char: char| char.is_whitespace() || char.is_control());
        let mut known = HashSet::new();
        words.filter(move |word| !word.is_empty() && known.insert(*word))
    }

    /// Returns the words to search for, for stores: at most [`MAX_WORDS`](Self::MAX_WORDS).
    ///
    /// # Errors
    /// [`HistoryError::InvalidText`].
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::SessionFilter;
    ///
    /// assert_eq!(SessionFilter::new().with_text("soup ".repeat(1_000)).search_words()?, ["soup"]);
    ///
    /// let many: String = (0..1_000).map(|number| format!("soup{number} ")).collect();
    /// let error = SessionFilter::new().with_text(many).search_words().unwrap_err();
    /// let expected = "cannot use the text to search for: it has more than 64 different words; \
    ///                 use fewer";
    /// assert_eq!(error.to_string(), expected);
    /// # Ok::<(), conversant_core::HistoryError>(())
    /// ```
    pub fn search_words(&self) -> Result<Vec<&str>, HistoryError> {
        let words: Vec<_> = self.words().take(Self::MAX_WORDS + 1).collect();
        if words.len() > Self::MAX_WORDS {
            let fault = TextFault::Words { max: Self::MAX_WORDS };
            return Err(HistoryError::InvalidText { what: "text to search for", fault });
        }
        Ok(words)
    }

    /// Checks that each word has a letter or a digit and neither begins nor ends with a symbol, for
    /// the deletions of a store whose search passes over symbols: for `C++`, sessions with `C` and
    /// with words that begin so would be deleted.
    ///
    /// # Errors
    /// [`HistoryError::InvalidText`].
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::SessionFilter;
    ///
    /// assert!(SessionFilter::new().with_text("e-mail café").check_letters().is_ok());
    /// assert!(SessionFilter::new().with_text("C++").check_letters().is_err());
    /// ```
    pub fn check_letters(&self) -> Result<(), HistoryError> {
        let is_found_as_it_is = |word: &str| {
            word.contains(char::is_alphanumeric)
                && !word.starts_with(is_symbol)
                && !word.ends_with(is_symbol)
        };
        if self.words().all(is_found_as_it_is) {
            return Ok(());
        }
        Err(HistoryError::InvalidText { what: "text to search for", fault: TextFault::Symbols })
    }

    /// Returns whether there are no conditions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { labels, used_since, used_before, text: _ } = self;
        labels.is_empty()
            && used_since.is_none()
            && used_before.is_none()
            && self.words().next().is_none()
    }

    /// Returns whether a session fulfils the conditions other than the text.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use conversant_core::{SessionFilter, SessionId, SessionInfo};
    ///
    /// let mut info = SessionInfo::new(SessionId::new("chat-1")?, UNIX_EPOCH);
    /// info.labels.insert("user".to_owned(), "ada".to_owned());
    /// let filter = SessionFilter::new().with_label("user", "ada");
    /// assert!(filter.matches(&info));
    /// assert!(!filter.with_used_before(UNIX_EPOCH).matches(&info));
    /// # Ok::<(), conversant_core::SessionIdError>(())
    /// ```
    #[must_use]
    pub fn matches(&self, info: &SessionInfo) -> bool {
        self.labels.iter().all(|(name, value)| info.labels.get(name) == Some(value))
            && self.used_since.is_none_or(|since| info.last_used_at >= since)
            && self.used_before.is_none_or(|before| info.last_used_at < before)
    }
}

/// A part of a list of sessions, most recently used first. Sessions that were last used at the same
/// time are in the reverse byte order of their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<SessionInfo>,
    /// The place at which the list goes on, if there may be more sessions. A store that searches
    /// without an index may return a page with fewer sessions than the limit, or none, and this.
    pub next: Option<SessionCursor>,
}

impl SessionPage {
    /// Creates a page of the first `limit` sessions of those that a store has found in order. Let a
    /// store look for one more than the limit: it shows that there is a next page.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::UNIX_EPOCH;
    /// use conversant_core::{SessionId, SessionInfo, SessionPage};
    ///
    /// let found = ["b", "a"].map(|id| SessionInfo::new(SessionId::new(id).unwrap(), UNIX_EPOCH));
    /// let page = SessionPage::of(found.to_vec(), 1);
    /// assert_eq!(page.sessions.len(), 1);
    /// assert_eq!(page.next.unwrap().to_string(), "0:b");
    /// ```
    #[must_use]
    pub fn of(mut sessions: Vec<SessionInfo>, limit: usize) -> Self {
        let has_more = sessions.len() > limit;
        sessions.truncate(limit);
        let next = sessions.last().filter(|_| has_more).map(SessionCursor::after);
        Self { sessions, next }
    }
}

/// A place in a list of sessions: after a session that was last used at a time.
///
/// Its text form can be handed to a client and parsed again.
///
/// # Examples
///
/// ```
/// use conversant_core::SessionCursor;
///
/// let cursor: SessionCursor = "1780000000123:user-7".parse()?;
/// assert_eq!((cursor.last_used_millis(), cursor.session().as_str()), (1_780_000_000_123, "user-7"));
/// # Ok::<(), conversant_core::SessionCursorError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "String")]
pub struct SessionCursor {
    millis: u64,
    session: SessionId,
}

impl SessionCursor {
    /// Creates the place after a session that was last used at a time.
    #[must_use]
    pub fn new(last_used_at: SystemTime, session: SessionId) -> Self {
        Self { millis: millis(last_used_at), session }
    }

    /// Creates the place after a session.
    #[must_use]
    pub fn after(info: &SessionInfo) -> Self {
        Self::new(info.last_used_at, info.session.clone())
    }

    /// Returns the time of the last use of the session before the place, in milliseconds since
    /// 1970.
    #[must_use]
    pub const fn last_used_millis(&self) -> u64 {
        self.millis
    }

    /// Returns the session before the place.
    #[must_use]
    pub const fn session(&self) -> &SessionId {
        &self.session
    }

    /// Returns whether a session is after the place.
    #[must_use]
    pub fn is_before(&self, info: &SessionInfo) -> bool {
        (millis(info.last_used_at), &info.session) < (self.millis, &self.session)
    }
}

impl fmt::Display for SessionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.millis, self.session)
    }
}

impl FromStr for SessionCursor {
    type Err = SessionCursorError;

    fn from_str(text: &str) -> Result<Self, SessionCursorError> {
        let (millis, session) = text.split_once(':').ok_or(SessionCursorError::Form)?;
        let millis = millis.parse().map_err(|_| SessionCursorError::Form)?;
        let session = SessionId::from_stored(session).map_err(SessionCursorError::Session)?;
        Ok(Self { millis, session })
    }
}

impl<'de> Deserialize<'de> for SessionCursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cursor = String::deserialize(deserializer)?.parse();
        // An error of serde has no source.
        cursor.map_err(|error: SessionCursorError| D::Error::custom(Report::new(&error)))
    }
}

impl TryFrom<String> for SessionCursor {
    type Error = SessionCursorError;

    fn try_from(text: String) -> Result<Self, SessionCursorError> {
        text.parse()
    }
}

impl From<SessionCursor> for String {
    fn from(cursor: SessionCursor) -> Self {
        cursor.to_string()
    }
}

/// A text that is not a cursor.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionCursorError {
    /// The text does not have the form of a cursor.
    #[error("invalid cursor: expected a number, a colon and a session id; use the text of a page")]
    Form,
    /// The session id is invalid.
    #[error("invalid cursor")]
    Session(#[source] SessionIdError),
}

crate::debug_as_report!(SessionCursorError);

/// Returns whether a character is punctuation or a symbol, as far as blocks of Unicode show it.
/// Marks, with which words of many languages end, are not.
fn is_symbol(character: char) -> bool {
    character.is_ascii_punctuation()
        || !character.is_alphanumeric()
            && matches!(
                character,
                '\u{a1}'..='\u{a9}' | '\u{ab}'..='\u{b4}' | '\u{b6}'..='\u{b9}' | '\u{bb}'..='\u{bf}'
                    | '×' | '÷' | '\u{2000}'..='\u{2bff}' | '\u{3000}'..='\u{303f}'
                    | '\u{fe30}'..='\u{fe6f}' | '\u{1f000}'..='\u{1faff}'
            )
}
