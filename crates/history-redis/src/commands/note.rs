//! Loads and stores notes.

use std::sync::Arc;

use conversant_core::{HistoryError, Messages, Note, Point, SessionId, Value, Version};
use conversant_history::invalid_json;

use super::scripts::{NOTE, PUT_NOTE, lifetime, point, tip, version};
use crate::{
    error::Failure,
    keys::SessionKeys,
    link::Link,
    pool::{Limit, Operation},
};

/// Before the JSON of a note of messages, which would be data otherwise.
const MESSAGES: u8 = b' ';

/// Encodes a note.
pub(crate) fn encode(note: &Note) -> Result<String, HistoryError> {
    let Ok(mut json) = serde_json::to_string(note) else {
        return Err(HistoryError::Unsupported { what: "a note without a JSON form" });
    };
    Note::check_size(json.len())?;
    if note.body.as_messages().is_some() {
        json.insert(0, char::from(MESSAGES));
    }
    Ok(json)
}

fn decode(json: &[u8]) -> serde_json::Result<Note> {
    let mut note: Note = serde_json::from_slice(json)?;
    if json.first() == Some(&MESSAGES)
        && let Value::Data(messages) = note.body
    {
        note.body = serde_json::from_value::<Messages>(Arc::unwrap_or_clone(messages))?.into();
    }
    Ok(note)
}

/// A note to load.
pub(crate) struct LoadNote {
    pub(crate) keys: SessionKeys,
    pub(crate) name: String,
    pub(crate) point: Option<Point>,
}

/// A note to store, as JSON.
pub(crate) struct PutNote {
    pub(crate) keys: SessionKeys,
    pub(crate) name: String,
    pub(crate) note: String,
    pub(crate) covers: Version,
    pub(crate) lifetime_ms: Option<u64>,
    pub(crate) session: SessionId,
    pub(crate) point: Option<Point>,
}

/// A note to store in place of the one that was read.
pub(crate) struct ReplaceNote {
    pub(crate) read: Option<Note>,
    pub(crate) put: PutNote,
}

/// Reads a note as JSON, and decodes it if it covers a version on the path to the point.
async fn read(
    connection: &mut Link,
    keys: &SessionKeys,
    name: &str,
    at: Option<Point>,
) -> Result<(Option<Vec<u8>>, Option<Note>), Failure> {
    let mut script = NOTE.prepare_invoke();
    script.key(keys).arg(name).arg(point(at)?);
    let (stored, path): (Option<Vec<u8>>, Option<Path>) = script.invoke_async(connection).await?;
    let Some(json) = &stored else { return Ok((None, None)) };
    let note = decode(json).map_err(|error| invalid_json(&format!("note `{name}`"), &error))?;
    let Some((epoch, messages, tip)) = path else { return Ok((stored, Some(note))) };
    let (path, covers) = (version(epoch, messages, &tip)?, note.covers);
    let is_on_path = covers.epoch == path.epoch
        && covers.messages <= path.messages
        && (covers.tip == 0 || covers.tip == path.tip);
    Ok((stored, is_on_path.then_some(note)))
}

impl Operation for LoadNote {
    type Output = Option<Note>;

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<Option<Note>, Failure> {
        Ok(read(connection, &self.keys, &self.name, self.point).await?.1)
    }
}

impl Operation for ReplaceNote {
    type Output = bool;

    async fn run(&self, connection: &mut Link, limit: Limit) -> Result<bool, Failure> {
        let put = &self.put;
        let (stored, found) = read(connection, &put.keys, &put.name, put.point).await?;
        if found != self.read {
            return Ok(false);
        }
        // The text that was found is what the server compares.
        put.store(connection, limit, stored.as_deref().unwrap_or(b"none")).await
    }
}

/// In a session with branches: the epoch and the messages of the path, and the fingerprint of the
/// turn with which the note ends, if that is on the path.
type Path = (i64, i64, String);

impl Operation for PutNote {
    type Output = ();

    async fn run(&self, connection: &mut Link, limit: Limit) -> Result<(), Failure> {
        self.store(connection, limit, b"").await.map(drop)
    }
}

impl PutNote {
    /// Stores the note, if the one in its place is `read`. Returns whether it is.
    async fn store(
        &self,
        connection: &mut Link,
        limit: Limit,
        read: &[u8],
    ) -> Result<bool, Failure> {
        let lifetime = lifetime(self.lifetime_ms);
        let mut script = PUT_NOTE.prepare_invoke();
        script.key(&self.keys).arg(limit.0).arg(&self.name).arg(&self.note);
        script.arg(self.covers.epoch).arg(self.covers.messages).arg(tip(self.covers)).arg(lifetime);
        script.arg(self.session.as_str()).arg(point(self.point)?).arg(read);
        let (refusal, epoch, messages, tip): (u8, i64, i64, String) =
            script.invoke_async(connection).await?;
        if refusal == 1 {
            let current = version(epoch, messages, &tip)?;
            return Err(HistoryError::Stale { expected: self.covers, current }.into());
        }
        Ok(refusal == 0)
    }
}
