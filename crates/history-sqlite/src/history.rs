//! The history in a SQLite file.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Lease, Message, Messages, Note, Range, SessionId, Slice,
    Turn, Version, async_trait,
};
use rusqlite::Connection;

use crate::{
    builder::SqliteHistoryBuilder,
    clock,
    failure::{failure, wrong},
    options::Options,
    schema,
    table::{
        lease, message, note,
        session::{self, Found},
        turn,
    },
    worker::Workers,
};

#[doc = include_str!("history.md")]
#[derive(Clone)]
pub struct SqliteHistory {
    store: Arc<Store>,
}

struct Store {
    path: PathBuf,
    max_message_bytes: u64,
    time_to_live: Option<i64>,
    workers: Workers,
}

impl SqliteHistory {
    /// Opens the history in a file, or makes the file if there is none, with the defaults of
    /// [`builder`](Self::builder).
    ///
    /// It reads and writes the file before it returns: a few milliseconds, and longer if another process holds it.
    ///
    /// # Errors
    /// As [`SqliteHistoryBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, HistoryError> {
        Self::builder().open(path)
    }

    /// Returns a builder, to open a file otherwise than with the defaults.
    pub fn builder() -> SqliteHistoryBuilder {
        SqliteHistoryBuilder::new()
    }

    pub(crate) fn with_options(options: &Options) -> Result<Self, HistoryError> {
        let store = Store {
            path: options.path.clone(),
            max_message_bytes: options.max_message_bytes,
            time_to_live: options.time_to_live.map(clock::millis),
            workers: Workers::start(options, &schema::Schema)?,
        };
        Ok(Self { store: Arc::new(store) })
    }

    /// Copies the whole history, as it is at one moment, into a new file that can be opened or moved at once. (A copy of the
    /// file alone, while somebody writes, may lack what is in the write-ahead log beside it.)
    ///
    /// # Errors
    /// [`HistoryError::Backend`] if there is such a file and it is not empty, or it can't be written; [`HistoryError::Full`].
    pub async fn backup(&self, to: impl AsRef<Path>) -> Result<(), HistoryError> {
        let Some(to) = to.as_ref().to_str().map(str::to_owned) else {
            return Err(HistoryError::Unsupported { what: "backups to a path that is not UTF-8" });
        };
        let copy = move |connection: &mut Connection| {
            // It counts as a write, though not to this file.
            connection.pragma_update(None, "query_only", false).map_err(failure)?;
            let copied = connection.execute("VACUUM INTO ?1", [to]).map(drop).map_err(failure);
            connection.pragma_update(None, "query_only", true).map_err(failure)?;
            copied
        };
        self.store.workers.read(None, copy).await
    }

    /// Removes sessions whose [time](SqliteHistoryBuilder::time_to_live) is up, at most `limit` of them, and returns how many there were. To be
    /// called now and then: such sessions are seen by nobody, and take space until they are removed or written anew.
    ///
    /// # Errors
    /// As for any write.
    pub async fn sweep(&self, limit: usize) -> Result<usize, HistoryError> {
        let time_to_live = self.store.time_to_live;
        let sweep = move |connection: &Connection| session::sweep(connection, limit, time_to_live);
        self.store.workers.write(None, sweep).await
    }

    /// Checks the whole file: what takes its time, and is for backups and after accidents. What is read otherwise is checked as it
    /// is read.
    ///
    /// # Errors
    /// [`HistoryError::Corrupt`], with the first faults that were found.
    pub async fn check_integrity(&self) -> Result<(), HistoryError> {
        let check = |connection: &mut Connection| {
            let mut faults = Vec::new();
            connection
                .pragma_query(None, "integrity_check", |row| {
                    faults.push(row.get::<_, String>(0)?);
                    Ok(())
                })
                .map_err(failure)?;
            match faults.as_slice() {
                [fine] if fine == "ok" => Ok(()),
                _ => Err(wrong(faults.join("; "))),
            }
        };
        self.store.workers.read(None, check).await
    }

    /// Reads from a session.
    async fn read<T: Send + 'static>(
        &self,
        id: &SessionId,
        run: impl FnOnce(&Connection, &Found) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let (name, time_to_live) = (id.clone(), self.store.time_to_live);
        let read = move |connection: &mut Connection| {
            let transaction = connection.transaction().map_err(failure)?;
            let found = session::find(&transaction, &name, time_to_live)?;
            run(&transaction, &found)
        };
        self.store.workers.read(Some(id), read).await
    }

    /// Writes to a session.
    async fn write<T: Send + 'static>(
        &self,
        id: &SessionId,
        mut run: impl FnMut(&Connection, &SessionId, Option<i64>) -> Result<T, HistoryError>
        + Send
        + 'static,
    ) -> Result<T, HistoryError> {
        let (name, time_to_live) = (id.clone(), self.store.time_to_live);
        let write = move |connection: &Connection| run(connection, &name, time_to_live);
        self.store.workers.write(Some(id), write).await
    }
}

#[async_trait]
impl ChatHistory for SqliteHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        let load = move |connection: &Connection, found: &Found| {
            let Some(session) = &found.session else {
                return Ok(Slice::new(Vec::new(), found.version));
            };
            let start = message::start(connection, session, range)?;
            Ok(Slice::new(message::load(connection, session, start)?, found.version))
        };
        self.read(session, load).await
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let first = move |connection: &Connection, found: &Found| match &found.session {
            Some(session) => message::first(connection, session, count),
            None => Ok(Vec::new()),
        };
        self.read(session, first).await.map(|messages| Some(messages.into()))
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let turn = turn::NewTurn::new(turn, self.store.max_message_bytes)?;
        self.write(session, move |connection, id, time_to_live| {
            turn::append(connection, id, &turn, expect, time_to_live)
        })
        .await
    }

    fn check(&self, _: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        let limit = self.store.max_message_bytes;
        messages.iter().try_for_each(|message| message::encode(message, limit).map(drop))
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.write(session, session::clear).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        let load = move |connection: &Connection, found: &Found| match &found.session {
            Some(session) => turn::load(connection, session, range),
            None => Ok(Vec::new()),
        };
        self.read(session, load).await
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        let (after, time_to_live) = (after.cloned(), self.store.time_to_live);
        let list = move |connection: &mut Connection| {
            session::list(connection, after.as_ref(), limit, time_to_live)
        };
        self.store.workers.read(None, list).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.write(session, session::delete).await
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        let name = name.to_owned();
        let load = move |connection: &Connection, found: &Found| match &found.session {
            Some(session) => note::load(connection, session, &name),
            None => Ok(None),
        };
        self.read(session, load).await
    }

    /// Stores a note; one that covers an epoch other than the session's is [`HistoryError::Stale`].
    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        let (name, note) = (name.to_owned(), note::NewNote::new(note)?);
        self.write(session, move |connection, id, time_to_live| {
            note::put(connection, id, &name, &note, time_to_live)
        })
        .await
    }

    /// Takes the session for one caller, in whatever process. Time is that of the machine's clock: if it is set, leases end
    /// later or earlier.
    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        self.write(session, move |connection, id, _| lease::take(connection, id, time).map(Some))
            .await
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        let released = lease.clone();
        self.write(&lease.session, move |connection, _, _| lease::release(connection, &released))
            .await
    }
}

impl fmt::Debug for SqliteHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteHistory").field("path", &self.store.path).finish_non_exhaustive()
    }
}
