//! The history in LangChain's table.

mod index;
mod statements;
mod table;

use std::time::Duration;

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, Expect, HistoryError, HistoryIdentity, Message, Messages, Range, SessionId, Slice,
    Turn, Version,
};
use conversant_history::langchain::{
    Part, Row, Tail, check_rows, encode_turn, load_range, load_turns,
};

use self::{
    index::{AddIndex, HasIndex},
    statements::{Clear, Fetch, List, Write, decode, hold},
    table::{Column, Open, TableName},
};
use crate::{
    connect::{Connect, connect_settings},
    history::MAX_MESSAGE_BYTES,
    pool::{Barrier, Database},
    statements::signed,
};

/// LangChain's name for its table.
const TABLE: &str = "message_store";

#[doc = include_str!("langchain.md")]
#[derive(Clone, Debug)]
pub struct LangChainPostgresHistory {
    database: Database,
    table: TableName,
    column: Column,
    max_message_bytes: u64,
}

impl LangChainPostgresHistory {
    /// Connects to a database with the default settings. If the table is missing, it is created as
    /// `PostgresChatMessageHistory` does.
    ///
    /// # Errors
    /// As [`LangChainPostgresHistoryBuilder::connect`].
    pub async fn connect(url: impl Into<String>) -> Result<Self, HistoryError> {
        Self::builder(url).connect().await
    }

    /// Returns a builder for a connection to `url`, for example
    /// `postgres://user:password@host/database` or a list of libpq settings.
    pub fn builder(url: impl Into<String>) -> LangChainPostgresHistoryBuilder {
        LangChainPostgresHistoryBuilder {
            connect: Connect::new(url),
            table: TABLE.to_owned(),
            create: true,
            created: Column::Jsonb,
            max_message_bytes: MAX_MESSAGE_BYTES,
        }
    }

    /// Adds an index by session to the table, unless it has one. LangChain creates none: without
    /// it, an operation on one session reads the rows of all. Python programs profit from it as
    /// well. Their writes wait until the index is complete, which must be within the
    /// [`operation_timeout`](LangChainPostgresHistoryBuilder::operation_timeout).
    ///
    /// # Errors
    /// The errors of a write.
    pub async fn add_index(&self) -> Result<(), HistoryError> {
        self.database.change(AddIndex(self.table.clone())).await
    }

    /// Returns whether the table has an index by session, as [`add_index`](Self::add_index) adds.
    ///
    /// # Errors
    /// The errors of a read.
    pub async fn has_index(&self) -> Result<bool, HistoryError> {
        self.database.run(HasIndex(self.table.clone())).await
    }

    async fn fetch(&self, session: &SessionId, part: Part) -> Result<Tail, HistoryError> {
        let (table, id) = (self.table.clone(), session.clone());
        let fetched = self.database.read(session, Fetch { table, session: id, part }).await?;
        let rows = fetched.rows.iter().map(|(number, json)| decode(*number, json));
        Ok(Tail { version: fetched.version, rows: rows.collect::<Result<_, _>>()? })
    }
}

#[async_trait]
impl ChatHistory for LangChainPostgresHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        let Tail { version, rows } = load_range(range, |part| self.fetch(session, part)).await?;
        let messages: Vec<_> = rows.into_iter().map(Row::into_message).collect();
        Ok(Slice::new(messages, version))
    }

    fn identity(&self) -> Option<HistoryIdentity> {
        Some(self.database.identity())
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let rows = encode_turn(turn, self.max_message_bytes)?;
        rows.iter().try_for_each(|row| self.column.check(row))?;
        let write = Write {
            table: self.table.clone(),
            column: self.column,
            session: session.clone(),
            turn: turn.clone(),
            expect,
            rows,
        };
        self.database.write(session, write).await
    }

    fn check(&self, _: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        check_rows(messages, self.max_message_bytes, |row| self.column.check(row))
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        let (table, id) = (self.table.clone(), session.clone());
        let fetch = Fetch { table: table.clone(), session: id.clone(), part: Part::Last(1) };
        let fetched = self.database.read(session, fetch).await?;
        if fetched.rows.is_empty() {
            return Ok(());
        }
        let epoch = signed(fetched.version.epoch);
        self.database.write(session, Clear { table, session: id, epoch }).await
    }

    /// Loads the turns that begin in a range. It reads all rows of the session, since only they
    /// tell which turns there are.
    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        load_turns(range, |part| self.fetch(session, part)).await
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let Tail { rows, .. } = self.fetch(session, Part::First(count as u64)).await?;
        Ok(Some(rows.into_iter().map(Row::into_message).collect()))
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        let list = List { table: self.table.clone(), after: after.cloned(), limit };
        self.database.run(list).await
    }

    /// Removes a session, as [`clear`](ChatHistory::clear) does.
    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.clear(session).await
    }
}

/// Builds a [`LangChainPostgresHistory`]. See [`LangChainPostgresHistory::builder`].
///
/// | setting | default |
/// |---|---|
/// | [`table`](Self::table) | `message_store` |
/// | [`create`](Self::create) | `true` |
/// | [`messages_as_text`](Self::messages_as_text) | off: `jsonb` |
/// | [`max_connections`](Self::max_connections) | 16 |
/// | [`connect_timeout`](Self::connect_timeout) | 10 s |
/// | [`acquire_timeout`](Self::acquire_timeout) | 10 s |
/// | [`operation_timeout`](Self::operation_timeout) | 30 s |
/// | [`root_certificates`](Self::root_certificates) | the system's |
/// | [`max_message_bytes`](Self::max_message_bytes) | 16 MiB |
#[derive(Clone, Debug)]
#[must_use]
pub struct LangChainPostgresHistoryBuilder {
    connect: Connect,
    table: String,
    create: bool,
    /// The column of a table that is created.
    created: Column,
    max_message_bytes: u64,
}

impl LangChainPostgresHistoryBuilder {
    connect_settings!();

    /// Sets the table, optionally with its schema's name and a dot before it. `message_store` by
    /// default.
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// Creates a missing table as LangChain's `SQLChatMessageHistory` does, with messages as
    /// `text`. By default it is created as `PostgresChatMessageHistory` does, with messages as
    /// `jsonb`. An existing table is used as it is.
    pub const fn messages_as_text(mut self) -> Self {
        self.created = Column::Text;
        self
    }

    /// Sets whether a missing table is created. The default is `true`. With `false`, it is
    /// [`HistoryError::Backend`], which names the tables that have LangChain's columns:
    /// conversations that are to be moved may be in another table.
    pub const fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Connects, and creates the table if it is missing, unless [`create`](Self::create) forbids
    /// it.
    ///
    /// # Errors
    /// - [`HistoryError::Backend`] if the URL cannot be parsed, the database cannot be reached, the
    ///   table's name is invalid, its column `message` is neither `jsonb` nor `text`, it is missing
    ///   and not created, or there is no Tokio runtime.
    /// - [`HistoryError::ReadOnly`] if the table is missing and cannot be created.
    /// - [`HistoryError::TimedOut`] if the database does not answer in time.
    pub async fn connect(self) -> Result<LangChainPostgresHistory, HistoryError> {
        let table = TableName::new(&self.table)?;
        let create = self.create.then_some(self.created);
        let database = self.connect.database(Barrier(hold(&table).into())).await?;
        let column = database.change(Open { name: table.clone(), create }).await?;
        let max_message_bytes = self.max_message_bytes;
        Ok(LangChainPostgresHistory { database, table, column, max_message_bytes })
    }
}
