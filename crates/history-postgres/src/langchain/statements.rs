//! The operations on LangChain's table.

use conversant_core::{Expect, HistoryError, SessionId, Turn, Version};
use conversant_history::langchain::{Part, Row, TURN_ID, numbered_turn_id, turns};
use deadpool_postgres::Client;
use tokio_postgres::{
    GenericClient, IsolationLevel,
    types::{ToSql, Type},
};

use super::table::{Column, TableName};
use crate::{
    error::Failure,
    pool::{Limit, Operation},
    statements::{column, signed, version},
};

/// Rows to load.
pub(super) struct Fetch {
    pub(super) table: TableName,
    pub(super) session: SessionId,
    pub(super) part: Part,
}

/// Rows of a session, each with its number, in order.
pub(super) struct Fetched {
    pub(super) version: Version,
    pub(super) rows: Vec<(i64, String)>,
}

impl Operation for Fetch {
    type Output = Fetched;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Fetched, Failure> {
        let table = self.table.quoted();
        let end = if matches!(self.part, Part::First(_)) { "ASC" } else { "DESC" };
        let statement = format!(
            "SELECT c.epoch, c.count, r.id::bigint, r.message::text FROM ( \
                SELECT coalesce(min(id), 0)::bigint AS epoch, count(*) AS count FROM {table} WHERE session_id = $1 \
            ) c LEFT JOIN LATERAL ( \
                SELECT id, message FROM {table} WHERE session_id = $1 ORDER BY id {end} \
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

/// The rows of a turn to write, in one transaction.
pub(super) struct Write {
    pub(super) table: TableName,
    pub(super) column: Column,
    pub(super) session: SessionId,
    pub(super) turn: Turn,
    pub(super) expect: Expect,
    pub(super) rows: Vec<String>,
}

impl Operation for Write {
    type Output = Version;

    async fn run(&self, client: &mut Client, limit: Limit) -> Result<Version, Failure> {
        let (table, session) = (self.table.quoted(), self.session.as_str());
        // Each statement has to see what was committed while it waited for the lock.
        let level = IsolationLevel::ReadCommitted;
        let transaction = client.build_transaction().isolation_level(level).start().await?;
        lock(&*transaction, &self.table, session).await?;
        let id = self.turn.id();
        let (mark, is_of_turn) = match self.column {
            Column::Jsonb => {
                (id.to_string(), format!("message #>> '{{data,additional_kwargs,{TURN_ID}}}' = $2"))
            }
            // Our JSON has no space there. Within a text, the quotes would be escaped.
            Column::Text => {
                (format!("\"{TURN_ID}\":\"{id}\""), "strpos(message, $2) > 0".to_owned())
            }
        };
        let look = format!(
            "SELECT coalesce(min(id), 0)::bigint, count(*), \
                coalesce(max(number) FILTER (WHERE {is_of_turn}), 0), \
                (extract(epoch FROM clock_timestamp()) * 1000)::bigint \
            FROM (SELECT id, message, row_number() OVER (ORDER BY id) AS number FROM {table} WHERE session_id = $1) r"
        );
        let row = transaction
            .query_typed_one(&look, &[(&session, Type::TEXT), (&mark, Type::TEXT)])
            .await?;
        let now_millis: i64 = column(&row, 3)?;
        if now_millis > limit.deadline {
            return Err(Failure::Late { now_millis });
        }
        let current = version(&row, 0)?;
        let tip = id.fingerprint();
        let known: i64 = column(&row, 2)?;
        if let Ok(messages @ 1..) = u64::try_from(known) {
            self.check_stored(&*transaction, &is_of_turn, &mark).await?;
            return Ok(Version::new(current.epoch, messages).with_tip(tip));
        }
        if let Some(seen) = self.expect.version() {
            let current = current.with_tip(self.tip(&*transaction, current.messages).await?);
            check(self.expect, current)?;
            // A session that was replaced has another row there.
            if seen.tip != 0 && seen.tip != self.tip(&*transaction, seen.messages).await? {
                return Err(HistoryError::Stale { expected: seen, current }.into());
            }
        }
        if self.rows.is_empty() {
            return Ok(current.with_tip(self.tip(&*transaction, current.messages).await?));
        }
        let write = format!(
            "INSERT INTO {table} (session_id, message) SELECT $1, row::{} \
            FROM unnest($2) WITH ORDINALITY AS u (row, number) ORDER BY number RETURNING id::bigint",
            if self.column == Column::Jsonb { "jsonb" } else { "text" }
        );
        let written = transaction
            .query_typed(&write, &[(&session, Type::TEXT), (&self.rows, Type::TEXT_ARRAY)])
            .await?;
        let first = written.first().map(|row| column::<i64>(row, 0)).transpose()?.unwrap_or(0);
        transaction.commit().await?;
        let epoch = if current.messages == 0 { first.unsigned_abs() } else { current.epoch };
        Ok(Version::new(epoch, current.messages + written.len() as u64).with_tip(tip))
    }
}

impl Write {
    /// Checks that the turn that is stored under the id is this one.
    async fn check_stored(
        &self,
        client: &impl GenericClient,
        is_of_turn: &str,
        mark: &str,
    ) -> Result<(), Failure> {
        let statement = format!(
            "SELECT id::bigint, message::text FROM {} WHERE session_id = $1 AND {is_of_turn} \
            ORDER BY id",
            self.table.quoted()
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&self.session.as_str(), Type::TEXT), (&mark, Type::TEXT)];
        let mut rows = Vec::new();
        for row in client.query_typed(&statement, &parameters).await? {
            rows.push(decode(column(&row, 0)?, &column::<String>(&row, 1)?)?);
        }
        turns(&rows).iter().try_for_each(|stored| self.turn.check_stored(stored))?;
        Ok(())
    }

    /// Returns the tip of the version that ends after a number of rows, 0 if there are none.
    async fn tip(&self, client: &impl GenericClient, rows: u64) -> Result<u64, Failure> {
        let Some(before) = rows.checked_sub(1) else { return Ok(0) };
        let statement = format!(
            "SELECT id::bigint, message::text FROM (SELECT id, message FROM {} WHERE session_id = $1 \
            ORDER BY id OFFSET $2 LIMIT 1) r",
            self.table.quoted()
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&self.session.as_str(), Type::TEXT), (&signed(before), Type::INT8)];
        let Some(row) = client.query_typed_opt(&statement, &parameters).await? else {
            return Ok(0);
        };
        let (id, json) = (column::<i64>(&row, 0)?, column::<String>(&row, 1)?);
        // Appending does not depend on whether an earlier row can be decoded.
        let foreign = numbered_turn_id(id.unsigned_abs()).fingerprint();
        Ok(decode(id, &json).map_or(foreign, |row| row.tip()))
    }
}

/// Checks the expectation of an append. The epoch is the number of the first row, so an empty
/// session has none.
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

/// Decodes a row by its number.
pub(super) fn decode(id: i64, json: &str) -> Result<Row, HistoryError> {
    Row::decode(json, format_args!("row {id}"), || numbered_turn_id(id.unsigned_abs()))
}

/// Locks a session against this crate's other writers until the transaction ends. LangChain's
/// writers do not use the lock.
async fn lock(
    client: &impl GenericClient,
    table: &TableName,
    session: &str,
) -> Result<(), Failure> {
    client.execute_typed(&hold(table), &[(&session, Type::TEXT)]).await?;
    Ok(())
}

/// Returns the statement that locks a session, whose name is its parameter.
pub(super) fn hold(table: &TableName) -> String {
    let table = table.quoted();
    format!("SELECT pg_advisory_xact_lock(hashtextextended($1, hashtext('{table}')::bigint))")
}

/// Removes all rows of a session.
pub(super) struct Clear {
    pub(super) table: TableName,
    pub(super) session: SessionId,
    /// The epoch that the session had when it was cleared. A statement that arrives late, or after
    /// another one, finds another epoch and removes nothing.
    pub(super) epoch: i64,
}

impl Operation for Clear {
    type Output = ();

    async fn run(&self, client: &mut Client, limit: Limit) -> Result<(), Failure> {
        let session = self.session.as_str();
        let level = IsolationLevel::ReadCommitted;
        let transaction = client.build_transaction().isolation_level(level).start().await?;
        lock(&*transaction, &self.table, session).await?;
        let clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        let now_millis: i64 = column(&transaction.query_typed_one(clock, &[]).await?, 0)?;
        if now_millis > limit.deadline {
            return Err(Failure::Late { now_millis });
        }
        let table = self.table.quoted();
        let statement = format!(
            "DELETE FROM {table} WHERE session_id = $1 \
            AND (SELECT min(id) FROM {table} WHERE session_id = $1)::bigint = $2"
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&session, Type::TEXT), (&self.epoch, Type::INT8)];
        transaction.execute_typed(&statement, &parameters).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Lists the sessions after one, in byte order.
pub(super) struct List {
    pub(super) table: TableName,
    pub(super) after: Option<SessionId>,
    pub(super) limit: usize,
}

impl Operation for List {
    type Output = Vec<SessionId>;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Vec<SessionId>, Failure> {
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
            SessionId::from_stored(column::<String>(row, 0)?).map_err(|error| {
                let what = "found an invalid session name".to_owned();
                HistoryError::Corrupt { what, source: Some(error.into()) }.into()
            })
        };
        rows.iter().map(named).collect()
    }
}
