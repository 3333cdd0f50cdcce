//! Blinded session ids and names of notes.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use conversant_core::{HistoryError, SessionId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::key::{KEY_BYTES, Key};

/// The keys that blind names: the same name always becomes the same text, which says nothing of
/// it.
pub(crate) struct Blinding {
    sessions: Zeroizing<[u8; KEY_BYTES]>,
    notes: Zeroizing<[u8; KEY_BYTES]>,
}

impl Blinding {
    pub(crate) fn new(key: &Key) -> Self {
        Self { sessions: key.derive(b"session ids"), notes: key.derive(b"note names") }
    }

    /// Returns the id under which a store has a session.
    pub(crate) fn session(&self, session: &SessionId) -> Result<SessionId, HistoryError> {
        let blinded = blind(&self.sessions, &[session.as_str()])?;
        SessionId::new(blinded).map_err(|error| HistoryError::Backend { source: error.into() })
    }

    /// Returns the name under which a store has a note of a session.
    pub(crate) fn note(&self, session: &SessionId, name: &str) -> Result<String, HistoryError> {
        blind(&self.notes, &[session.as_str(), name])
    }
}

/// Returns the keyed hash of texts in base64: 43 characters. Stores have it, so it never changes.
fn blind(key: &[u8; KEY_BYTES], texts: &[&str]) -> Result<String, HistoryError> {
    keyed_hash(key, texts).map(|hash| BASE64.encode(hash))
}

/// Returns the HMAC-SHA256 of texts.
pub(crate) fn keyed_hash(
    key: &[u8; KEY_BYTES],
    texts: &[&str],
) -> Result<[u8; KEY_BYTES], HistoryError> {
    let hmac = Hmac::<Sha256>::new_from_slice(key);
    let mut hmac = hmac.map_err(|error| HistoryError::Backend { source: error.into() })?;
    for text in texts {
        hmac.update(&(text.len() as u64).to_be_bytes());
        hmac.update(text.as_bytes());
    }
    Ok(hmac.finalize().into_bytes().into())
}
