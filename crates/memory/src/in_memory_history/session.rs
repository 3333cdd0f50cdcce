//! One conversation of the in-memory history.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    time::{Duration, Instant},
};

use conversant_core::{
    Expect, HistoryError, Message, Messages, Note, Range, Slice, Turn, TurnId, Version,
};

/// A conversation: its messages since it was last cleared, and what is kept beside them.
#[derive(Default)]
pub(super) struct Session {
    epoch: u64,
    messages: Messages,
    /// The turns, in order.
    turns: Vec<Begun>,
    /// The turns that are there, and how many messages there were after each.
    ends: HashMap<TurnId, u64>,
    notes: BTreeMap<String, Note>,
    lease: Option<Held>,
    /// Whether the session was deleted, perhaps while somebody was about to write to it.
    deleted: bool,
}

/// A turn, without its messages.
struct Begun {
    /// The index of its first message.
    start: usize,
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

    pub(super) fn load(&self, range: Range) -> Result<Slice, HistoryError> {
        let start = self.start(range)?;
        Ok(Slice::new(self.messages.slice(start..), self.version()))
    }

    /// Returns the turns of a range: those that begin in it.
    pub(super) fn turns(&self, range: Range) -> Result<Vec<Turn>, HistoryError> {
        let start = self.start(range)?;
        let ends = self.turns.iter().map(|turn| turn.start).skip(1).chain([self.messages.len()]);
        let turns = self.turns.iter().zip(ends).filter(|(turn, _)| turn.start >= start);
        Ok(turns.map(|(turn, end)| turn.whole(self.messages.slice(turn.start..end))).collect())
    }

    /// Returns the index of the first message of a range.
    fn start(&self, range: Range) -> Result<usize, HistoryError> {
        let count = self.messages.len();
        Ok(match range {
            Range::LastTurns(turns) => {
                let first = self.turns.len().saturating_sub(turns);
                self.turns.get(first).map_or(count, |turn| turn.start)
            }
            Range::LastMessages(messages) => count.saturating_sub(messages),
            Range::LastBytes(limit) => self.start_of_bytes(limit),
            Range::After(version) if version.epoch == self.epoch => {
                usize::try_from(version.messages).unwrap_or(count)
            }
            Range::All | Range::After(_) => 0,
            _ => return Err(HistoryError::Unsupported { what: "this range" }),
        })
    }

    fn start_of_bytes(&self, limit: u64) -> usize {
        let mut left = limit;
        let fitting = self.messages.iter().rev().take_while(|message| {
            let rest = left.checked_sub(stored_bytes(message));
            rest.inspect(|&rest| left = rest).is_some()
        });
        self.messages.len() - fitting.count()
    }

    pub(super) fn append(&mut self, turn: &Turn, expect: Expect) -> Result<Version, HistoryError> {
        if let Some(&end) = self.ends.get(&turn.id()) {
            return Ok(Version::new(self.epoch, end));
        }
        expect.check(self.version())?;
        if !turn.messages().is_empty() {
            self.turns.push(Begun {
                start: self.messages.len(),
                id: turn.id(),
                incomplete: turn.is_incomplete(),
                base: turn.base(),
            });
        }
        self.messages.extend(turn.messages().iter_shared().cloned());
        self.ends.insert(turn.id(), self.messages.len() as u64);
        Ok(self.version())
    }

    pub(super) fn clear(&mut self) {
        *self = Self { epoch: self.epoch + 1, lease: self.lease.take(), ..Self::default() };
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

/// Returns the size of a message's stored JSON, or of its text if it has none (a tool's result without the id of its call).
fn stored_bytes(message: &Message) -> u64 {
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, message) {
        Ok(()) => counter.0,
        Err(_) => message.text().len() as u64,
    }
}

/// A writer that counts what it is given.
struct Counter(u64);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
