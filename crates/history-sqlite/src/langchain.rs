//! LangChain's own table of messages in SQLite.

mod row;
mod rows;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Message, Messages, Range, SessionId, Slice, Turn, Version,
    async_trait,
};
use rusqlite::{Connection, TransactionBehavior};

use self::{
    row::encode,
    rows::{NewTurn, Rows},
};
use crate::{
    connection::Tables,
    failure::{failure, wrong},
    options::Options,
    worker::Workers,
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

impl LangChainSqliteHistory {
    /// Opens LangChain's table `message_store` in a file, or makes the table, or the file, if there is none.
    ///
    /// # Errors
    /// As [`SqliteHistoryBuilder::open`](crate::SqliteHistoryBuilder::open); [`HistoryError::Corrupt`] also if there is a table of that name
    /// that is none of LangChain's.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, HistoryError> {
        Self::open_table(path, "message_store")
    }

    /// Opens a table of another name: LangChain's `table_name`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_table(path: impl AsRef<Path>, table: &str) -> Result<Self, HistoryError> {
        let options = Options { path: path.as_ref().to_owned(), ..Options::default() };
        let rows = Rows::new(table)?;
        let store = Store {
            workers: Workers::start(&options, &rows)?,
            max_message_bytes: options.max_message_bytes,
            path: options.path,
            rows,
        };
        Ok(Self { store: Arc::new(store) })
    }

    /// Adds an index over the sessions to LangChain's table, which has none: without it, whatever is asked of one session reads the rows of
    /// all. It serves the Python side as well.
    ///
    /// # Errors
    /// As for any write.
    pub async fn add_index(&self) -> Result<(), HistoryError> {
        let rows = self.store.rows.clone();
        self.store.workers.write(None, move |connection| rows.add_index(connection)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        session: &SessionId,
        run: impl FnOnce(&Connection, &Rows, &SessionId) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let (rows, id) = (self.store.rows.clone(), session.clone());
        let read = move |connection: &mut Connection| {
            let transaction = connection.transaction().map_err(failure)?;
            run(&transaction, &rows, &id)
        };
        self.store.workers.read(Some(session), read).await
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

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let bodies = encode(turn, self.store.max_message_bytes)?;
        let turn = NewTurn { id: turn.id(), bodies };
        self.write(session, move |connection, rows, id| rows.append(connection, id, &turn, expect))
            .await
    }

    fn check(&self, _: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        // Appended by a chain, the turn names the version that its prompt saw.
        let base = Version::new(u64::MAX, u64::MAX);
        let turn = Turn::new(messages.to_vec()).with_base(base);
        encode(&turn, self.store.max_message_bytes).map(drop)
    }

    /// Removes the session's rows. The epoch that begins is kept in a table of our own, `conversant_epochs`.
    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.write(session, |connection, rows, id| rows.clear(connection, id)).await
    }

    /// Loads turns: those that this crate has written as they were, and of what Python has written, what comes from one human message to the
    /// next. Those get ids that are made of their first row, the same each time.
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
        self.store.workers.read(None, list).await
    }

    /// Does what [`clear`](ChatHistory::clear) does.
    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.clear(session).await
    }
}

impl Tables for Rows {
    const IS_OURS: bool = false;

    fn check(&self, connection: &Connection) -> Result<(), HistoryError> {
        match self.columns(connection)? {
            None => Ok(()),
            Some(columns)
                if ["id", "session_id", "message"].iter().all(|name| columns.contains(*name)) =>
            {
                Ok(())
            }
            Some(_) => Err(wrong("the table has not the columns of LangChain's")),
        }
    }

    fn make(&self, connection: &mut Connection) -> Result<(), HistoryError> {
        if self.columns(connection)?.is_some() {
            return Ok(());
        }
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failure)?;
        self.create(&transaction)?;
        transaction.commit().map_err(failure)
    }
}

impl fmt::Debug for LangChainSqliteHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LangChainSqliteHistory")
            .field("path", &self.store.path)
            .finish_non_exhaustive()
    }
}
