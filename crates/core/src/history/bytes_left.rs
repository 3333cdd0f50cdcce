//! The last messages that fit into a number of bytes.

/// The rest of the bytes of a [`Range::LastBytes`](crate::Range::LastBytes), for implementers of
/// stores: messages are taken from the last one on, each whole, until one does not fit.
///
/// # Examples
///
/// ```
/// use conversant_core::{BytesLeft, Message};
///
/// let messages = ["a long message", "b", "c"].map(Message::human);
/// let mut left = BytesLeft::new(2 * messages[2].stored_json_len());
/// let fitting = messages.iter().rev().take_while(|message| left.takes(message.stored_json_len()));
/// assert_eq!(fitting.count(), 2);
/// assert!(!left.takes(1));
/// ```
#[derive(Debug, Clone)]
pub struct BytesLeft(u64);

impl BytesLeft {
    /// Begins with all bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Takes a message of this size, if it fits. After one that does not, no other one does.
    pub const fn takes(&mut self, bytes: u64) -> bool {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => {
                self.0 = 0;
                false
            }
        }
    }
}
