//! The part of a conversation that comes after some point, read piece by piece.

use std::sync::Mutex;

use conversant_core::{HistoryError, Range, Slice, Version};

use crate::{
    conversation::{Conversation, lock},
    read::{News, news},
};

/// The end of a conversation, as far as it was read.
#[derive(Default)]
pub(crate) struct Tail(Mutex<Option<Slice>>);

impl Tail {
    /// Returns what comes after a version, or the whole, reading only what was added since the last time.
    ///
    /// If the conversation was cleared since that version, it is the whole of the new one.
    pub(crate) async fn after(
        &self,
        conversation: &Conversation,
        from: Option<Version>,
    ) -> Result<Slice, HistoryError> {
        let known =
            lock(&self.0).as_ref().filter(|slice| reaches(slice, from)).map(|slice| slice.version);
        if let Some(asked) = known {
            let slice = conversation.load(Range::After(asked)).await?;
            let whole = self.take_in(asked, &slice, from);
            if let Some(whole) = whole {
                return Ok(whole);
            }
        }
        let range = from.map_or(Range::All, Range::After);
        let slice = cut(conversation.load(range).await?, from);
        *lock(&self.0) = Some(slice.clone());
        Ok(slice)
    }

    fn take_in(&self, asked: Version, slice: &Slice, from: Option<Version>) -> Option<Slice> {
        let mut known = lock(&self.0);
        let mut whole = known.take().filter(|slice| reaches(slice, from))?;
        match news(whole.version, asked, slice) {
            News::More(known) => {
                if whole.messages.is_empty() {
                    whole.messages = slice.messages.slice(known..);
                } else {
                    whole.messages.extend(slice.messages.iter_shared().skip(known).cloned());
                }
                whole.version = whole.version.max(slice.version);
            }
            News::Restart(all) => whole = Slice::new(all, slice.version),
            News::Gap => return None,
        }
        let whole = cut(whole, from);
        *known = Some(whole.clone());
        Some(whole)
    }

    pub(crate) fn forget(&self) {
        *lock(&self.0) = None;
    }
}

/// Tells whether a slice starts early enough.
fn reaches(slice: &Slice, from: Option<Version>) -> bool {
    match from {
        None => slice.start() == 0,
        Some(from) => from.epoch == slice.version.epoch && slice.start() <= from.messages,
    }
}

/// Cuts off what comes before a version.
fn cut(slice: Slice, from: Option<Version>) -> Slice {
    match from {
        Some(from) if from.epoch == slice.version.epoch => {
            let covered = from.messages.saturating_sub(slice.start());
            let covered = usize::try_from(covered).unwrap_or(usize::MAX);
            Slice::new(slice.messages.slice(covered..), slice.version)
        }
        _ => slice,
    }
}
