//! One session of the in-memory history.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use conversant_core::{Expect, HistoryError, Messages, Note, Range, Slice, Turn, TurnId, Version};

/// A session: its messages since it was last cleared, its notes and its lease.
#[derive(Default)]
pub(super) struct Session {
    epoch: u64,
    messages: Messages,
    /// The indices at which the turns begin, and the turns without their messages.
    starts: Vec<usize>,
    turns: Vec<Header>,
    /// The version after each turn.
    ends: HashMap<TurnId, Version>,
    notes: BTreeMap<String, Note>,
    lease: Option<Held>,
    /// Whether the session was deleted. Another caller may still hold it.
    deleted: bool,
}

/// A turn, without its messages.
struct Header {
    id: TurnId,
    incomplete: bool,
    base: Option<Version>,
}

/// The lease's holder, and its end (`None`: never).
struct Held {
    holder: TurnId,
    until: Option<Instant>,
}

impl Header {
    fn with_messages(&self, messages: Messages) -> Turn {
        let turn = Turn::new(messages).with_id(self.id).with_incomplete(self.incomplete);
        match self.base {
            Some(base) => turn.with_base(base),
            None => turn,
        }
    }
}

impl Session {
    /// Creates a session whose epoch distinguishes it from deleted sessions of the same name.
    pub(super) fn in_epoch(epoch: u64) -> Self {
        Self { epoch, ..Self::default() }
    }

    pub(super) const fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Marks the session as deleted, and returns the first epoch for a new session of its name.
    pub(super) const fn delete(&mut self) -> u64 {
        self.deleted = true;
        self.epoch.saturating_add(1)
    }

    pub(super) fn is_written(&self) -> bool {
        !self.messages.is_empty()
    }

    fn version(&self) -> Version {
        let tip = self.turns.last().map_or(0, |turn| turn.id.fingerprint());
        Version::new(self.epoch, self.messages.len() as u64).with_tip(tip)
    }

    /// Returns the tip of a version of this session's past: that of its last turn. A version in the
    /// middle of a turn has none.
    fn tip_at(&self, messages: u64) -> Option<u64> {
        let messages = usize::try_from(messages).ok()?;
        let turns = self.starts.partition_point(|&start| start < messages);
        let ends_turn = self.starts.get(turns).copied().unwrap_or(self.messages.len()) == messages;
        let turn = turns.checked_sub(1).and_then(|last| self.turns.get(last));
        turn.filter(|_| ends_turn).map(|turn| turn.id.fingerprint())
    }

    /// Returns whether a version belongs to this session.
    fn has(&self, version: Version) -> bool {
        let tip = self.tip_at(version.messages);
        version.tip == 0 || version.messages == 0 || tip == Some(version.tip)
    }

    pub(super) fn load(&self, range: Range) -> Slice {
        let range = match range {
            Range::After(version) if !self.has(version) => Range::All,
            range => range,
        };
        let mut slice = range.cut(self.epoch, &self.messages, &self.starts);
        slice.version = self.version();
        slice
    }

    /// Returns the turns that begin in a range.
    pub(super) fn turns(&self, range: Range) -> Vec<Turn> {
        let from = usize::try_from(self.load(range).start()).unwrap_or(usize::MAX);
        let ends = self.starts.iter().copied().skip(1).chain([self.messages.len()]);
        let parts = self.starts.iter().zip(ends).zip(&self.turns);
        let parts = parts.filter(|((start, _), _)| **start >= from);
        parts
            .map(|((start, end), header)| header.with_messages(self.messages.slice(*start..end)))
            .collect()
    }

    pub(super) fn append(&mut self, turn: &Turn, expect: Expect) -> Result<Version, HistoryError> {
        let version = self.version();
        if let Some(&end) = self.ends.get(&turn.id()) {
            return Ok(end);
        }
        expect.check(version)?;
        if let Some(expected) = expect.version().filter(|&expected| !self.has(expected)) {
            return Err(HistoryError::Stale { expected, current: version });
        }
        if !turn.messages().is_empty() {
            self.starts.push(self.messages.len());
            self.turns.push(Header {
                id: turn.id(),
                incomplete: turn.is_incomplete(),
                base: turn.base(),
            });
        }
        self.messages.extend(turn.messages().iter_shared().cloned());
        let version = self.version();
        self.ends.insert(turn.id(), version);
        Ok(version)
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
