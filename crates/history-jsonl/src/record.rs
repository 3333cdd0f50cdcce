//! Lines: a JSON object each, whose last field is a checksum of what comes before it.

use conversant_core::{HistoryError, Message, Messages, Note, SessionId, Turn, TurnId, Value};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::Value as Json;

use crate::failure::wrong_line;

/// The version of the format, which the first line tells.
pub(crate) const FORMAT: u64 = 1;

/// A file's first line.
#[derive(Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) conversant: u64,
    /// None of a session that was deleted.
    pub(crate) session: Option<SessionId>,
    pub(crate) epoch: u64,
    /// Tells a file from the one that was in its place before.
    pub(crate) file: TurnId,
}

impl Header {
    /// Reads a first line.
    pub(crate) fn read(line: &[u8]) -> Result<Self, HistoryError> {
        // An editor may have put a byte order mark there.
        let text = trim(line);
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let header: Option<Self> =
            if is_whole(text) { serde_json::from_slice(text).ok() } else { None };
        match header {
            Some(header) if header.conversant > FORMAT => {
                Err(HistoryError::SchemaTooNew { found: header.conversant, known: FORMAT })
            }
            Some(header) => Ok(header),
            None => Err(wrong_line(1, "is not the start of a conversation")),
        }
    }
}

/// Any other line.
#[derive(Serialize)]
pub(crate) struct Record<'r> {
    /// The line's number, counted from the header's 0.
    pub(crate) line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) turn: Option<&'r Turn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<NamedNote<'r>>,
}

#[derive(Serialize)]
pub(crate) struct NamedNote<'r> {
    name: &'r str,
    /// JSON does not tell messages from plain data.
    is_messages: bool,
    note: &'r Note,
}

impl<'r> NamedNote<'r> {
    pub(crate) fn new(name: &'r str, note: &'r Note) -> Self {
        Self { name, is_messages: note.body.as_messages().is_some(), note }
    }
}

/// A line as it is read to know what is where.
#[derive(Deserialize)]
pub(crate) struct Outline {
    pub(crate) line: u64,
    pub(crate) turn: Option<TurnOutline>,
    pub(crate) note: Option<NoteOutline>,
}

#[derive(Deserialize)]
pub(crate) struct TurnOutline {
    pub(crate) id: TurnId,
    pub(crate) messages: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
pub(crate) struct NoteOutline {
    pub(crate) name: String,
}

/// A line of a turn as it is read whole.
#[derive(Deserialize)]
pub(crate) struct WholeTurn {
    pub(crate) turn: Turn,
}

/// A line of a note as it is read whole.
#[derive(Deserialize)]
pub(crate) struct WholeNote {
    pub(crate) note: OwnedNote,
}

#[derive(Deserialize)]
pub(crate) struct OwnedNote {
    is_messages: bool,
    note: Note,
}

impl OwnedNote {
    pub(crate) fn into_note(self) -> Note {
        match &self.note.body {
            Value::Data(data) if self.is_messages => match Messages::deserialize(data.as_ref()) {
                Ok(messages) => Note::new(messages, self.note.covers),
                Err(_) => self.note,
            },
            _ => self.note,
        }
    }
}

/// How the last field begins, and how many bytes it has, with the brace that ends the object.
const SUM: &str = ",\"sum\":\"";
const SUM_BYTES: usize = SUM.len() + 8 + 2;

/// Writes an object as a line, with its checksum.
pub(crate) fn encode<T: Serialize>(object: &T) -> Result<Vec<u8>, HistoryError> {
    let mut line = serde_json::to_vec(object)
        .map_err(|_| HistoryError::Unsupported { what: "messages that have no stored form" })?;
    line.pop();
    let sum = crc32fast::hash(&line);
    line.extend_from_slice(format!("{SUM}{sum:08x}\"}}\n").as_bytes());
    Ok(line)
}

/// Returns whether a line, without what ends it, is whole: its checksum is that of its text.
pub(crate) fn is_whole(line: &[u8]) -> bool {
    let Some((text, sum)) = line.split_at_checked(line.len().saturating_sub(SUM_BYTES)) else {
        return false;
    };
    let expected = format!("{SUM}{:08x}\"}}", crc32fast::hash(text));
    !text.is_empty() && sum == expected.as_bytes()
}

/// Returns a line without the end that it has.
pub(crate) fn trim(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Checks a turn's messages before anything is written.
pub(crate) fn check(turn: &Turn, limit: u64) -> Result<(), HistoryError> {
    for message in turn.messages() {
        let body = serde_json::to_string(message)
            .map_err(|_| HistoryError::Unsupported { what: "messages that have no stored form" })?;
        let bytes = body.len() as u64;
        if bytes > limit {
            return Err(HistoryError::TooLarge { bytes, limit });
        }
        // JSON can be nested more deeply than it is read, and what can't be read must not be stored.
        let opened = body.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
        if opened > UNDOUBTED_DEPTH
            && serde_json::from_str::<Json>(&format!("[[[[{body}]]]]")).is_err()
        {
            return Err(HistoryError::Unsupported { what: "messages that are nested this deeply" });
        }
    }
    Ok(())
}

/// What is nested no more deeply than this can be read.
const UNDOUBTED_DEPTH: usize = 100;

/// Returns the size of a message's stored JSON.
pub(crate) fn bytes(message: &Message) -> u64 {
    serde_json::to_string(message).map_or(0, |body| body.len() as u64)
}
