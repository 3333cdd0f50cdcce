//! Shared runs of messages, with the caches of encoders.
//!
//! `xtask/loom` checks this file under all interleavings of its threads.

use std::{
    any::{Any, TypeId},
    fmt,
    ops::Range,
    sync::{Arc, PoisonError},
};

use crate::{
    message::Message,
    sync::{Mutex, OnceLock},
};

/// The capacity, in messages, of a conversation's first segment and of its largest. Each segment
/// has twice the capacity of the one before it, so a conversation of n messages has about log n
/// segments.
const CAPACITY: (usize, usize) = (4, 4096);

/// The number of encoders for which a segment keeps a cache. If there are more, for example because
/// a service changes its settings with each call, the oldest cache but the first is dropped.
const MEMOS: usize = 8;

/// A run of messages. Each slot is written once, in order.
pub(super) struct Segment {
    slots: Slots,
    /// The memo of the first encoder, usually the only one.
    memo: OnceLock<Memo>,
    memos: Mutex<Vec<Memo>>,
}

type Slot = OnceLock<Arc<Message>>;

/// The slots for messages. Each call creates segments for its question and its turn, so small
/// segments avoid a heap allocation.
enum Slots {
    Few([Slot; CAPACITY.0]),
    Many(Box<[Slot]>),
}

struct Memo {
    encoder: TypeId,
    fingerprint: u64,
    value: Arc<dyn Any + Send + Sync>,
}

impl Memo {
    fn new<T: Any + Default + Send + Sync>(fingerprint: u64) -> Self {
        Self { encoder: TypeId::of::<T>(), fingerprint, value: Arc::new(T::default()) }
    }

    fn of<T: Any + Send + Sync>(&self, fingerprint: u64) -> Option<Arc<T>> {
        let is_same = self.encoder == TypeId::of::<T>() && self.fingerprint == fingerprint;
        if is_same { Arc::clone(&self.value).downcast().ok() } else { None }
    }
}

impl Segment {
    fn new(slots: Slots) -> Arc<Self> {
        Arc::new(Self { slots, memo: OnceLock::new(), memos: Mutex::default() })
    }

    /// Creates a segment from messages and returns their number with it.
    fn filled(messages: &mut dyn Iterator<Item = Arc<Message>>) -> (Arc<Self>, usize) {
        let mut messages = messages.fuse();
        let few: [_; CAPACITY.0] = std::array::from_fn(|_| messages.next());
        let Some(next) = messages.next() else {
            let len = few.iter().flatten().count();
            return (Self::new(Slots::Few(few.map(slot))), len);
        };
        let mut many = Vec::with_capacity(few.len() + 1 + messages.size_hint().0);
        many.extend(few.into_iter().map(slot));
        many.extend(std::iter::once(next).chain(messages).map(Slot::from));
        let len = many.len();
        (Self::new(Slots::Many(many.into())), len)
    }

    /// Creates a segment that begins with a message and has capacity for more.
    fn growing(first: Arc<Message>, capacity: usize) -> Arc<Self> {
        let mut slots = std::iter::once(Slot::from(first)).chain(std::iter::repeat_with(Slot::new));
        Self::new(if capacity <= CAPACITY.0 {
            Slots::Few(std::array::from_fn(|_| slots.next().unwrap_or_default()))
        } else {
            Slots::Many(slots.take(capacity).collect())
        })
    }

    fn slots(&self) -> &[Slot] {
        match &self.slots {
            Slots::Few(slots) => slots,
            Slots::Many(slots) => slots,
        }
    }
}

fn slot(message: Option<Arc<Message>>) -> Slot {
    message.map_or_else(Slot::new, Slot::from)
}

/// A view of a part of a segment.
#[derive(Clone)]
pub(super) struct View {
    segment: Arc<Segment>,
    start: usize,
    end: usize,
    /// Whether a message may be appended in place. Only the end of the conversation itself allows
    /// it, never a prompt's view of it.
    growing: bool,
}

impl View {
    /// Creates a segment from messages, to which none will be appended.
    pub(super) fn whole(messages: &mut dyn Iterator<Item = Arc<Message>>) -> Self {
        let (segment, end) = Segment::filled(messages);
        Self { segment, start: 0, end, growing: false }
    }

    /// Creates a segment that begins with a message and follows the sequence's last view.
    pub(super) fn growing(message: Arc<Message>, last: Option<&Self>) -> Self {
        let capacity = match last {
            Some(last) if last.growing => (last.segment.slots().len() * 2).min(CAPACITY.1),
            // Few messages follow here: usually a prompt's question, after a shared conversation.
            Some(_) | None => CAPACITY.0,
        };
        Self { segment: Segment::growing(message, capacity), start: 0, end: 1, growing: true }
    }

    /// Appends a message in place. Returns the message if the segment is full or another clone has
    /// written the slot.
    pub(super) fn try_push(&mut self, message: Arc<Message>) -> Result<(), Arc<Message>> {
        match self.segment.slots().get(self.end) {
            Some(slot) if self.growing => slot.set(message).map(|()| self.end += 1),
            _ => Err(message),
        }
    }

    pub(super) fn sealed(&self) -> Self {
        Self { growing: false, ..self.clone() }
    }

    /// Returns a part of the view. Both indices must be within the view.
    pub(super) fn part(&self, from: usize, to: usize) -> Self {
        let growing = self.growing && to == self.len();
        let segment = Arc::clone(&self.segment);
        Self { segment, start: self.start + from, end: self.start + to, growing }
    }

    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn get(&self, index: usize) -> Option<&Arc<Message>> {
        self.segment.slots().get(self.start + index)?.get()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Message>> {
        let slots = self.segment.slots().get(self.start..self.end).unwrap_or_default();
        slots.iter().filter_map(Slot::get)
    }

    pub(super) fn chunk(&self) -> Chunk<'_> {
        Chunk { view: self }
    }
}

/// A shared run of a [`Messages`](crate::Messages) sequence, with a cache for encoders.
///
/// An adapter that encodes messages keeps its output in a [`memo`](Self::memo) of its own type and
/// adds only new messages. A run grows at its end and its messages never change, so output that is
/// cached for an index stays valid.
///
/// # Examples
///
/// ```
/// use std::sync::Mutex;
/// use conversant_core::{Message, Messages};
///
/// #[derive(Default)]
/// struct Lengths(Mutex<Vec<usize>>);
///
/// fn total(messages: &Messages) -> usize {
///     messages
///         .chunks()
///         .map(|chunk| {
///             let memo = chunk.memo::<Lengths>(0);
///             let mut lengths = memo.0.lock().unwrap();
///             for message in chunk.run_from(lengths.len()) {
///                 lengths.push(message.text().len()); // once for each message, not for each call
///             }
///             lengths[chunk.range()].iter().sum::<usize>()
///         })
///         .sum()
/// }
/// assert_eq!(total(&Messages::from_iter([Message::human("hi"), Message::ai("hello")])), 7);
/// ```
#[derive(Clone, Copy)]
pub struct Chunk<'m> {
    view: &'m View,
}

impl<'m> Chunk<'m> {
    /// Returns the indices within the run of the messages that belong to the sequence.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.view.start..self.view.end
    }

    /// Iterates over the run from its start to the end of [`range`](Self::range). The messages
    /// before the range are included, so that a memo can cover the run from its start.
    pub fn run(&self) -> impl Iterator<Item = &'m Message> + use<'m> {
        self.run_from(0)
    }

    /// Returns what [`run`](Self::run) does without the first messages, which it skips in constant
    /// time. An update of a memo then costs only the new messages.
    pub fn run_from(&self, start: usize) -> impl Iterator<Item = &'m Message> + use<'m> {
        let slots = self.view.segment.slots().get(start..self.view.end).unwrap_or_default();
        slots.iter().filter_map(|slot| slot.get().map(AsRef::as_ref))
    }

    /// Returns an encoder's cache for this run: a `T`, selected by its type and by a fingerprint of
    /// the settings that change its output. The first call creates it.
    ///
    /// A run keeps eight caches: the first, and the latest of the others.
    #[must_use]
    pub fn memo<T: Any + Default + Send + Sync>(&self, fingerprint: u64) -> Arc<T> {
        let segment = &self.view.segment;
        let first = segment.memo.get_or_init(|| Memo::new::<T>(fingerprint));
        if let Some(memo) = first.of(fingerprint) {
            return memo;
        }
        let mut memos = segment.memos.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(memo) = memos.iter().find_map(|memo| memo.of(fingerprint)) {
            return memo;
        }
        if memos.len() == MEMOS - 1 {
            memos.remove(0);
        }
        let value = Arc::new(T::default());
        let encoder = TypeId::of::<T>();
        memos.push(Memo { encoder, fingerprint, value: Arc::<T>::clone(&value) });
        value
    }
}

impl fmt::Debug for Chunk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk").field("range", &self.range()).finish_non_exhaustive()
    }
}
