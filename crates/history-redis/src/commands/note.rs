//! Loads and stores notes.

use conversant_core::{HistoryError, Note, Point, SessionId, Version};
use conversant_history::invalid_json;

use super::scripts::{NOTE, PUT_NOTE, point, tip, version};
use crate::{
    error::Failure,
    keys::SessionKeys,
    link::Link,
    pool::{Limit, Operation},
};

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

impl Operation for LoadNote {
    type Output = Option<Note>;

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<Option<Note>, Failure> {
        let mut script = NOTE.prepare_invoke();
        script.key(&self.keys).arg(&self.name).arg(point(self.point)?);
        let (stored, path): (Option<Vec<u8>>, Option<Path>) =
            script.invoke_async(connection).await?;
        let Some(stored) = stored else { return Ok(None) };
        let note: Note = serde_json::from_slice(&stored)
            .map_err(|error| invalid_json(&format!("note `{}`", self.name), &error))?;
        let Some((epoch, messages, tip)) = path else { return Ok(Some(note)) };
        let (path, covers) = (version(epoch, messages, &tip)?, note.covers);
        let is_on_path = covers.epoch == path.epoch
            && covers.messages <= path.messages
            && (covers.tip == 0 || covers.tip == path.tip);
        Ok(is_on_path.then_some(note))
    }
}

/// In a session with branches: the epoch and the messages of the path, and the fingerprint of the
/// turn with which the note ends, if that is on the path.
type Path = (i64, i64, String);

impl Operation for PutNote {
    type Output = ();

    async fn run(&self, connection: &mut Link, limit: Limit) -> Result<(), Failure> {
        let lifetime = self.lifetime_ms.map_or_else(String::new, |lifetime| lifetime.to_string());
        let mut script = PUT_NOTE.prepare_invoke();
        script.key(&self.keys).arg(limit.0).arg(&self.name).arg(&self.note);
        script.arg(self.covers.epoch).arg(self.covers.messages).arg(tip(self.covers)).arg(lifetime);
        script.arg(self.session.as_str()).arg(point(self.point)?);
        let (is_stale, epoch, messages, tip): (bool, i64, i64, String) =
            script.invoke_async(connection).await?;
        if is_stale {
            let current = version(epoch, messages, &tip)?;
            return Err(HistoryError::Stale { expected: self.covers, current }.into());
        }
        Ok(())
    }
}
