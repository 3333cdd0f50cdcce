//! Keys and their ids.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// The number of bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;
/// The number of bytes of a key's id.
pub(crate) const ID_BYTES: usize = 8;

/// A secret key of 256 bits. Its memory is cleared when it is dropped, and `Debug` shows its id
/// alone.
///
/// The keys that encrypt are derived from it, a different one for each purpose. It must be random:
/// a password is not a key.
///
/// # Examples
///
/// ```
/// use conversant_history_encrypted::Key;
///
/// let key = Key::generate()?;
/// // To keep in a secret store, and to read from there.
/// let text = key.to_base64();
/// let same = Key::from_base64(&text)?;
/// assert_eq!(same.id(), key.id());
/// assert!(!format!("{key:?}").contains(text.as_str()));
/// # Ok::<(), conversant_history_encrypted::KeyError>(())
/// ```
pub struct Key {
    secret: Zeroizing<[u8; KEY_BYTES]>,
    id: KeyId,
}

/// The id of a key: 64 bits that are derived from it, so that a key never has the id of another
/// one. It is not secret, and each encrypted record has the id of its key.
///
/// `Display` is 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; ID_BYTES]);

/// A key that cannot be made.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is not a key.
    #[error("cannot read the key: expected 32 bytes in base64; make one with `Key::generate`")]
    Format,
    /// The operating system has no randomness.
    #[error("cannot generate a key: the operating system gave no randomness")]
    Randomness,
}

conversant_core::debug_as_report!(KeyError);

impl Key {
    /// Generates a key from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeyError::Randomness`].
    pub fn generate() -> Result<Self, KeyError> {
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(secret.as_mut_slice()).map_err(|_| KeyError::Randomness)?;
        Ok(Self::new(secret))
    }

    /// Creates a key from 32 random bytes. The caller's copy of them is not cleared.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self::new(Zeroizing::new(bytes))
    }

    /// Reads a key from its base64 text. Space around it is ignored.
    ///
    /// # Errors
    /// [`KeyError::Format`], which quotes nothing of the text.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        let mut bytes = STANDARD.decode(text.trim()).map_err(|_| KeyError::Format)?;
        let secret = <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).map(Zeroizing::new);
        bytes.zeroize();
        secret.map(Self::new).map_err(|_| KeyError::Format)
    }

    /// Returns the secret as base64 text. The text is cleared when it is dropped.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.secret.as_slice()))
    }

    /// Returns the id.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    fn new(secret: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let mut id = [0; ID_BYTES];
        expand(&secret, b"key id", &mut id);
        Self { secret, id: KeyId(id) }
    }

    /// Derives the key for a purpose.
    pub(crate) fn derive(&self, purpose: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
        let mut derived = Zeroizing::new([0; KEY_BYTES]);
        expand(&self.secret, purpose, derived.as_mut_slice());
        derived
    }
}

/// Derives bytes with HKDF-SHA256 (RFC 5869). Stored records depend on it, so it never changes.
fn expand(secret: &[u8; KEY_BYTES], purpose: &[u8], to: &mut [u8]) {
    let hkdf = Hkdf::<Sha256>::new(Some(b"conversant-history-encrypted 1"), secret);
    // It fails for more than 8,160 bytes only.
    let expanded = hkdf.expand(purpose, to);
    debug_assert!(expanded.is_ok());
}

impl KeyId {
    pub(crate) const fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns the id's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}
