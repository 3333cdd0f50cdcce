//! The history in a folder of files.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::{BufRead, BufReader},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, SystemTime},
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Lease, Message, Messages, Note, OwnFormat, Range, SessionId,
    Slice, Turn, Version, async_trait,
};
use lru::LruCache;

use crate::{
    conversation::{Conversation, is_expired},
    error::{backend, io_error},
    index::Index,
    lock::{LockMode, SessionLock},
    log_record::{self, Header},
    paths::{EXTENSION, SessionPaths},
    repair::{self, Repaired},
    serial_executor::{SerialExecutor, lock},
    tail,
};

#[doc = include_str!("history.md")]
#[derive(Clone)]
pub struct JsonlHistory {
    store: Arc<Store>,
}

struct Store {
    folder: PathBuf,
    max_message_bytes: u64,
    time_to_live: Option<Duration>,
    executor: SerialExecutor,
    cache: Arc<Cache>,
}

/// Settings of a [`JsonlHistory`].
///
/// | setting | default |
/// |---|---|
/// | [`max_message_bytes`](Self::max_message_bytes) | 16 MiB |
/// | [`time_to_live`](Self::time_to_live) | unlimited |
/// | [`lock_timeout`](Self::lock_timeout) | 10 s |
/// | [`threads`](Self::threads) | the number of cores, from 4 to 8 |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use conversant_history_jsonl::JsonlHistory;
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path().join("chats");
/// let history = JsonlHistory::builder(&folder)
///     .lock_timeout(Duration::from_secs(2))
///     .time_to_live(Duration::from_secs(30 * 24 * 3600))
///     .open()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it opens a folder"]
pub struct JsonlHistoryBuilder {
    folder: PathBuf,
    max_message_bytes: u64,
    time_to_live: Option<Duration>,
    lock_timeout: Duration,
    threads: usize,
}

impl JsonlHistoryBuilder {
    /// Sets the maximum size of a message, as stored JSON. A larger one is
    /// [`HistoryError::TooLarge`]. The default is 16 MiB.
    pub const fn max_message_bytes(mut self, bytes: u64) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// Sets how long a session lives after it was last written, by the times of the files. An
    /// expired session is as if it had been deleted; its space is freed when it is written again,
    /// or by [`JsonlHistory::sweep`]. The setting applies to this store, not to the files. The
    /// default is unlimited.
    pub const fn time_to_live(mut self, time: Duration) -> Self {
        self.time_to_live = Some(time);
        self
    }

    /// Sets how long an operation waits for its session if another process, or another store, has
    /// locked it. Then it fails with [`HistoryError::Busy`]. The default is 10 seconds; zero does
    /// not wait. Other sessions do not wait with it.
    pub const fn lock_timeout(mut self, time: Duration) -> Self {
        self.lock_timeout = time;
        self
    }

    /// Sets the number of threads, and so of sessions that are read or written at the same time,
    /// from 1 to 256. The default is the number of cores, but at least 4 and at most 8.
    pub const fn threads(mut self, count: usize) -> Self {
        self.threads = count;
        self
    }

    /// Opens the folder, or creates it if it does not exist.
    ///
    /// # Errors
    /// - [`HistoryError::Corrupt`], if the path is a file.
    /// - [`HistoryError::ReadOnly`], if the folder cannot be created.
    /// - [`HistoryError::Backend`], if it fails for another reason.
    pub fn open(self) -> Result<JsonlHistory, HistoryError> {
        let folder = std::path::absolute(&self.folder).map_err(backend)?;
        if !folder.is_dir() {
            if folder.exists() {
                let what = "the path is not a folder".to_owned();
                return Err(HistoryError::Corrupt { what, source: None });
            }
            fs::create_dir_all(&folder).map_err(io_error)?;
        }
        let store = Store {
            folder,
            max_message_bytes: self.max_message_bytes,
            time_to_live: self.time_to_live,
            executor: SerialExecutor::start(self.threads, self.lock_timeout)?,
            cache: Arc::default(),
        };
        Ok(JsonlHistory { store: Arc::new(store) })
    }
}

/// Facts about the files, so that nothing is read twice.
struct Cache {
    indexes: Mutex<LruCache<SessionId, Index>>,
    torn: Mutex<BTreeMap<(SessionId, u64), u64>>,
}

/// The number of sessions whose indexes are cached.
const MAX_INDEXES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// The number of torn tails that are listed.
const MAX_TORN: usize = 1024;

impl Default for Cache {
    fn default() -> Self {
        Self { indexes: Mutex::new(LruCache::new(MAX_INDEXES)), torn: Mutex::default() }
    }
}

/// An unfinished line at the end of a file. The process that wrote it was killed, or the power
/// failed, before the line was acknowledged. It is not part of the conversation, and the next turn
/// overwrites it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TornTail {
    /// The session.
    pub session: SessionId,
    /// The number of bytes in the file before it.
    pub offset: u64,
    /// The number of its bytes.
    pub bytes: u64,
}

impl JsonlHistory {
    /// Opens the history in the folder `folder` with the default settings, or creates the folder if
    /// it does not exist.
    ///
    /// # Errors
    /// As [`JsonlHistoryBuilder::open`].
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, HistoryError> {
        Self::builder(folder).open()
    }

    /// Returns a builder for a history in the folder `folder`.
    pub fn builder(folder: impl AsRef<Path>) -> JsonlHistoryBuilder {
        JsonlHistoryBuilder {
            folder: folder.as_ref().to_owned(),
            max_message_bytes: 16 * 1024 * 1024,
            time_to_live: None,
            lock_timeout: Duration::from_secs(10),
            threads: thread::available_parallelism().map_or(4, |cores| cores.get().clamp(4, 8)),
        }
    }

    /// Removes at most `limit` sessions whose [time to live](JsonlHistoryBuilder::time_to_live) is
    /// over, and returns how many it removed.
    ///
    /// # Errors
    /// The errors of a write.
    pub async fn sweep(&self, limit: usize) -> Result<usize, HistoryError> {
        let expired = self.list(None, limit, true).await?;
        for session in &expired {
            self.delete(session).await?;
        }
        Ok(expired.len())
    }

    /// Returns the path of a session's file, whether it exists or not.
    #[must_use]
    pub fn path(&self, session: &SessionId) -> PathBuf {
        SessionPaths::new(&self.store.folder, session).file()
    }

    /// Returns the unfinished lines that this store and its clones have found at the ends of files,
    /// at most 1,024.
    #[must_use]
    pub fn torn_tails(&self) -> Vec<TornTail> {
        let torn = lock(&self.store.cache.torn);
        let tail = |((session, offset), bytes): (&(SessionId, u64), &u64)| TornTail {
            session: session.clone(),
            offset: *offset,
            bytes: *bytes,
        };
        torn.iter().map(tail).collect()
    }

    /// Replaces the file of a damaged conversation by one with the turns that can be read. The
    /// damaged file is kept under another name, notes are left out, and the session starts a new
    /// epoch.
    ///
    /// # Errors
    /// The errors of a write.
    pub async fn repair(&self, session: &SessionId) -> Result<Repaired, HistoryError> {
        let (paths, id) = (self.paths(session), session.clone());
        let (cache, files) = (Arc::clone(&self.store.cache), paths.clone());
        let repair = move |_lock| {
            lock(&cache.indexes).pop(&id);
            repair::repair(&files, &id)
        };
        self.store.executor.run_locked(session, paths, LockMode::Exclusive, repair).await
    }

    /// Finishes the operations that were started and ends the threads. When it returns, the folder
    /// can be moved or removed. Operations that are started later fail, on all clones.
    pub async fn close(&self) {
        self.store.executor.close().await;
    }

    fn paths(&self, session: &SessionId) -> SessionPaths {
        SessionPaths::new(&self.store.folder, session)
    }

    async fn list(
        &self,
        after: Option<&SessionId>,
        limit: usize,
        expired: bool,
    ) -> Result<Vec<SessionId>, HistoryError> {
        let (folder, after) = (self.store.folder.clone(), after.cloned());
        let time_to_live = self.store.time_to_live;
        let wanted = move |written| is_expired(written, time_to_live) == expired;
        self.store.executor.run(move || list(&folder, after.as_ref(), limit, wanted)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        session: &SessionId,
        run: impl FnOnce(&Conversation<'_>) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let time_to_live = self.store.time_to_live;
        self.with(session, LockMode::Shared, time_to_live, |conversation, _| run(conversation))
            .await
    }

    async fn write<T: Send + 'static>(
        &self,
        session: &SessionId,
        run: impl FnOnce(&mut Conversation<'_>) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let (mode, time_to_live) = (LockMode::Exclusive, self.store.time_to_live);
        self.with(session, mode, time_to_live, |conversation, _| run(conversation)).await
    }

    /// Runs an operation on a conversation, and on the lock if the operation needs one.
    async fn with<T: Send + 'static>(
        &self,
        session: &SessionId,
        mode: LockMode,
        time_to_live: Option<Duration>,
        run: impl FnOnce(&mut Conversation<'_>, Option<&mut SessionLock>) -> Result<T, HistoryError>
        + Send
        + 'static,
    ) -> Result<T, HistoryError> {
        let (paths, id) = (self.paths(session), session.clone());
        let (cache, files) = (Arc::clone(&self.store.cache), paths.clone());
        let operate = move |mut lock: Option<SessionLock>| {
            cache.with(&files, &id, time_to_live, |conversation| run(conversation, lock.as_mut()))
        };
        self.store.executor.run_locked(session, paths, mode, operate).await
    }

    /// Runs an operation on the lock of a session.
    async fn with_lock<T: Send + 'static>(
        &self,
        session: &SessionId,
        run: impl FnOnce(&mut SessionLock) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let operate = move |lock: Option<SessionLock>| match lock {
            Some(mut lock) => run(&mut lock),
            None => Err(HistoryError::Unsupported { what: "leases without a lock" }),
        };
        let paths = self.paths(session);
        self.store.executor.run_locked(session, paths, LockMode::Exclusive, operate).await
    }
}

impl Cache {
    /// Runs an operation on a conversation, with an index that is up to date.
    fn with<T>(
        &self,
        paths: &SessionPaths,
        session: &SessionId,
        time_to_live: Option<Duration>,
        run: impl FnOnce(&mut Conversation<'_>) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        let index = lock(&self.indexes).pop(session);
        let mut conversation = Conversation { paths, session, index };
        conversation.refresh()?;
        conversation.expire(time_to_live);
        self.report(&conversation);
        let outcome = run(&mut conversation);
        // After an error, the next operation reads the file again.
        if outcome.is_ok()
            && let Some(index) = conversation.index
        {
            lock(&self.indexes).put(session.clone(), index);
        }
        outcome
    }

    fn report(&self, conversation: &Conversation<'_>) {
        if let Some(index) = conversation.index.as_ref().filter(|index| index.torn > 0) {
            let mut torn = lock(&self.torn);
            if torn.len() < MAX_TORN {
                torn.insert((conversation.session.clone(), index.end), index.torn);
            }
        }
    }
}

impl OwnFormat for JsonlHistory {}

#[async_trait]
impl ChatHistory for JsonlHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        let (paths, id) = (self.paths(session), session.clone());
        let (cache, files) = (Arc::clone(&self.store.cache), paths.clone());
        let time_to_live = self.store.time_to_live;
        let load = move |_lock| {
            // A session that is only read needs no index.
            if !lock(&cache.indexes).contains(&id)
                && let Some(slice) = tail::load(&files, &id, range, time_to_live)?
            {
                return Ok(slice);
            }
            cache.with(&files, &id, time_to_live, |conversation| conversation.load(range))
        };
        self.store.executor.run_locked(session, paths, LockMode::Shared, load).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        log_record::check(turn.messages().iter(), self.store.max_message_bytes)?;
        let turn = turn.clone();
        self.write(session, move |conversation| conversation.append(&turn, expect)).await
    }

    fn check(&self, _: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        log_record::check(messages, self.store.max_message_bytes)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.write(session, |conversation| conversation.clear(true)).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.read(session, move |conversation| conversation.turns(range)).await
    }

    /// Lists the sessions. It reads the first line of each file.
    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        self.list(after, limit, false).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        // An expired session is deleted once, not twice.
        self.with(session, LockMode::Exclusive, None, |conversation, lock| {
            lock.map_or(Ok(()), SessionLock::remove_lease)?;
            conversation.clear(false)
        })
        .await
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        self.read(session, move |conversation| conversation.first(count).map(Some)).await
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        let name = name.to_owned();
        self.read(session, move |conversation| conversation.note(&name)).await
    }

    /// Stores a note. One that covers another epoch or conversation than the session's is
    /// [`HistoryError::Stale`]. Replaced notes stay in the file until the session is cleared.
    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        let (name, note) = (name.to_owned(), note.clone());
        self.write(session, move |conversation| conversation.put_note(&name, &note)).await
    }

    /// Leases the session, across processes. The lease expires by the machine's clock: if the clock
    /// is set, it expires earlier or later.
    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        let holder = self.with_lock(session, move |lock| lock.acquire_lease(time)).await?;
        Ok(Some(Lease::new(session.clone(), holder)))
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        let holder = lease.holder;
        self.with_lock(&lease.session, move |lock| lock.release_lease(holder)).await
    }
}

fn list(
    folder: &Path,
    after: Option<&SessionId>,
    limit: usize,
    wanted: impl Fn(Option<SystemTime>) -> bool,
) -> Result<Vec<SessionId>, HistoryError> {
    let mut sessions = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error)? {
        let path = entry.map_err(io_error)?.path();
        if path.extension().is_none_or(|extension| extension != EXTENSION) {
            continue;
        }
        let file = File::open(&path).map_err(io_error)?;
        if !wanted(file.metadata().and_then(|metadata| metadata.modified()).ok()) {
            continue;
        }
        let mut line = Vec::new();
        let mut file = BufReader::new(file);
        file.read_until(b'\n', &mut line).map_err(io_error)?;
        let header = Header::read(&line).map_err(|error| match error {
            HistoryError::Corrupt { what, source } => {
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                HistoryError::Corrupt { what: format!("{what} in `{file}`"), source }
            }
            other => other,
        })?;
        let found = header.session.filter(|session| after.is_none_or(|after| session > after));
        sessions.extend(found);
    }
    sessions.sort();
    sessions.truncate(limit);
    Ok(sessions)
}

impl fmt::Debug for JsonlHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonlHistory").field("folder", &self.store.folder).finish_non_exhaustive()
    }
}
