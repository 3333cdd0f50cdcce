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
///
/// The choices go along the index from the last turn back, each by a `LIMIT` that the server can see: so that it does just that, and
/// compiles nothing, whatever it believes about how long sessions are.
const START: &str = "SELECT \
        CASE WHEN s.key IS NULL THEN f.epoch WHEN s.is_over THEN s.epoch + 1 ELSE s.epoch END, \
        CASE WHEN s.key IS NULL OR s.is_over THEN 0 ELSE s.messages END, \
        t.first, t.id::text, t.incomplete, t.base_epoch, t.base_messages, t.messages \
    FROM (SELECT epoch FROM conversant_schema LIMIT 1) f \
    LEFT JOIN (SELECT *, coalesce(expires <= clock_timestamp(), false) AS is_over FROM conversant_sessions) s ON s.id = $1 \
    LEFT JOIN LATERAL (";

const END: &str = ") t ON NOT s.is_over ORDER BY t.first";

const ALL: &str = "SELECT * FROM conversant_turns c WHERE c.session = s.key";

const LAST_TURNS: &str =
    "SELECT * FROM conversant_turns c WHERE c.session = s.key ORDER BY c.first DESC LIMIT $2";

/// A turn has a message at least.
const LAST_MESSAGES: &str = "SELECT * FROM ( \
        SELECT * FROM conversant_turns c WHERE c.session = s.key ORDER BY c.first DESC LIMIT $2 \
    ) l WHERE l.first + l.count > s.messages - $2";

/// From the last turn back, as long as there is room. The first of them may be too large, and its last messages not.
const LAST_BYTES: &str = "WITH RECURSIVE tail AS ( \
        (SELECT l.*, $2 - l.bytes AS room FROM conversant_turns l WHERE l.session = s.key ORDER BY l.first DESC LIMIT 1) \
        UNION ALL SELECT p.*, tail.room - p.bytes FROM tail, LATERAL ( \
            SELECT * FROM conversant_turns e WHERE e.session = s.key AND e.first < tail.first \
            ORDER BY e.first DESC LIMIT 1) p WHERE tail.room > 0 \
    ) SELECT * FROM tail";

/// Turns after a version, if they are as few as they mostly are: those of one call, or of some others' too.
const AFTER: &str = "SELECT * FROM ( \
        SELECT * FROM conversant_turns c WHERE c.session = s.key ORDER BY c.first DESC LIMIT 64 \
    ) l WHERE s.epoch <> $2 OR l.first + l.count > $3";
const FEW: usize = 64;

/// Turns after a version, as many as there may be.
const LONG_AFTER: &str = "SELECT * FROM conversant_turns c WHERE c.session = s.key AND (s.epoch <> $2 OR c.first + c.count > $3)";

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
        let loaded = self.select(which, &numbers, client).await?;
        if which == AFTER && loaded.turns.len() >= FEW {
            return self.select(LONG_AFTER, &numbers, client).await;
        }
        Ok(loaded)
    }
}

impl Load {
    async fn select(
        &self,
        which: &str,
        numbers: &[i64],
        client: &mut Client,
    ) -> Result<Loaded, Failure> {
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

/// The turns that a session begins with, as many as have so many messages.
const FIRST: &str = "SELECT t.first, t.messages FROM conversant_sessions s CROSS JOIN LATERAL ( \
        SELECT * FROM conversant_turns c WHERE c.session = s.key ORDER BY c.first LIMIT $2 \
    ) t WHERE s.id = $1 AND coalesce(s.expires > clock_timestamp(), true) AND t.first < $2 ORDER BY t.first";

/// The messages that a session begins with.
pub(crate) struct First {
    pub(crate) session: SessionId,
    pub(crate) count: usize,
}

impl Operation for First {
    /// Each as JSON; there may be more than were asked for.
    type Output = Vec<String>;

    async fn run(&self, client: &mut Client) -> Result<Vec<String>, Failure> {
        let count = signed(self.count as u64);
        let session = self.session.as_str();
        let rows =
            client.query_typed(FIRST, &[(&session, Type::TEXT), (&count, Type::INT8)]).await?;
        let mut messages: Vec<String> = Vec::new();
        for row in &rows {
            if super::count(row, 0)? != messages.len() as u64 {
                let what = format!("message {} is missing", messages.len());
                return Err(HistoryError::Corrupt { what, source: None }.into());
            }
            messages.append(&mut column(row, 1)?);
        }
        Ok(messages)
    }
}
