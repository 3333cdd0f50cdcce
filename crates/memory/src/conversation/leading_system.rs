//! The system messages at the start of a conversation, which stay when the rest is trimmed.

use std::sync::Mutex;

use conversant_core::{
    HistoryError, Message, Messages, Note, Saved, Slice, Value, Version, Warning,
};
use serde_json::Value as Json;

use super::{
    note::{Covered, DerivedNote},
    stored_session::StoredSession,
    turn_boundaries::count_leading_system,
};
use crate::sync::lock;

/// The number of messages that are loaded first to find the end of the leading system messages.
const FIRST_READ: usize = 8;

/// The system messages at the start of a conversation.
///
/// They are known if the whole conversation was loaded once, if a note was stored then, or if the
/// history supports [`first`](conversant_core::ChatHistory::first). Otherwise none are shown:
/// loading a long conversation from its start would cost too much.
pub(crate) struct LeadingSystem {
    note: DerivedNote,
    known: Mutex<Option<Known>>,
    /// The version and the last message of the last load.
    seen: Mutex<Option<(Version, Message)>>,
}

struct Known {
    /// The version of the conversation that they were learnt from.
    version: Version,
    messages: Messages,
    is_stored: bool,
}

impl LeadingSystem {
    pub(crate) const fn new() -> Self {
        Self { note: DerivedNote::new("opening"), known: Mutex::new(None), seen: Mutex::new(None) }
    }

    pub(crate) fn forget(&self) {
        self.note.forget();
        *lock(&self.known) = None;
        *lock(&self.seen) = None;
    }

    /// Compares a slice with the one before it, and forgets the messages if the conversation was
    /// replaced in the meantime.
    pub(crate) async fn observe(
        &self,
        session: &StoredSession,
        slice: &Slice,
    ) -> Result<(), HistoryError> {
        let seen = lock(&self.seen).take().filter(|seen| seen.0.epoch == slice.version.epoch);
        if let Some((version, last)) = seen {
            let continues = match continues(slice, version, &last) {
                Some(continues) => continues,
                None => session.has(version).await?,
            };
            if !continues {
                self.forget();
            }
        }
        self.see(slice);
        Ok(())
    }

    /// Remembers a slice that is known to continue the one before it.
    pub(crate) fn see(&self, slice: &Slice) {
        let last = slice.messages.last().cloned();
        *lock(&self.seen) = last.map(|last| (slice.version, last));
    }

    /// Learns the messages from a conversation that was loaded from its start.
    pub(crate) fn learn_from(&self, whole: &Slice) {
        let count = count_leading_system(&whole.messages);
        if count < whole.messages.len() {
            self.learn(whole.version, &whole.messages.slice(..count), false);
        }
    }

    /// Learns the messages, unless they are known.
    pub(crate) fn learn(&self, version: Version, messages: &Messages, is_stored: bool) {
        let mut known = lock(&self.known);
        if known.as_ref().is_none_or(|known| known.version.epoch != version.epoch) {
            let messages = messages.clone();
            *known = Some(Known { version, messages, is_stored });
        }
    }

    /// Returns the messages, for a conversation that was not loaded from its start.
    pub(crate) async fn read(
        &self,
        session: &StoredSession,
        version: Version,
    ) -> Result<Messages, HistoryError> {
        // In the memory of the process they cost no more than to find out whether they changed.
        if session.history.shares()
            && let Some(messages) = load_first(session).await?
        {
            return Ok(messages);
        }
        let is_current = |known: &&Known| known.version.epoch == version.epoch;
        if let Some(known) = lock(&self.known).as_ref().filter(is_current) {
            return Ok(known.messages.clone());
        }
        let note = self.note.read(session).await?;
        // A note that covers nothing is on every branch, also on those that begin otherwise.
        let is_current =
            |note: &Note| note.covers.epoch == version.epoch && note.covers.messages > 0;
        let current = note.filter(is_current);
        if let Some(messages) = current.and_then(|note| decode(&note.body)) {
            self.learn(version, &messages, true);
            return Ok(messages);
        }
        let messages = load_first(session).await?;
        if let Some(messages) = &messages {
            self.learn(version, messages, true);
        }
        Ok(messages.unwrap_or_default())
    }

    /// Returns whether processes that load the conversation later find the messages already.
    async fn is_found(
        &self,
        session: &StoredSession,
        body: &Value,
        end: Version,
    ) -> Result<bool, HistoryError> {
        let is_empty = decode(body).is_some_and(|messages| messages.is_empty());
        if is_empty && session.first(1).await?.is_some() {
            return Ok(true);
        }
        let covers = |note: &Note| note.covers.epoch == end.epoch && note.covers.messages > 0;
        let note = self.note.read(session).await?;
        Ok(note.is_some_and(|note| covers(&note) && note.body == *body))
    }

    /// Returns whether [`store`](Self::store) has something to store.
    pub(crate) fn is_unstored(&self) -> bool {
        lock(&self.known).as_ref().is_some_and(|known| !known.is_stored)
    }

    /// Stores the messages in a note, once, for processes that load the conversation later. Nothing
    /// is written if they find the messages without it: none, in a history with
    /// [`first`](conversant_core::ChatHistory::first), or those that the note has already.
    pub(crate) async fn store(&self, session: &StoredSession) -> Saved {
        let unstored = {
            let mut known = lock(&self.known);
            known.as_mut().filter(|known| !known.is_stored).map(|known| {
                known.is_stored = true;
                // The store compares the version, so that the note is of no other branch.
                let covered = Covered::all(known.version);
                (encode(&known.messages), covered)
            })
        };
        let Some((body, covered)) = unstored else { return Saved::default() };
        let stored = match self.is_found(session, &body, covered.end).await {
            Ok(true) => Ok(()),
            Ok(false) => self.note.write(session, body, covered).await,
            Err(error) => Err(error),
        };
        match stored {
            Ok(()) => Saved::default(),
            Err(error) => {
                if let Some(known) = lock(&self.known).as_mut() {
                    known.is_stored = false;
                }
                let what = "cannot store the note of the conversation's leading system messages";
                Saved::default().with_warning(Warning::new(what, Some(error.into())))
            }
        }
    }
}

/// Returns whether a slice belongs to a conversation that ended with a message at a version, or
/// `None` if the slice begins after that message.
fn continues(slice: &Slice, version: Version, last: &Message) -> Option<bool> {
    if slice.version.messages <= version.messages {
        return Some(slice.version.matches(version));
    }
    let last_index = version.messages.saturating_sub(1);
    let index = last_index.checked_sub(slice.start()).and_then(|index| usize::try_from(index).ok());
    index.map(|index| slice.messages.get(index) == Some(last))
}

async fn load_first(session: &StoredSession) -> Result<Option<Messages>, HistoryError> {
    let mut count = FIRST_READ;
    loop {
        let Some(messages) = session.first(count).await? else { return Ok(None) };
        let leading = count_leading_system(&messages);
        if leading < count {
            return Ok(Some(messages.slice(..leading)));
        }
        count = count.saturating_mul(4);
    }
}

fn encode(messages: &Messages) -> Value {
    Value::from(Json::Array(messages.iter().map(Message::to_stored).collect()))
}

fn decode(body: &Value) -> Option<Messages> {
    match body {
        Value::Data(data) => {
            let stored = data.as_array()?.iter().cloned();
            stored.map(|message| Message::from_stored(message).ok()).collect()
        }
        _ => None,
    }
}
