//! The system messages that a conversation opens with, which stay where the rest of it is cut.

use std::sync::Mutex;

use conversant_core::{HistoryError, Message, Messages, Saved, Slice, Value, Version, Warning};
use serde_json::Value as Json;

use crate::{
    conversation::{Conversation, lock},
    derived::Derived,
    turns,
};

/// How many messages are looked at, at first.
const FIRST: usize = 8;

/// The system messages that a conversation opens with. They are known from the time when all of it was shown, from a note that was
/// left then, or from a history that tells; from no more, for reading a long conversation to its start would cost too much.
pub(crate) struct Opening {
    note: Derived,
    known: Mutex<Option<Known>>,
}

struct Known {
    epoch: u64,
    messages: Messages,
    is_noted: bool,
}

impl Opening {
    pub(crate) const fn new() -> Self {
        Self { note: Derived::new("opening"), known: Mutex::new(None) }
    }

    pub(crate) fn forget(&self) {
        self.note.forget();
        *lock(&self.known) = None;
    }

    /// Learns it from a conversation that was read from its start.
    pub(crate) fn learn_from(&self, whole: &Slice) {
        let count = turns::opening(&whole.messages);
        if count < whole.messages.len() {
            self.learn(whole.version, &whole.messages.slice(..count), false);
        }
    }

    pub(crate) fn learn(&self, version: Version, messages: &Messages, is_noted: bool) {
        let mut known = lock(&self.known);
        if known.as_ref().is_none_or(|known| known.epoch != version.epoch) {
            let messages = messages.clone();
            *known = Some(Known { epoch: version.epoch, messages, is_noted });
        }
    }

    /// Returns it, for a conversation that was not read from its start.
    pub(crate) async fn read(
        &self,
        conversation: &Conversation,
        version: Version,
    ) -> Result<Messages, HistoryError> {
        if let Some(known) = lock(&self.known).as_ref().filter(|known| known.epoch == version.epoch)
        {
            return Ok(known.messages.clone());
        }
        let note = self.note.read(conversation).await?;
        let noted = note.filter(|note| note.covers.epoch == version.epoch);
        if let Some(messages) = noted.and_then(|note| from_note(&note.body)) {
            self.learn(version, &messages, true);
            return Ok(messages);
        }
        let messages = first(conversation).await?;
        if let Some(messages) = &messages {
            self.learn(version, messages, true);
        }
        Ok(messages.unwrap_or_default())
    }

    /// Tells whether there is something that [`note`](Self::note) would write down.
    pub(crate) fn is_unnoted(&self) -> bool {
        lock(&self.known).as_ref().is_some_and(|known| !known.is_noted)
    }

    /// Leaves a note of what was learned, once, for a process that comes later.
    pub(crate) async fn note(&self, conversation: &Conversation) -> Saved {
        let unnoted = {
            let mut known = lock(&self.known);
            known.as_mut().filter(|known| !known.is_noted).map(|known| {
                known.is_noted = true;
                (to_note(&known.messages), Version::new(known.epoch, known.messages.len() as u64))
            })
        };
        let Some((body, covers)) = unnoted else { return Saved::default() };
        match self.note.write(conversation, body, covers).await {
            Ok(()) => Saved::default(),
            Err(error) => {
                if let Some(known) = lock(&self.known).as_mut() {
                    known.is_noted = false;
                }
                let what = "the system messages that the conversation opens with were not noted";
                Saved::default().with_warning(Warning::new(what, Some(error.into())))
            }
        }
    }
}

/// Asks the history, if it can tell.
async fn first(conversation: &Conversation) -> Result<Option<Messages>, HistoryError> {
    let mut count = FIRST;
    loop {
        let first = conversation.history.first(&conversation.session, count).await?;
        let Some(messages) = first else { return Ok(None) };
        let opening = turns::opening(&messages);
        if opening < count {
            return Ok(Some(messages.slice(..opening)));
        }
        count = count.saturating_mul(4);
    }
}

fn to_note(messages: &Messages) -> Value {
    Value::from(Json::Array(messages.iter().map(Message::to_stored).collect()))
}

fn from_note(body: &Value) -> Option<Messages> {
    match body {
        Value::Data(data) => serde_json::from_value(Json::clone(data)).ok(),
        _ => None,
    }
}
