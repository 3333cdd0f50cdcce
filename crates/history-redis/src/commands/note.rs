//! Loads and stores notes.

use conversant_core::{HistoryError, Note, Version};
use redis::aio::ConnectionManager;

use super::{NOTE, PUT_NOTE, version};
use crate::{engine::Operation, error::Failure, keys::SessionKeys};

/// A note that is to be loaded.
pub(crate) struct LoadNote {
    pub(crate) keys: SessionKeys,
    pub(crate) name: String,
}

/// A note that is to be stored, as JSON.
pub(crate) struct PutNote {
    pub(crate) keys: SessionKeys,
    pub(crate) name: String,
    pub(crate) note: String,
    pub(crate) covers: Version,
    pub(crate) lifetime_ms: Option<u64>,
}

impl Operation for LoadNote {
    type Output = Option<Note>;

    async fn run(&self, connection: &mut ConnectionManager) -> Result<Option<Note>, Failure> {
        let mut script = NOTE.prepare_invoke();
        script.key(&self.keys).arg(&self.name);
        let stored: Option<Vec<u8>> = script.invoke_async(connection).await?;
        let Some(stored) = stored else { return Ok(None) };
        let note = serde_json::from_slice(&stored).map_err(|error| HistoryError::Corrupt {
            what: "a note can't be read".to_owned(),
            source: Some(error.into()),
        })?;
        Ok(Some(note))
    }
}

impl Operation for PutNote {
    type Output = ();

    async fn run(&self, connection: &mut ConnectionManager) -> Result<(), Failure> {
        let lifetime = self.lifetime_ms.map_or_else(String::new, |lifetime| lifetime.to_string());
        let mut script = PUT_NOTE.prepare_invoke();
        script.key(&self.keys).arg(&self.name).arg(&self.note).arg(self.covers.epoch).arg(lifetime);
        let (is_stale, epoch, messages): (bool, i64, i64) = script.invoke_async(connection).await?;
        if is_stale {
            let current = version(epoch, messages)?;
            return Err(HistoryError::Stale { expected: self.covers, current }.into());
        }
        Ok(())
    }
}
