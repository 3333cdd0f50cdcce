//! Seeded schedules of calls over a store and a model that fail, with invariants checked at the
//! end.

mod faults;
mod history;
mod invariants;
mod model;
mod schedule;

use std::sync::Arc;

use conversant_core::{ChatHistory, SessionId, Turn, TurnId, async_trait};

use self::{faults::Faults, schedule::Schedule};
pub use self::{history::SimulatedHistory, model::SimulatedChat};

/// A program under simulation: one conversation of a chain with a memory.
///
/// Implement it for the program to test. All calls are made on one instance, until a restart drops
/// it and opens a new one over the same store.
#[async_trait]
pub trait Subject: Send + Sync {
    /// Asks a question, and returns how the call ended.
    async fn call(&self, call: SimulatedCall) -> Ending;

    /// Saves a turn again that was [not saved](Ending::NotSaved), and returns whether it succeeded.
    async fn save(&self, turn: &Turn) -> bool;
}

/// A call that a schedule makes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimulatedCall {
    /// The user's question. Each question is asked once.
    pub question: String,
    /// The id of the turn.
    pub turn_id: TurnId,
    /// Whether the answer is read piece by piece.
    pub streamed: bool,
}

/// The end of a call.
#[derive(Debug, Clone)]
pub enum Ending {
    /// The answer was returned, so its turn must be stored.
    Answered(String),
    /// The model answered, and the error contains the turn.
    NotSaved(Box<Turn>),
    /// The call failed before the model answered, so its turn must not be stored.
    Failed,
}

/// A simulation: one schedule of calls, decided by a seed.
///
/// A schedule makes calls of one conversation that overlap, polls them in random order, drops some
/// at any poll, and restarts the program. Its store and its model fail, stall, or lose their
/// replies. Then the faults stop, and the simulation checks that
///
/// - a turn is stored whole and at most once, and every answered one is stored;
/// - a call that failed stored nothing;
/// - a call that started after another was answered comes after it;
/// - every call ends, and the next one succeeds;
/// - each prompt contained whole turns only.
///
/// The same seed gives the same schedule, if the history and the subject are deterministic.
///
/// # Examples
///
/// ```no_run
/// use conversant_core::{ChatHistory, SessionId};
/// use conversant_testkit::simulation::{Simulation, SimulatedChat, SimulatedHistory, Subject};
///
/// fn check<H: ChatHistory + 'static, S: Subject + 'static>(
///     store: impl Fn() -> H,
///     open: impl Fn(SimulatedHistory<H>, SimulatedChat) -> S,
/// ) {
///     let session = SessionId::new("simulated").unwrap();
///     for seed in 0..1000 {
///         Simulation::new(seed).run(store(), &session, &open).unwrap();
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Simulation {
    seed: u64,
}

impl Simulation {
    /// Creates the simulation of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Runs the schedule. `open` starts the program over the simulated store and model; it is
    /// called again after each restart.
    ///
    /// # Errors
    /// [`Violation`], with the first invariant that does not hold.
    pub fn run<H: ChatHistory + 'static, S: Subject + 'static>(
        self,
        history: H,
        session: &SessionId,
        open: impl Fn(SimulatedHistory<H>, SimulatedChat) -> S,
    ) -> Result<Report, Violation> {
        let (history, faults) = (Arc::new(history), Arc::new(Faults::new(self.seed)));
        let model = SimulatedChat::new(&faults);
        let open = || {
            let store = SimulatedHistory::new(Arc::clone(&history), Arc::clone(&faults));
            Arc::new(open(store, model.clone()))
        };
        let mut schedule = Schedule::new(&faults, &open);
        let result = schedule
            .run()
            .and_then(|()| invariants::prompts(&model.prompts()))
            .and_then(|()| invariants::stored(&*history, session, schedule.log()));
        match result {
            Ok(()) => Ok(schedule.report()),
            Err(what) => Err(Violation { seed: self.seed, what }),
        }
    }
}

/// The numbers of one schedule, or the sums of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Calls that were made.
    pub calls: u64,
    /// Calls that returned an answer.
    pub answered: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Calls whose turn was not saved at first.
    pub not_saved: u64,
    /// Calls that were dropped.
    pub dropped: u64,
    /// Restarts of the program.
    pub restarts: u64,
}

impl std::ops::AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.answered += other.answered;
        self.failed += other.failed;
        self.not_saved += other.not_saved;
        self.dropped += other.dropped;
        self.restarts += other.restarts;
    }
}

/// An invariant that does not hold. The seed repeats the schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}: {what}")]
#[non_exhaustive]
pub struct Violation {
    /// The seed of the schedule.
    pub seed: u64,
    /// The invariant and the turns that break it.
    pub what: String,
}
