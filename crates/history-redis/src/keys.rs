//! The names of keys.

use std::{borrow::Cow, fmt::Write as _};

use conversant_core::SessionId;

#[cfg(feature = "cluster")]
use crate::cluster::{ListedSlots, Listing, slot_of, tag_of};

/// The name of a session's key that has its state.
const STATE: &str = "meta";

/// The prefix of all keys of a history.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
    /// In a cluster, the slots that have an index of sessions.
    #[cfg(feature = "cluster")]
    listed: Option<ListedSlots>,
}

/// A session's keys, as `scripts/session.lua` takes them.
pub(crate) type SessionKeys = [String; 9];

/// The keys of a session's lease, as `scripts/lease.lua` takes them.
pub(crate) type LeaseKeys = [String; 2];

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            #[cfg(feature = "cluster")]
            listed: None,
        }
    }

    /// Returns the keys of a history in a cluster. What a server has once is there once for each
    /// slot, on the node that has the sessions of the slot.
    #[cfg(feature = "cluster")]
    pub(crate) fn in_cluster(mut self) -> Self {
        self.listed = Some(ListedSlots::default());
        self
    }

    #[cfg(feature = "cluster")]
    pub(crate) const fn listed(&self) -> Option<&ListedSlots> {
        self.listed.as_ref()
    }

    /// The set of the slots that have an index of sessions.
    #[cfg(feature = "cluster")]
    pub(crate) fn slots(&self) -> String {
        format!("{}slots", self.prefix)
    }

    /// The mark of a cluster whose slots have their indexes.
    #[cfg(feature = "cluster")]
    pub(crate) fn cluster(&self) -> String {
        format!("{}cluster", self.prefix)
    }

    /// The index of the sessions of a slot.
    #[cfg(feature = "cluster")]
    pub(crate) fn index_of(&self, slot: u16) -> String {
        format!("{}sessions:{{{}}}", self.prefix, tag_of(slot))
    }

    /// The epoch that new sessions of a slot begin with.
    #[cfg(feature = "cluster")]
    pub(crate) fn floor_of(&self, slot: u16) -> String {
        format!("{}epoch:{{{}}}", self.prefix, tag_of(slot))
    }

    /// The list of the sessions of a slot by their last use.
    #[cfg(feature = "cluster")]
    pub(crate) fn list_of(&self, slot: u16) -> String {
        format!("{}listed:{{{}}}", self.prefix, tag_of(slot))
    }

    /// Returns the slot of a session.
    #[cfg(feature = "cluster")]
    pub(crate) fn slot(name: &str) -> u16 {
        slot_of(&encode(name))
    }

    /// Returns what an append to a session has to ensure, so that it is listed.
    #[cfg(feature = "cluster")]
    pub(crate) fn listing(&self, session: &SessionId) -> Option<Listing> {
        let (listed, slot) = (self.listed.clone()?, Self::slot(session.as_str()));
        Some(Listing { listed, slot, key: self.slots() })
    }

    /// The keys that the scripts of a session share with others: the index, the epoch and the list.
    fn shared(&self, session: &SessionId) -> [String; 3] {
        #[cfg(feature = "cluster")]
        if self.listed.is_some() {
            let slot = Self::slot(session.as_str());
            return [self.index_of(slot), self.floor_of(slot), self.list_of(slot)];
        }
        let _ = session;
        [self.index(), self.floor(), self.list()]
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The sorted set of the names of sessions.
    pub(crate) fn index(&self) -> String {
        [self.prefix.as_str(), "sessions"].concat()
    }

    /// The sorted set of sessions by their last use, and by their labels.
    pub(crate) fn list(&self) -> String {
        [self.prefix.as_str(), "listed"].concat()
    }

    /// The epoch that new sessions begin with.
    pub(crate) fn floor(&self) -> String {
        [self.prefix.as_str(), "epoch"].concat()
    }

    /// The version of the schema.
    pub(crate) fn schema(&self) -> String {
        format!("{}schema", self.prefix)
    }

    pub(crate) fn lease(&self, session: &SessionId) -> LeaseKeys {
        [self.of(session, "lease"), self.of(session, STATE)]
    }

    pub(crate) fn session(&self, session: &SessionId) -> SessionKeys {
        let [index, floor, listed] = self.shared(session);
        let begin = self.of(session, "");
        let of = |part: &str| [begin.as_str(), part].concat();
        [
            of(STATE),
            of("messages"),
            of("turns"),
            of("ids"),
            of("notes"),
            of("lease"),
            index,
            floor,
            listed,
        ]
    }

    /// Returns a pattern of the keys of sessions.
    pub(crate) fn pattern_of_sessions(&self) -> String {
        format!("{}{{*}}:*", escape_pattern(&self.prefix))
    }

    /// Returns a pattern of the keys that have the state of a session.
    pub(crate) fn pattern_of_states(&self) -> String {
        format!("{}{{*}}:{STATE}", escape_pattern(&self.prefix))
    }

    /// Returns whether a key of a session has its state.
    #[cfg(feature = "cluster")]
    pub(crate) fn is_state(key: &[u8]) -> bool {
        key.rsplit(|&byte| byte == b':').next() == Some(STATE.as_bytes())
    }

    /// Returns the name of the session that a key of that pattern belongs to, if it is a key
    /// without which the session is not whole.
    pub(crate) fn session_of(&self, key: &[u8]) -> Option<String> {
        let name = std::str::from_utf8(key).ok()?.strip_prefix(&self.prefix)?;
        let (name, part) = name.strip_prefix('{')?.rsplit_once("}:")?;
        [STATE, "messages", "turns", "ids", "branches"]
            .contains(&part)
            .then(|| decode(name))
            .flatten()
    }

    /// Returns the name of one of a session's keys. A cluster places a key by the part in braces.
    fn of(&self, session: &SessionId, part: &str) -> String {
        [self.prefix.as_str(), "{", &encode(session.as_str()), "}:", part].concat()
    }
}

/// Escapes the braces, spaces and control characters of a name. Different names stay different.
fn encode(name: &str) -> Cow<'_, str> {
    let is_escaped = |char| matches!(char, '\0'..=' ' | '\x7f' | '%' | '{' | '}');
    if !name.contains(is_escaped) {
        return Cow::Borrowed(name);
    }
    let mut encoded = String::with_capacity(name.len());
    for char in name.chars() {
        match char {
            _ if is_escaped(char) => {
                // Writing to a string does not fail.
                let _ = write!(encoded, "%{:02X}", u32::from(char));
            }
            _ => encoded.push(char),
        }
    }
    Cow::Owned(encoded)
}

/// Returns the name that was [encoded](encode).
fn decode(encoded: &str) -> Option<String> {
    let mut parts = encoded.split('%');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        name.push(char::from(u8::from_str_radix(digits, 16).ok()?));
        name.push_str(rest);
    }
    Some(name)
}

/// Escapes what has a meaning in the pattern of a scan.
pub(crate) fn escape_pattern(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}
