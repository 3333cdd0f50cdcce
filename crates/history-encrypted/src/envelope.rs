//! The form of an encrypted record: base64 of a version, the key's id, a nonce, the ciphertext and
//! its tag.
//!
//! The associated data, which are authenticated and not stored, name the purpose and the place of
//! the record: the session, and a note's name.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use chacha20poly1305::{AeadInOut, Tag, XNonce};
use conversant_core::HistoryError;

use crate::{
    error::DecryptionFault,
    key::{ID_BYTES, KeyId},
    keyring::{Keyring, Purpose},
};

/// The version of the form.
const FORM: u8 = 1;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const HEAD_BYTES: usize = 1 + ID_BYTES + NONCE_BYTES;

/// The place of a record, to which it is bound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'p> {
    pub(crate) purpose: Purpose,
    /// The session's id in the store.
    pub(crate) session: &'p str,
    /// The name of a note or of a label in the store; empty for others.
    pub(crate) name: &'p str,
}

impl Place<'_> {
    fn associated_data(self, head: &[u8]) -> Vec<u8> {
        let mut data = Vec::with_capacity(64 + self.session.len() + self.name.len());
        data.extend_from_slice(b"conversant-history-encrypted");
        data.push(match self.purpose {
            Purpose::Message => 1,
            Purpose::Note => 2,
            Purpose::Title => 3,
            Purpose::Label => 4,
        });
        // The form and the key's id.
        data.extend_from_slice(head.get(..1 + ID_BYTES).unwrap_or_default());
        for part in [self.session, self.name] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data
    }
}

/// A record that is being written: its head, and the plaintext after it.
pub(crate) struct Envelope(Vec<u8>);

impl Envelope {
    /// Begins a record with room for a plaintext of a size.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        let mut record = Vec::with_capacity(HEAD_BYTES + bytes + TAG_BYTES);
        record.resize(HEAD_BYTES, 0);
        Self(record)
    }

    /// Adds to the plaintext.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Encrypts the plaintext in place, and returns the record as text.
    pub(crate) fn seal(mut self, keys: &Keyring, place: Place<'_>) -> Result<String, HistoryError> {
        let keys = keys.primary_keys();
        let (head, plaintext) = self.0.split_at_mut(HEAD_BYTES);
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)
            .map_err(|error| HistoryError::Backend { source: error.into() })?;
        let fields = [&[FORM][..], keys.id.as_bytes(), &nonce].concat();
        head.copy_from_slice(&fields);
        let data = place.associated_data(head);
        let tag = keys
            .cipher(place.purpose)
            .encrypt_inout_detached(&XNonce::from(nonce), &data, plaintext.into())
            // It fails for more than 256 GiB only.
            .map_err(|_| HistoryError::Unsupported { what: "messages of this size" })?;
        self.0.extend_from_slice(&tag);
        Ok(BASE64.encode(&self.0))
    }
}

/// Decrypts a record, and returns its plaintext.
pub(crate) fn open(
    text: &str,
    keys: &Keyring,
    place: Place<'_>,
) -> Result<Vec<u8>, DecryptionFault> {
    let mut record = BASE64.decode(text).map_err(|_| DecryptionFault::UnknownForm)?;
    if record.first() != Some(&FORM) {
        return Err(DecryptionFault::UnknownForm);
    }
    let cut = DecryptionFault::Altered;
    let tag_at = record.len().checked_sub(TAG_BYTES).ok_or(cut)?;
    let tag = Tag::try_from(record.split_off(tag_at).as_slice()).map_err(|_| cut)?;
    let (head, ciphertext) = record.split_at_mut_checked(HEAD_BYTES).ok_or(cut)?;
    let (_, rest) = head.split_first().ok_or(cut)?;
    let (id, nonce) = rest.split_first_chunk::<ID_BYTES>().ok_or(cut)?;
    let id = KeyId::from_bytes(*id);
    let keys = keys.find(id).ok_or(DecryptionFault::UnknownKey(id))?;
    let nonce = XNonce::try_from(nonce).map_err(|_| cut)?;
    let data = place.associated_data(head);
    keys.cipher(place.purpose)
        .decrypt_inout_detached(&nonce, &data, ciphertext.into(), &tag)
        .map_err(|_| DecryptionFault::Altered)?;
    record.drain(..HEAD_BYTES);
    Ok(record)
}

/// Returns the size of a record with a plaintext of a size.
pub(crate) const fn sealed_bytes(plaintext: u64) -> u64 {
    ((HEAD_BYTES + TAG_BYTES) as u64).saturating_add(plaintext).saturating_mul(4).div_ceil(3)
}
