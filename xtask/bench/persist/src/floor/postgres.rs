//! A hand-written store in PostgreSQL: two tables, two prepared statements, one connection.
//!
//! It promises less than ours: a turn is stored whole, once by its id, in order and in the epoch
//! that was seen. It does not find out that turns were lost, or that another conversation was
//! restored, and it has no deadlines, branches and lists.

use std::sync::Arc;

use conversant_core::BoxError;
use tokio_postgres::{Client, NoTls, Statement};

use super::{Message, NewTurn, decode};

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS floor_sessions (id text PRIMARY KEY, epoch bigint NOT NULL, next bigint NOT NULL);
    CREATE TABLE IF NOT EXISTS floor_turns (
        session text NOT NULL, number bigint NOT NULL, id bytea NOT NULL, body text NOT NULL,
        PRIMARY KEY (session, number), UNIQUE (session, id)
    );";

const LOAD: &str = "SELECT body FROM floor_turns WHERE session = $1 ORDER BY number DESC LIMIT $2";

/// The number of a turn is the next one of its session, whose row orders the writers.
const APPEND: &str = "
    WITH held AS (
        UPDATE floor_sessions SET next = next + 1 WHERE id = $1 AND epoch = $2
        RETURNING next - 1 AS number
    )
    INSERT INTO floor_turns SELECT $1, number, $3, $4 FROM held
    ON CONFLICT (session, id) DO NOTHING";

/// A connection with its statements.
pub(crate) struct Connection {
    client: Arc<Client>,
    load: Statement,
    append: Statement,
}

impl Connection {
    /// Connects, and creates the tables and the session if they do not exist.
    pub(crate) async fn open(url: &str, session: &str) -> Result<Self, BoxError> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute(TABLES).await?;
        let begin = "INSERT INTO floor_sessions VALUES ($1, 0, 0) ON CONFLICT DO NOTHING";
        client.execute(begin, &[&session]).await?;
        let (load, append) = (client.prepare(LOAD).await?, client.prepare(APPEND).await?);
        Ok(Self { client: Arc::new(client), load, append })
    }

    /// Appends turns.
    pub(crate) async fn fill(&self, session: &str, turns: usize) -> Result<(), BoxError> {
        for number in 0..turns {
            self.append(session, &NewTurn::of(number)?).await?;
        }
        Ok(())
    }

    /// Returns the process of the server that serves the connection.
    pub(crate) async fn process(&self) -> Result<i32, BoxError> {
        Ok(self.client.query_one("SELECT pg_backend_pid()", &[]).await?.try_get(0)?)
    }

    /// Returns the only number of a query.
    pub(crate) async fn number(&self, query: &str) -> Result<i32, BoxError> {
        Ok(self.client.query_one(query, &[]).await?.try_get(0)?)
    }

    /// Loads the last turns, at most `limit`.
    pub(crate) async fn load(&self, session: &str, limit: i64) -> Result<Vec<Message>, BoxError> {
        let rows = self.client.query(&self.load, &[&session, &limit]).await?;
        let mut messages = Vec::with_capacity(rows.len() * 2);
        for row in rows.iter().rev() {
            decode(row.try_get::<_, &str>(0)?.as_bytes(), &mut messages)?;
        }
        Ok(messages)
    }

    /// Appends a turn in the epoch that was seen.
    pub(crate) async fn append(&self, session: &str, turn: &NewTurn) -> Result<(), BoxError> {
        let id = &turn.id.as_bytes()[..];
        match self.client.execute(&self.append, &[&session, &0_i64, &id, &turn.body]).await? {
            1 => Ok(()),
            _ => Err("the session was cleared".into()),
        }
    }
}
