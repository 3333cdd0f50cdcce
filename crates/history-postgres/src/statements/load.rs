//! Loads the turns of a part of a session, and its version, as they are at one moment.

use conversant_core::{HistoryError, Range, SessionId, TurnId, Version};
use deadpool_postgres::Client;
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

use super::columns::{self, column, count, signed, version, version_with_tip};
use crate::{
    error::Failure,
    pool::{Limit, Operation},
};

/// The session, the id of its last turn, and the turns that the rest of the statement selects. A
/// session that is missing or expired has the version with which it would begin.
///
/// The selections follow the index from the last turn backwards, each with a `LIMIT` that the
/// planner sees. It then uses the index and compiles nothing, for any length that it expects.
const SESSION: &str = "SELECT \
        CASE WHEN s.key IS NULL THEN f.epoch WHEN s.is_over THEN s.epoch + 1 ELSE s.epoch END, \
        CASE WHEN s.key IS NULL OR s.is_over THEN 0 ELSE s.messages END, \
        CASE WHEN NOT s.is_over THEN (SELECT l.id::text FROM conversant_turns l \
            WHERE l.session = s.key ORDER BY l.first DESC LIMIT 1) END, ";

/// The id of the turn that ends at a version, for [`Range::After`].
const SEEN: &str = "CASE WHEN NOT s.is_over THEN (SELECT l.id::text FROM conversant_turns l \
            WHERE l.session = s.key AND l.first < $3 ORDER BY l.first DESC LIMIT 1) END";
const NOTHING_SEEN: &str = "NULL::text";

const START: &str = ", t.first, t.id::text, t.incomplete, t.base_epoch, t.base_messages, t.base_tip, t.messages \
    FROM (SELECT epoch FROM conversant_schema LIMIT 1) f \
    LEFT JOIN (SELECT *, coalesce(expires <= clock_timestamp(), false) AS is_over FROM conversant_sessions) s ON s.id = $1 \
    LEFT JOIN LATERAL (";

const END: &str = ") t ON NOT s.is_over ORDER BY t.first";

const ALL: &str = "SELECT * FROM conversant_turns c WHERE c.session = s.key";

const LAST_TURNS: &str =
    "SELECT * FROM conversant_turns c WHERE c.session = s.key ORDER BY c.first DESC LIMIT $2";

/// A turn has at least one message.
const LAST_MESSAGES: &str = "SELECT * FROM ( \
        SELECT * FROM conversant_turns c WHERE c.session = s.key ORDER BY c.first DESC LIMIT $2 \
    ) l WHERE l.first + l.count > s.messages - $2";

/// From the last turn backwards, while there is room. The first of them may not fit as a whole.
const LAST_BYTES: &str = "WITH RECURSIVE tail AS ( \
        (SELECT l.*, $2 - l.bytes AS room FROM conversant_turns l WHERE l.session = s.key ORDER BY l.first DESC LIMIT 1) \
        UNION ALL SELECT p.*, tail.room - p.bytes FROM tail, LATERAL ( \
            SELECT * FROM conversant_turns e WHERE e.session = s.key AND e.first < tail.first \
            ORDER BY e.first DESC LIMIT 1) p WHERE tail.room > 0 \
    ) SELECT * FROM tail";

/// Turns after a version, if they are as few as they usually are: those of one or several calls.
const AFTER: &str = "SELECT * FROM ( \
        SELECT * FROM conversant_turns c WHERE c.session = s.key ORDER BY c.first DESC LIMIT 64 \
    ) l WHERE s.epoch <> $2 OR l.first + l.count > $3";
const FEW: usize = 64;

/// Turns after a version, however many there are.
const LONG_AFTER: &str = "SELECT * FROM conversant_turns c WHERE c.session = s.key AND (s.epoch <> $2 OR c.first + c.count > $3)";

/// A part of a session to load.
pub(crate) struct Load {
    pub(crate) session: SessionId,
    pub(crate) range: Range,
}

/// Loaded turns, the first of which may begin before the range.
pub(crate) struct Loaded {
    /// The range: all of the session if the version of [`Range::After`] is of another conversation.
    pub(crate) range: Range,
    pub(crate) version: Version,
    pub(crate) turns: Vec<Stored>,
    /// The tip of the session at the version of [`Range::After`].
    seen_tip: u64,
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

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Loaded, Failure> {
        let (which, numbers) = self.condition()?;
        let loaded = self.select(which, &numbers, client).await?;
        if let Range::After(seen) = self.range
            && !loaded.has_seen(seen)
        {
            let all = Self { session: self.session.clone(), range: Range::All };
            return all.select(ALL, &[], client).await;
        }
        if which == AFTER && loaded.turns.len() >= FEW {
            return self.select(LONG_AFTER, &numbers, client).await;
        }
        Ok(loaded)
    }
}

impl Loaded {
    /// Returns whether a version is of this conversation, or of another epoch, which needs no
    /// further look.
    const fn has_seen(&self, seen: Version) -> bool {
        seen.epoch != self.version.epoch
            || seen.messages == 0
            || seen.tip == 0
            || (seen.messages <= self.version.messages && seen.tip == self.seen_tip)
    }
}

impl Load {
    async fn select(
        &self,
        which: &str,
        numbers: &[i64],
        client: &mut Client,
    ) -> Result<Loaded, Failure> {
        let seen = if matches!(self.range, Range::After(_)) { SEEN } else { NOTHING_SEEN };
        let statement = format!("{SESSION}{seen}{START}{which}{END}");
        let session = self.session.as_str();
        let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&session, Type::TEXT)];
        parameters.extend(numbers.iter().map(|number| (number as _, Type::INT8)));
        let rows = client.query_typed(&statement, &parameters).await?;
        let Some(row) = rows.first() else {
            let what = "the table `conversant_schema` is empty".to_owned();
            return Err(HistoryError::Corrupt { what, source: None }.into());
        };
        let version = version(row, 0)?.with_tip(tip(row, 2)?);
        let seen_tip = tip(row, 3)?;
        let turns =
            rows.iter().filter_map(|row| turn(row).transpose()).collect::<Result<_, _>>()?;
        Ok(Loaded { range: self.range, version, turns, seen_tip })
    }

    /// Returns the selection of turns, and its parameters after the session's name.
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

/// Reads the fingerprint of a turn's id, 0 if there is none.
fn tip(row: &Row, index: usize) -> Result<u64, Failure> {
    let id: Option<String> = column(row, index)?;
    Ok(id.and_then(|id| id.parse().ok()).map_or(0, |id: TurnId| id.fingerprint()))
}

/// Reads a turn. A session without turns in the range has a row without one.
fn turn(row: &Row) -> Result<Option<Stored>, Failure> {
    if column::<Option<i64>>(row, 4)?.is_none() {
        return Ok(None);
    }
    let base = match column::<Option<i64>>(row, 7)? {
        Some(_) => Some(version_with_tip(row, 7)?),
        None => None,
    };
    Ok(Some(Stored {
        first: count(row, 4)?,
        id: column(row, 5)?,
        incomplete: column(row, 6)?,
        base,
        messages: column(row, 10)?,
    }))
}

/// The number of a session's messages, and its first turns, up to `$2` messages.
const FIRST: &str = "SELECT s.messages, t.first, t.messages FROM conversant_sessions s LEFT JOIN LATERAL ( \
        SELECT * FROM conversant_turns c WHERE c.session = s.key AND c.first < $2 ORDER BY c.first LIMIT $2 \
    ) t ON true WHERE s.id = $1 AND coalesce(s.expires > clock_timestamp(), true) ORDER BY t.first";

/// The first messages of a session.
pub(crate) struct First {
    pub(crate) session: SessionId,
    pub(crate) count: usize,
}

impl Operation for First {
    /// Each as JSON; there may be more than `count`.
    type Output = Vec<String>;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Vec<String>, Failure> {
        let count = signed(self.count as u64);
        let session = self.session.as_str();
        let rows =
            client.query_typed(FIRST, &[(&session, Type::TEXT), (&count, Type::INT8)]).await?;
        let mut messages: Vec<String> = Vec::new();
        let mut expected = 0;
        for row in &rows {
            expected = columns::count(row, 0)?.min(self.count as u64);
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
