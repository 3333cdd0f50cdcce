//! Conversations that are encrypted at rest, around any history of conversant's own form.
//!
//! Depend on this crate to keep messages, notes, titles and labels from readers of a database, a
//! file or a backup. It works with any async runtime.
//!
//! - [`Encrypted`]: the [`ChatHistory`](conversant_core::ChatHistory) around another one, with what
//!   it protects and what stays visible.
//! - [`Keyring`]: the [`Key`] that encrypts, and older ones that decrypt.
//!
//! The algorithms are XChaCha20-Poly1305, HKDF-SHA256 for a key per purpose, and HMAC-SHA256 for
//! blinded ids, all of RustCrypto.
//!
//! # Examples
//!
//! ```
//! use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn};
//! use conversant_history_encrypted::{Encrypted, Key, Keyring};
//! use conversant_history_sqlite::SqliteHistory;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("chat.db");
//! let key = Key::generate()?; // or `Key::from_base64`, from a secret store
//! let history = Encrypted::new(SqliteHistory::open(&file)?, Keyring::new(&key));
//! let session = SessionId::new("user-7")?;
//! history.append(&session, &Turn::exchange("Hi there my friend", "Hello!"), Expect::Any).await?;
//! let loaded = history.load(&session, Range::All).await?;
//! assert_eq!(loaded.messages.to_string(), "Human: Hi there my friend\nAI: Hello!");
//! # Ok(())
//! # }
//! ```

mod append;
mod blinding;
mod codec;
mod deletion;
mod envelope;
mod error;
mod fork;
mod history;
mod key;
mod keyring;
mod listing;
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
