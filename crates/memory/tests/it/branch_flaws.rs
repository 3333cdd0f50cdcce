//! Each check of the suite of branched histories finds a flaw.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, HistoryIdentity, Message, Messages, Note,
    Point, Range, SessionId, Slice, Turn, TurnId, Version, async_trait,
};
use conversant_memory::InMemoryHistory;
use conversant_testkit::suite;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    ShowsAllInViews,
    TakesTheStartForTheTip,
    KeepsTheTip,
    AcceptsUnknownTurns,
    MovesStaleTips,
    LoadsByCount,
    AppendsToTheTip,
    StoresTurnsAgain,
    TakesIdsForTurns,
    CountsTwoMessagesATurn,
    ForksByName,
    ForgetsForks,
    ClearsOnePath,
    KeepsNotes,
    TakesAnyBranchForANotes,
    ListsTwo,
    ListsBackwards,
    ShowsTurnsOfOthers,
    ForksOverTurns,
    LeavesViews,
    DropsNotesOfViews,
    ReplacesNotesElsewhere,
    StoresNothings,
    ForgetsThePartsOfViews,
    AppendsAnythingToViews,
    MovesTheTipOfViewsLater,
    MovesTheTipInSteps,
    ForksInSteps,
    NamesViewsAsStores,
    /// Not a flaw: it has no operations but those of branches.
    HasBranchesAlone,
}

const FLAWS: &[(Flaw, &str)] = &[
    (Flaw::ShowsAllInViews, "an_answer_is_given_again"),
    (Flaw::TakesTheStartForTheTip, "the_first_question_is_asked_again"),
    (Flaw::KeepsTheTip, "a_turn_is_undone_and_done_again"),
    (Flaw::AcceptsUnknownTurns, "an_unknown_turn_is_an_error"),
    (Flaw::MovesStaleTips, "a_stale_tip_is_not_moved"),
    (Flaw::LoadsByCount, "after_a_version_of_another_branch_comes_all"),
    (Flaw::AppendsToTheTip, "a_turn_of_a_branch_that_was_left_follows_it"),
    (Flaw::StoresTurnsAgain, "a_turn_of_another_branch_is_stored_once"),
    (Flaw::TakesIdsForTurns, "another_turn_of_an_id_is_refused_on_any_branch"),
    (Flaw::CountsTwoMessagesATurn, "ranges_are_of_one_path"),
    (Flaw::ForksByName, "a_fork_is_a_session_of_its_own"),
    (Flaw::ForgetsForks, "a_fork_outlives_its_source"),
    (Flaw::ClearsOnePath, "clearing_takes_all_branches"),
    (Flaw::KeepsNotes, "a_note_of_a_branch_that_was_left_is_not_loaded"),
    (Flaw::TakesAnyBranchForANotes, "a_note_without_a_tip_is_of_the_branch_that_had_it"),
    (Flaw::ListsTwo, "two_writers_at_one_point_both_branch"),
    (Flaw::ListsBackwards, "a_tree_is_as_it_was_grown"),
    (Flaw::ShowsTurnsOfOthers, "later_turns_of_the_source_are_not_in_a_fork"),
    (Flaw::ForksOverTurns, "a_fork_begins_a_session_without_turns"),
    (Flaw::ForgetsThePartsOfViews, "turns_are_whole_on_any_branch"),
    (Flaw::LeavesViews, "a_repeated_append_moves_the_view"),
    (Flaw::AppendsAnythingToViews, "a_stale_append_at_a_point_stores_nothing"),
    (Flaw::DropsNotesOfViews, "a_note_is_stored_at_the_tip"),
    (Flaw::ReplacesNotesElsewhere, "a_note_is_replaced_at_the_tip"),
    (Flaw::NamesViewsAsStores, "a_view_has_another_identity"),
    (Flaw::MovesTheTipOfViewsLater, "a_dropped_append_at_a_point_is_whole_or_not_there"),
    (Flaw::MovesTheTipInSteps, "a_dropped_move_of_the_tip_is_whole_or_not_done"),
    (Flaw::ForksInSteps, "a_dropped_fork_is_whole_or_not_there"),
    (Flaw::StoresNothings, "a_turn_without_messages_is_no_point"),
];

/// The in-memory history, or a view of it, with a flaw.
struct Flawed {
    flaw: Flaw,
    store: InMemoryHistory,
    view: Option<Arc<dyn ChatHistory>>,
    notes: Mutex<HashMap<SessionId, Note>>,
    forks: Mutex<HashMap<SessionId, SessionId>>,
}

impl Flawed {
    fn new(flaw: Flaw) -> Self {
        let (notes, forks) = Default::default();
        Self { flaw, store: InMemoryHistory::new(), view: None, notes, forks }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// Fails if the history has no operations but those of branches.
    fn has_more(&self) -> Result<(), HistoryError> {
        if self.has(Flaw::HasBranchesAlone) {
            return Err(HistoryError::Unsupported { what: "it" });
        }
        Ok(())
    }

    fn seen(&self) -> &dyn ChatHistory {
        self.view.as_deref().unwrap_or(&self.store)
    }

    /// Returns the session in whose place a fork is.
    fn source(&self, session: &SessionId) -> SessionId {
        self.forks.lock().unwrap().get(session).unwrap_or(session).clone()
    }
}

#[async_trait]
impl ChatHistory for Flawed {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        match range {
            range if self.has(Flaw::ShowsAllInViews) => self.store.load(session, range).await,
            Range::After(version) if self.has(Flaw::LoadsByCount) => {
                self.seen().load(session, Range::After(version.with_tip(0))).await
            }
            Range::LastTurns(turns) if self.has(Flaw::CountsTwoMessagesATurn) => {
                self.seen().load(session, Range::LastMessages(2 * turns + 1)).await
            }
            range if self.has(Flaw::ForksByName) => {
                self.seen().load(&self.source(session), range).await
            }
            range => match self.seen().load(session, range).await {
                Err(HistoryError::UnknownTurn { .. })
                    if self.has(Flaw::ShowsTurnsOfOthers) && range != Range::All =>
                {
                    let others = self.store.sessions(None, usize::MAX).await?;
                    for other in &others {
                        if let Ok(slice) = self.seen().load(other, range).await {
                            return Ok(slice);
                        }
                    }
                    self.seen().load(session, range).await
                }
                loaded => loaded,
            },
        }
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let is_view = self.view.is_some();
        if self.has(Flaw::StoresNothings) && turn.messages().is_empty() {
            let filled = Turn::identified(turn.id(), Message::system(""));
            return self.seen().append(session, &filled, expect).await;
        }
        match expect {
            expect if self.has(Flaw::ForgetsThePartsOfViews) && is_view => {
                let whole = turn.clone().with_incomplete(false);
                self.seen().append(session, &whole, expect).await
            }
            expect if self.has(Flaw::MovesTheTipOfViewsLater) && is_view => {
                let before = self.store.turns(session, Range::LastTurns(1)).await?;
                let version = self.seen().append(session, turn, expect).await?;
                if let Some(tip) = before.last().filter(|before| before.id() != turn.id()) {
                    self.store.set_tip(session, tip.id().into(), Expect::Any).await?;
                    pause().await;
                    self.store.set_tip(session, turn.id().into(), Expect::Any).await?;
                }
                Ok(version)
            }
            _ if self.has(Flaw::AppendsAnythingToViews) && is_view => {
                self.seen().append(session, turn, Expect::Any).await
            }
            Expect::SameEpoch(_) if self.has(Flaw::AppendsToTheTip) => {
                self.seen().append(session, turn, Expect::Any).await
            }
            expect if is_view && self.has(Flaw::StoresTurnsAgain) => {
                let again = turn.clone().with_id(TurnId::random());
                self.seen().append(session, &again, expect).await
            }
            expect
                if self.has(Flaw::LeavesViews)
                    && self.store.alternatives(session, turn.id().into()).await.is_ok() =>
            {
                self.store.append(session, turn, expect).await
            }
            expect => match self.seen().append(&self.source(session), turn, expect).await {
                Err(HistoryError::TurnIdInUse { .. }) if self.has(Flaw::TakesIdsForTurns) => {
                    Ok(self.seen().load(session, Range::LastMessages(0)).await?.version)
                }
                outcome => outcome,
            },
        }
    }

    fn check(&self, session: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        self.seen().check(session, messages)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        if self.has(Flaw::ClearsOnePath) {
            return self.store.set_tip(session, Point::Start, Expect::Any).await.map(drop);
        }
        self.seen().clear(session).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.has_more()?;
        self.seen().turns(&self.source(session), range).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.has_more()?;
        if self.has(Flaw::ForgetsForks) {
            for other in self.store.sessions(None, usize::MAX).await? {
                self.store.delete(&other).await?;
            }
        }
        self.store.delete(session).await
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        if self.has(Flaw::HasBranchesAlone) {
            return Ok(None);
        }
        self.seen().first(session, count).await
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        self.has_more()?;
        if self.has(Flaw::KeepsNotes) {
            return Ok(self.notes.lock().unwrap().get(session).cloned());
        }
        if self.has(Flaw::TakesAnyBranchForANotes) {
            let note = self.seen().note(session, name).await?;
            let kept = self.notes.lock().unwrap().get(session).cloned();
            // Only the last one is kept, which is enough.
            return Ok(note.or_else(|| kept.filter(|kept| kept.covers.tip == 0)));
        }
        self.seen().note(session, name).await
    }

    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        self.has_more()?;
        if self.has(Flaw::DropsNotesOfViews) && self.view.is_some() {
            return Ok(());
        }
        self.notes.lock().unwrap().insert(session.clone(), note.clone());
        self.seen().put_note(session, name, note).await
    }

    async fn replace_note(
        &self,
        session: &SessionId,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        self.has_more()?;
        match self.seen().replace_note(session, name, read, note).await {
            Ok(true) if self.has(Flaw::ReplacesNotesElsewhere) => {
                self.store.put_note(session, name, note).await.map(|()| true)
            }
            replaced => replaced,
        }
    }

    fn at(&self, point: Point) -> Option<Arc<dyn ChatHistory>> {
        let view = self.store.at(point);
        let ignored = self.has(Flaw::TakesTheStartForTheTip) && point == Point::Start;
        let view = view.filter(|_| !ignored);
        let (notes, forks) = Default::default();
        Some(Arc::new(Self { flaw: self.flaw, store: self.store.clone(), view, notes, forks }))
    }

    async fn set_tip(
        &self,
        session: &SessionId,
        tip: Point,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        if self.has(Flaw::KeepsTheTip) {
            return Ok(self.store.load(session, Range::LastMessages(0)).await?.version);
        }
        if self.has(Flaw::MovesTheTipInSteps) {
            self.store.set_tip(session, Point::Start, expect).await?;
            pause().await;
        }
        let expect = if self.has(Flaw::MovesStaleTips) { Expect::Any } else { expect };
        match self.store.set_tip(session, tip, expect).await {
            Err(HistoryError::UnknownTurn { .. }) if self.has(Flaw::AcceptsUnknownTurns) => {
                self.store.set_tip(session, Point::Start, expect).await
            }
            moved => moved,
        }
    }

    async fn alternatives(
        &self,
        session: &SessionId,
        point: Point,
    ) -> Result<Vec<Alternative>, HistoryError> {
        let mut found = self.store.alternatives(session, point).await?;
        if self.has(Flaw::ListsTwo) {
            found.truncate(2);
        }
        if self.has(Flaw::ListsBackwards) {
            found.reverse();
        }
        Ok(found)
    }

    async fn fork(
        &self,
        session: &SessionId,
        point: Point,
        into: &SessionId,
    ) -> Result<Version, HistoryError> {
        if self.has(Flaw::ForksByName) {
            self.forks.lock().unwrap().insert(into.clone(), session.clone());
            return self.store.set_tip(session, point, Expect::Any).await;
        }
        if self.has(Flaw::ForksOverTurns) {
            self.store.clear(into).await?;
        }
        if self.has(Flaw::ForksInSteps) {
            let turns = self.store.at(point).unwrap().turns(session, Range::All).await?;
            if let [first, _, ..] = turns.as_slice() {
                self.store.fork(session, first.id().into(), into).await?;
                for turn in &turns {
                    pause().await;
                    self.store.append(into, turn, Expect::Any).await?;
                }
                return Ok(self.store.load(into, Range::LastMessages(0)).await?.version);
            }
        }
        self.store.fork(session, point, into).await
    }

    fn identity(&self) -> Option<HistoryIdentity> {
        match self.view.is_some() && !self.has(Flaw::NamesViewsAsStores) {
            true => None,
            false => self.store.identity(),
        }
    }
}

/// Waits once, so that there is a point at which to be dropped.
async fn pause() {
    tokio::task::yield_now().await;
}

#[tokio::test]
async fn each_check_finds_its_flaw() {
    let good = suite::branched_history(InMemoryHistory::new).await.unwrap();
    let checks: Vec<&str> = FLAWS.iter().map(|(_, check)| *check).collect();
    assert_eq!(good.passed().collect::<Vec<_>>(), checks, "a flaw for each check");
    for (flaw, check) in FLAWS {
        let error = suite::branched_history(|| Flawed::new(*flaw)).await.unwrap_err();
        assert!(error.failed().any(|(name, _)| name == *check), "{flaw:?} by {check}:\n{error}");
    }
}

#[tokio::test]
async fn a_store_that_has_branches_alone_fails_no_check() {
    let report = suite::branched_history(|| Flawed::new(Flaw::HasBranchesAlone)).await.unwrap();
    let skipped: Vec<&str> = report.skipped().map(|(check, _)| check).collect();
    let without_notes = [
        "a_note_of_a_branch_that_was_left_is_not_loaded",
        "a_note_without_a_tip_is_of_the_branch_that_had_it",
        "a_fork_begins_a_session_without_turns",
        "turns_are_whole_on_any_branch",
        "a_note_is_stored_at_the_tip",
        "a_note_is_replaced_at_the_tip",
    ];
    assert_eq!(skipped, without_notes, "{report}");
}
