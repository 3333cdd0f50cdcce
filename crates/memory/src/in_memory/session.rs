//! One conversation of the in-memory history.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    time::{Duration, Instant},
};

use conversant_core::{Expect, HistoryError, Messages, Note, Range, Slice, Turn, TurnId, Version};

/// A conversation: its messages since it was last cleared, and what is kept beside them.
#[derive(Default)]
pub(super) struct Session {
    epoch: u64,
    messages: Messages,
    /// The indices at which the turns begin, and what else is known of each.
    starts: Vec<usize>,
    begun: Vec<Begun>,
    /// The turns that are there, and how many messages there were after each.
    ends: HashMap<TurnId, u64>,
    notes: BTreeMap<String, Note>,
    lease: Option<Held>,
    /// Whether the session was deleted, perhaps while somebody was about to write to it.
    deleted: bool,
}

/// A turn, without its messages.
struct Begun {
    id: TurnId,
    incomplete: bool,
    base: Option<Version>,
}

/// Who holds the session, and until when (`None`: for good).
struct Held {
    holder: TurnId,
    until: Option<Instant>,
}

impl Begun {
    fn whole(&self, messages: Messages) -> Turn {
        let turn = Turn::new(messages).with_id(self.id).with_incomplete(self.incomplete);
        match self.base {
            Some(base) => turn.with_base(base),
            None => turn,
        }
    }
}

impl Session {
    /// Creates a session that is told from one of its name that was deleted before.
    pub(super) fn in_epoch(epoch: u64) -> Self {
        Self { epoch, ..Self::default() }
    }

    pub(super) const fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Marks the session as deleted, and returns the epoch that its next namesake may begin with.
    pub(super) const fn delete(&mut self) -> u64 {
        self.deleted = true;
        self.epoch.saturating_add(1)
    }

    pub(super) fn is_written(&self) -> bool {
        !self.messages.is_empty()
    }

    fn version(&self) -> Version {
        Version::new(self.epoch, self.messages.len() as u64)
    }

    pub(super) fn load(&self, range: Range) -> Slice {
        range.cut(self.epoch, &self.messages, &self.starts)
    }

    /// Returns the turns of a range: those that begin in it.
    pub(super) fn turns(&self, range: Range) -> Vec<Turn> {
        let from = usize::try_from(self.load(range).start()).unwrap_or(usize::MAX);
        let ends = self.starts.iter().copied().skip(1).chain([self.messages.len()]);
        let parts = self.starts.iter().zip(ends).zip(&self.begun);
        let parts = parts.filter(|((start, _), _)| **start >= from);
        parts.map(|((start, end), begun)| begun.whole(self.messages.slice(*start..end))).collect()
    }

    pub(super) fn append(&mut self, turn: &Turn, expect: Expect) -> Result<Version, HistoryError> {
        let version = self.version();
        let end = match self.ends.entry(turn.id()) {
            Entry::Occupied(end) => return Ok(Version::new(self.epoch, *end.get())),
            Entry::Vacant(end) => end,
        };
        expect.check(version)?;
        if !turn.messages().is_empty() {
            self.starts.push(self.messages.len());
            self.begun.push(Begun {
                id: turn.id(),
                incomplete: turn.is_incomplete(),
                base: turn.base(),
            });
        }
        self.messages.extend(turn.messages().iter_shared().cloned());
        end.insert(self.messages.len() as u64);
        Ok(self.version())
    }

    pub(super) fn clear(&mut self) {
        *self = Self { epoch: self.epoch + 1, lease: self.lease.take(), ..Self::default() };
    }

    pub(super) fn first(&self, count: usize) -> Messages {
        self.messages.slice(..count)
    }

    pub(super) fn note(&self, name: &str) -> Option<Note> {
        self.notes.get(name).cloned()
    }

    pub(super) fn put_note(&mut self, name: &str, note: &Note) -> Result<(), HistoryError> {
        Expect::SameEpoch(note.covers).check(self.version())?;
        self.notes.insert(name.to_owned(), note.clone());
        Ok(())
    }

    pub(super) fn lease(&mut self, now: Instant, time: Duration) -> Result<TurnId, HistoryError> {
        if self.lease.as_ref().is_some_and(|held| held.until.is_none_or(|until| now < until)) {
            return Err(HistoryError::Busy);
        }
        let holder = TurnId::random();
        self.lease = Some(Held { holder, until: now.checked_add(time) });
        Ok(holder)
    }

    pub(super) fn release(&mut self, holder: TurnId) {
        self.lease.take_if(|held| held.holder == holder);
    }
}
