//! Loads and stores notes.

use conversant_core::{HistoryError, Note, Version};
use conversant_history::invalid_json;

use super::scripts::{NOTE, PUT_NOTE, tip, version};
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
}

/// A note to store, as JSON.
pub(crate) struct PutNote {
    pub(crate) keys: SessionKeys,
    pub(crate) name: String,
    pub(crate) note: String,
    pub(crate) covers: Version,
    pub(crate) lifetime_ms: Option<u64>,
}

impl Operation for LoadNote {
    type Output = Option<Note>;

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<Option<Note>, Failure> {
        let mut script = NOTE.prepare_invoke();
        script.key(&self.keys).arg(&self.name);
        let stored: Option<Vec<u8>> = script.invoke_async(connection).await?;
        let Some(stored) = stored else { return Ok(None) };
        let note = serde_json::from_slice(&stored)
            .map_err(|error| invalid_json(&format!("note `{}`", self.name), &error))?;
        Ok(Some(note))
    }
}

impl Operation for PutNote {
    type Output = ();

    async fn run(&self, connection: &mut Link, limit: Limit) -> Result<(), Failure> {
        let lifetime = self.lifetime_ms.map_or_else(String::new, |lifetime| lifetime.to_string());
        let mut script = PUT_NOTE.prepare_invoke();
        script.key(&self.keys).arg(limit.0).arg(&self.name).arg(&self.note);
        script.arg(self.covers.epoch).arg(self.covers.messages).arg(tip(self.covers)).arg(lifetime);
        let (is_stale, epoch, messages, tip): (bool, i64, i64, String) =
            script.invoke_async(connection).await?;
        if is_stale {
            let current = version(epoch, messages, &tip)?;
            return Err(HistoryError::Stale { expected: self.covers, current }.into());
        }
        Ok(())
    }
}
