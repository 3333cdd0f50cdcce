//! The history whose conversations are in LangChain's table.

mod rows;
mod statements;
mod table;

use std::time::Duration;

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, Expect, HistoryError, Messages, Range, SessionId, Slice, Turn, Version,
};

use self::{
    rows::Row,
    statements::{Clear, Fetch, Fetched, List, Part, Write},
    table::{Column, Open, TableName},
};
use crate::{connecting::Connecting, engine::Engine};

/// LangChain's name for its table.
const TABLE: &str = "message_store";

/// The largest message that is taken, unless told otherwise.
const MOST_MESSAGE_BYTES: u64 = 16 * 1024 * 1024;

#[doc = include_str!("langchain.md")]
#[derive(Clone, Debug)]
pub struct LangChainPostgresHistory {
    engine: Engine,
    table: TableName,
    column: Column,
    most_message_bytes: u64,
}

/// Rows of a session, read.
struct Tail {
    version: Version,
    rows: Vec<Row>,
}

impl LangChainPostgresHistory {
    /// Connects to a database with the defaults, and makes the table as `PostgresChatMessageHistory` does if it is not there.
    ///
    /// # Errors
    /// As [`LangChainPostgresHistoryBuilder::connect`].
    pub async fn connect(url: impl Into<String>) -> Result<Self, HistoryError> {
        Self::builder(url).connect().await
    }

    /// Begins to say how to connect, by a URL such as `postgres://user:password@host/database` or a list of settings as libpq
    /// has them.
    pub fn builder(url: impl Into<String>) -> LangChainPostgresHistoryBuilder {
        LangChainPostgresHistoryBuilder {
            connecting: Connecting::new(url),
            table: TABLE.to_owned(),
            make: Column::Jsonb,
            most_message_bytes: MOST_MESSAGE_BYTES,
        }
    }

    async fn tail(&self, session: &SessionId, part: Part) -> Result<Tail, HistoryError> {
        let (table, id) = (self.table.clone(), session.clone());
        let fetch = Fetch { table, session: id, part };
        let Fetched { version, rows } = self.engine.read(session, fetch).await?;
        let rows = rows.iter().map(|(number, json)| Row::read(json, *number));
        Ok(Tail { version, rows: rows.collect::<Result<_, _>>()? })
    }

    /// Fetches rows from the end, twice as many each time, until they tell where a range begins.
    async fn range(&self, session: &SessionId, range: Range) -> Result<Tail, HistoryError> {
        let mut rows = match range {
            Range::All => u64::MAX,
            Range::LastMessages(messages) => messages as u64,
            Range::After(seen) => return self.tail(session, Part::After(seen)).await,
            Range::LastTurns(turns) => (turns as u64).saturating_mul(3).saturating_add(8),
            Range::LastBytes(_) => 16,
            _ => return Err(HistoryError::Unsupported { what: "this range" }),
        };
        loop {
            let mut tail = self.tail(session, Part::Last(rows)).await?;
            let is_whole = tail.rows.len() as u64 == tail.version.messages;
            if let Some(start) = start(range, &tail.rows, is_whole) {
                tail.rows.drain(..start);
                return Ok(tail);
            }
            rows = rows.saturating_mul(2);
        }
    }
}

/// Returns where a range begins in the last rows, unless more of them have to be seen for that.
fn start(range: Range, rows: &[Row], is_whole: bool) -> Option<usize> {
    match range {
        Range::LastTurns(turns) => {
            let starts = rows::starts(rows);
            match starts.len().checked_sub(turns) {
                // What looks like a turn's begin is one only if a row is before it.
                Some(index) if index > 0 || is_whole => {
                    Some(starts.get(index).copied().unwrap_or(rows.len()))
                }
                _ => is_whole.then_some(0),
            }
        }
        Range::LastBytes(bytes) => {
            let mut left = bytes;
            let fitting = rows.iter().rev().take_while(|row| {
                let rest = left.checked_sub(row.bytes());
                rest.inspect(|&rest| left = rest).is_some()
            });
            let start = rows.len() - fitting.count();
            (start > 0 || is_whole).then_some(start)
        }
        _ => Some(0),
    }
}

#[async_trait]
impl ChatHistory for LangChainPostgresHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        let Tail { version, rows } = self.range(session, range).await?;
        let messages: Vec<_> = rows.into_iter().map(|row| row.message).collect();
        Ok(Slice::new(messages, version))
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let write = Write {
            table: self.table.clone(),
            column: self.column,
            session: session.clone(),
            turn: turn.id(),
            expect,
            rows: rows::write(turn, self.most_message_bytes)?,
        };
        self.engine.write(session, write).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        let (table, id) = (self.table.clone(), session.clone());
        let fetch = Fetch { table: table.clone(), session: id.clone(), part: Part::Last(1) };
        let fetched = self.engine.read(session, fetch).await?;
        let Some(&(last, _)) = fetched.rows.last() else { return Ok(()) };
        self.engine.write(session, Clear { table, session: id, last }).await
    }

    /// Loads the turns that begin in a range. All rows of the session are read for it, because only they tell which turns there are.
    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        let wanted = self.range(session, range).await?;
        let skipped = wanted.version.messages.saturating_sub(wanted.rows.len() as u64);
        let all = self.range(session, Range::All).await?;
        let mut next = 0;
        let mut turns = rows::turns(&all.rows);
        turns.retain(|turn| {
            let first = next;
            next += turn.messages().len() as u64;
            first >= skipped
        });
        Ok(turns)
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let Tail { rows, .. } = self.tail(session, Part::First(count as u64)).await?;
        Ok(Some(rows.into_iter().map(|row| row.message).collect()))
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        let list = List { table: self.table.clone(), after: after.cloned(), limit };
        self.engine.look(list).await
    }

    /// Removes a session: the same as to clear it.
    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.clear(session).await
    }
}

/// How to connect, and within which limits. See [`LangChainPostgresHistory::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct LangChainPostgresHistoryBuilder {
    connecting: Connecting,
    table: String,
    make: Column,
    most_message_bytes: u64,
}

impl LangChainPostgresHistoryBuilder {
    /// Sets the table, with its schema's name before it or without. The default is `message_store`.
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// Makes the table, if it is not there, as `SQLChatMessageHistory` does: messages are `text`. The default is as
    /// `PostgresChatMessageHistory` does: `jsonb`. A table that is there is used as it is.
    pub const fn messages_as_text(mut self) -> Self {
        self.make = Column::Text;
        self
    }

    /// Sets how many connections there may be at once. The default is 16.
    pub fn most_connections(mut self, most: usize) -> Self {
        self.connecting.set_most_connections(most);
        self
    }

    /// Sets how long to wait for the server to take a connection, and for a connection to be free. The default is 10 seconds.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.connecting.set_patience(patience);
        self
    }

    /// Sets certificates, in PEM, to trust beside the system's.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.connecting.set_roots(pem.into());
        self
    }

    /// Sets the largest message that is taken, in bytes of its JSON. The default is 16 MiB.
    pub const fn most_message_bytes(mut self, most: u64) -> Self {
        self.most_message_bytes = most;
        self
    }

    /// Connects, and makes the table if it is not there.
    ///
    /// # Errors
    ///
    /// - [`HistoryError::Backend`], if the URL can't be read, the database can't be reached, the table's name is none, its column `message` is
    ///   neither `jsonb` nor `text`, or there is no Tokio runtime.
    /// - [`HistoryError::ReadOnly`], if the table is not there and can't be made.
    pub async fn connect(self) -> Result<LangChainPostgresHistory, HistoryError> {
        let name = TableName::new(&self.table)?;
        let engine = self.connecting.engine()?;
        let column = engine.change(Open { name: name.clone(), make: self.make }).await?;
        Ok(LangChainPostgresHistory {
            engine,
            table: name,
            column,
            most_message_bytes: self.most_message_bytes,
        })
    }
}
