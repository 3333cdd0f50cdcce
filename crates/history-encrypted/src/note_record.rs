//! Notes as records: the body, and the version that the note covers.

use conversant_core::{HistoryError, Messages, Note, SessionId, Value, Version};

use crate::{
    envelope::{self, Envelope, Place},
    error::DecryptionFault,
    keyring::{Keyring, Purpose},
};

/// Marks a body of messages, and any other one.
const MESSAGES: u8 = 1;
const OTHER: u8 = 0;

/// The largest note, in bytes of its JSON: what a store takes ([`Note::MAX_BYTES`]) without the
/// growth by base64, with room for what the store adds.
const MAX_BYTES: u64 = 12_500_000;

/// Encrypts a note.
pub(crate) fn seal(
    keys: &Keyring,
    session: &SessionId,
    name: &str,
    note: &Note,
) -> Result<Note, HistoryError> {
    let encode = |error: serde_json::Error| HistoryError::Backend { source: error.into() };
    let json = serde_json::to_vec(&note.body).map_err(encode)?;
    let (bytes, limit) = (json.len() as u64, MAX_BYTES);
    if bytes > limit {
        return Err(HistoryError::TooLarge { what: "note", bytes, limit });
    }
    let mut envelope = Envelope::with_capacity(json.len() + 17);
    envelope.push(&note.covers.epoch.to_be_bytes());
    envelope.push(&note.covers.messages.to_be_bytes());
    envelope.push(&[if note.body.as_messages().is_some() { MESSAGES } else { OTHER }]);
    envelope.push(&json);
    Ok(Note::new(envelope.seal(keys, place(session, name))?, note.covers))
}

/// Decrypts a note.
pub(crate) fn open(
    keys: &Keyring,
    session: &SessionId,
    name: &str,
    note: &Note,
) -> Result<Note, DecryptionFault> {
    let text = note.body.as_text().ok_or(DecryptionFault::NotEncrypted)?;
    let plaintext = envelope::open(text, keys, place(session, name))?;
    let (covers, kind, json) = read(&plaintext).ok_or(DecryptionFault::UnknownForm)?;
    // A store has notes without turns in the first epoch of a session that did not exist before.
    let is_earlier = covers.messages == 0 && covers.epoch < note.covers.epoch;
    if covers.messages != note.covers.messages || covers.epoch != note.covers.epoch && !is_earlier {
        return Err(DecryptionFault::Mismatch);
    }
    let body = match kind {
        MESSAGES => serde_json::from_slice::<Messages>(json).map(Value::from),
        _ => serde_json::from_slice(json),
    };
    Ok(Note::new(body.map_err(|_| DecryptionFault::UnknownForm)?, note.covers))
}

fn read(plaintext: &[u8]) -> Option<(Version, u8, &[u8])> {
    let (epoch, rest) = plaintext.split_first_chunk()?;
    let (messages, rest) = rest.split_first_chunk()?;
    let (&kind, json) = rest.split_first()?;
    let covers = Version::new(u64::from_be_bytes(*epoch), u64::from_be_bytes(*messages));
    Some((covers, kind, json))
}

fn place<'p>(session: &'p SessionId, name: &'p str) -> Place<'p> {
    Place { purpose: Purpose::Note, session: session.as_str(), name }
}
