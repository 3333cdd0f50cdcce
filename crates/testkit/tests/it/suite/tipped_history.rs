//! A history in memory whose versions name their last turn; right, or with one flaw.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Lease, LeaseHolder, Message, Messages, Note, Range,
    SessionId, Slice, Turn, Version, async_trait,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TipFlaw {
    NamesNoTurn,
    LoadsByCount,
    AppendsByCount,
    ForgetsTheTipOfNotes,
}

/// The state of a store.
pub(crate) type Logs = HashMap<SessionId, Log>;

#[derive(Clone, Default)]
pub(crate) struct Log {
    pub(crate) epoch: u64,
    pub(crate) turns: Vec<Turn>,
    notes: HashMap<String, Note>,
    lease: Option<(LeaseHolder, Instant)>,
}

impl Log {
    fn count(&self) -> u64 {
        self.turns.iter().map(|turn| turn.messages().len() as u64).sum()
    }

    /// Returns the tip of the version that ends after a number of messages.
    fn tip(&self, messages: u64) -> u64 {
        let mut end = 0;
        let last = self.turns.iter().find(|turn| {
            end += turn.messages().len() as u64;
            end >= messages
        });
        last.filter(|_| end == messages && messages > 0).map_or(0, |turn| turn.id().fingerprint())
    }

    pub(crate) fn version(&self) -> Version {
        Version::new(self.epoch, self.count()).with_tip(self.tip(self.count()))
    }

    fn follows(&self, seen: Version) -> bool {
        seen.epoch == self.epoch
            && seen.messages <= self.count()
            && (seen.tip == 0 || seen.tip == self.tip(seen.messages))
    }

    pub(crate) fn append(
        &mut self,
        turn: &Turn,
        expect: Expect,
        by_tip: bool,
    ) -> Result<Version, HistoryError> {
        if let Some(at) = self.turns.iter().position(|known| known.id() == turn.id()) {
            turn.check_stored(&self.turns[at])?;
            let messages = self.turns[..=at].iter().map(|turn| turn.messages().len() as u64).sum();
            return Ok(Version::new(self.epoch, messages).with_tip(turn.id().fingerprint()));
        }
        let current = self.version();
        expect.check(current)?;
        match expect.version() {
            Some(seen) if by_tip && !self.follows(seen) => {
                return Err(HistoryError::Stale { expected: seen, current });
            }
            _ => self.turns.push(turn.clone()),
        }
        Ok(self.version())
    }

    pub(crate) fn load(&self, range: Range, by_tip: bool) -> Slice {
        let messages: Vec<Message> =
            self.turns.iter().flat_map(|turn| turn.messages().iter().cloned()).collect();
        let start = match range {
            Range::LastMessages(count) => messages.len().saturating_sub(count),
            Range::LastTurns(count) => {
                let turns = self.turns.iter().rev().take(count);
                messages.len() - turns.map(|turn| turn.messages().len()).sum::<usize>()
            }
            Range::After(seen) if by_tip && !self.follows(seen) => 0,
            Range::After(seen) if seen.epoch == self.epoch => {
                usize::try_from(seen.messages).unwrap().min(messages.len())
            }
            _ => 0,
        };
        Slice::new(Messages::from(messages[start..].to_vec()), self.version())
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { epoch: self.epoch + 1, lease: self.lease, ..Self::default() };
    }

    pub(crate) fn put_note(&mut self, name: &str, note: &Note) -> Result<(), HistoryError> {
        if !self.follows(note.covers) {
            let (expected, current) = (note.covers, self.version());
            return Err(HistoryError::Stale { expected, current });
        }
        self.notes.insert(name.to_owned(), note.clone());
        Ok(())
    }

    pub(crate) fn note(&self, name: &str) -> Option<Note> {
        self.notes.get(name).cloned()
    }

    pub(crate) fn lease(
        &mut self,
        holder: LeaseHolder,
        time: Duration,
    ) -> Result<(), HistoryError> {
        let now = Instant::now();
        match self.lease {
            Some((other, end)) if other != holder && end > now => Err(HistoryError::Busy),
            _ => {
                self.lease = Some((holder, now + time));
                Ok(())
            }
        }
    }

    pub(crate) fn release(&mut self, lease: &Lease) {
        if self.lease.is_some_and(|(holder, _)| holder == lease.holder) {
            self.lease = None;
        }
    }
}

#[derive(Clone)]
pub(crate) struct Tipped {
    logs: Arc<Mutex<Logs>>,
    flaw: Option<TipFlaw>,
}

impl Tipped {
    pub(crate) fn new(flaw: Option<TipFlaw>) -> Self {
        Self { logs: Arc::default(), flaw }
    }

    fn with<T>(&self, session: &SessionId, run: impl FnOnce(&mut Log) -> T) -> T {
        run(self.logs.lock().unwrap().entry(session.clone()).or_default())
    }

    fn seen(&self, version: Version) -> Version {
        if self.flaw == Some(TipFlaw::NamesNoTurn) { version.with_tip(0) } else { version }
    }
}

#[async_trait]
impl ChatHistory for Tipped {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        let by_tip = self.flaw != Some(TipFlaw::LoadsByCount);
        let mut slice = self.with(session, |log| log.load(range, by_tip));
        slice.version = self.seen(slice.version);
        Ok(slice)
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let by_tip = self.flaw != Some(TipFlaw::AppendsByCount);
        self.with(session, |log| log.append(turn, expect, by_tip)).map(|version| self.seen(version))
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.with(session, Log::clear);
        Ok(())
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        Ok(self.with(session, |log| log.note(name)))
    }

    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        let mut note = note.clone();
        if self.flaw == Some(TipFlaw::ForgetsTheTipOfNotes) {
            note.covers = note.covers.with_tip(0);
        }
        self.with(session, |log| log.put_note(name, &note))
    }
}
