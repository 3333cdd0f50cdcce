//! The turns that a store has, read after a schedule.

use std::collections::HashSet;

use conversant_core::{ChatHistory, HistoryError, Messages, Point, Range, SessionId, Turn, TurnId};

use super::exchange::{Exchange, exchanges};
use crate::block_on::block_on;

/// The turns of a session, each after its parent.
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
}

/// A stored turn.
pub(super) struct Node {
    pub(super) exchange: Exchange,
    /// `None` if the store does not list turns.
    pub(super) id: Option<TurnId>,
    /// The turn before it.
    pub(super) parent: Option<usize>,
}

impl Tree {
    /// Reads a session. All turns must be whole, or marked as incomplete.
    pub(super) fn read(
        history: &dyn ChatHistory,
        session: &SessionId,
        has_branches: bool,
    ) -> Result<Self, String> {
        let path = path(history, session)?;
        if !has_branches {
            let parent = |index: usize| index.checked_sub(1);
            let node = |(index, (exchange, id))| Node { exchange, id, parent: parent(index) };
            return Ok(Self { nodes: path.into_iter().enumerate().map(node).collect() });
        }
        let mut tree = Self { nodes: Vec::new() };
        tree.read_after(history, session, Point::Start, None)?;
        let current = path.into_iter().map(|(_, id)| id);
        let tip = current.clone().next_back();
        let tip = tip.and_then(|tip| tree.nodes.iter().position(|node| node.id == tip));
        let reached: Vec<_> = tree.path(tip).iter().filter_map(|index| tree.id(*index)).collect();
        if reached != current.flatten().collect::<Vec<_>>() {
            return Err("the store has a conversation that is not a path of its tree".to_owned());
        }
        Ok(tree)
    }

    /// Reads the turns that follow a point.
    fn read_after(
        &mut self,
        history: &dyn ChatHistory,
        session: &SessionId,
        point: Point,
        parent: Option<usize>,
    ) -> Result<(), String> {
        let followers =
            block_on(history.alternatives(session, point)).map_err(|error| shown(&error))?;
        if followers.iter().filter(|found| found.is_current).count() > 1 {
            return Err(format!("the store has two current turns after {point}"));
        }
        for found in followers {
            let at = Point::After(found.turn);
            let view = history.at(at).ok_or("the store has no view at a point")?;
            let found = path(&*view, session)?;
            let Some((exchange, id)) = found.last() else {
                return Err(format!("the store shows nothing at {at}"));
            };
            if *id != at.turn() || self.nodes.iter().any(|node| node.id == *id) {
                return Err(format!("the store shows {at} at two places"));
            }
            self.nodes.push(Node { exchange: *exchange, id: *id, parent });
            let index = self.nodes.len() - 1;
            self.read_after(history, session, at, Some(index))?;
        }
        Ok(())
    }

    pub(super) fn id(&self, index: usize) -> Option<TurnId> {
        self.nodes.get(index)?.id
    }

    /// Returns the indexes of the turns of a call.
    pub(super) fn of_call(&self, number: usize) -> impl Iterator<Item = usize> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(move |(_, node)| node.exchange.number == number).map(|(index, _)| index)
    }

    /// Returns the index of the turn of a call.
    pub(super) fn find(&self, number: usize) -> Option<usize> {
        self.of_call(number).next()
    }

    /// Returns the index of the turn with an id.
    pub(super) fn of_id(&self, id: TurnId) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == Some(id))
    }

    /// Returns the path from the start to a turn.
    pub(super) fn path(&self, to: Option<usize>) -> Vec<usize> {
        let parent = |index: &usize| self.nodes.get(*index)?.parent;
        let mut path: Vec<_> = std::iter::successors(to, parent).collect();
        path.reverse();
        path
    }

    /// Returns whether a turn is another one, or follows it.
    pub(super) fn is_at_or_after(&self, later: usize, earlier: usize) -> bool {
        self.path(Some(later)).contains(&earlier)
    }
}

/// Reads the turns of a path, from the start to its end.
fn path(
    history: &dyn ChatHistory,
    session: &SessionId,
) -> Result<Vec<(Exchange, Option<TurnId>)>, String> {
    let loaded =
        block_on(history.load(session, Range::All)).map_err(|error| shown(&error))?.messages;
    let turns = match block_on(history.turns(session, Range::All)) {
        Ok(turns) => turns,
        Err(HistoryError::Unsupported { .. }) => {
            let found =
                exchanges(&loaded, false).map_err(|what| format!("the store has {what}"))?;
            return Ok(found.into_iter().map(|exchange| (exchange, None)).collect());
        }
        Err(error) => return Err(shown(&error)),
    };
    let mut seen = HashSet::new();
    let mut all = Messages::new();
    let mut path = Vec::new();
    for turn in &turns {
        if !seen.insert(turn.id()) {
            return Err(format!("turn {} is stored twice", turn.id()));
        }
        all.append(turn.messages());
        path.push((one(turn)?, Some(turn.id())));
    }
    if all != loaded {
        return Err("the store loads other messages than those of its turns".to_owned());
    }
    Ok(path)
}

/// Reads the exchange of a turn.
pub(super) fn one(turn: &Turn) -> Result<Exchange, String> {
    match exchanges(turn.messages(), turn.is_incomplete()).as_deref() {
        Ok([exchange]) => Ok(*exchange),
        Ok(several) => Err(format!("a turn has {} exchanges", several.len())),
        Err(what) => Err(format!("the store has {what}")),
    }
}

fn shown(error: &HistoryError) -> String {
    format!("the store cannot be read: {error}")
}
