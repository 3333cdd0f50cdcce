//! The same promises with the drivers alone: a row or line a turn, with a checksum, once by its id,
//! only in the epoch that was seen.

pub(crate) mod jsonl;
pub(crate) mod postgres;
pub(crate) mod redis;
pub(crate) mod sqlite;

use bench::workload::message;
use conversant_core::{BoxError, TurnId};
use serde::{Deserialize, Serialize};

/// A message of a hand-written program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) role: String,
    pub(crate) content: String,
}

/// A turn that was encoded.
#[derive(Debug, Clone)]
pub(crate) struct NewTurn {
    pub(crate) id: TurnId,
    pub(crate) body: String,
}

impl NewTurn {
    /// Encodes the turn of a number.
    pub(crate) fn of(number: usize) -> Result<Self, BoxError> {
        let message =
            |role: &str, index| Message { role: role.to_owned(), content: message(index) };
        let messages = [message("human", number * 2), message("ai", number * 2 + 1)];
        Ok(Self { id: TurnId::random(), body: serde_json::to_string(&messages)? })
    }
}

/// Decodes the bodies of turns.
pub(crate) fn decode(body: &[u8], messages: &mut Vec<Message>) -> Result<(), BoxError> {
    messages.extend(serde_json::from_slice::<Vec<Message>>(body)?);
    Ok(())
}

/// The checksum of a turn.
pub(crate) fn checksum(session: &str, number: u64, id: TurnId, body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(session.as_bytes());
    sum.update(&number.to_le_bytes());
    sum.update(id.as_bytes());
    sum.update(body);
    sum.finalize()
}
