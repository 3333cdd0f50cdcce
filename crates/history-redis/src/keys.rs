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

/// The keys of a session's lease, as `scripts/lease.lua` takes them.
pub(crate) type LeaseKeys = [String; 2];

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

    pub(crate) fn lease(&self, session: &SessionId) -> LeaseKeys {
        [self.of(session, "lease"), self.of(session, "meta")]
    }

    pub(crate) fn session(&self, session: &SessionId) -> SessionKeys {
        [
            self.of(session, "meta"),
            self.of(session, "messages"),
            self.of(session, "turns"),
            self.of(session, "ids"),
            self.of(session, "notes"),
            self.of(session, "lease"),
            self.index(),
            self.floor(),
        ]
    }

    /// Returns a pattern of the keys of sessions.
    pub(crate) fn pattern_of_sessions(&self) -> String {
        format!("{}{{*}}:*", escape_pattern(&self.prefix))
    }

    /// Returns the name of the session that a key of that pattern belongs to, if it is a key
    /// without which the session is not whole.
    pub(crate) fn session_of(&self, key: &[u8]) -> Option<String> {
        let name = std::str::from_utf8(key).ok()?.strip_prefix(&self.prefix)?;
        let (name, part) = name.strip_prefix('{')?.rsplit_once("}:")?;
        ["meta", "messages", "turns", "ids"].contains(&part).then(|| decode(name)).flatten()
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
