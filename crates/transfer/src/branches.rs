//! Import of the branches of a conversation that are not the current one.

use std::collections::HashSet;

use conversant_core::{ChatHistory, HistoryError, Point, TurnId};

use crate::{
    append::SessionWriter,
    conversation::{OtherBranches, OtherPath, Place, Turns},
    error::TransferError,
    event::{Events, OmissionReason, Omitted, TransferEvent},
    pause::Pace,
    session_tree::{append_at, set_tip},
};

/// The points between the turns of a path, those that are left out too.
pub(crate) struct Points {
    /// The number of turns before the first of the points.
    first: u64,
    points: Vec<Point>,
}

impl Points {
    /// Begins a path after some turns, at a point.
    pub(crate) fn new(first: u64, point: Point) -> Self {
        Self { first, points: vec![point] }
    }

    /// Adds the point after the next turn.
    pub(crate) fn push(&mut self, point: Point) {
        self.points.push(point);
    }

    fn after(&self, turns: u64) -> Option<Point> {
        let index = usize::try_from(turns.checked_sub(self.first)?).ok()?;
        self.points.get(index).copied()
    }
}

/// Imports the branches that are not the current one, after the current one was stored. The tip is
/// then that of the current one, unless the session has gone on.
///
/// A path begins with turns of one before it, which are neither read nor stored again.
pub(crate) async fn import<F: FnMut(TransferEvent) + Send>(
    to: &dyn ChatHistory,
    writer: &SessionWriter<'_>,
    current: Points,
    others: &dyn OtherBranches,
    events: &mut Events<F>,
    pace: &mut Pace,
) -> Result<(), TransferError> {
    let session = writer.session();
    let tip = writer.ids().last().map_or(Point::Start, |&turn| turn.into());
    let mut stored: HashSet<TurnId> = writer.ids().iter().copied().collect();
    let mut paths = vec![current];
    for OtherPath { start: Place { path, turns }, shared, messages, omitted } in others.paths() {
        // What is left out of the shared messages was reported before.
        let mut omit = |omitted: Omitted| {
            if omitted.message > Some(shared) {
                events.omit(Some(session), omitted);
            }
        };
        omitted.into_iter().for_each(&mut omit);
        let Some(mut point) = paths.get(path).and_then(|path| path.after(turns)) else {
            // The history refuses a turn before these.
            omit(Omitted::message(shared + 1, OmissionReason::RefusedByHistory));
            paths.push(Points { first: turns, points: Vec::new() });
            continue;
        };
        let mut points = Points::new(turns, point);
        let mut turns = Turns::after(turns);
        let mut grouped: Vec<_> =
            messages.into_iter().filter_map(|message| turns.push(message)).collect();
        grouped.extend(turns.finish());
        let mut added = 0;
        for grouped in grouped {
            pace.step().await;
            let position = grouped.position();
            if let Some(turn) = grouped.into_turn(session, &mut omit) {
                let follows = std::mem::replace(&mut point, turn.id().into());
                if !stored.contains(&turn.id()) {
                    match append_at(to, session, follows, &turn).await {
                        Ok(()) => added += 1,
                        Err(
                            HistoryError::TooLarge { .. }
                            | HistoryError::Unsupported { .. }
                            | HistoryError::TurnIdInUse { .. },
                        ) => {
                            let reason = OmissionReason::RefusedByHistory;
                            omit(Omitted { message: position, node: None, reason });
                            break;
                        }
                        // The session was cleared meanwhile.
                        Err(HistoryError::UnknownTurn { .. }) => {
                            let reason = OmissionReason::Diverged { turns: 0 };
                            omit(Omitted { message: position, node: None, reason });
                            break;
                        }
                        Err(error) => return Err(error.into()),
                    }
                    stored.insert(turn.id());
                }
            }
            points.push(point);
        }
        paths.push(points);
        events.progress.turns += added;
    }
    match set_tip(to, session, tip, &stored).await {
        Err(HistoryError::UnknownTurn { .. }) => Ok(()),
        set => Ok(set?),
    }
}
