//! The intent to save a turn in several sessions, for histories whose turns cannot be read.

use std::{str::FromStr, sync::Arc};

use conversant_core::{
    HistoryError, Memory, MemoryError, Message, Messages, Note, Range, Turn, TurnId, Value, Version,
};
use serde_json::{Value as Json, json};

/// The name of the note.
const NOTE: &str = "combined";

/// A turn that is being saved, and the version that each memory has loaded before it.
#[derive(Clone)]
pub(super) struct Intent {
    pub(super) turn: Turn,
    pub(super) bases: Vec<Option<Version>>,
}

/// The effect of an error of a save on a turn that other memories have saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The turn may have been saved, or may be saved later.
    Retry,
    /// The session was cleared after the turn's prompt was made.
    Cleared,
    /// The memory will never save the turn.
    Refused,
}

impl Outcome {
    pub(super) fn of(error: &MemoryError) -> Self {
        match error {
            MemoryError::History(HistoryError::Stale { expected, current })
                if expected.epoch != current.epoch =>
            {
                Self::Cleared
            }
            MemoryError::History(
                HistoryError::Stale { .. }
                | HistoryError::TurnIdInUse { .. }
                | HistoryError::TooLarge { .. }
                | HistoryError::ReadOnly { .. }
                | HistoryError::Unsupported { .. },
            )
            | MemoryError::Key(_)
            | MemoryError::Unsupported { .. } => Self::Refused,
            _ => Self::Retry,
        }
    }
}

/// Returns whether an error of a save means that the turn was not saved, for certain.
pub(super) fn is_not_saved(error: &MemoryError) -> bool {
    let is_full =
        matches!(error, MemoryError::History(HistoryError::Busy | HistoryError::Full { .. }));
    is_full || Outcome::of(error) != Outcome::Retry
}

/// The session that stores the intents of combined memories: the first one with notes.
pub(super) struct IntentStore<'m> {
    memories: &'m [Arc<dyn Memory>],
}

impl<'m> IntentStore<'m> {
    pub(super) const fn new(memories: &'m [Arc<dyn Memory>]) -> Self {
        Self { memories }
    }

    /// Reads the last intent.
    pub(super) async fn read(&self) -> Result<Option<Intent>, MemoryError> {
        for (history, session) in self.memories.iter().filter_map(|memory| memory.stored_in()) {
            match history.note(session, NOTE).await {
                Err(HistoryError::Unsupported { .. }) => {}
                Err(error) => return Err(error.into()),
                Ok(note) => return Ok(note.and_then(|note| decode(&note.body))),
            }
        }
        Ok(None)
    }

    /// Stores an intent, and returns whether a session has notes.
    pub(super) async fn write(&self, intent: &Intent) -> Result<bool, MemoryError> {
        self.put(encode(intent), &intent.bases).await
    }

    /// Removes the last intent.
    pub(super) async fn remove(&self) -> Result<bool, MemoryError> {
        self.put(Value::from(""), &[]).await
    }

    async fn put(&self, body: Value, bases: &[Option<Version>]) -> Result<bool, MemoryError> {
        for (index, memory) in self.memories.iter().enumerate() {
            let Some((history, session)) = memory.stored_in() else { continue };
            // A note has to cover the session's epoch, or it is refused.
            let version = match bases.get(index).copied().flatten() {
                Some(base) => base,
                None => history.load(session, Range::LastMessages(0)).await?.version,
            };
            match history.put_note(session, NOTE, &Note::new(body.clone(), version)).await {
                Err(HistoryError::Unsupported { .. }) => {}
                Err(error) => return Err(error.into()),
                Ok(()) => return Ok(true),
            }
        }
        Ok(false)
    }
}

fn encode(intent: &Intent) -> Value {
    let messages: Vec<Json> = intent.turn.messages().iter().map(Message::to_stored).collect();
    Value::from(json!({
        "turn": intent.turn.id().to_string(),
        "incomplete": intent.turn.is_incomplete(),
        "messages": messages,
        "bases": intent.bases,
    }))
}

/// Decodes the content of a note. A removed intent is `None`.
fn decode(body: &Value) -> Option<Intent> {
    let Value::Data(data) = body else { return None };
    let id = TurnId::from_str(data.get("turn")?.as_str()?).ok()?;
    let messages: Messages = serde_json::from_value(data.get("messages")?.clone()).ok()?;
    let is_incomplete = data.get("incomplete").and_then(Json::as_bool).unwrap_or_default();
    let bases = serde_json::from_value(data.get("bases")?.clone()).ok()?;
    Some(Intent { turn: Turn::identified(id, messages).with_incomplete(is_incomplete), bases })
}
