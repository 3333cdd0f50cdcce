//! The history in a SQLite file.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use conversant_core::{
    Expect, HistoryError, Messages, Note, Point, Range, SessionId, SessionInfo, Slice, Turn,
    Version, async_trait,
};
use conversant_history::BranchedHistory;
use rusqlite::{Connection, ErrorCode};

use crate::{
    connection,
    error::{backend, inconsistent, sqlite_error},
    options::{Options, Synchronous},
    schema::Schema,
    statement::transaction,
    table::{
        list::{self, Listed},
        millis,
        note::{self, StoredNote},
        path::Turns,
        range, search,
        seen::SeenSessions,
        session,
        turn::{self, NewTurn},
    },
    worker::{ReadLength, Workers},
};

#[doc = include_str!("history.md")]
#[derive(Clone)]
pub struct SqliteHistory {
    pub(crate) store: Arc<Store>,
}

/// An open file, and its settings.
pub(crate) struct Store {
    path: PathBuf,
    pub(crate) max_message_bytes: u64,
    pub(crate) time_to_live: Option<i64>,
    pub(crate) workers: Workers,
}

/// Settings of a [`SqliteHistory`].
///
/// | setting | default |
/// |---|---|
/// | [`synchronous`](Self::synchronous) | [`Synchronous::Full`] |
/// | [`busy_timeout`](Self::busy_timeout) | 10 s |
/// | [`max_message_bytes`](Self::max_message_bytes) | 16 MiB |
/// | [`max_bytes`](Self::max_bytes) | SQLite's maximum, 16 TiB |
/// | [`time_to_live`](Self::time_to_live) | unlimited |
/// | [`readers`](Self::readers) | the number of cores, from 2 to 4 |
/// | [`read_only`](Self::read_only) | `false` |
/// | [`search`](Self::search) | `false` |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use conversant_history_sqlite::{SqliteHistory, Synchronous};
///
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("chat.db");
/// let history = SqliteHistory::builder(&file)
///     .synchronous(Synchronous::Normal)
///     .time_to_live(Duration::from_secs(30 * 24 * 3600))
///     .open()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it opens a file"]
pub struct SqliteHistoryBuilder {
    options: Options,
}

impl SqliteHistoryBuilder {
    /// Sets what a commit waits for. The default is [`Synchronous::Full`].
    pub const fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.options.synchronous = synchronous;
        self
    }

    /// Sets how long a write waits for other processes before it fails with
    /// [`HistoryError::Busy`]. The default is 10 seconds; the longest wait is 24 days.
    ///
    /// The time counts from when the write is queued: when its future is first polled. A write that
    /// spends it behind other writes of this store is still tried, and waits for at most 50 ms.
    pub const fn busy_timeout(mut self, time: Duration) -> Self {
        self.options.busy_timeout = time;
        self
    }

    /// Sets the maximum size of a message, as stored JSON. A larger one is
    /// [`HistoryError::TooLarge`]. The default is 16 MiB; SQLite's limit is a billion bytes. That
    /// of a note is always 16 MiB.
    pub const fn max_message_bytes(mut self, bytes: u64) -> Self {
        self.options.max_message_bytes = bytes;
        self
    }

    /// Sets the size to which this store may grow the file. A write beyond it fails with
    /// [`HistoryError::Full`]. The default is SQLite's limit, 16 TiB.
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.options.max_bytes = Some(bytes);
        self
    }

    /// Sets how long a session lives after its last turn. An expired session is as if it had been
    /// deleted; its space is freed when it is written again, or by [`SqliteHistory::sweep`]. The
    /// setting applies to this store, not to the file. The default is unlimited.
    ///
    /// A session without turns, such as that of the facts of a user or a group, lives as long after
    /// its last note: facts that do not change for this time are forgotten.
    pub const fn time_to_live(mut self, time: Duration) -> Self {
        self.options.time_to_live = Some(time);
        self
    }

    /// Sets the number of reader threads, and so of sessions that can be read at the same time,
    /// from 1 to 64. The default is the number of cores, but at least 2 and at most 4.
    pub const fn readers(mut self, count: usize) -> Self {
        self.options.readers = count;
        self
    }

    /// Sets whether the file is opened for reading only. It must exist then, and every write fails
    /// with [`HistoryError::ReadOnly`]. The default is `false`.
    pub const fn read_only(mut self, read_only: bool) -> Self {
        self.options.read_only = read_only;
        self
    }

    /// Sets whether the texts of turns and titles can be searched
    /// ([`SessionFilter::with_text`](conversant_core::SessionFilter::with_text)), for words and
    /// their beginnings, without regard to case and diacritics. A deletion regards diacritics. The
    /// default is `false`.
    ///
    /// It is a property of the file: once a store has opened the file with it, all stores keep the
    /// index of its words in step, and search it. The first opening adds what is stored already,
    /// which takes time in proportion to the file. Appends then write the index too.
    pub const fn search(mut self, search: bool) -> Self {
        self.options.search = search;
        self
    }

    /// Opens the file, or creates it if it does not exist. Blocks for a few milliseconds, or up to
    /// the busy timeout if another process holds the file.
    ///
    /// # Errors
    /// - [`HistoryError::Corrupt`], if the path is a directory, an empty or damaged file or another
    ///   program's database, or if the log of a deleted file is still there. Nothing is changed.
    /// - [`HistoryError::SchemaTooNew`], if a later version of this crate wrote the file.
    /// - [`HistoryError::ReadOnly`], if the file cannot be written.
    /// - [`HistoryError::Busy`], if another process holds the file.
    /// - [`HistoryError::Full`], if the disk is full.
    /// - [`HistoryError::Backend`], if the file cannot be opened for another reason.
    pub fn open(self) -> Result<SqliteHistory, HistoryError> {
        let options = self.options;
        let workers = Workers::start(&options, &Schema { search: options.search })?;
        let store = Store {
            path: options.path,
            max_message_bytes: options.max_message_bytes,
            time_to_live: options.time_to_live.map(millis),
            workers,
        };
        Ok(SqliteHistory { store: Arc::new(store) })
    }
}

impl SqliteHistory {
    /// Opens the file `path` with the default settings, or creates it if it does not exist.
    ///
    /// # Errors
    /// As [`SqliteHistoryBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, HistoryError> {
        Self::builder(path).open()
    }

    /// Returns a builder for a history in the file `path`.
    pub fn builder(path: impl AsRef<Path>) -> SqliteHistoryBuilder {
        SqliteHistoryBuilder { options: Options::new(path.as_ref()) }
    }

    /// Copies the whole history, as it is at one moment, to a new file. Unlike a copy of the file
    /// alone, it includes what is in the write-ahead log. It copies the rows that are found:
    /// [`check_integrity`](Self::check_integrity) says whether damage has hidden others.
    ///
    /// # Errors
    /// - [`HistoryError::Backend`], if `to` is empty, is a file that is not, or cannot be written,
    ///   or if the history was closed.
    /// - [`HistoryError::Full`], if the disk is full.
    /// - [`HistoryError::Unsupported`], if `to` is not UTF-8.
    /// - [`HistoryError::Corrupt`], if the history's file is damaged, or another one than was
    ///   opened.
    pub async fn backup(&self, to: impl AsRef<Path>) -> Result<(), HistoryError> {
        let Some(to) = connection::absolute(to.as_ref())?.to_str().map(str::to_owned) else {
            return Err(HistoryError::Unsupported { what: "backups to a path that is not UTF-8" });
        };
        let copy = move |connection: &mut Connection| {
            // SQLite counts it as a write, although to another file.
            connection.pragma_update(None, "query_only", false).map_err(sqlite_error)?;
            let copied = connection.execute("VACUUM INTO ?1", [to]).map(drop);
            let copied = copied.map_err(|error| match error.sqlite_error_code() {
                // It is about the new file.
                Some(ErrorCode::Unknown) => backend(error),
                _ => sqlite_error(error),
            });
            connection.pragma_update(None, "query_only", true).map_err(sqlite_error)?;
            copied
        };
        self.store.workers.read(None, ReadLength::Unlimited, copy).await
    }

    /// Checks the whole file, for backups and after accidents: also for rows that damage has hidden
    /// and that other operations do not count. It takes time in proportion to the file; other
    /// operations check what they read.
    ///
    /// # Errors
    /// [`HistoryError::Corrupt`] with the first faults found.
    pub async fn check_integrity(&self) -> Result<(), HistoryError> {
        let check = |connection: &mut Connection| {
            transaction(connection, "BEGIN", || {
                search::refresh(connection)?;
                let mut faults = Vec::new();
                connection
                    .pragma_query(None, "integrity_check", |row| {
                        faults.push(row.get::<_, String>(0)?);
                        Ok(())
                    })
                    .map_err(sqlite_error)?;
                match faults.as_slice() {
                    [only] if only == "ok" => Ok(()),
                    _ => Err(inconsistent(faults.join("; "))),
                }
            })
        };
        self.store.workers.read(None, ReadLength::Unlimited, check).await
    }

    /// Finishes the operations that were started and closes the file. When it returns, the file can
    /// be moved or removed. Operations that are started later fail, on all clones.
    ///
    /// A store whose last clone is dropped closes its file too, but later, on its own threads.
    pub async fn close(&self) {
        self.store.workers.close().await;
    }

    /// Lists sessions, and stores the counts of those that an earlier version wrote. If they cannot
    /// be stored, they are counted again by the next list.
    pub(crate) async fn listed(
        &self,
        session: Option<&SessionId>,
        read: impl FnOnce(&mut Connection) -> Result<Listed, HistoryError> + Send + 'static,
    ) -> Result<Vec<SessionInfo>, HistoryError> {
        let Listed { sessions, uncounted } =
            self.store.workers.read(session, ReadLength::Unlimited, read).await?;
        for id in uncounted {
            match self.write(&id, list::count).await {
                Ok(()) => {}
                Err(error @ HistoryError::Corrupt { .. }) => return Err(error),
                Err(_) => break,
            }
        }
        Ok(sessions)
    }

    /// Reads from a session as it is at one moment, up to a point. `None` is the tip. `run` gets
    /// `None` if the session is empty.
    async fn read<T: Send + 'static>(
        &self,
        id: &SessionId,
        point: Option<Point>,
        length: ReadLength,
        run: impl FnOnce(Version, Option<&mut Turns<'_, '_>>) -> Result<T, HistoryError>
        + Send
        + 'static,
    ) -> Result<T, HistoryError> {
        let (name, time_to_live) = (id.clone(), self.store.time_to_live);
        let read = move |connection: &mut Connection| {
            session::read(connection, &name, point, time_to_live, run)
        };
        self.store.workers.read(Some(id), length, read).await
    }

    /// Returns whether a session is at a version, if that is known at once: no other connection has
    /// committed since this store appended the session's last turn.
    fn is_at(&self, session: &SessionId, version: Version) -> bool {
        let time_to_live = self.store.time_to_live;
        let is_at = |connection: &Connection, seen: &mut SeenSessions| {
            seen.is_at(connection, session, version, time_to_live)
        };
        self.store.workers.try_read(is_at).unwrap_or_default()
    }

    /// Writes to a session.
    pub(crate) async fn write<T: Send + 'static>(
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

    /// Writes to a session what removes data, which is then removed from the log too.
    pub(crate) async fn erase<T: Send + 'static>(
        &self,
        id: &SessionId,
        mut run: impl FnMut(&Connection, &SessionId, Option<i64>) -> Result<T, HistoryError>
        + Send
        + 'static,
    ) -> Result<T, HistoryError> {
        let (name, time_to_live) = (id.clone(), self.store.time_to_live);
        let write = move |connection: &Connection| run(connection, &name, time_to_live);
        self.store.workers.erase(Some(id), write).await
    }
}

#[async_trait]
impl BranchedHistory for SqliteHistory {
    async fn load_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        range: Range,
    ) -> Result<Slice, HistoryError> {
        if let (None, Range::After(version)) = (point, range)
            && self.is_at(session, version)
        {
            return Ok(Slice::new(Vec::new(), version).with_turns(Vec::new()));
        }
        let load = move |version, turns: Option<&mut Turns<'_, '_>>| {
            let found = turns.map(|turns| range::messages(turns, range)).transpose()?;
            let (messages, starts) = found.unwrap_or_default();
            Ok(Slice::new(messages, version).with_turns(starts))
        };
        self.read(session, point, length_of(range), load).await
    }

    async fn first_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let first = move |_, turns: Option<&mut Turns<'_, '_>>| match turns {
            Some(turns) => range::first(turns, count),
            None => Ok(Vec::new()),
        };
        self.read(session, point, ReadLength::Unlimited, first)
            .await
            .map(|messages| Some(messages.into()))
    }

    async fn append_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let turn = NewTurn::encode(turn, self.store.max_message_bytes)?;
        let (id, time_to_live) = (session.clone(), self.store.time_to_live);
        let append = move |connection: &Connection, seen: &mut SeenSessions| {
            turn::append(connection, seen, &id, &turn, point, expect, time_to_live)
        };
        self.store.workers.write_remembering(session, append).await
    }

    async fn turns_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        range: Range,
    ) -> Result<Vec<Turn>, HistoryError> {
        let load = move |_, turns: Option<&mut Turns<'_, '_>>| match turns {
            Some(turns) => range::turns(turns, range),
            None => Ok(Vec::new()),
        };
        self.read(session, point, length_of(range), load).await
    }

    async fn note_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
    ) -> Result<Option<Note>, HistoryError> {
        let name = name.to_owned();
        let load = move |_, turns: Option<&mut Turns<'_, '_>>| match turns {
            Some(turns) => note::load(turns.connection(), turns.session(), &name, point),
            None => Ok(None),
        };
        self.read(session, point, ReadLength::Brief, load).await
    }

    async fn put_note_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        let (name, note) = (name.to_owned(), StoredNote::encode(note)?);
        let (id, time_to_live) = (session.clone(), self.store.time_to_live);
        let put = move |connection: &Connection, seen: &mut SeenSessions| {
            note::put(connection, seen, &id, &name, &note, point, time_to_live)
        };
        self.store.workers.write_remembering(session, put).await
    }

    async fn replace_note_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        let (name, read, note) = (name.to_owned(), read.cloned(), StoredNote::encode(note)?);
        let (id, time_to_live) = (session.clone(), self.store.time_to_live);
        let replace = move |connection: &Connection, seen: &mut SeenSessions| {
            let found = note::find(connection, seen, &id, &name, point, time_to_live)?;
            if found != read {
                return Ok(false);
            }
            note::put(connection, seen, &id, &name, &note, point, time_to_live).map(|()| true)
        };
        self.store.workers.write_remembering(session, replace).await
    }
}

/// The most messages of a brief read.
const MAX_BRIEF_MESSAGES: usize = 256;

/// Returns how long it takes to read a range.
const fn length_of(range: Range) -> ReadLength {
    match range {
        Range::LastTurns(count) if count <= MAX_BRIEF_MESSAGES / 2 => ReadLength::Brief,
        Range::LastMessages(count) if count <= MAX_BRIEF_MESSAGES => ReadLength::Brief,
        // Of a version with a tip, only the few turns that were added since are read.
        Range::After(version) if version.tip != 0 => ReadLength::Brief,
        _ => ReadLength::Unlimited,
    }
}

impl fmt::Debug for SqliteHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteHistory").field("path", &self.store.path).finish_non_exhaustive()
    }
}
