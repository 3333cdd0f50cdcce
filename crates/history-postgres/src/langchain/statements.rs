//! What is asked of LangChain's table.

use conversant_core::{Expect, HistoryError, SessionId, TurnId, Version};
use deadpool_postgres::Client;
use tokio_postgres::{GenericClient, IsolationLevel, types::Type};

use super::{
    rows::TURN_ID,
    table::{Column, TableName},
};
use crate::{
    engine::Operation,
    error::Failure,
    statements::{column, signed, version},
};

/// Rows that are to be loaded.
pub(super) struct Fetch {
    pub(super) table: TableName,
    pub(super) session: SessionId,
    pub(super) part: Part,
}

/// How many rows are wanted.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// The last so many.
    Last(u64),
    /// Those after a version, or all if the epoch is another.
    After(Version),
    /// The first so many.
    First(u64),
}

/// Rows of a session, each with its number, in order.
pub(super) struct Fetched {
    pub(super) version: Version,
    pub(super) rows: Vec<(i64, String)>,
}

impl Operation for Fetch {
    type Output = Fetched;

    async fn run(&self, client: &mut Client) -> Result<Fetched, Failure> {
        let table = self.table.quoted();
        let end = if matches!(self.part, Part::First(_)) { "ASC" } else { "DESC" };
        let statement = format!(
            "SELECT c.epoch, c.count, r.id, r.message FROM ( \
                SELECT coalesce(min(id), 0)::bigint AS epoch, count(*) AS count FROM {table} WHERE session_id = $1 \
            ) c LEFT JOIN LATERAL ( \
                SELECT id::bigint, message::text FROM {table} WHERE session_id = $1 ORDER BY id {end} \
                LIMIT CASE WHEN $2 IS NULL THEN $3 WHEN $2 = c.epoch THEN greatest(c.count - $3, 0) ELSE c.count END \
            ) r ON true ORDER BY r.id"
        );
        let (epoch, number) = match self.part {
            Part::Last(rows) | Part::First(rows) => (None, signed(rows)),
            Part::After(seen) => (Some(signed(seen.epoch)), signed(seen.messages)),
        };
        let found = client
            .query_typed(
                &statement,
                &[
                    (&self.session.as_str(), Type::TEXT),
                    (&epoch, Type::INT8),
                    (&number, Type::INT8),
                ],
            )
            .await?;
        let mut rows = Vec::with_capacity(found.len());
        for row in &found {
            if let Some(id) = column(row, 2)? {
                rows.push((id, column(row, 3)?));
            }
        }
        let version = found.first().map(|row| version(row, 0)).transpose()?.unwrap_or_default();
        Ok(Fetched { version, rows })
    }
}

/// A turn's rows that are to be written, in one transaction.
pub(super) struct Write {
    pub(super) table: TableName,
    pub(super) column: Column,
    pub(super) session: SessionId,
    pub(super) turn: TurnId,
    pub(super) expect: Expect,
    pub(super) rows: Vec<String>,
}

impl Operation for Write {
    type Output = Version;

    async fn run(&self, client: &mut Client) -> Result<Version, Failure> {
        let (table, session) = (self.table.quoted(), self.session.as_str());
        // Each statement has to see what others did while the lock was waited for.
        let level = IsolationLevel::ReadCommitted;
        let transaction = client.build_transaction().isolation_level(level).start().await?;
        lock(&*transaction, &self.table, session).await?;
        // Text of ours is without blanks, and a server's jsonb with one. Within a text, the quotes would be escaped.
        let blank = if self.column == Column::Jsonb { " " } else { "" };
        let mark = format!("\"{TURN_ID}\":{blank}\"{}\"", self.turn);
        let look = format!(
            "SELECT coalesce(min(id), 0)::bigint, count(*), \
                coalesce(max(number) FILTER (WHERE strpos(message, $2) > 0), 0) \
            FROM (SELECT id, message::text, row_number() OVER (ORDER BY id) AS number FROM {table} WHERE session_id = $1) r"
        );
        let row = transaction
            .query_typed_one(&look, &[(&session, Type::TEXT), (&mark, Type::TEXT)])
            .await?;
        let current = version(&row, 0)?;
        let known: i64 = column(&row, 2)?;
        if let Ok(messages @ 1..) = u64::try_from(known) {
            return Ok(Version::new(current.epoch, messages));
        }
        check(self.expect, current)?;
        if self.rows.is_empty() {
            return Ok(current);
        }
        let write = format!(
            "INSERT INTO {table} (session_id, message) SELECT $1, row::{} \
            FROM unnest($2) WITH ORDINALITY AS u (row, number) ORDER BY number RETURNING id::bigint",
            if self.column == Column::Jsonb { "jsonb" } else { "text" }
        );
        let written = transaction
            .query_typed(&write, &[(&session, Type::TEXT), (&self.rows, Type::TEXT_ARRAY)])
            .await
            .map_err(refused)?;
        let first = written.first().map(|row| column::<i64>(row, 0)).transpose()?.unwrap_or(0);
        transaction.commit().await?;
        let epoch = if current.messages == 0 { first.unsigned_abs() } else { current.epoch };
        Ok(Version::new(epoch, current.messages + written.len() as u64))
    }
}

/// Tells what jsonb does not take from what goes wrong otherwise.
fn refused(error: tokio_postgres::Error) -> Failure {
    // Untranslatable character: `\u0000`.
    if error.code().is_some_and(|code| code.code() == "22P05") {
        let what = "NUL characters in a table of LangChain's whose messages are jsonb";
        return Failure::Refused(HistoryError::Unsupported { what });
    }
    Failure::from(error)
}

/// Checks what is expected of a session. Its epoch is the number of its first row, so whoever saw nothing saw no epoch.
fn check(expect: Expect, current: Version) -> Result<(), HistoryError> {
    match expect {
        Expect::SameEpoch(seen) if seen.messages == 0 => Ok(()),
        Expect::Exactly(seen) if seen.messages == 0 && current.messages == 0 => Ok(()),
        Expect::SameEpoch(seen) if seen.messages > current.messages => {
            Err(HistoryError::Stale { expected: seen, current })
        }
        _ => expect.check(current),
    }
}

/// Keeps our writers of a session from each other until the transaction ends. LangChain's don't know of it.
async fn lock(
    client: &impl GenericClient,
    table: &TableName,
    session: &str,
) -> Result<(), Failure> {
    let statement = "SELECT pg_advisory_xact_lock(hashtextextended($1, hashtext($2)::bigint))";
    client
        .execute_typed(statement, &[(&session, Type::TEXT), (&table.quoted(), Type::TEXT)])
        .await?;
    Ok(())
}

/// Removes all rows of a session.
pub(super) struct Clear {
    pub(super) table: TableName,
    pub(super) session: SessionId,
    /// The last row that there was when the session was to be cleared, so that a statement that comes late removes no later ones.
    pub(super) last: i64,
}

impl Operation for Clear {
    type Output = ();

    async fn run(&self, client: &mut Client) -> Result<(), Failure> {
        let statement =
            format!("DELETE FROM {} WHERE session_id = $1 AND id <= $2", self.table.quoted());
        let session = self.session.as_str();
        client
            .execute_typed(&statement, &[(&session, Type::TEXT), (&self.last, Type::INT8)])
            .await?;
        Ok(())
    }
}

/// Lists sessions: those after one, in the order of their bytes.
pub(super) struct List {
    pub(super) table: TableName,
    pub(super) after: Option<SessionId>,
    pub(super) limit: usize,
}

impl Operation for List {
    type Output = Vec<SessionId>;

    async fn run(&self, client: &mut Client) -> Result<Vec<SessionId>, Failure> {
        let statement = format!(
            "SELECT DISTINCT session_id COLLATE \"C\" AS name FROM {} \
            WHERE session_id COLLATE \"C\" > $1 AND octet_length(session_id) <= 512 ORDER BY name LIMIT $2",
            self.table.quoted()
        );
        let after = self.after.as_ref().map_or("", SessionId::as_str);
        let limit = signed(self.limit as u64);
        let rows =
            client.query_typed(&statement, &[(&after, Type::TEXT), (&limit, Type::INT8)]).await?;
        let named = |row| {
            SessionId::new(column::<String>(row, 0)?).map_err(|error| {
                let what = "a session's name is none".to_owned();
                HistoryError::Corrupt { what, source: Some(error.into()) }.into()
            })
        };
        rows.iter().map(named).collect()
    }
}
