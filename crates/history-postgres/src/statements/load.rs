//! Loads the turns of a part of a session, and its version, as they are at one moment.

use conversant_core::{HistoryError, Point, Range, SessionId, TurnId, Version};
use deadpool_postgres::Client;
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

use super::{
    columns::{column, count, signed, stored, stored_point, turn_id, version, version_with_tip},
    query::{Parameter, Preparation},
};
use crate::{
    error::Failure,
    pool::{Limit, Operation},
};

/// The session's row, and those of its turns from the last one backwards.
const LOAD: &str = "SELECT * FROM conversant_read($1, $2, $3, $4, $5, $6, $7, $8)";

/// The same for what follows a version.
const LOAD_AFTER: &str = "SELECT * FROM conversant_read_after($1, $2, $3, $4)";

/// The columns of all rows.
mod columns_of_load {
    pub(super) const FIRST: usize = 0;
    pub(super) const ID: usize = 1;
    pub(super) const INCOMPLETE: usize = 2;
    pub(super) const BASE: usize = 3;
    pub(super) const MESSAGES: usize = 6;
}

/// A part of a session to load.
pub(crate) struct Load {
    pub(crate) session: SessionId,
    pub(crate) point: Option<Point>,
    pub(crate) range: Range,
    pub(crate) preparation: Preparation,
}

/// Loaded turns, the first of which may begin before the range.
pub(crate) struct Loaded {
    /// The range: all of the session if the version of [`Range::After`] is of another conversation.
    pub(crate) range: Range,
    pub(crate) version: Version,
    /// In order.
    pub(crate) turns: Vec<Stored>,
}

/// A turn as it is stored.
pub(crate) struct Stored {
    /// The index of its first message in the session.
    pub(crate) first: u64,
    pub(crate) id: TurnId,
    pub(crate) incomplete: bool,
    pub(crate) base: Option<Version>,
    pub(crate) messages: Vec<String>,
}

impl Operation for Load {
    type Output = Loaded;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Loaded, Failure> {
        use columns_of_load::{BASE, ID, INCOMPLETE};
        let (at_point, after) = stored_point(self.point)?;
        let (part, size, seen) = self.part()?;
        let (seen_epoch, seen_messages, seen_tip) = stored(seen);
        let session = self.session.as_str();
        let seen: [Parameter<'_>; 3] =
            [(&seen_epoch, Type::INT8), (&seen_messages, Type::INT8), (&seen_tip, Type::INT8)];
        let [epoch, messages, tip] = seen;
        let rows = if self.point.is_none() && seen_messages > 0 && seen_tip != 0 {
            let parameters = [(&session as &(dyn ToSql + Sync), Type::TEXT), epoch, messages, tip];
            self.preparation.query(client, LOAD_AFTER, &parameters).await?
        } else {
            let parameters: [Parameter<'_>; 8] = [
                (&session, Type::TEXT),
                (&at_point, Type::INT2),
                (&after, Type::UUID),
                (&part, Type::INT2),
                (&size, Type::INT8),
                epoch,
                messages,
                tip,
            ];
            self.preparation.query(client, LOAD, &parameters).await?
        };
        let Some((session, turns)) = rows.split_first() else {
            return Err(missing("the row of the session"));
        };
        let is_of_another = column::<Option<bool>>(session, INCOMPLETE)?.unwrap_or(false);
        let turns = turns.iter().rev().map(turn).collect::<Result<Vec<_>, _>>()?;
        let last = match turns.last() {
            Some(turn) => Some(turn.id),
            None => turn_id(session, ID)?,
        };
        Ok(Loaded {
            range: if is_of_another { Range::All } else { self.range },
            version: version(session, BASE)?.with_tip(last.as_ref().map_or(0, TurnId::fingerprint)),
            turns,
        })
    }
}

impl Load {
    /// Returns the range as the function takes it: the part, its size, and the version seen.
    fn part(&self) -> Result<(i16, i64, Version), HistoryError> {
        let none = Version::default();
        Ok(match self.range {
            Range::LastTurns(0) | Range::LastMessages(0) | Range::LastBytes(0) => (0, 0, none),
            Range::All => (1, 0, none),
            Range::LastTurns(turns) => (2, signed(turns as u64), none),
            Range::LastMessages(messages) => (3, signed(messages as u64), none),
            Range::LastBytes(bytes) => (4, signed(bytes), none),
            Range::After(seen) => (5, 0, seen),
            _ => return Err(HistoryError::Unsupported { what: "this range" }),
        })
    }
}

fn missing(what: &str) -> Failure {
    HistoryError::Corrupt { what: format!("{what} is missing"), source: None }.into()
}

fn turn(row: &Row) -> Result<Stored, Failure> {
    use columns_of_load::{BASE, FIRST, ID, INCOMPLETE, MESSAGES};
    let base = match column::<Option<i64>>(row, BASE)? {
        Some(_) => Some(version_with_tip(row, BASE)?),
        None => None,
    };
    Ok(Stored {
        first: count(row, FIRST)?,
        id: turn_id(row, ID)?.ok_or_else(|| missing("the id of a turn"))?,
        incomplete: column(row, INCOMPLETE)?,
        base,
        messages: column(row, MESSAGES)?,
    })
}

/// The number of a session's messages, and its first turns with that many.
const FIRST: &str = "SELECT * FROM conversant_read_start($1, $2, $3, $4)";

/// The first messages of a session.
pub(crate) struct First {
    pub(crate) session: SessionId,
    pub(crate) point: Option<Point>,
    pub(crate) count: usize,
}

impl Operation for First {
    /// Each as JSON; there may be more than `count`.
    type Output = Vec<String>;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Vec<String>, Failure> {
        let (at_point, turn) = stored_point(self.point)?;
        let parameters: [Parameter<'_>; 4] = [
            (&self.session.as_str(), Type::TEXT),
            (&at_point, Type::INT2),
            (&turn, Type::UUID),
            (&signed(self.count as u64), Type::INT8),
        ];
        let rows = client.query_typed(FIRST, &parameters).await?;
        let mut messages: Vec<String> = Vec::new();
        let mut expected = 0;
        for row in &rows {
            expected = count(row, 0)?.min(self.count as u64);
            let first: Option<i64> = column(row, 1)?;
            if first == Some(signed(messages.len() as u64)) {
                messages.append(&mut column(row, 2)?);
            }
        }
        if (messages.len() as u64) < expected {
            let what = format!("message {} is missing", messages.len());
            return Err(HistoryError::Corrupt { what, source: None }.into());
        }
        Ok(messages)
    }
}
