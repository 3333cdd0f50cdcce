//! Conversations that are encrypted at rest, around any history of conversant's own form.
//!
//! - [`Encrypted`]: the [`ChatHistory`](conversant_core::ChatHistory) around another one, with what
//!   it protects and what stays visible.
//! - [`Keyring`]: the [`Key`] that encrypts, and older ones that decrypt.
//!
//! The algorithms are XChaCha20-Poly1305, HKDF-SHA256 for a key per purpose, and HMAC-SHA256 for
//! blinded ids, all of RustCrypto.

mod blinding;
mod codec;
mod envelope;
mod error;
mod history;
mod key;
mod keyring;
mod message_record;
mod name_record;
mod note_record;
mod sequence;

pub use self::{
    error::{DecryptionError, DecryptionFault, Record},
    history::Encrypted,
    key::{Key, KeyError, KeyId},
    keyring::Keyring,
};
