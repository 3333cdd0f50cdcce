//! The turns of a combined memory that some of its sessions lack, and their completion.

use std::sync::{Arc, Mutex};

use conversant_core::{
    HistoryError, Memory, MemoryError, Range, Ticket, Turn, TurnId, Version, Warning,
};

use super::{
    announced::{Announced, FirstSession, Watermark, is_behind},
    combination::Combination,
    intent::{Intent, IntentStore, Outcome},
};
use crate::sync::lock;

/// The most turns of this value that are announced together.
const MAX_ANNOUNCED: usize = 16;

/// The most writers that may be faster while a turn is saved in another session.
const MAX_CONFLICTS: usize = 8;

/// Keeps the sessions of a combined memory equal.
///
/// A save announces its turn, saves it in the first session, and then in the others. So a turn is
/// decided by the first session: a turn that it does not have is in no other one. The next use of
/// the combination finds the turns that were added to the first session since all had the same,
/// and saves the announced ones of them in the others, in their order.
pub(super) struct Settlement {
    combination: Combination,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    place: Option<Place>,
    /// A version of the first session at which the others have all turns.
    settled: Option<Version>,
    /// The version of the first session after the last save, unless another writer was faster.
    expected: Option<Version>,
    /// The watermark that was last read or written.
    watermark: Option<Version>,
    /// The last turns that were announced and whose save has not succeeded.
    announced: Vec<Announced>,
    /// The turns that are being saved, in histories whose turns or notes cannot be read.
    pending: Vec<Intent>,
    /// The last turn that every memory has saved.
    saved: Option<TurnId>,
    warnings: Vec<Warning>,
}

/// The place in which turns are announced.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The session of the memory at this index.
    First(usize),
    /// A note with the last turn, in histories with notes that do not return turns.
    Note,
    /// This value.
    Process,
}

/// A turn that is announced.
pub(super) struct Announcement {
    /// The index of the memory that saves the turn first, and the settled version of its session.
    first: Option<(usize, Version)>,
}

impl Announcement {
    /// Returns the order in which `count` memories save the turn.
    pub(super) fn order(&self, count: usize) -> Vec<usize> {
        let first = self.first.map(|(index, _)| index);
        first.into_iter().chain((0..count).filter(|index| Some(*index) != first)).collect()
    }
}

impl Settlement {
    pub(super) fn new(combination: Combination) -> Self {
        Self { combination, state: Mutex::default() }
    }

    pub(super) const fn has_several_sessions(&self) -> bool {
        self.combination.has_several_sessions
    }

    pub(super) fn take_warnings(&self) -> Vec<Warning> {
        std::mem::take(&mut lock(&self.state).warnings)
    }

    pub(super) fn keep_warnings(&self, warnings: &mut Vec<Warning>) {
        lock(&self.state).warnings.append(warnings);
    }

    /// Saves the turns of earlier saves that did not end, in the memories that lack them. Returns
    /// the version of the first session at which the others have all turns, if it is known.
    ///
    /// # Errors
    /// The error of a store that may accept a turn later.
    pub(super) async fn settle(
        &self,
        memories: &[Arc<dyn Memory>],
    ) -> Result<Option<Version>, MemoryError> {
        if !self.has_several_sessions() {
            return Ok(None);
        }
        match self.place(memories).await? {
            Place::First(index) => self.settle_after_first(memories, index).await,
            place => self.settle_pending(memories, place, None).await.map(|()| None),
        }
    }

    /// Announces a turn before its first save. `settled` is the result of the [`settle`] of its
    /// load.
    ///
    /// [`settle`]: Self::settle
    pub(super) async fn announce(
        &self,
        memories: &[Arc<dyn Memory>],
        turn: &Turn,
        tickets: Option<&[Ticket]>,
        settled: Option<Version>,
    ) -> Result<Announcement, MemoryError> {
        if !self.has_several_sessions() {
            return Ok(Announcement { first: None });
        }
        let place = self.place(memories).await?;
        let settled = match (place, settled) {
            (Place::First(_), Some(settled)) => Some(settled),
            (Place::First(index), None) => self.settle_after_first(memories, index).await?,
            _ => {
                self.settle_pending(memories, place, Some(turn)).await?;
                None
            }
        };
        let bases = match tickets {
            Some(tickets) => tickets.iter().map(Ticket::version).collect(),
            None => versions(memories).await?,
        };
        let (Place::First(index), Some(settled)) = (place, settled) else {
            self.announce_intent(memories, place, Intent { turn: turn.clone(), bases }).await?;
            return Ok(Announcement { first: None });
        };
        let Some(first) = self.first(memories, index) else {
            return Ok(Announcement { first: None });
        };
        let watermark = lock(&self.state).watermark;
        if watermark.is_none_or(|watermark| is_behind(watermark, settled)) {
            first.put_watermark(&Watermark { version: settled, clearing: None }).await?;
            lock(&self.state).watermark = Some(settled);
        }
        let announced = {
            let mut state = lock(&self.state);
            state.announced.retain(|it| it.turn != turn.id());
            state.announced.push(Announced { turn: turn.id(), bases });
            let excess = state.announced.len().saturating_sub(MAX_ANNOUNCED);
            state.announced.drain(..excess);
            state.announced.clone()
        };
        first.announce(turn.id(), &announced, settled).await?;
        Ok(Announcement { first: Some((index, settled)) })
    }

    /// Ends the announcement of a turn that all memories have saved.
    pub(super) fn complete(
        &self,
        turn: &Turn,
        announcement: &Announcement,
        tickets: Option<&[Ticket]>,
    ) {
        if !self.has_several_sessions() {
            return;
        }
        let mut state = lock(&self.state);
        state.announced.retain(|it| it.turn != turn.id());
        state.pending.retain(|it| it.turn.id() != turn.id());
        state.saved = Some(turn.id());
        if let Some((index, settled)) = announcement.first
            && tickets.and_then(|it| it.get(index)).and_then(Ticket::version) == Some(settled)
        {
            let messages = settled.messages + turn.messages().len() as u64;
            let expected = Version::new(settled.epoch, messages);
            state.expected = Some(expected.with_tip(turn.id().fingerprint()));
        }
    }

    /// Ends the announcement of a turn that no memory has saved.
    pub(super) async fn withdraw(&self, memories: &[Arc<dyn Memory>], turn: TurnId) {
        let place = {
            let mut state = lock(&self.state);
            state.announced.retain(|it| it.turn != turn);
            state.pending.retain(|it| it.turn.id() != turn);
            state.saved = Some(turn);
            state.place
        };
        if place == Some(Place::Note) {
            // If this fails, another process may save the turn later, in all memories.
            let _ = IntentStore::new(memories).remove().await;
        }
    }

    /// Clears all memories, those of the first session last. A note in it says so until then, so
    /// that the next use continues a clear that did not end.
    pub(super) async fn clear(&self, memories: &[Arc<dyn Memory>]) -> Result<(), MemoryError> {
        let known = {
            let mut state = lock(&self.state);
            let known = state.settled;
            let place = state.place;
            let warnings = std::mem::take(&mut state.warnings);
            *state = State { place, warnings, ..State::default() };
            known
        };
        let mut first = None;
        // A store that cannot be read can still be cleared.
        if self.has_several_sessions()
            && let Ok(Place::First(index)) = self.place(memories).await
        {
            first = self.first(memories, index);
        }
        if let Some(first) = &first
            && let Ok(version) = first.version().await
        {
            let settled = known.filter(|known| known.epoch == version.epoch);
            let settled = settled.unwrap_or_else(|| Version::new(version.epoch, 0));
            let watermark = Watermark { version: settled, clearing: Some(version) };
            // A store that is full can be cleared as well.
            let _ = first.put_watermark(&watermark).await;
        }
        clear_all(memories, first.as_ref()).await
    }

    fn first<'m>(
        &'m self,
        memories: &'m [Arc<dyn Memory>],
        index: usize,
    ) -> Option<FirstSession<'m>> {
        let stored_in = memories.get(index)?.stored_in()?;
        Some(FirstSession::new(stored_in, &self.combination))
    }

    /// Returns the place of announcements, and looks for it at the first time.
    async fn place(&self, memories: &[Arc<dyn Memory>]) -> Result<Place, MemoryError> {
        if let Some(place) = lock(&self.state).place {
            return Ok(place);
        }
        let mut found = Place::Process;
        for (index, memory) in memories.iter().enumerate() {
            let Some((history, session)) = memory.stored_in().filter(|_| memory.saves_turns())
            else {
                continue;
            };
            match history.note(session, self.combination.watermark_note()).await {
                Err(HistoryError::Unsupported { .. }) => continue,
                Err(error) => return Err(error.into()),
                Ok(_) => found = Place::Note,
            }
            match history.turns(session, Range::LastTurns(0)).await {
                Err(HistoryError::Unsupported { .. }) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => {
                    found = Place::First(index);
                    break;
                }
            }
        }
        lock(&self.state).place = Some(found);
        Ok(found)
    }

    async fn settle_after_first(
        &self,
        memories: &[Arc<dyn Memory>],
        index: usize,
    ) -> Result<Option<Version>, MemoryError> {
        let Some(first) = self.first(memories, index) else { return Ok(None) };
        // The version is read before the notes: a turn that it contains was announced before.
        let mut version = first.version().await?;
        let (settled, expected) = {
            let state = lock(&self.state);
            (state.settled, state.expected)
        };
        if settled == Some(version) || expected == Some(version) {
            lock(&self.state).settled = Some(version);
            return Ok(Some(version));
        }
        let continues = |it: &Version| it.epoch == version.epoch && it.messages <= version.messages;
        let mut from = settled.filter(continues);
        if from.is_none() {
            let mut watermark = first.watermark().await?;
            if watermark.as_ref().is_some_and(|it| it.clearing == Some(version)) {
                clear_all(memories, Some(&first)).await?;
                version = first.version().await?;
                watermark = first.watermark().await?;
            }
            from = watermark.map(|watermark| watermark.version);
            lock(&self.state).watermark = from;
            if from.is_none() {
                self.settle_intent_of_old_note(memories).await?;
            }
        }
        // Without a watermark, no turn of the version was announced.
        let from = from.unwrap_or(version);
        let unsettled = if from == version { Vec::new() } else { first.unsettled(from).await? };
        for unsettled in unsettled {
            for (at, memory) in memories.iter().enumerate().filter(|(at, _)| *at != index) {
                let base = unsettled.bases.get(at).copied().flatten();
                self.save_again(memory, &unsettled.turn, base, true).await?;
            }
        }
        lock(&self.state).settled = Some(version);
        Ok(Some(version))
    }

    /// Saves the turn that an earlier version of this crate has announced, if one is there.
    async fn settle_intent_of_old_note(
        &self,
        memories: &[Arc<dyn Memory>],
    ) -> Result<(), MemoryError> {
        let old = IntentStore::new(memories).read().await?;
        match old.filter(|old| old.bases.len() == memories.len()) {
            Some(old) => self.settle_intent(memories, &old).await,
            None => Ok(()),
        }
    }

    /// Saves the pending turns, except that of the save that is running.
    async fn settle_pending(
        &self,
        memories: &[Arc<dyn Memory>],
        place: Place,
        except: Option<&Turn>,
    ) -> Result<(), MemoryError> {
        let (mut pending, saved) = {
            let state = lock(&self.state);
            (state.pending.clone(), state.saved)
        };
        if pending.is_empty() && place == Place::Note {
            let stored = IntentStore::new(memories).read().await?;
            pending.extend(stored.filter(|stored| Some(stored.turn.id()) != saved));
        }
        // Another turn may have the same id.
        for intent in pending.iter().filter(|intent| Some(&intent.turn) != except) {
            self.settle_intent(memories, intent).await?;
            let mut state = lock(&self.state);
            state.pending.retain(|it| it.turn.id() != intent.turn.id());
            state.saved = Some(intent.turn.id());
        }
        Ok(())
    }

    async fn settle_intent(
        &self,
        memories: &[Arc<dyn Memory>],
        intent: &Intent,
    ) -> Result<(), MemoryError> {
        for (at, memory) in memories.iter().enumerate() {
            let base = intent.bases.get(at).copied().flatten();
            self.save_again(memory, &intent.turn, base, false).await?;
        }
        Ok(())
    }

    async fn announce_intent(
        &self,
        memories: &[Arc<dyn Memory>],
        place: Place,
        intent: Intent,
    ) -> Result<(), MemoryError> {
        if place == Place::Note {
            IntentStore::new(memories).write(&intent).await?;
        }
        let mut state = lock(&self.state);
        state.pending.retain(|it| it.turn.id() != intent.turn.id());
        state.pending.push(intent);
        Ok(())
    }

    /// Saves a turn that other memories may have in one that may lack it. If the first session has
    /// it, a memory that refuses turns after a conflict receives it as well.
    async fn save_again(
        &self,
        memory: &Arc<dyn Memory>,
        turn: &Turn,
        base: Option<Version>,
        is_decided: bool,
    ) -> Result<(), MemoryError> {
        let mut saved = memory.save(turn, base.map(Ticket::new).unwrap_or_default()).await;
        for _ in 0..if is_decided { MAX_CONFLICTS } else { 0 } {
            let Err(MemoryError::History(HistoryError::Stale { expected, current })) = &saved
            else {
                break;
            };
            if expected.epoch != current.epoch {
                break;
            }
            saved = memory.save(turn, Ticket::new(*current)).await;
        }
        let warnings = match saved {
            Ok(saved) => saved.warnings,
            // The other session has it as it was given, and the first one in the form it keeps.
            Err(MemoryError::History(HistoryError::TurnIdInUse { .. })) if is_decided => Vec::new(),
            Err(error) => match Outcome::of(&error) {
                Outcome::Retry => return Err(error),
                Outcome::Cleared => Vec::new(),
                Outcome::Refused => {
                    let what = "a turn is missing in one of the combined memories";
                    vec![Warning::new(what, Some(error.into()))]
                }
            },
        };
        lock(&self.state).warnings.extend(warnings);
        Ok(())
    }
}

/// Clears all memories, those of the first session last.
async fn clear_all(
    memories: &[Arc<dyn Memory>],
    first: Option<&FirstSession<'_>>,
) -> Result<(), MemoryError> {
    let is_first = |memory: &&Arc<dyn Memory>| first.is_some_and(|it| it.is_of(&***memory));
    let others = memories.iter().filter(|memory| !is_first(memory));
    for memory in others.chain(memories.iter().filter(is_first)) {
        memory.clear().await?;
    }
    Ok(())
}

/// Loads the versions of the memories' sessions.
async fn versions(memories: &[Arc<dyn Memory>]) -> Result<Vec<Option<Version>>, MemoryError> {
    let mut versions = Vec::with_capacity(memories.len());
    for memory in memories {
        versions.push(match memory.stored_in() {
            Some((history, session)) => {
                Some(history.load(session, Range::LastMessages(0)).await?.version)
            }
            None => None,
        });
    }
    Ok(versions)
}
