//! Keyrings: the key that encrypts, and older ones that decrypt.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use conversant_core::{HistoryError, HistoryIdentity};
use zeroize::Zeroizing;

use crate::{
    blinding::keyed_hash,
    key::{KEY_BYTES, Key, KeyId},
};

/// The keys of an encrypted history: the primary one encrypts, and all decrypt.
///
/// To rotate keys, open the history with a new primary key and the old one as an older key. New
/// turns are encrypted with the new key; [`copy`] into a new store encrypts the old ones with it
/// too, and then the old key can be forgotten.
///
/// Several processes are rotated in two steps, since one that lacks the new key cannot read what
/// others have encrypted with it. First, all get the new key as an older one; once none without it
/// is left, the new key becomes the primary one, and the old one an older key.
///
/// [`copy`]: https://docs.rs/conversant-transfer/latest/conversant_transfer/fn.copy.html
///
/// # Examples
///
/// ```
/// use conversant_history_encrypted::{Key, Keyring};
///
/// let (old, new) = (Key::generate()?, Key::generate()?);
/// let keyring = Keyring::new(&new).with_older(&old);
/// assert_eq!(keyring.primary(), new.id());
/// # Ok::<(), conversant_history_encrypted::KeyError>(())
/// ```
#[derive(Clone)]
pub struct Keyring {
    primary: Arc<DerivedKeys>,
    older: Vec<Arc<DerivedKeys>>,
}

/// The keys that are derived from one key. The ciphers clear theirs when they are dropped.
pub(crate) struct DerivedKeys {
    pub(crate) id: KeyId,
    messages: XChaCha20Poly1305,
    notes: XChaCha20Poly1305,
    titles: XChaCha20Poly1305,
    labels: XChaCha20Poly1305,
    /// The key of the hashes of labels' names.
    label_names: Zeroizing<[u8; KEY_BYTES]>,
}

/// The purpose of a record. Each has a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Message,
    Note,
    Title,
    Label,
}

impl Keyring {
    /// Creates a keyring of one key.
    #[must_use]
    pub fn new(primary: &Key) -> Self {
        Self { primary: Arc::new(DerivedKeys::new(primary)), older: Vec::new() }
    }

    /// Adds a key that decrypts, and never encrypts.
    #[must_use]
    pub fn with_older(mut self, key: &Key) -> Self {
        self.older.push(Arc::new(DerivedKeys::new(key)));
        self
    }

    /// Returns the id of the key that encrypts.
    #[must_use]
    pub fn primary(&self) -> KeyId {
        self.primary.id
    }

    /// Returns the identity of what this keyring, or a clone of it, encrypts in a store.
    pub(crate) fn identity_in(&self, store: HistoryIdentity) -> HistoryIdentity {
        store.within(&self.primary)
    }

    pub(crate) fn primary_keys(&self) -> &DerivedKeys {
        &self.primary
    }

    /// Iterates over all keys, the primary one first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &DerivedKeys> {
        std::iter::once(&self.primary).chain(&self.older).map(AsRef::as_ref)
    }

    /// Finds a key by its id.
    pub(crate) fn find(&self, id: KeyId) -> Option<&DerivedKeys> {
        self.all().find(|key| key.id == id)
    }
}

impl DerivedKeys {
    fn new(key: &Key) -> Self {
        let cipher = |purpose: &[u8]| XChaCha20Poly1305::new((&*key.derive(purpose)).into());
        Self {
            id: key.id(),
            messages: cipher(b"messages"),
            notes: cipher(b"notes"),
            titles: cipher(b"titles"),
            labels: cipher(b"labels"),
            label_names: key.derive(b"label names"),
        }
    }

    /// Returns the name under which a store has a label: a keyed hash of 43 characters.
    pub(crate) fn label_name(&self, name: &str) -> Result<String, HistoryError> {
        keyed_hash(&self.label_names, &[name]).map(|hash| BASE64.encode(hash))
    }

    pub(crate) const fn cipher(&self, purpose: Purpose) -> &XChaCha20Poly1305 {
        match purpose {
            Purpose::Message => &self.messages,
            Purpose::Note => &self.notes,
            Purpose::Title => &self.titles,
            Purpose::Label => &self.labels,
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let older: Vec<_> = self.older.iter().map(|key| key.id).collect();
        f.debug_struct("Keyring").field("primary", &self.primary.id).field("older", &older).finish()
    }
}
