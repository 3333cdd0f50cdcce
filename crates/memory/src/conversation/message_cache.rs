//! A cache of the end of a conversation, extended with each load.

use std::sync::Mutex;

use conversant_core::{HistoryError, Range, Slice, Version};

use super::{delta::Delta, stored_session::StoredSession};
use crate::sync::lock;

/// The messages of a conversation after some version, as of the last load.
#[derive(Default)]
pub(crate) struct MessageCache(Mutex<Option<Slice>>);

impl MessageCache {
    /// Returns the messages after a version, or all of them, and loads only the new ones.
    ///
    /// If the conversation was cleared or replaced since that version, the result is the whole of
    /// the new one and starts at message 0.
    pub(crate) async fn after(
        &self,
        session: &StoredSession,
        from: Option<Version>,
    ) -> Result<Slice, HistoryError> {
        let cached =
            lock(&self.0).as_ref().filter(|slice| reaches(slice, from)).map(|slice| slice.version);
        if let Some(asked) = cached {
            let slice = session.load(Range::After(asked)).await?;
            if let Some(extended) = self.extend(asked, &slice, from) {
                return Ok(extended);
            }
        }
        let mut slice = session.load(from.map_or(Range::All, Range::After)).await?;
        if from.is_some_and(|from| slice.version.messages < from.messages) {
            slice = session.load(Range::All).await?;
        }
        *lock(&self.0) = Some(slice.clone());
        Ok(slice)
    }

    fn extend(&self, asked: Version, slice: &Slice, from: Option<Version>) -> Option<Slice> {
        let mut cached = lock(&self.0);
        let mut extended = cached.take().filter(|slice| reaches(slice, from))?;
        match Delta::between(extended.version, asked, slice) {
            Delta::Append(known) if known == slice.messages.len() => {}
            Delta::Append(known) => {
                if extended.messages.is_empty() {
                    extended.messages = slice.messages.slice(known..);
                } else {
                    extended.messages.extend(slice.messages.iter_shared().skip(known).cloned());
                }
                extended.version = slice.version;
            }
            Delta::Restart(all) => {
                let restarted = Slice::new(all, slice.version);
                *cached = Some(restarted.clone());
                return Some(restarted);
            }
            Delta::Gap => return None,
        }
        let extended = drop_covered(extended, from);
        *cached = Some(extended.clone());
        Some(extended)
    }

    pub(crate) fn forget(&self) {
        *lock(&self.0) = None;
    }
}

/// Returns whether a slice contains all messages after a version.
fn reaches(slice: &Slice, from: Option<Version>) -> bool {
    match from {
        None => slice.start() == 0,
        Some(from) => from.epoch == slice.version.epoch && slice.start() <= from.messages,
    }
}

/// Drops the messages before a version.
fn drop_covered(slice: Slice, from: Option<Version>) -> Slice {
    let Some(from) = from else { return slice };
    let covered = from.messages.saturating_sub(slice.start());
    let covered = usize::try_from(covered).unwrap_or(usize::MAX);
    Slice::new(slice.messages.slice(covered..), slice.version)
}
