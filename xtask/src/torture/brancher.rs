//! A process that regenerates, edits, undoes and forks at random.

use conversant_core::{ChatHistory, Expect, HistoryError, Point, Range, SessionId, Turn, TurnId};
use conversant_testkit::block_on;
use fastrand::Rng;

use super::turns;

/// The state of a process between its operations.
pub(super) struct Brancher {
    rng: Rng,
    writer: u64,
    /// Turns that are stored, of any process.
    known: Vec<TurnId>,
}

/// The result of an operation.
pub(super) enum Stored {
    Turn(TurnId),
    Fork(TurnId, String),
    Nothing,
}

impl Brancher {
    pub(super) fn new(writer: u64) -> Self {
        Self { rng: Rng::with_seed(writer), writer, known: Vec::new() }
    }

    /// Runs one operation.
    pub(super) fn run(
        &mut self,
        history: &dyn ChatHistory,
        session: &SessionId,
        number: u64,
    ) -> Result<Stored, HistoryError> {
        if number.is_multiple_of(8) {
            let turns = block_on(history.turns(session, Range::LastTurns(4)))?;
            self.known.extend(turns.iter().map(Turn::id));
        }
        let turn = turns::turn(self.writer, number);
        let stored = Stored::Turn(turn.id());
        let point = self.rng.choice(&self.known).copied();
        match (self.rng.u8(..10), point) {
            (0, Some(point)) => {
                block_on(history.set_tip(session, Point::After(point), Expect::Any))?;
                return Ok(Stored::Nothing);
            }
            (1, Some(point)) => {
                let name = format!("fork {} {number}", self.writer);
                let into = SessionId::new(name.as_str())
                    .map_err(|error| HistoryError::Backend { source: error.into() })?;
                block_on(history.fork(session, Point::After(point), &into))?;
                block_on(history.append(&into, &turn, Expect::Any))?;
                return Ok(Stored::Fork(point, name));
            }
            (2..=4, point) => {
                // The first question is edited now and then.
                let at = point.map_or(Point::Start, Point::After);
                let view = history.at(at).ok_or(HistoryError::Unsupported { what: "branches" })?;
                block_on(view.append(session, &turn, Expect::Any))?;
            }
            _ => drop(block_on(history.append(session, &turn, Expect::Any))?),
        }
        self.known.push(turn.id());
        Ok(stored)
    }
}
