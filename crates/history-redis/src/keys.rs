//! The names of keys.

use std::fmt::Write as _;

use conversant_core::SessionId;

/// The prefix of all keys of a history.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
}

/// A session's keys, as `scripts/session.lua` takes them.
pub(crate) type SessionKeys = [String; 8];

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The sorted set of the names of sessions.
    pub(crate) fn index(&self) -> String {
        format!("{}sessions", self.prefix)
    }

    /// The epoch that new sessions begin with.
    fn floor(&self) -> String {
        format!("{}epoch", self.prefix)
    }

    /// The version of the schema.
    pub(crate) fn schema(&self) -> String {
        format!("{}schema", self.prefix)
    }

    pub(crate) fn lease(&self, session: &SessionId) -> String {
        self.of(session, "lease")
    }

    pub(crate) fn session(&self, session: &SessionId) -> SessionKeys {
        [
            self.of(session, "meta"),
            self.of(session, "messages"),
            self.of(session, "turns"),
            self.of(session, "ids"),
            self.of(session, "notes"),
            self.lease(session),
            self.index(),
            self.floor(),
        ]
    }

    /// Returns the name of one of a session's keys. A cluster places a key by the part in braces.
    fn of(&self, session: &SessionId, part: &str) -> String {
        format!("{}{{{}}}:{part}", self.prefix, encode(session.as_str()))
    }
}

/// Escapes the braces, spaces and control characters of a name. Different names stay different.
fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for char in name.chars() {
        match char {
            '\0'..=' ' | '\x7f' | '%' | '{' | '}' => {
                // Writing to a string does not fail.
                let _ = write!(encoded, "%{:02X}", u32::from(char));
            }
            _ => encoded.push(char),
        }
    }
    encoded
}
