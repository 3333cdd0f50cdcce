//! Seeded schedules of calls over stores, a model and a tool that fail, with invariants checked at
//! the end.

mod environment;
mod exchange;
mod history;
mod invariants;
mod leases;
mod log;
mod model;
mod plan;
mod report;
mod schedule;
mod seeds;
mod subject;
mod tool;
mod tree;
mod world;

use std::{fmt, sync::Arc};

use conversant_core::{ChatHistory, SessionId};

pub use self::{
    environment::Environment,
    history::SimulatedHistory,
    model::SimulatedChat,
    report::{SimulationReport, Violation},
    seeds::run_seeds,
    subject::{Ending, SaveEnding, SimulatedCall, Subject},
    tool::SimulatedTool,
};
use self::{invariants::Ended, plan::Plan, schedule::Schedule, tree::Tree, world::World};

/// A simulation: one schedule of calls, decided by a seed.
///
/// A schedule makes calls of one conversation that overlap, polls them in random order, drops some
/// at any poll, and restarts the program. Its stores and its model fail, stall, or lose their
/// replies. Then the faults stop, and the simulation checks that
///
/// - a turn is stored whole and at most once, and every answered one is stored;
/// - a turn is refused because its id is in use only if a turn with the id is stored;
/// - a call that failed stored nothing, and its error has each answer that the model gave;
/// - a call that started after another was answered comes after it;
/// - every call ends, and the next one succeeds;
/// - calls of one process ask the model one after the other;
/// - each prompt contains whole turns only, in their order, and all that were acknowledged before;
/// - all sessions of the program have the same turns.
///
/// | setting | adds |
/// |---|---|
/// | [`with_session`](Self::with_session) | a session in which each call stores a turn |
/// | [`with_step_session`](Self::with_step_session) | a session of a step with its own memory |
/// | [`with_processes`](Self::with_processes) | processes over the same stores |
/// | [`with_leases`](Self::with_leases) | no two processes ask the model at the same time |
/// | [`with_repeated_calls`](Self::with_repeated_calls) | calls with the turn ids of earlier ones |
/// | [`with_restored_answers`](Self::with_restored_answers) | no answer is paid for twice |
/// | [`with_stopped_streams`](Self::with_stopped_streams) | readers that save part of a stream |
/// | [`with_branches`](Self::with_branches) | earlier points, moves of the tip, forks |
/// | [`with_partial_views`](Self::with_partial_views) | prompts may lack the oldest turns |
///
/// The same seed gives the same schedule, if the histories and the subject are deterministic.
///
/// # Examples
///
/// ```no_run
/// use conversant_core::{ChatHistory, SessionId};
/// use conversant_testkit::simulation::{Environment, Simulation, Subject, run_seeds};
///
/// fn check<H: ChatHistory + 'static, S: Subject + 'static>(
///     store: impl Fn() -> H,
///     open: impl Fn(&Environment) -> S,
/// ) {
///     let session = SessionId::new("simulated").unwrap();
///     let run = |seed| Simulation::new(seed).with_session(store(), session.clone()).run(&open);
///     run_seeds(1_000, run).unwrap();
/// }
/// ```
#[must_use]
#[derive(Clone)]
pub struct Simulation {
    seed: u64,
    plan: Plan,
    sessions: Vec<StoredSession>,
}

/// A session of a store.
#[derive(Clone)]
struct StoredSession {
    history: Arc<dyn ChatHistory>,
    session: SessionId,
    /// Whether it has the turns of a step, which is stored even if a later step fails.
    is_of_step: bool,
}

impl Simulation {
    /// Creates the simulation of a seed, without sessions.
    pub fn new(seed: u64) -> Self {
        Self { seed, plan: Plan::default(), sessions: Vec::new() }
    }

    /// Adds a session in which each call stores a turn. All such sessions must have the same turns
    /// at the end. Branches and prompts are checked against the first one.
    pub fn with_session(mut self, history: impl ChatHistory + 'static, session: SessionId) -> Self {
        let history = Arc::new(history);
        self.sessions.push(StoredSession { history, session, is_of_step: false });
        self
    }

    /// Adds a session of a step that has a memory of its own. It stores a turn as soon as the step
    /// has answered, even if the call fails later.
    pub fn with_step_session(
        mut self,
        history: impl ChatHistory + 'static,
        session: SessionId,
    ) -> Self {
        let history = Arc::new(history);
        self.sessions.push(StoredSession { history, session, is_of_step: true });
        self
    }

    /// Sets the number of processes, each with a program of its own. The default is 1.
    pub const fn with_processes(mut self, processes: usize) -> Self {
        self.plan.processes = processes;
        self
    }

    /// Expects that the processes lease the session during a call.
    pub const fn with_leases(mut self) -> Self {
        self.plan.leases = true;
        self
    }

    /// Makes calls again with their turn ids, during the first attempt and after its end.
    pub const fn with_repeated_calls(mut self) -> Self {
        self.plan.repeats = true;
        self
    }

    /// Expects that a [repeated call](Self::with_repeated_calls) finds the answer of a stored turn.
    pub const fn with_restored_answers(mut self) -> Self {
        self.plan.restores_answers = true;
        self
    }

    /// Stops some streams before their end, and saves the text that had arrived.
    pub const fn with_stopped_streams(mut self) -> Self {
        self.plan.stops = true;
        self
    }

    /// Makes calls at earlier points of the conversation, moves its tip, and forks it.
    pub const fn with_branches(mut self) -> Self {
        self.plan.branches = true;
        self
    }

    /// Lets prompts lack the oldest turns, as those of a window memory do.
    pub const fn with_partial_views(mut self) -> Self {
        self.plan.partial_views = true;
        self
    }

    /// Runs the schedule. `open` starts the program over the simulated stores, model and tool; it
    /// is called for each process, and again after each restart.
    ///
    /// # Errors
    /// [`Violation`], with the first invariant that does not hold.
    pub fn run<S: Subject + 'static>(
        self,
        open: impl Fn(&Environment) -> S,
    ) -> Result<SimulationReport, Violation> {
        let seed = self.seed;
        self.run_schedule(&open).map_err(|what| Violation { seed, what })
    }

    fn run_schedule<S: Subject + 'static>(
        &self,
        open: &dyn Fn(&Environment) -> S,
    ) -> Result<SimulationReport, String> {
        let world = Arc::new(World::new(self.seed));
        let histories = self.sessions.iter().enumerate().map(|(index, stored)| {
            SimulatedHistory::new(Arc::clone(&stored.history), index, Arc::clone(&world))
        });
        let environment = Environment {
            histories: histories.collect(),
            model: SimulatedChat::new(&world),
            tool: SimulatedTool::new(&world),
        };
        let first = environment.histories.first().zip(self.sessions.first());
        let (history, stored) = first.ok_or("the simulation has no sessions; add one")?;
        let main = (history.clone(), stored.session.clone());
        let open = || Arc::new(open(&environment));
        let mut schedule = Schedule::new(&world, self.plan, main, &open);
        schedule.run()?;
        let trees = |of_steps: bool| -> Result<Vec<Tree>, String> {
            let sessions = self.sessions.iter().filter(|stored| stored.is_of_step == of_steps);
            let has_branches = self.plan.branches && !of_steps;
            sessions.map(|it| Tree::read(&*it.history, &it.session, has_branches)).collect()
        };
        let (log, journal) = (schedule.log(), &world.journal());
        let (trees, step_trees) = (&trees(false)?, &trees(true)?);
        Ended { plan: self.plan, log, journal, trees, step_trees }.check()?;
        for (fork, tree) in log.forks.iter().zip(trees.first().into_iter().cycle()) {
            invariants::check_fork(fork, &*stored.history, tree)?;
        }
        Ok(schedule.report())
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("seed", &self.seed)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}
