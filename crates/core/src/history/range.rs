//! Parts of a session.

use super::bytes_left::BytesLeft;
use crate::{messages::Messages, version::Version};

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
    /// because its epoch or its [`tip`](Version::tip) differs, all messages. Without a tip, it may
    /// be past the end: there is nothing after it then.
    After(Version),
}

impl Range {
    /// Cuts the range out of a session that is held in memory. `turns` are the indices at which its
    /// turns begin, in order; the slice has those of its own ([`Slice::turns`]). Without any, it
    /// has none, and [`LastTurns`](Self::LastTurns) is empty.
    ///
    /// Tips are not compared: a store whose versions have one checks [`After`](Self::After) first,
    /// and cuts [`All`](Self::All) if the version does not belong to the session. After a version
    /// past the end there is nothing.
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
    ///
    /// let slice = Range::LastMessages(3).cut(0, &messages, &[0, 2]);
    /// assert_eq!(slice.turns.as_deref(), Some(&[1][..]));
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
                let mut left = BytesLeft::new(limit);
                let sizes = messages.iter().rev().map(|message| message.stored_json_len());
                count - sizes.take_while(|&bytes| left.takes(bytes)).count()
            }
            Self::After(version) if version.epoch == epoch => {
                usize::try_from(version.messages).unwrap_or(count).min(count)
            }
            Self::All | Self::After(_) => 0,
        };
        let slice = Slice::new(messages.slice(start..), Version::new(epoch, count as u64));
        if turns.is_empty() {
            return slice;
        }
        // A turn without messages begins where the next one does, or at the end.
        let begun = turns.iter().filter(|&&turn| turn < count);
        let mut begun: Vec<_> = begun.filter_map(|turn| turn.checked_sub(start)).collect();
        begun.dedup();
        slice.with_turns(begun)
    }
}

/// A part of a session: its last messages, and the version that they end at.
///
/// Two slices are equal if their messages and versions are.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Slice {
    /// The messages.
    pub messages: Messages,
    /// The session's version.
    pub version: Version,
    /// The indices at which the turns begin that begin in the slice, in order, if the store
    /// returns them. A turn without messages is left out.
    ///
    /// A window that keeps its turns loads only the new ones from such a store.
    pub turns: Option<Vec<usize>>,
}

impl Slice {
    /// Creates a slice.
    #[must_use]
    pub fn new(messages: impl Into<Messages>, version: Version) -> Self {
        Self { messages: messages.into(), version, turns: None }
    }

    /// Sets the indices at which the turns begin.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, Messages, Slice, Version};
    ///
    /// let messages = Messages::from_iter(["a", "b", "c"].map(Message::human));
    /// let slice = Slice::new(messages, Version::new(0, 9)).with_turns(vec![1]);
    /// assert_eq!(slice.turns.as_deref(), Some(&[1][..]));
    /// ```
    #[must_use]
    pub fn with_turns(mut self, turns: Vec<usize>) -> Self {
        self.turns = Some(turns);
        self
    }

    /// Returns the index, in the session, of the slice's first message.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.version.messages.saturating_sub(self.messages.len() as u64)
    }
}

impl PartialEq for Slice {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version && self.messages == other.messages
    }
}
