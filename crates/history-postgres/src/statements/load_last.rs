//! Loads the last turns of a session by one plain statement, which the server executes in half of
//! the time of a function.

use conversant_core::{Message, SessionId, Slice, TurnId, Version};
use deadpool_postgres::Client;
use tokio_postgres::{Row, types::Type};

use super::{
    columns::{count, turn_id},
    query::Preparation,
};
use crate::{
    error::Failure,
    pool::{Limit, Operation},
};

/// The largest number of turns that a statement is prepared for. Each number is a statement of its
/// own: with a parameter in its place, the server would plan it anew for each execution.
pub(crate) const MAX_LAST_TURNS: usize = 100;

/// The columns of all rows.
mod columns_of_last {
    pub(super) const EPOCH: usize = 0;
    pub(super) const MESSAGES: usize = 1;
    pub(super) const FIRST: usize = 2;
    pub(super) const ID: usize = 3;
    pub(super) const TEXTS: usize = 4;
}

/// The last turns of a session without other branches than the first.
pub(crate) struct LoadLast {
    pub(crate) session: SessionId,
    /// At least 1, at most [`MAX_LAST_TURNS`].
    pub(crate) turns: usize,
    pub(crate) preparation: Preparation,
}

impl Operation for LoadLast {
    /// `None` for all that is not the usual case: a session that has not begun, has expired, has
    /// branches, or lacks a turn.
    type Output = Option<Slice>;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Option<Slice>, Failure> {
        // Newest first: the session is one row, and for each row the server keeps the order.
        let statement = format!(
            "SELECT s.epoch, s.messages, t.first, t.id, t.messages FROM conversant_sessions s \
             CROSS JOIN LATERAL (SELECT c.first, c.id, c.messages FROM conversant_turns c \
             WHERE c.session = s.key ORDER BY c.first DESC LIMIT {}) t \
             WHERE s.id = $1 AND s.branch IS NULL \
             AND (s.expires IS NULL OR s.expires > clock_timestamp())",
            self.turns
        );
        let session = [(&self.session.as_str() as _, Type::TEXT)];
        let rows = self.preparation.query(client, &statement, &session).await?;
        self.slice(&rows)
    }
}

impl LoadLast {
    /// Decodes the turns, newest first, unless one is missing.
    fn slice(&self, rows: &[Row]) -> Result<Option<Slice>, Failure> {
        use columns_of_last::{EPOCH, FIRST, ID, MESSAGES, TEXTS};
        let (Some(newest), Some(oldest)) = (rows.first(), rows.last()) else { return Ok(None) };
        let version = Version::new(count(newest, EPOCH)?, count(newest, MESSAGES)?);
        let start = count(oldest, FIRST)?;
        if rows.len() < self.turns && start > 0 {
            return Ok(None);
        }
        let mut messages: Vec<Message> = Vec::with_capacity(rows.len() * 2);
        let mut begins = Vec::with_capacity(rows.len());
        let mut last = None;
        for row in rows.iter().rev() {
            let next = start.saturating_add(messages.len() as u64);
            let Some(id) = turn_id(row, ID)? else { return Ok(None) };
            if count(row, FIRST)? != next {
                return Ok(None);
            }
            begins.push(messages.len());
            for (number, text) in (next..).zip(row.try_get::<_, Vec<&str>>(TEXTS)?) {
                let place = format_args!("message {number}, of turn {id}");
                messages.push(Message::from_stored_json(text, place)?);
            }
            last = Some(id);
        }
        if start.saturating_add(messages.len() as u64) != version.messages {
            return Ok(None);
        }
        let version = version.with_tip(last.as_ref().map_or(0, TurnId::fingerprint));
        Ok(Some(Slice::new(messages, version).with_turns(begins)))
    }
}
