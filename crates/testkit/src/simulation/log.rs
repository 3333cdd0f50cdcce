//! The calls of a schedule and its operations on the store, with their results.

use conversant_core::{Point, SessionId, TurnId};

use super::{plan::TaskId, subject::SimulatedCall};

/// The calls of a schedule and its operations on the store.
#[derive(Default)]
pub(super) struct Log {
    pub(super) calls: Vec<SimulatedCall>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) saves: Vec<SavedAgain>,
    pub(super) moves: Vec<TipMove>,
    pub(super) forks: Vec<Fork>,
}

/// One attempt of a call. A repeated call has several.
pub(super) struct Attempt {
    pub(super) call: usize,
    pub(super) task: TaskId,
    pub(super) process: usize,
    pub(super) started: u64,
    /// The time of its end, or of its drop.
    pub(super) ended: Option<u64>,
    pub(super) result: AttemptResult,
}

/// The end of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AttemptResult {
    /// It was dropped, or still runs.
    Dropped,
    Answered,
    Stopped,
    GivenUp,
    NotSaved,
    /// It failed with an error that has these answers.
    Failed(Vec<String>),
}

/// A turn that was not saved at first.
pub(super) struct SavedAgain {
    pub(super) call: usize,
    pub(super) turn: TurnId,
    pub(super) is_whole: bool,
    /// Whether the repetition was acknowledged.
    pub(super) is_done: bool,
    /// Whether it was refused because another turn has its id.
    pub(super) is_refused: bool,
}

/// A move of the tip by the schedule.
pub(super) struct TipMove {
    pub(super) point: Point,
    pub(super) started: u64,
    pub(super) ended: Option<u64>,
    /// Whether it was acknowledged.
    pub(super) is_done: bool,
}

/// A fork of the conversation.
pub(super) struct Fork {
    pub(super) point: Point,
    pub(super) into: SessionId,
    /// Whether it was acknowledged.
    pub(super) is_done: bool,
}

impl Log {
    /// Returns the attempts of a call.
    pub(super) fn attempts_of(&self, call: usize) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(move |attempt| attempt.call == call)
    }

    /// Returns the time of the first attempt.
    pub(super) fn started(&self, call: usize) -> Option<u64> {
        self.attempts_of(call).map(|attempt| attempt.started).min()
    }

    /// Returns the time at which the answer was first returned.
    pub(super) fn answered(&self, call: usize) -> Option<u64> {
        let answered = |attempt: &&Attempt| attempt.result == AttemptResult::Answered;
        self.attempts_of(call).filter(answered).filter_map(|attempt| attempt.ended).min()
    }

    /// Returns whether the tip may have moved between two times, other than by a turn that was
    /// appended at it.
    pub(super) fn tip_moves_between(&self, from: u64, to: u64) -> bool {
        let meets = |started: u64, ended: Option<u64>| {
            started <= to && ended.is_none_or(|ended| from <= ended)
        };
        let at_points = self
            .attempts
            .iter()
            .filter(|attempt| self.calls.get(attempt.call).is_some_and(|call| call.at.is_some()));
        // The turn of such a call can be saved again after its end.
        let mut at_points = at_points.map(|attempt| {
            let is_over = !matches!(attempt.result, AttemptResult::NotSaved);
            (attempt.started, attempt.ended.filter(|_| is_over))
        });
        at_points.any(|(started, ended)| meets(started, ended))
            || self.moves.iter().any(|tip| meets(tip.started, tip.ended))
    }
}
