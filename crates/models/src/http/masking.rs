//! Masks keys in what a server says.

use std::fmt;

use conversant_core::ModelError;
use secrecy::{ExposeSecret, SecretString};

use super::escapes;

const MASKED: &str = "[key]";
/// The length of the shortest secret that is masked: shorter ones would mask ordinary words.
const MIN_LENGTH: usize = 4;
/// The length of the shortest credentials that are masked without the scheme before them.
const MIN_CREDENTIALS: usize = 8;
/// The most of a secret that the end of a text has to begin for it to be masked.
const MAX_BEGUN: usize = 8;

/// The secrets of an adapter.
#[derive(Clone, Default)]
pub(crate) struct Mask {
    secrets: Vec<SecretString>,
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mask({})", self.secrets.len())
    }
}

impl Mask {
    /// A secret may be credentials after their scheme, as in `Bearer …`: a server may quote either.
    pub(crate) fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let mut mask = Self::default();
        for secret in secrets.into_iter().filter(|it| it.expose_secret().len() >= MIN_LENGTH) {
            let alone = credentials(secret.expose_secret()).map(SecretString::from);
            mask.secrets.push(secret);
            mask.secrets.extend(alone);
        }
        mask
    }

    /// Masks the secrets of another mask as well.
    pub(crate) fn extend(&mut self, other: Self) {
        self.secrets.extend(other.secrets);
    }

    /// Masks the secrets in a text, as they are or as servers escape what they quote, and words
    /// that look like an OpenAI key. A text may be cut off in the middle of a secret.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        let may_escape = text.contains(['\\', '%', '&', '+']);
        for secret in &self.secrets {
            let secret = secret.expose_secret();
            let begun = (secret.len() / 2).clamp(MIN_LENGTH, MAX_BEGUN);
            if masked.contains(secret) {
                masked = masked.replace(secret, MASKED);
            }
            if may_escape && escapes::is_escaped(secret) {
                masked = escapes::replace(&masked, secret, begun, MASKED);
            }
            mask_begun(&mut masked, secret, begun);
        }
        mask_key_like(&masked)
    }

    /// Masks every text of an error that may come from a server.
    pub(crate) fn error(&self, error: ModelError) -> ModelError {
        error.masked(&|text| self.text(text))
    }
}

/// Returns the credentials of a header's value after their scheme.
fn credentials(secret: &str) -> Option<&str> {
    let (scheme, credentials) = secret.split_once(' ')?;
    let is_word = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_one = credentials.len() >= MIN_CREDENTIALS && !credentials.contains(' ');
    (is_word && is_one).then_some(credentials)
}

/// Masks the beginning of a secret at the end of a text, of at least `begun` bytes.
fn mask_begun(text: &mut String, secret: &str, begun: usize) {
    let beginning = |length| secret.get(..length).filter(|it| text.ends_with(it));
    if let Some(beginning) = (begun..secret.len()).rev().find_map(beginning) {
        text.truncate(text.len() - beginning.len());
        text.push_str(MASKED);
    }
}

/// Masks words that begin with `sk-`, even if they are cut off: another's key is a secret too.
fn mask_key_like(text: &str) -> String {
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '.');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("sk-") {
        out.push_str(before);
        let is_inside_word = before.chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric());
        // A word with `sk-` again and again is measured once.
        let length = || after.find(|c| !is_of_key(c)).unwrap_or(after.len());
        match (!is_inside_word).then(length).filter(|length| *length >= 6) {
            Some(length) => {
                out.push_str(MASKED);
                rest = after.get(length..).unwrap_or_default();
            }
            None => {
                out.push_str("sk-");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
