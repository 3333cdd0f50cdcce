//! The result of a simulation.

use std::ops::AddAssign;

/// The numbers of one schedule, or the sums of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimulationReport {
    /// Calls that were made.
    pub calls: u64,
    /// Calls that were made again with their turn ids.
    pub repeated: u64,
    /// Calls that returned an answer.
    pub answered: u64,
    /// Streams whose readers stopped, and saved the text so far.
    pub stopped: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Calls whose turn was not saved at first.
    pub not_saved: u64,
    /// Calls and other operations that were dropped.
    pub dropped: u64,
    /// Restarts of a process.
    pub restarts: u64,
    /// Moves of the tip of the conversation.
    pub tip_moves: u64,
    /// Forks of the conversation.
    pub forks: u64,
}

impl AddAssign for SimulationReport {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.repeated += other.repeated;
        self.answered += other.answered;
        self.stopped += other.stopped;
        self.failed += other.failed;
        self.not_saved += other.not_saved;
        self.dropped += other.dropped;
        self.restarts += other.restarts;
        self.tip_moves += other.tip_moves;
        self.forks += other.forks;
    }
}

/// An invariant that does not hold. The seed repeats the schedule.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot pass the simulation with seed {seed}: {what}")]
#[non_exhaustive]
pub struct Violation {
    /// The seed of the schedule.
    pub seed: u64,
    /// The invariant and the turns that break it.
    pub what: String,
}

conversant_core::debug_as_report!(Violation);
