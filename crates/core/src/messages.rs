//! A sequence of messages that shares its storage.
//!
//! # Why segments
//!
//! A conversation is append-only, and a prompt adds a few messages around it. A sequence is
//! therefore a list of views into segments: shared runs of messages that never change once they are
//! written. Cloning, slicing and joining move no messages. A segment also caches the output of
//! encoders ([`Chunk::memo`]), so that an adapter encodes each message once and this crate does not
//! depend on the encoding.

mod segment;

use std::{fmt, ops::RangeBounds, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::segment::Chunk;
use self::segment::View;
use crate::message::Message;

/// The capacity, in views, reserved when a sequence is appended to an empty one. A prompt continues
/// with a conversation and a question.
const SPARE_VIEWS: usize = 12;

/// A sequence of messages that is cheap to clone, to append to and to slice.
///
/// `Display` is the transcript with the default prefixes ([`Transcript`](crate::Transcript)). Serde
/// reads and writes an array of stored messages.
///
/// # Examples
///
/// ```
/// use conversant_core::{Message, Messages};
///
/// let mut history = Messages::from_iter([Message::human("hi"), Message::ai("hello")]);
/// let before = history.clone();
/// history.push(Message::human("how are you?"));
///
/// assert_eq!(before.len(), 2);
/// assert_eq!(history.last_n(1).to_string(), "Human: how are you?");
/// ```
#[derive(Clone, Default)]
pub struct Messages {
    views: Vec<View>,
    len: usize,
}

impl Messages {
    /// Creates an empty sequence.
    #[must_use]
    pub const fn new() -> Self {
        Self { views: Vec::new(), len: 0 }
    }

    /// Returns the number of messages.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether the sequence is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a message.
    ///
    /// Existing clones do not change. Clones that are appended to are independent of each other.
    pub fn push(&mut self, message: impl Into<Arc<Message>>) {
        self.push_shared(message.into());
    }

    fn push_shared(&mut self, mut message: Arc<Message>) {
        if let Some(view) = self.views.last_mut() {
            match view.try_push(message) {
                Ok(()) => {
                    self.len += 1;
                    return;
                }
                Err(back) => message = back,
            }
        }
        let view = View::growing(message, self.views.last());
        match self.views.len() {
            // Most sequences that are built by `push` need one view: a turn, or the text of a
            // prompt.
            0 => self.views = vec![view],
            _ => self.views.push(view),
        }
        self.len += 1;
    }

    /// Appends another sequence by sharing its segments.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, Messages};
    ///
    /// let mut messages = Messages::from_iter([Message::human("Hi"), Message::ai("Hello!")]);
    /// messages.append(&Messages::from_iter([Message::human("How are you?")]));
    /// assert_eq!(messages.len(), 3);
    /// ```
    pub fn append(&mut self, other: &Self) {
        if other.is_empty() {
            // An answer without tool calls has no messages before it.
            return;
        }
        // This is usually a prompt, which continues with a conversation and a question.
        if self.views.is_empty() {
            self.views = Vec::with_capacity(other.views.len() + SPARE_VIEWS);
        } else {
            self.views.reserve(other.views.len() + 1);
        }
        self.views.extend(other.views.iter().map(View::sealed));
        self.len += other.len;
    }

    /// Returns the message at an index.
    #[must_use]
    pub fn get(&self, mut index: usize) -> Option<&Message> {
        for view in &self.views {
            if index < view.len() {
                return view.get(index).map(AsRef::as_ref);
            }
            index -= view.len();
        }
        None
    }

    /// Returns the first message.
    #[must_use]
    pub fn first(&self) -> Option<&Message> {
        self.get(0)
    }

    /// Returns the last message.
    #[must_use]
    pub fn last(&self) -> Option<&Message> {
        self.iter().next_back()
    }

    /// Iterates over the messages.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { views: &self.views, front: 0, back: 0, left: self.len }
    }

    /// Iterates over the messages as shared pointers.
    pub fn iter_shared(&self) -> impl Iterator<Item = &Arc<Message>> {
        self.views.iter().flat_map(View::iter)
    }

    /// Returns the messages in a range of indices, by sharing them. Indices past the end are
    /// ignored.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, Messages};
    ///
    /// let messages = Messages::from_iter(["a", "b", "c"].map(Message::human));
    /// assert_eq!(messages.slice(1..).len(), 2);
    /// assert_eq!(messages.slice(..9), messages);
    /// assert_eq!(messages.last_n(1).first().map(Message::text), Some("c".into()));
    /// ```
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        use std::ops::Bound;
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&end) => end.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => self.len,
        };
        self.between(start, end.min(self.len))
    }

    /// Returns the messages between two indices. The end is at most the length.
    fn between(&self, start: usize, end: usize) -> Self {
        if start == 0 && end == self.len {
            return self.clone();
        }
        let mut views = Vec::new();
        let mut base = 0;
        for view in &self.views {
            let from = start.saturating_sub(base).min(view.len());
            let to = end.saturating_sub(base).min(view.len());
            if from < to {
                views.push(view.part(from, to));
            }
            base += view.len();
        }
        Self { views, len: end.saturating_sub(start) }
    }

    /// Collects messages, compiled once for all kinds of iterators.
    fn of(messages: &mut dyn Iterator<Item = Arc<Message>>) -> Self {
        let view = View::whole(messages);
        match view.len() {
            0 => Self::new(),
            len => Self { views: vec![view], len },
        }
    }

    /// Returns the last `n` messages, or all if there are fewer, by sharing them.
    #[must_use]
    pub fn last_n(&self, n: usize) -> Self {
        self.slice(self.len.saturating_sub(n)..)
    }

    /// Returns the shared runs of the sequence in order, for encoders that cache their output.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk<'_>> {
        self.views.iter().map(View::chunk)
    }
}

/// An iterator over the messages of a [`Messages`].
#[derive(Clone)]
pub struct Iter<'m> {
    views: &'m [View],
    /// The number of messages taken from the first view.
    front: usize,
    /// The number of messages taken from the last view.
    back: usize,
    left: usize,
}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Iter({} left)", self.left)
    }
}

impl<'m> Iterator for Iter<'m> {
    type Item = &'m Message;

    fn next(&mut self) -> Option<&'m Message> {
        if self.left == 0 {
            return None;
        }
        loop {
            let (view, rest) = self.views.split_first()?;
            if self.front < view.len() {
                self.front += 1;
                self.left -= 1;
                return view.get(self.front - 1).map(AsRef::as_ref);
            }
            self.views = rest;
            self.front = 0;
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'m> DoubleEndedIterator for Iter<'m> {
    fn next_back(&mut self) -> Option<&'m Message> {
        if self.left == 0 {
            return None;
        }
        loop {
            let (view, rest) = self.views.split_last()?;
            if self.back < view.len() {
                self.back += 1;
                self.left -= 1;
                return view.get(view.len() - self.back).map(AsRef::as_ref);
            }
            self.views = rest;
            self.back = 0;
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'m> IntoIterator for &'m Messages {
    type Item = &'m Message;
    type IntoIter = Iter<'m>;

    fn into_iter(self) -> Iter<'m> {
        self.iter()
    }
}

impl<M: Into<Arc<Message>>> FromIterator<M> for Messages {
    fn from_iter<I: IntoIterator<Item = M>>(messages: I) -> Self {
        Self::of(&mut messages.into_iter().map(Into::into))
    }
}

impl<M: Into<Arc<Message>>> Extend<M> for Messages {
    fn extend<I: IntoIterator<Item = M>>(&mut self, messages: I) {
        for message in messages {
            self.push(message);
        }
    }
}

impl From<Vec<Message>> for Messages {
    fn from(messages: Vec<Message>) -> Self {
        Self::from_iter(messages)
    }
}

impl From<Message> for Messages {
    fn from(message: Message) -> Self {
        Self::from_iter([message])
    }
}

impl PartialEq for Messages {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Messages {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Message>::deserialize(deserializer).map(Self::from)
    }
}
