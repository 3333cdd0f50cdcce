//! Counting tokens: exactly by OpenAI's encodings, or cheaply by an estimate.

#[cfg(feature = "tokens")]
mod openai;

use conversant_core::TokenCounter;

#[cfg(feature = "tokens")]
pub use self::openai::{Encoding, OpenAiTokens};

/// An estimate of tokens that needs no tables: four characters of ASCII make one, and any other character is one.
///
/// For English prose with OpenAI's encodings it is off by a fifth or so, most often too high; for other scripts it is too high. It
/// serves budgets that need not be exact, and models whose encoding is not at hand.
///
/// # Examples
///
/// ```
/// use conversant_core::{Message, TokenCounter};
/// use conversant_models::tokens::Estimate;
///
/// assert_eq!(Estimate.count_text("How are you today?"), 5);
/// assert_eq!(Estimate.count_message(&Message::human("Hi")), 3); // Human: Hi
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Estimate;

impl TokenCounter for Estimate {
    fn count_text(&self, text: &str) -> usize {
        let others =
            if text.is_ascii() { 0 } else { text.chars().filter(|c| !c.is_ascii()).count() };
        let ascii = match others {
            0 => text.len(),
            _ => text.bytes().filter(u8::is_ascii).count(),
        };
        others + ascii.div_ceil(4)
    }
}
