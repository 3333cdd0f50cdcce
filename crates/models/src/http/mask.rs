//! Keys that a server echoes, masked before anyone sees them.

use std::fmt;

use conversant_core::{ApiError, DecodeError, ModelError, Withheld};
use secrecy::{ExposeSecret, SecretString};

const MASKED: &str = "[key]";
/// The shortest secret that is looked for: less would mask ordinary words.
const SHORTEST: usize = 4;

/// The secrets of an adapter, to look for in what a server says.
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
        let long = |secret: &SecretString| secret.expose_secret().len() >= SHORTEST;
        Self { secrets: secrets.into_iter().filter(long).collect() }
    }

    /// Returns a text without the secrets, and without what looks like a key of OpenAI's.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for secret in &self.secrets {
            let secret = secret.expose_secret();
            if masked.contains(secret) {
                masked = masked.replace(secret, MASKED);
            }
        }
        mask_key_like(&masked)
    }

    /// Masks whatever of an error a server has written.
    pub(crate) fn error(&self, mut error: ModelError) -> ModelError {
        match &mut error {
            ModelError::Status { error, .. }
            | ModelError::ApiErrorInBody { error }
            | ModelError::Stream { error, .. } => self.api_error(error),
            ModelError::Decode(error) => self.decode_error(error),
            ModelError::Redirect { origin, .. } => *origin = self.text(origin),
            _ => {}
        }
        error
    }

    fn api_error(&self, error: &mut ApiError) {
        self.withheld(&mut error.message);
        self.withheld(&mut error.body);
        let fields =
            [&mut error.code, &mut error.error_type, &mut error.param, &mut error.request_id];
        for field in fields.into_iter().flatten() {
            *field = self.text(field);
        }
    }

    fn decode_error(&self, error: &mut DecodeError) {
        self.withheld(&mut error.body);
        if let Some(content_type) = &mut error.content_type {
            *content_type = self.text(content_type);
        }
    }

    fn withheld(&self, text: &mut Withheld) {
        *text = Withheld::from(self.text(text.as_str()));
    }
}

/// Masks words that begin with `sk-`, cut off as they may be: a key that is not ours is a secret too.
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
