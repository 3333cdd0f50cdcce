//! The branches on the path from a session's tip to its start, of which each is read once.

use conversant_core::HistoryError;
use rusqlite::Connection;

use super::{
    branch::{self, Branch},
    session_row::Session,
};
use crate::error::inconsistent;

/// The branches of a path that have been read, from that of the tip on. Turns are found in any
/// order; branches are read as far as the oldest turn that was asked for.
#[derive(Default)]
pub(super) struct Chain(Vec<Branch>);

impl Chain {
    /// Returns the key of the branch in which a turn of a session's path is stored.
    pub(super) fn key_of(
        &mut self,
        connection: &Connection,
        session: &Session,
        number: u64,
    ) -> Result<i64, HistoryError> {
        let Some(head) = session.branch else { return Ok(session.key) };
        if self.0.is_empty() {
            self.0.push(Branch::load(connection, head)?);
        }
        while let Some(oldest) = self.0.last().filter(|oldest| number < oldest.turns) {
            let parent = branch::parent_of(connection, oldest)?;
            self.0.push(parent);
        }
        // Each begins before the one that leaves it.
        let index = self.0.partition_point(|branch| number < branch.turns);
        let found = self.0.get(index).ok_or_else(|| inconsistent("a branch is missing"))?;
        Ok(found.key)
    }
}
