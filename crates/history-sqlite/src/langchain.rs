//! LangChain's table of messages in SQLite.

mod rows;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, HistoryIdentity, Message, Messages, Range, SessionId, Slice,
    Turn, Version, async_trait,
};
use conversant_history::langchain::{check_messages, encode_turn};
use rusqlite::{Connection, TransactionBehavior};

use self::rows::{NewTurn, Rows};
use crate::{
    connection::Tables,
    error::{inconsistent, sqlite_error},
    options::Options,
    statement::transaction,
    worker::{ReadLength, Workers},
};

#[doc = include_str!("langchain.md")]
#[derive(Clone)]
pub struct LangChainSqliteHistory {
    store: Arc<Store>,
}

struct Store {
    path: PathBuf,
    max_message_bytes: u64,
    rows: Rows,
    workers: Workers,
}

/// Settings of a [`LangChainSqliteHistory`].
///
/// | setting | default |
/// |---|---|
/// | [`table`](Self::table) | `message_store` |
/// | [`create`](Self::create) | `true` |
/// | [`busy_timeout`](Self::busy_timeout) | 10 s |
/// | [`max_message_bytes`](Self::max_message_bytes) | 16 MiB |
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it opens a file"]
pub struct LangChainSqliteHistoryBuilder {
    options: Options,
    table: String,
}

impl LangChainSqliteHistoryBuilder {
    /// Sets the table: LangChain's `table_name`. The default is `message_store`.
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// Sets whether a missing table or file is created. The default is `true`. With `false`, a
    /// missing file is [`HistoryError::Backend`], and a missing table [`HistoryError::Corrupt`],
    /// which names the tables that have LangChain's columns: conversations that are to be moved may
    /// be in another table.
    pub const fn create(mut self, create: bool) -> Self {
        self.options.create = create;
        self
    }

    /// Sets how long an operation waits for other processes before it fails with
    /// [`HistoryError::Busy`]. The default is 10 seconds; the longest wait is 24 days.
    pub const fn busy_timeout(mut self, time: Duration) -> Self {
        self.options.busy_timeout = time;
        self
    }

    /// Sets the maximum size of a message, as stored JSON. A larger one is
    /// [`HistoryError::TooLarge`]. The default is 16 MiB.
    pub const fn max_message_bytes(mut self, bytes: u64) -> Self {
        self.options.max_message_bytes = bytes;
        self
    }

    /// Opens the table, and creates it, or the file, if it does not exist, unless
    /// [`create`](Self::create) forbids it.
    ///
    /// # Errors
    /// - Those of [`SqliteHistoryBuilder::open`](crate::SqliteHistoryBuilder::open).
    /// - [`HistoryError::Corrupt`], if the table does not have LangChain's columns, or is missing
    ///   and not created.
    /// - [`HistoryError::Unsupported`], if SQLite reserves the table's name.
    pub fn open(self) -> Result<LangChainSqliteHistory, HistoryError> {
        let Self { options, table } = self;
        let rows = Rows::new(&table, options.create)?;
        let store = Store {
            workers: Workers::start(&options, &rows)?,
            max_message_bytes: options.max_message_bytes,
            path: options.path,
            rows,
        };
        Ok(LangChainSqliteHistory { store: Arc::new(store) })
    }
}

impl LangChainSqliteHistory {
    /// Opens LangChain's table `message_store` in the file `path`, and creates it, or the file, if
    /// it does not exist.
    ///
    /// # Errors
    /// As [`LangChainSqliteHistoryBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, HistoryError> {
        Self::builder(path).open()
    }

    /// Returns a builder for a history in the file `path`.
    pub fn builder(path: impl AsRef<Path>) -> LangChainSqliteHistoryBuilder {
        let options = Options::new(path.as_ref());
        LangChainSqliteHistoryBuilder { options, table: "message_store".to_owned() }
    }

    /// Adds an index by session to the table. LangChain creates none: without it, an operation on
    /// one session reads the rows of all. Python programs profit from it as well.
    ///
    /// # Errors
    /// The errors of a write.
    pub async fn add_index(&self) -> Result<(), HistoryError> {
        let rows = self.store.rows.clone();
        self.store.workers.write(None, move |connection| rows.add_index(connection)).await
    }

    /// Returns whether the table has an index by session, as [`add_index`](Self::add_index) adds.
    ///
    /// # Errors
    /// The errors of a read.
    pub async fn has_index(&self) -> Result<bool, HistoryError> {
        let rows = self.store.rows.clone();
        let look = move |connection: &mut Connection| rows.has_index(connection);
        self.store.workers.read(None, ReadLength::Unlimited, look).await
    }

    /// Finishes the operations that were started and closes the file. When it returns, the file can
    /// be moved or removed. Operations that are started later fail, on all clones.
    pub async fn close(&self) {
        self.store.workers.close().await;
    }

    async fn read<T: Send + 'static>(
        &self,
        session: &SessionId,
        run: impl FnOnce(&Connection, &Rows, &SessionId) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let (rows, id) = (self.store.rows.clone(), session.clone());
        let read = move |connection: &mut Connection| {
            transaction(connection, "BEGIN", || run(connection, &rows, &id))
        };
        self.store.workers.read(Some(session), ReadLength::Unlimited, read).await
    }

    async fn write<T: Send + 'static>(
        &self,
        session: &SessionId,
        mut run: impl FnMut(&Connection, &Rows, &SessionId) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let (rows, id) = (self.store.rows.clone(), session.clone());
        let write = move |connection: &Connection| run(connection, &rows, &id);
        self.store.workers.write(Some(session), write).await
    }
}

#[async_trait]
impl ChatHistory for LangChainSqliteHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.read(session, move |connection, rows, id| rows.load(connection, id, range)).await
    }

    fn identity(&self) -> Option<HistoryIdentity> {
        Some(HistoryIdentity::of(&self.store))
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let bodies = encode_turn(turn, self.store.max_message_bytes)?;
        let turn = NewTurn { turn: turn.clone(), bodies };
        self.write(session, move |connection, rows, id| rows.append(connection, id, &turn, expect))
            .await
    }

    fn check(&self, _: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        check_messages(messages, self.store.max_message_bytes)
    }

    /// Removes the session's rows. A table of this crate, `conversant_epochs`, counts the epochs.
    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.write(session, |connection, rows, id| rows.clear(connection, id)).await
    }

    /// Loads turns: those that this crate has written as they were, and those of Python from one
    /// human message to the next. The latter get ids derived from their first row, which are the
    /// same each time.
    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.read(session, move |connection, rows, id| rows.turns(connection, id, range)).await
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let first =
            self.read(session, move |connection, rows, id| rows.first(connection, id, count));
        first.await.map(|messages| Some(messages.into()))
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        let (rows, after) = (self.store.rows.clone(), after.cloned());
        let list =
            move |connection: &mut Connection| rows.sessions(connection, after.as_ref(), limit);
        self.store.workers.read(None, ReadLength::Unlimited, list).await
    }

    /// Equivalent to [`clear`](ChatHistory::clear).
    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.clear(session).await
    }
}

impl Tables for Rows {
    const EXCLUSIVE: bool = false;

    fn check(&self, connection: &Connection) -> Result<(), HistoryError> {
        match self.columns(connection)? {
            None => Ok(()),
            Some(columns)
                if ["id", "session_id", "message"].iter().all(|name| columns.contains(*name)) =>
            {
                Ok(())
            }
            Some(_) => Err(inconsistent(
                "the table does not have LangChain's columns (`id`, `session_id`, `message`)",
            )),
        }
    }

    fn adapt(&self, _: &Connection) -> Result<(), HistoryError> {
        Ok(())
    }

    fn create(&self, connection: &mut Connection) -> Result<(), HistoryError> {
        if self.columns(connection)?.is_some() {
            return Ok(());
        }
        if !self.creates {
            return Err(self.missing(connection)?);
        }
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sqlite_error)?;
        self.create_table(&transaction)?;
        transaction.commit().map_err(sqlite_error)
    }
}

impl fmt::Debug for LangChainSqliteHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LangChainSqliteHistory")
            .field("path", &self.store.path)
            .finish_non_exhaustive()
    }
}
