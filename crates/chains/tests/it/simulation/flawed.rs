//! Stores with a flaw: the simulation finds each.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, Messages, Note, Point, Range, SessionId, Slice,
    Turn, Version, async_trait,
};
use conversant_memory::InMemoryHistory;
use conversant_testkit::simulation::{Environment, Simulation, Subject};

use super::{Program, buffer, summary_buffer};
use crate::support::session;

/// The flaw of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// It acknowledges a turn and forgets it.
    Forgets,
    /// It stores a repeated turn again.
    Doubles,
    /// It stores the question only.
    Halves,
    /// It stores a turn after the next one.
    Reorders,
    /// It loads a session without its last turn.
    IsStale,
    /// It loads a session without its first message.
    LoadsHalves,
    /// It loads a session without a turn in the middle.
    LeavesOut,
    /// It forgets that an answer is incomplete.
    ForgetsMarks,
    /// It does not list turns.
    ListsNoTurns,
    /// Its notes claim to cover more turns than they do.
    CoversMore,
    /// It acknowledges a move of the tip and does not move it.
    DoesNotMove,
    /// It appends at the tip instead of the point.
    IgnoresPoints,
    /// It forks one turn too few.
    ForksLess,
}

#[derive(Clone)]
struct Flawed {
    inner: Arc<dyn ChatHistory>,
    flaw: Flaw,
    appends: Arc<AtomicU64>,
    held: Arc<Mutex<Option<Turn>>>,
}

impl Flawed {
    fn new(flaw: Flaw) -> Self {
        Self::over(Arc::new(InMemoryHistory::new()), flaw)
    }

    fn over(inner: Arc<dyn ChatHistory>, flaw: Flaw) -> Self {
        Self { inner, flaw, appends: Arc::default(), held: Arc::default() }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }
}

#[async_trait]
impl ChatHistory for Flawed {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        let mut slice = self.inner.load(session, range).await?;
        let all = slice.messages.clone();
        let cut = |from: usize, to: usize| {
            let mut messages = all.slice(..from);
            messages.append(&all.slice(to..));
            messages
        };
        match self.flaw {
            Flaw::IsStale if all.len() > 1 => slice.messages = all.slice(..all.len() - 2),
            Flaw::LoadsHalves if all.len() > 1 => slice.messages = all.slice(1..),
            Flaw::LeavesOut if all.len() > 4 => slice.messages = cut(2, 4),
            _ => {}
        }
        Ok(slice)
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let is_fifth = self.appends.fetch_add(1, Ordering::Relaxed) % 5 == 4;
        let messages = turn.messages().clone();
        let turn = match self.flaw {
            Flaw::Forgets if is_fifth => Turn::new(Messages::new()),
            Flaw::Doubles => Turn::new(messages),
            Flaw::Halves if is_fifth => Turn::new(messages.slice(..1)),
            Flaw::ForgetsMarks => turn.clone().with_incomplete(false),
            Flaw::Reorders if is_fifth => {
                *self.held.lock().unwrap() = Some(turn.clone());
                return Ok(Version::default());
            }
            _ => turn.clone(),
        };
        let version = self.inner.append(session, &turn, expect).await?;
        let held = self.held.lock().unwrap().take();
        if let Some(held) = held {
            self.inner.append(session, &held, Expect::Any).await?;
        }
        Ok(version)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.inner.clear(session).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        if self.is(Flaw::ListsNoTurns) {
            return Err(HistoryError::Unsupported { what: "turns" });
        }
        self.inner.turns(session, range).await
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        self.inner.note(session, name).await
    }

    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        let mut note = note.clone();
        if self.is(Flaw::CoversMore) {
            note.covers = self.inner.load(session, Range::All).await?.version;
        }
        self.inner.put_note(session, name, &note).await
    }

    fn at(&self, point: Point) -> Option<Arc<dyn ChatHistory>> {
        if self.is(Flaw::IgnoresPoints) && point != Point::Start {
            return Some(Arc::new(AtTip {
                inner: Arc::clone(&self.inner),
                view: self.inner.at(point)?,
            }));
        }
        self.inner.at(point)
    }

    async fn set_tip(
        &self,
        session: &SessionId,
        tip: Point,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        if self.is(Flaw::DoesNotMove) {
            return Ok(self.inner.load(session, Range::LastMessages(1)).await?.version);
        }
        self.inner.set_tip(session, tip, expect).await
    }

    async fn alternatives(
        &self,
        session: &SessionId,
        point: Point,
    ) -> Result<Vec<Alternative>, HistoryError> {
        self.inner.alternatives(session, point).await
    }

    async fn fork(
        &self,
        session: &SessionId,
        point: Point,
        into: &SessionId,
    ) -> Result<Version, HistoryError> {
        let point = if self.is(Flaw::ForksLess) { Point::Start } else { point };
        self.inner.fork(session, point, into).await
    }
}

/// A view at a point that appends at the tip.
struct AtTip {
    inner: Arc<dyn ChatHistory>,
    view: Arc<dyn ChatHistory>,
}

#[async_trait]
impl ChatHistory for AtTip {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.view.load(session, range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        _: Expect,
    ) -> Result<Version, HistoryError> {
        self.inner.append(session, turn, Expect::Any).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.view.clear(session).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.view.turns(session, range).await
    }
}

/// Checks that a seed finds the flaw, and that it finds it again.
fn find<H: ChatHistory + 'static, S: Subject + 'static>(
    flaw: Flaw,
    expected: &str,
    store: impl Fn() -> H,
    plan: impl Fn(Simulation) -> Simulation,
    open: impl Fn(&Environment) -> S,
) {
    let run = |seed| plan(Simulation::new(seed).with_session(store(), session())).run(&open);
    let mut found = (0..2_000).filter_map(|seed| run(seed).err());
    // A flaw can break several invariants; the random numbers of a seed decide which is first.
    let violation = found.find(|violation| violation.to_string().contains(expected));
    let violation = violation.unwrap_or_else(|| panic!("{flaw:?} is not found"));
    assert_eq!(run(violation.seed).unwrap_err(), violation);
}

#[test]
fn flaws_of_stores_are_found() {
    for (flaw, expected) in [
        (Flaw::Forgets, "was acknowledged, and its turn is lost"),
        (Flaw::Doubles, "stored twice"),
        (Flaw::Halves, "half a turn"),
        (Flaw::Reorders, "is stored before"),
        (Flaw::LoadsHalves, "the store loads other messages than those of its turns"),
    ] {
        let flawed = || Flawed::new(flaw);
        find(
            flaw,
            expected,
            flawed,
            |simulation| simulation,
            |it| Program::llm(buffer(it.histories()[0].clone()), it),
        );
    }
}

/// Stores that are right, and are read wrongly.
#[test]
fn flaws_of_loads_are_found() {
    for (flaw, expected) in [
        (Flaw::IsStale, "which was answered before"),
        (Flaw::LoadsHalves, "a prompt contained half a turn"),
        (Flaw::LeavesOut, "left a turn out"),
    ] {
        let flawed = |it: &Environment| Flawed::over(Arc::new(it.histories()[0].clone()), flaw);
        find(
            flaw,
            expected,
            InMemoryHistory::new,
            |simulation| simulation,
            |it| Program::llm(buffer(flawed(it)), it),
        );
    }
}

#[test]
fn flaws_of_marks_and_lists_of_turns_are_found() {
    let stops = |simulation: Simulation| simulation.with_stopped_streams();
    let open = |it: &Environment| Program::llm(buffer(it.histories()[0].clone()), it);
    let flawed = |flaw| move || Flawed::new(flaw);
    find(Flaw::ForgetsMarks, "half a turn", flawed(Flaw::ForgetsMarks), stops, open);
    let repeats = |simulation: Simulation| simulation.with_repeated_calls().with_restored_answers();
    find(Flaw::ListsNoTurns, "was paid for twice", flawed(Flaw::ListsNoTurns), repeats, open);
    let open = |it: &Environment| Program::llm(summary_buffer(it), it);
    let plan = |simulation| simulation;
    find(Flaw::CoversMore, "left a turn out", flawed(Flaw::CoversMore), plan, open);
}

#[test]
fn flaws_of_branches_are_found() {
    for (flaw, expected) in [
        (Flaw::DoesNotMove, "to which the tip was moved"),
        (Flaw::IgnoresPoints, "was asked at turn"),
        (Flaw::ForksLess, "has 0 turns instead of"),
    ] {
        let branches = |simulation: Simulation| simulation.with_branches();
        find(
            flaw,
            expected,
            || Flawed::new(flaw),
            branches,
            |it| Program::llm(buffer(it.histories()[0].clone()), it),
        );
    }
}
