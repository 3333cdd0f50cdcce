//! Loads the turns of a part of a session, and its version, as they are at one moment.

use conversant_core::{HistoryError, Range, SessionId, Version};
use deadpool_postgres::Client;
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

use super::{column, count, signed, version};
use crate::{engine::Operation, error::Failure};

/// The session, and of its turns those that the rest of the statement chooses, if there are any. A session that is not there, or whose
/// time is up, is at the version that it would be begun at.
const START: &str = "SELECT \
        CASE WHEN s.key IS NULL THEN f.epoch WHEN s.is_over THEN s.epoch + 1 ELSE s.epoch END, \
        CASE WHEN s.key IS NULL OR s.is_over THEN 0 ELSE s.messages END, \
        t.first, t.id::text, t.incomplete, t.base_epoch, t.base_messages, t.messages \
    FROM conversant_schema f \
    LEFT JOIN (SELECT *, coalesce(expires <= clock_timestamp(), false) AS is_over FROM conversant_sessions) s ON s.id = $1 \
    LEFT JOIN LATERAL (SELECT * FROM conversant_turns c WHERE c.session = s.key AND NOT s.is_over AND ";

const END: &str = ") t ON true ORDER BY t.first";

const ALL: &str = "true";

const LAST_TURNS: &str = "true ORDER BY c.first DESC LIMIT $2";

/// The turn that has the message at which the range begins, and those after it.
const LAST_MESSAGES: &str = "c.first + c.count > s.messages - $2 AND c.first >= coalesce((SELECT max(b.first) \
    FROM conversant_turns b WHERE b.session = s.key AND b.first <= s.messages - $2), 0)";

const AFTER: &str = "CASE WHEN s.epoch <> $2 THEN true ELSE c.first + c.count > $3 AND c.first >= coalesce((SELECT max(b.first) \
    FROM conversant_turns b WHERE b.session = s.key AND b.first <= $3), 0) END";

/// From the last turn back, as long as there is room. The last of them may be too large, and its last messages not.
const LAST_BYTES: &str = "c.first >= (WITH RECURSIVE tail (first, room) AS ( \
        (SELECT l.first, $2 - l.bytes FROM conversant_turns l WHERE l.session = s.key ORDER BY l.first DESC LIMIT 1) \
        UNION ALL SELECT p.first, tail.room - p.bytes FROM tail, LATERAL ( \
            SELECT e.first, e.bytes FROM conversant_turns e WHERE e.session = s.key AND e.first < tail.first \
            ORDER BY e.first DESC LIMIT 1) p WHERE tail.room > 0 \
    ) SELECT min(tail.first) FROM tail)";

/// A part of a session that is to be loaded.
pub(crate) struct Load {
    pub(crate) session: SessionId,
    pub(crate) range: Range,
}

/// What is loaded: turns, the first of which may begin before the range.
pub(crate) struct Loaded {
    pub(crate) version: Version,
    pub(crate) turns: Vec<Stored>,
}

/// A turn as it is stored.
pub(crate) struct Stored {
    /// The index of its first message in the session.
    pub(crate) first: u64,
    pub(crate) id: String,
    pub(crate) incomplete: bool,
    pub(crate) base: Option<Version>,
    pub(crate) messages: Vec<String>,
}

impl Operation for Load {
    type Output = Loaded;

    async fn run(&self, client: &mut Client) -> Result<Loaded, Failure> {
        let (which, numbers) = self.condition()?;
        let statement = format!("{START}{which}{END}");
        let session = self.session.as_str();
        let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&session, Type::TEXT)];
        parameters.extend(numbers.iter().map(|number| (number as _, Type::INT8)));
        let rows = client.query_typed(&statement, &parameters).await?;
        let Some(row) = rows.first() else {
            let what = "the table `conversant_schema` is empty".to_owned();
            return Err(HistoryError::Corrupt { what, source: None }.into());
        };
        let version = version(row, 0)?;
        let turns =
            rows.iter().filter_map(|row| turn(row).transpose()).collect::<Result<_, _>>()?;
        Ok(Loaded { version, turns })
    }
}

impl Load {
    /// Returns which turns are wanted, and the numbers that the condition has after the session's name.
    fn condition(&self) -> Result<(&'static str, Vec<i64>), HistoryError> {
        Ok(match self.range {
            Range::All => (ALL, Vec::new()),
            Range::LastTurns(turns) => (LAST_TURNS, vec![signed(turns as u64)]),
            Range::LastMessages(messages) => (LAST_MESSAGES, vec![signed(messages as u64)]),
            Range::LastBytes(0) => (LAST_TURNS, vec![0]),
            Range::LastBytes(bytes) => (LAST_BYTES, vec![signed(bytes)]),
            Range::After(seen) => (AFTER, vec![signed(seen.epoch), signed(seen.messages)]),
            _ => return Err(HistoryError::Unsupported { what: "this range" }),
        })
    }
}

/// Reads a turn. A session without turns in the range is a row without one.
fn turn(row: &Row) -> Result<Option<Stored>, Failure> {
    if column::<Option<i64>>(row, 2)?.is_none() {
        return Ok(None);
    }
    let base = match column::<Option<i64>>(row, 5)? {
        Some(_) => Some(version(row, 5)?),
        None => None,
    };
    Ok(Some(Stored {
        first: count(row, 2)?,
        id: column(row, 3)?,
        incomplete: column(row, 4)?,
        base,
        messages: column(row, 7)?,
    }))
}
