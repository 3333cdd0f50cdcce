//! Parts of a session.

use crate::{message::Message, messages::Messages, version::Version};

/// A part of a session to load. The cost depends on the part, not on the session's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Range {
    /// All of it.
    All,
    /// The last turns, at most this many.
    LastTurns(usize),
    /// The last messages, at most this many.
    LastMessages(usize),
    /// The last messages whose stored JSON has at most this many bytes together, each whole.
    LastBytes(u64),
    /// The messages after a version. If the version does not belong to the stored conversation,
    /// because its epoch or its [`tip`](Version::tip) differs, all messages.
    After(Version),
}

impl Range {
    /// Cuts the range out of a session that is held in memory. `turns` are the indices at which its
    /// turns begin, in order.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, Messages, Range, Version};
    ///
    /// let messages = Messages::from_iter(["a", "b", "c", "d"].map(Message::human));
    /// let cut = |range: Range| range.cut(0, &messages, &[0, 2]).messages.len();
    /// assert_eq!((cut(Range::All), cut(Range::LastTurns(1)), cut(Range::LastMessages(3))), (4, 2, 3));
    /// assert_eq!(cut(Range::After(Version::new(0, 3))), 1);
    /// ```
    #[must_use]
    pub fn cut(self, epoch: u64, messages: &Messages, turns: &[usize]) -> Slice {
        let count = messages.len();
        let start = match self {
            Self::LastTurns(last) => {
                turns.get(turns.len().saturating_sub(last)).copied().unwrap_or(count)
            }
            Self::LastMessages(last) => count.saturating_sub(last),
            Self::LastBytes(limit) => {
                let mut left = limit;
                let fits = |message: &&Message| {
                    // A message without a stored form (a tool result without the id of its call)
                    // counts by its text.
                    let json = serde_json::to_string(message);
                    let bytes = json.map_or(message.text().len(), |json| json.len()) as u64;
                    left.checked_sub(bytes).inspect(|&rest| left = rest).is_some()
                };
                count - messages.iter().rev().take_while(fits).count()
            }
            Self::After(version) if version.epoch == epoch => {
                usize::try_from(version.messages).unwrap_or(count)
            }
            Self::All | Self::After(_) => 0,
        };
        Slice::new(messages.slice(start..), Version::new(epoch, count as u64))
    }
}

/// A part of a session: its last messages, and the version that they end at.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Slice {
    /// The messages.
    pub messages: Messages,
    /// The session's version.
    pub version: Version,
}

impl Slice {
    /// Creates a slice.
    #[must_use]
    pub fn new(messages: impl Into<Messages>, version: Version) -> Self {
        Self { messages: messages.into(), version }
    }

    /// Returns the index, in the session, of the slice's first message.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.version.messages.saturating_sub(self.messages.len() as u64)
    }
}
