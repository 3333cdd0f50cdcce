//! Loads a part of a session, and its version, as they are at one moment.

use conversant_core::{HistoryError, Point, Range, Version};

use super::{
    scripts::{FIRST, LOAD, count, point, tip, version},
    stored_turn::StoredTurn,
};
use crate::{
    error::Failure,
    keys::SessionKeys,
    link::Link,
    pool::{Limit, Operation},
};

/// A part of a session to load.
pub(crate) struct Load {
    pub(crate) keys: SessionKeys,
    pub(crate) range: Range,
    /// The point at which the session ends. `None` is the tip.
    pub(crate) point: Option<Point>,
}

/// The loaded turns that have messages of the part, each whole.
pub(crate) struct Loaded {
    pub(crate) version: Version,
    pub(crate) turns: Vec<StoredTurn>,
    /// The number of messages before those after a version.
    pub(crate) before: u64,
}

impl Operation for Load {
    type Output = Loaded;

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<Loaded, Failure> {
        let (range, first, second) = match self.range {
            Range::All => ("all", 0, 0),
            Range::LastTurns(turns) => ("turns", turns as u64, 0),
            Range::LastMessages(messages) => ("messages", messages as u64, 0),
            Range::LastBytes(bytes) => ("bytes", bytes, 0),
            Range::After(seen) => ("after", seen.epoch, seen.messages),
            _ => return Err(HistoryError::Unsupported { what: "this range" }.into()),
        };
        let mut script = LOAD.prepare_invoke();
        let seen_tip = if let Range::After(seen) = self.range { tip(seen) } else { String::new() };
        script.key(&self.keys).arg(range).arg(first).arg(second).arg(seen_tip);
        script.arg(point(self.point)?);
        type Answer = (i64, i64, String, Vec<Vec<u8>>, i64);
        let (epoch, messages, tip, turns, before): Answer = script.invoke_async(connection).await?;
        let turns = turns.into_iter().map(StoredTurn::read).collect::<Result<_, _>>()?;
        Ok(Loaded { version: version(epoch, messages, &tip)?, turns, before: count(before)? })
    }
}

/// The turns that have the first messages of a session.
pub(crate) struct First {
    pub(crate) keys: SessionKeys,
    pub(crate) count: usize,
    pub(crate) point: Option<Point>,
}

impl Operation for First {
    type Output = Vec<StoredTurn>;

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<Vec<StoredTurn>, Failure> {
        let mut script = FIRST.prepare_invoke();
        script.key(&self.keys).arg(self.count).arg(point(self.point)?);
        let turns: Vec<Vec<u8>> = script.invoke_async(connection).await?;
        Ok(turns.into_iter().map(StoredTurn::read).collect::<Result<_, _>>()?)
    }
}
