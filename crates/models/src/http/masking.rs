//! Masks keys in what a server says.

use std::fmt;

use conversant_core::ModelError;
use secrecy::{ExposeSecret, SecretString};

use super::escapes;

const MASKED: &str = "[key]";
/// The length of the shortest secret that is masked: shorter ones would mask ordinary words.
const MIN_LENGTH: usize = 4;

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
    pub(crate) fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let long = |secret: &SecretString| secret.expose_secret().len() >= MIN_LENGTH;
        Self { secrets: secrets.into_iter().filter(long).collect() }
    }

    /// Masks the secrets in a text, as they are or as servers escape what they quote, and words
    /// that look like an OpenAI key.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        let may_escape = text.contains(['\\', '%', '&', '+']);
        for secret in &self.secrets {
            let secret = secret.expose_secret();
            if masked.contains(secret) {
                masked = masked.replace(secret, MASKED);
            }
            if may_escape && escapes::is_escaped(secret) {
                masked = escapes::replace(&masked, secret, MASKED);
            }
        }
        mask_key_like(&masked)
    }

    /// Masks every text of an error that may come from a server.
    pub(crate) fn error(&self, error: ModelError) -> ModelError {
        error.masked(&|text| self.text(text))
    }
}

/// Masks words that begin with `sk-`, even if they are cut off: another's key is a secret too.
fn mask_key_like(text: &str) -> String {
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '.');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("sk-") {
        out.push_str(before);
        let length = after.find(|c| !is_of_key(c)).unwrap_or(after.len());
        let inside_word = before.chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric());
        if inside_word || length < 6 {
            out.push_str("sk-");
            rest = after;
        } else {
            out.push_str(MASKED);
            rest = after.get(length..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
