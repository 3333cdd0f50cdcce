//! Support for the expansion of the macros. Not part of the public interface.

pub use conversant_core::{Prompt, Value, Variables};
pub use conversant_macros::{chat_prompt, prompt};

use crate::error::TemplateError;

/// Unwraps a prompt whose templates were checked at compile time.
#[expect(
    clippy::panic,
    reason = "the same parser has accepted the literals; the rest is documented"
)]
#[track_caller]
pub fn checked<P>(prompt: Result<P, TemplateError>) -> P {
    match prompt {
        Ok(prompt) => prompt,
        Err(error) => panic!("{error:#}"),
    }
}

/// Returns whether a name is among a struct's fields, at compile time.
#[must_use]
pub const fn has_name(names: &[&str], wanted: &str) -> bool {
    let mut rest = names;
    while let [first, others @ ..] = rest {
        if same(first.as_bytes(), wanted.as_bytes()) {
            return true;
        }
        rest = others;
    }
    false
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    match (left, right) {
        ([], []) => true,
        ([a, left @ ..], [b, right @ ..]) => *a == *b && same(left, right),
        _ => false,
    }
}
