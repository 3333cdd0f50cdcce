//! A history in memory that is right, or has one flaw.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Lease, LeaseHolder, Message, Messages, Note, Range,
    SessionId, Slice, Turn, TurnId, Value, Version, async_trait,
};

use super::{
    flawed_log::{Late, Log, check_note, check_repeated, kept, seen_without, start, too_large},
    history_flaw::HistoryFlaw,
    wait,
};

/// A handle to a store in memory.
#[derive(Clone)]
pub(crate) struct History {
    store: Arc<Mutex<Store>>,
    /// The state that this handle has seen, for flaws that trust it.
    cache: Arc<Mutex<Store>>,
    /// The work that the handle does later, for flaws that do not settle.
    late: Arc<Mutex<Vec<Late>>>,
    flaw: Option<HistoryFlaw>,
}

type Store = HashMap<String, Log>;

impl History {
    pub(crate) fn new(flaw: Option<HistoryFlaw>) -> Self {
        Self { store: Arc::default(), cache: Arc::default(), late: Arc::default(), flaw }
    }

    /// Returns another handle to the same store.
    pub(crate) fn reopen(&self) -> Self {
        let store =
            if self.has(HistoryFlaw::OpensAnew) { Arc::default() } else { Arc::clone(&self.store) };
        if self.has(HistoryFlaw::ForgetsNotes) {
            store.lock().unwrap().values_mut().for_each(|log: &mut Log| log.notes.clear());
        }
        if self.has(HistoryFlaw::ForgetsEpochs) {
            store.lock().unwrap().values_mut().for_each(|log| log.epoch = 0);
        }
        Self { store, cache: Arc::default(), late: Arc::default(), flaw: self.flaw }
    }

    fn has(&self, flaw: HistoryFlaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn name(&self, session: &SessionId) -> String {
        if self.has(HistoryFlaw::IgnoresCase) {
            session.as_str().to_lowercase()
        } else if self.has(HistoryFlaw::FoldsSeparators) {
            session.as_str().replace(['/', ':'], "_")
        } else {
            session.as_str().to_owned()
        }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }

    fn get(&self, session: &SessionId) -> Log {
        self.store().get(&self.name(session)).cloned().unwrap_or_default()
    }

    fn change<T>(&self, session: &SessionId, change: impl FnOnce(&mut Log) -> T) -> T {
        change(self.store().entry(self.name(session)).or_default())
    }

    /// Where a turn that is known ends.
    fn end_of(&self, log: &Log, id: TurnId) -> Option<Version> {
        let recent = log.turns.iter().rev().take(8).any(|(known, _)| *known == id);
        log.end_of(id).filter(|_| recent || !self.has(HistoryFlaw::ForgetsOldIds))
    }

    /// Appends what was left for later, at the fourth load after it.
    fn settle(&self, session: &SessionId) {
        let mut late = self.late.lock().unwrap();
        late.iter_mut().filter(|late| late.session == *session).for_each(|late| late.loads += 1);
        for late in late.extract_if(.., |late| late.loads == 4) {
            self.change(session, |log| {
                log.turns.push((late.turn.id(), kept(&late.turn, None).into()));
            });
        }
    }

    fn expect(&self, expect: Expect, log: &Log) -> Result<(), HistoryError> {
        let known = self.store().contains_key("") || !log.turns.is_empty() || log.epoch > 0;
        match expect {
            _ if self.has(HistoryFlaw::IgnoresExpect) => Ok(()),
            Expect::Any if self.has(HistoryFlaw::AnyMeansFirstEpoch) => {
                Expect::SameEpoch(Version::default()).check(log.version())
            }
            Expect::SameEpoch(version) if self.has(HistoryFlaw::SameEpochMeansExactly) => {
                Expect::Exactly(version).check(log.version())
            }
            Expect::Exactly(_) | Expect::SameEpoch(_)
                if self.has(HistoryFlaw::KnowsNoNewSession) && !known =>
            {
                Expect::Exactly(Version::new(0, 1)).check(log.version())
            }
            expect => expect.check(log.version()),
        }
    }
}

#[async_trait]
impl ChatHistory for History {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.settle(session);
        let log = if self.has(HistoryFlaw::TakesWhileLoading) {
            let log = self.change(session, std::mem::take);
            wait().await;
            self.change(session, |place| *place = log.clone());
            log
        } else if self.has(HistoryFlaw::CachesSessions) {
            let log = self.get(session);
            let mut cache = self.cache.lock().unwrap();
            cache.entry(self.name(session)).or_insert(log).clone()
        } else {
            wait().await;
            self.get(session)
        };
        if self.has(HistoryFlaw::ForgetsOnLoad) && range == Range::LastTurns(0) {
            self.change(session, |log| log.turns.pop());
        }
        let messages = log.messages();
        let count = messages.len();
        let start = start(&log, range, self.flaw);
        let mut version = log.version();
        let mut slice = messages[start..].to_vec();
        match self.flaw {
            Some(HistoryFlaw::GreetsNewSessions) if log.turns.is_empty() && log.epoch == 0 => {
                slice.push(Message::ai("Hello!").into());
            }
            Some(HistoryFlaw::CountsTurns) => version.messages = log.turns.len() as u64,
            Some(HistoryFlaw::VersionOfTheSlice) => version.messages = slice.len() as u64,
            Some(HistoryFlaw::LoadsAPage) => {
                slice.drain(..slice.len().saturating_sub(1000)).for_each(drop);
            }
            Some(HistoryFlaw::GivesTheOldest) if matches!(range, Range::LastMessages(_)) => {
                slice = messages[..count - start].to_vec();
            }
            _ => {}
        }
        let begins = (0..slice.len()).step_by(2).collect();
        let slice = Slice::new(slice.into_iter().collect::<Messages>(), version);
        let is_misplaced = self.has(HistoryFlaw::MisplacesTurns);
        Ok(if is_misplaced { slice.with_turns(begins) } else { slice })
    }

    fn check(&self, _: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        let refused = messages.iter().find(|message| message.text().len() > 100_000);
        match refused {
            Some(_) if self.has(HistoryFlaw::RefusesTooMuch) => Err(too_large()),
            _ => Ok(()),
        }
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        if self.has(HistoryFlaw::SettlesLate) {
            let late = Late { session: session.clone(), turn: turn.clone(), loads: 0 };
            self.late.lock().unwrap().push(late);
        }
        wait().await;
        self.late.lock().unwrap().retain(|late| late.turn.id() != turn.id());
        let is_large = |message: &Message| message.text().len() > 100_000;
        let is_packet = |message: &Message| message.text().len() > 4_000_000;
        if self.has(HistoryFlaw::RefusesPackets) && turn.messages().iter().any(is_packet) {
            return Err(too_large());
        }
        if self.has(HistoryFlaw::RefusesUnchecked) && turn.messages().iter().any(is_large) {
            return Err(too_large());
        }
        let seen = self.get(session);
        if self.has(HistoryFlaw::ChecksBeforeIds) {
            self.expect(expect, &seen)?;
        }
        let known = if self.has(HistoryFlaw::CachesIds) {
            let cache = self.cache.lock().unwrap();
            cache.get(&self.name(session)).and_then(|log| log.end_of(turn.id()))
        } else {
            self.end_of(&seen, turn.id())
        };
        if let Some(version) = known
            && !self.has(HistoryFlaw::AppendsAgain)
        {
            return check_repeated(&self.get(session), turn, self.flaw).map(|()| version);
        }
        if self.has(HistoryFlaw::RemembersClearedTurns) && seen.cleared.contains(&turn.id()) {
            return Ok(seen.version());
        }
        let expected = self.expect(expect, &seen);
        if !self.has(HistoryFlaw::StoresThenComplains) {
            expected?;
        }
        let kept = kept(turn, self.flaw);
        let add = |log: &mut Log| {
            if !kept.is_empty() || self.has(HistoryFlaw::StoresNothings) {
                log.turns.push((turn.id(), kept.clone().into()));
            }
            if !kept.is_empty() || self.has(HistoryFlaw::ExportsNothings) {
                log.exported.push(Arc::new(turn.clone()));
            }
            if self.has(HistoryFlaw::SortsById) {
                log.turns.sort_by_key(|(id, _)| *id);
            }
            log.version()
        };
        let version = match self.flaw {
            Some(HistoryFlaw::AppendsInHalves) => {
                let (first, rest) = kept.split_at(kept.len().min(1));
                self.change(session, |log| log.turns.push((turn.id(), first.to_vec().into())));
                wait().await;
                self.change(session, |log| {
                    let (_, messages) =
                        log.turns.iter_mut().find(|(id, _)| *id == turn.id()).unwrap();
                    Arc::make_mut(messages).extend_from_slice(rest);
                    log.version()
                })
            }
            Some(HistoryFlaw::NotesTheIdFirst) => {
                self.change(session, |log| log.turns.push((turn.id(), Arc::default())));
                wait().await;
                self.change(session, |log| {
                    log.turns.retain(|(id, _)| *id != turn.id());
                    add(log)
                })
            }
            Some(HistoryFlaw::WritesBackASession) => {
                let mut log = seen;
                wait().await;
                let version = add(&mut log);
                self.change(session, |place| *place = log);
                version
            }
            Some(HistoryFlaw::WritesBackTheStore) => {
                let mut store = self.store().clone();
                wait().await;
                let version = add(store.entry(self.name(session)).or_default());
                *self.store() = store;
                version
            }
            Some(
                HistoryFlaw::ChecksThenWrites
                | HistoryFlaw::LooksThenWrites
                | HistoryFlaw::WritesLate,
            ) => {
                wait().await;
                self.change(session, add)
            }
            Some(HistoryFlaw::ComparesEarly) => {
                wait().await;
                self.change(session, |log| log.end_of(turn.id()).unwrap_or_else(|| add(log)))
            }
            // What was seen may be old by now, so it is looked at again under the lock.
            Some(HistoryFlaw::CachesIds) => {
                let version = self.change(session, add);
                self.cache.lock().unwrap().insert(self.name(session), self.get(session));
                version
            }
            Some(
                HistoryFlaw::AppendsAgain
                | HistoryFlaw::StoresThenComplains
                | HistoryFlaw::ChecksBeforeIds,
            ) => self.change(session, add),
            _ => {
                let log = self.get(session);
                if let Some(version) = self.end_of(&log, turn.id()) {
                    return check_repeated(&log, turn, self.flaw).map(|()| version);
                }
                self.expect(expect, &self.get(session))?;
                self.change(session, add)
            }
        };
        if self.has(HistoryFlaw::StoresThenComplains) {
            self.expect(expect, &seen_without(self.get(session)))?;
        }
        wait().await;
        Ok(if self.has(HistoryFlaw::CountsTurns) {
            Version::new(version.epoch, self.get(session).turns.len() as u64)
        } else {
            version
        })
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        wait().await;
        if self.has(HistoryFlaw::ClearsEverything) {
            self.store().values_mut().for_each(|log| log.turns.clear());
        }
        if self.has(HistoryFlaw::ClearsInHalves) {
            self.change(session, |log| log.turns.clear());
            wait().await;
        }
        let keeps_notes = self.has(HistoryFlaw::KeepsNotes);
        let keeps_epoch = self.has(HistoryFlaw::KeepsTheEpoch);
        let starts_none = self.has(HistoryFlaw::ClearsTurnsAlone);
        self.change(session, |log| {
            let keeps_epoch = keeps_epoch || (starts_none && log.turns.is_empty());
            log.cleared.extend(log.turns.drain(..).map(|(id, _)| id));
            log.exported.clear();
            log.epoch += u64::from(!keeps_epoch);
            if !keeps_notes {
                log.notes.clear();
            }
        });
        wait().await;
        Ok(())
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        let exported = self.get(session).exported;
        let mut turns: Vec<Turn> = exported.iter().map(|turn| Turn::clone(turn)).collect();
        let messages = self.load(session, range).await?.messages.len();
        let mut left = messages;
        let fitting = turns.iter().rev().take_while(|turn| {
            let count = turn.messages().len();
            let fits = left >= count || (left > 0 && self.has(HistoryFlaw::GivesCutTurns));
            left = left.saturating_sub(count);
            fits
        });
        turns.drain(..turns.len() - fitting.count());
        if self.has(HistoryFlaw::ExportsAPage) {
            turns.truncate(1000);
        }
        if self.has(HistoryFlaw::ForgetsBases) {
            let bare = |turn: &Turn| Turn::new(turn.messages().clone()).with_id(turn.id());
            turns = turns.iter().map(bare).collect();
        }
        Ok(turns)
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        let after = after.map_or("", SessionId::as_str).to_owned();
        let store = self.store();
        let written = store.iter().filter(|(_, log)| {
            log.version().messages > 0
                || self.has(HistoryFlaw::OnlyClears)
                || (!log.notes.is_empty() && self.has(HistoryFlaw::ListsNotes))
        });
        let mut names: Vec<&String> =
            written.map(|(name, _)| name).filter(|name| **name > after).collect();
        names.sort();
        if self.has(HistoryFlaw::ListsUnsorted) {
            names.sort_by_key(|name| name.to_lowercase());
        }
        Ok(names
            .into_iter()
            .take(limit)
            .map(|name| SessionId::from_stored(name).unwrap())
            .collect())
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.clear(session).await?;
        if self.has(HistoryFlaw::EndsOtherEpochs) {
            self.store().values_mut().for_each(|log| log.epoch += 1);
        }
        let flaw = self.flaw;
        self.change(session, |log| match flaw {
            Some(HistoryFlaw::OnlyClears) => log.epoch += 1,
            Some(HistoryFlaw::BeginsEpochsAgain) => *log = Log::default(),
            _ => *log = Log { epoch: log.epoch, ..Log::default() },
        });
        Ok(())
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let messages = self.get(session).messages();
        let skipped = usize::from(self.has(HistoryFlaw::BeginsAfterTheFirst));
        Ok(Some(messages.into_iter().skip(skipped).take(count).collect()))
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        let name = if self.has(HistoryFlaw::HasOneNote) { "" } else { name };
        Ok(self.get(session).notes.get(name).map(|note| Note::clone(note)))
    }

    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        let name = if self.has(HistoryFlaw::HasOneNote) { "" } else { name };
        let mut note = note.clone();
        if self.has(HistoryFlaw::NotesAreText) {
            note = Note::new(Value::from(note.body.to_text().trim()), note.covers);
        }
        let (expected, current) = (note.covers, self.get(session).version());
        if !self.has(HistoryFlaw::TakesOldNotes) {
            Expect::SameEpoch(expected).check(current)?;
        }
        let is_later = expected.epoch == current.epoch && expected.messages > current.messages;
        if is_later && !self.has(HistoryFlaw::TakesNotesOfLater) {
            return Err(HistoryError::Stale { expected, current });
        }
        check_note(&note, self.flaw)?;
        if self.has(HistoryFlaw::NotesCoverAll) {
            note.covers = current;
        }
        if self.has(HistoryFlaw::NotesNeedTurns) && self.get(session).turns.is_empty() {
            return Ok(());
        }
        self.change(session, |log| {
            if self.has(HistoryFlaw::NotesAreMessages) {
                let message = Message::system(note.body.to_text().into_owned());
                log.turns.push((TurnId::random(), vec![message.into()].into()));
            }
            log.notes.insert(name.to_owned(), note.into());
        });
        Ok(())
    }

    async fn replace_note(
        &self,
        session: &SessionId,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        let is_as_read = |history: &Self| {
            let log = history.get(session);
            log.notes.get(name).map(AsRef::as_ref) == read
                || history.has(HistoryFlaw::ReplacesAnyNote)
        };
        if self.has(HistoryFlaw::ReadsThenReplaces) {
            let replaces = is_as_read(self);
            wait().await;
            if replaces {
                self.put_note(session, name, note).await?;
            }
            return Ok(replaces);
        }
        wait().await;
        // A note is put without waiting.
        if !is_as_read(self) {
            return Ok(false);
        }
        match self.put_note(session, name, note).await {
            Err(_) if self.has(HistoryFlaw::DeniesOldNotes) => Ok(false),
            put => put.map(|()| true),
        }
    }

    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        let (now, holder) = (Instant::now(), LeaseHolder::in_process());
        self.change(session, |log| {
            let over = |until: Instant| until <= now && !self.has(HistoryFlaw::LeasesForEver);
            match log.lease {
                Some((_, until)) if !over(until) && !self.has(HistoryFlaw::LeasesToAll) => {
                    Err(HistoryError::Busy)
                }
                _ => {
                    log.lease = Some((holder, now + time));
                    Ok(Some(Lease::new(session.clone(), holder)))
                }
            }
        })
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        self.change(&lease.session, |log| {
            let holds = log.lease.is_some_and(|(holder, _)| holder == lease.holder);
            if (holds || self.has(HistoryFlaw::ReleasesAnybody))
                && !self.has(HistoryFlaw::ReleasesNothing)
            {
                log.lease = None;
            }
        });
        Ok(())
    }
}
