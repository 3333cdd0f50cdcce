//! Seeded schedules of calls over a store and a model that fail, with invariants checked at the
//! end.

mod faults;
mod history;
mod invariants;
mod model;
mod report;
mod schedule;
mod subject;

use std::sync::Arc;

use conversant_core::{ChatHistory, SessionId};

use self::{faults::Faults, schedule::Schedule};
pub use self::{
    history::SimulatedHistory,
    model::SimulatedChat,
    report::{Report, Violation},
    subject::{Ending, SimulatedCall, Subject},
};

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
