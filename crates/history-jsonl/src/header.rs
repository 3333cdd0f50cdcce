//! The first line of a file.

use std::collections::BTreeMap;

use conversant_core::{HistoryError, SessionId, TurnId};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{
    error::corrupt_line,
    log_record::{is_whole, trim, unencodable, with_sum},
};

/// The latest version of the format, which the first line contains. Only forks have it: programs
/// that know version 1 alone read all other files, up to the first line of a branch or title.
const FORMAT: u64 = 2;

/// A file's first line.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Header {
    conversant: u64,
    /// `None` if the session was deleted.
    #[serde(deserialize_with = "stored_session")]
    pub(crate) session: Option<SessionId>,
    pub(crate) epoch: u64,
    /// An id of the file, which differs from that of the file that it replaced.
    pub(crate) file: TurnId,
    /// The turns that come before those of this file, if the session is a fork.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<Base>,
    /// The properties that the session had when the file was begun.
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub(crate) properties: Properties,
}

/// Reads an id, which may be one under which a memory stores what belongs to a user.
fn stored_session<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SessionId>, D::Error> {
    let id: Option<String> = Option::deserialize(from)?;
    id.map(SessionId::from_stored).transpose().map_err(D::Error::custom)
}

/// The last of the turns that a fork shares, and the file that has them.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Base {
    /// The id of the file when it was shared, which is its name.
    pub(crate) file: TurnId,
    pub(crate) after: TurnId,
    /// The numbers of turns and messages up to that turn.
    pub(crate) turns: u64,
    pub(crate) messages: u64,
    /// The number of bytes up to that turn, as long as the file has its id.
    pub(crate) end: u64,
}

/// The properties of a session that a list shows, in addition to its turns. Times are in
/// milliseconds since 1970.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Properties {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_used_at: Option<u64>,
}

impl Properties {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Notes that a turn was stored, or that the session begins.
    pub(crate) fn use_at(&mut self, time: u64) {
        self.created_at.get_or_insert(time);
        self.last_used_at = self.last_used_at.max(Some(time));
    }

    /// Sets the times of a session that has none.
    pub(crate) fn begin(&mut self, time: u64) {
        if self.last_used_at.is_none() {
            self.use_at(time);
        }
    }

    pub(crate) fn set_label(&mut self, name: String, value: Option<String>) {
        match value {
            Some(value) => drop(self.labels.insert(name, value)),
            None => drop(self.labels.remove(&name)),
        }
    }
}

impl Header {
    pub(crate) fn new(session: Option<SessionId>, epoch: u64) -> Self {
        let (file, properties) = (TurnId::random(), Properties::default());
        Self { conversant: 1, session, epoch, file, base: None, properties }
    }

    pub(crate) fn with_base(self, base: Option<Base>) -> Self {
        let conversant = if base.is_some() { FORMAT } else { 1 };
        Self { conversant, base, ..self }
    }

    pub(crate) fn with_properties(self, properties: Properties) -> Self {
        Self { properties, ..self }
    }

    /// Returns the first line of a file with the same contents and an id of its own.
    pub(crate) fn with_new_file(self) -> Self {
        Self { file: TurnId::random(), ..self }
    }

    /// Reads a first line.
    pub(crate) fn read(line: &[u8]) -> Result<Self, HistoryError> {
        // An editor may have added a byte order mark.
        let text = trim(line);
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let header: Option<Self> =
            if is_whole(text) { serde_json::from_slice(text).ok() } else { None };
        match header {
            Some(header) if header.conversant > FORMAT => {
                Err(HistoryError::SchemaTooNew { found: header.conversant, known: FORMAT })
            }
            Some(header) => Ok(header),
            None => Err(corrupt_line(1, "is not the header of a conversation")),
        }
    }

    /// Encodes the line, with its checksum.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, HistoryError> {
        let mut line = serde_json::to_vec(self).map_err(|_| unencodable())?;
        line.pop();
        Ok(with_sum(line))
    }
}
