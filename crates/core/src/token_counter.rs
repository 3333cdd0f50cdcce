//! The token counter trait.

use crate::{message::Message, transcript::Transcript};

/// A counter of tokens.
///
/// Implemented by tokenizer crates and for custom models; called by memories and trimming helpers
/// with a budget. They cache the count of a message, so it must depend on the message only.
///
/// # Examples
///
/// ```
/// use conversant_core::{Message, TokenCounter};
///
/// struct Words;
///
/// impl TokenCounter for Words {
///     fn count_text(&self, text: &str) -> usize {
///         text.split_whitespace().count()
///     }
/// }
///
/// assert_eq!(Words.count_message(&Message::human("how are you?")), 4); // Human: how are you?
/// ```
pub trait TokenCounter: Send + Sync {
    /// Returns the number of tokens of a text.
    fn count_text(&self, text: &str) -> usize;

    /// Returns the number of tokens of a message. By default, its line in a transcript is counted.
    fn count_message(&self, message: &Message) -> usize {
        self.count_text(&Transcript::default().render([message]))
    }
}

macro_rules! forward_counter {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        impl<C: TokenCounter + ?Sized> TokenCounter for $pointer {
            fn count_text(&self, text: &str) -> usize {
                (**self).count_text(text)
            }
            fn count_message(&self, message: &Message) -> usize {
                (**self).count_message(message)
            }
        }
    )*};
}
forward_counter!(&C, Box<C>, std::sync::Arc<C>);
