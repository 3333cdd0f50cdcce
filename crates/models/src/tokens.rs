//! Token counts: exact by OpenAI's encodings, or an estimate.

#[cfg(feature = "tokens")]
mod openai;

use conversant_core::TokenCounter;

#[cfg(feature = "tokens")]
pub use self::openai::{Encoding, OpenAiTokens};

/// An estimate of token counts without tables. A token is four ASCII characters, two characters of
/// other alphabets, or one character of any other script.
///
/// The estimate is between 0.89 and 1.05 of the exact count for English prose, Markdown and code,
/// and between 0.85 and 1.45 for Russian and Chinese. Use it for budgets that need not be exact,
/// and for models whose encoding is unknown.
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
        // In quarters of a token, by the character's length in UTF-8.
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
