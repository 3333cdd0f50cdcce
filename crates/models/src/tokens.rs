//! Counting tokens: exactly by OpenAI's encodings, or cheaply by an estimate.

#[cfg(feature = "tokens")]
mod openai;

use conversant_core::TokenCounter;

#[cfg(feature = "tokens")]
pub use self::openai::{Encoding, OpenAiTokens};

/// An estimate of tokens that needs no tables: four characters of ASCII make one, two of other alphabets, and any other character
/// is one.
///
/// Against OpenAI's encodings, English prose, Markdown and code came out between 0.89 and 1.05 of the exact count, Russian and Chinese
/// between 0.85 and 1.45. It serves budgets that need not be exact, and models whose encoding is not at hand.
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
        // In quarters of a token, by the bytes that a character takes.
        let quarters = |c: char| match c.len_utf8() {
            1 => 1,
            2 => 2,
            _ => 4,
        };
        let quarters: usize =
            if text.is_ascii() { text.len() } else { text.chars().map(quarters).sum() };
        quarters.div_ceil(4)
    }
}
