//! The history in a folder of files.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use conversant_core::{
    Expect, HistoryError, Messages, Note, Point, Range, SessionCursor, SessionFilter, SessionId,
    SessionInfo, SessionPage, Slice, Turn, Version, async_trait,
};
use conversant_history::BranchedHistory;

use crate::{
    cache::{Cache, TornTail},
    conversation::Conversation,
    list::{self, Failed, Listed, Wanted},
    lock::{self, LockMode, SessionLock},
    log_record,
    page_cache::Source,
    paths::SessionPaths,
    repair::{self, Repaired},
    serial_executor::SerialExecutor,
    tail,
};

/// The attempts to fork a session that others clear at the same time.
const FORK_ATTEMPTS: usize = 8;

#[doc = include_str!("history.md")]
#[derive(Clone)]
pub struct JsonlHistory {
    pub(crate) store: Arc<Store>,
}

pub(crate) struct Store {
    pub(crate) settings: Settings,
    pub(crate) executor: SerialExecutor,
    pub(crate) cache: Arc<Cache>,
}

/// The settings that operations need.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) folder: Arc<Path>,
    pub(crate) max_message_bytes: u64,
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) lock_timeout: Duration,
    pub(crate) search_limit: u64,
}

impl JsonlHistory {
    /// Returns the path of a session's file, whether it exists or not.
    #[must_use]
    pub fn path(&self, session: &SessionId) -> PathBuf {
        self.paths(session).file()
    }

    /// Returns the unfinished lines that this store and its clones have found at the ends of files,
    /// at most 1,024.
    #[must_use]
    pub fn torn_tails(&self) -> Vec<TornTail> {
        self.store.cache.torn_tails()
    }

    /// Replaces the file of a damaged conversation by one with the turns that can be read. The
    /// damaged file is kept under another name until the session is cleared or deleted; notes are
    /// left out, and the session starts a new epoch. A branch whose point is lost follows the turn
    /// that was the tip then.
    ///
    /// # Errors
    /// The errors of a write.
    pub async fn repair(&self, session: &SessionId) -> Result<Repaired, HistoryError> {
        let (paths, id) = (self.paths(session), session.clone());
        let (cache, files) = (Arc::clone(&self.store.cache), paths.clone());
        let repair = move |_: Option<&mut SessionLock>| {
            cache.forget(&id);
            repair::repair(&files, &id)
        };
        self.store.executor.run_locked(session, paths, LockMode::Exclusive, repair).await
    }

    /// Finishes the operations that were started and ends the threads. When it returns, the folder
    /// can be moved or removed. Operations that are started later fail, on all clones.
    pub async fn close(&self) {
        self.store.executor.close().await;
        self.store.cache.clear();
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.store.settings.folder
    }

    fn paths(&self, session: &SessionId) -> SessionPaths {
        SessionPaths::new(Arc::clone(&self.store.settings.folder), session)
    }

    pub(crate) async fn list(
        &self,
        after: Option<&SessionId>,
        limit: usize,
        expired: bool,
        mut failed: Failed,
    ) -> Result<(Vec<SessionId>, Failed), HistoryError> {
        let (folder, after) = (self.folder().to_owned(), after.cloned());
        let (ttl, cache) = (self.store.settings.time_to_live, Arc::clone(&self.store.cache));
        let list = move || {
            let wanted = if expired { Wanted::Expired } else { Wanted::Listed(&cache.summaries) };
            list::sessions(&folder, after.as_ref(), limit, ttl, &wanted, &mut failed)
                .map(|sessions| (sessions, failed))
        };
        self.store.executor.run(list).await
    }

    /// Runs a function that looks at all sessions.
    pub(crate) async fn list_with<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Listed<'_>) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let (folder, cache) = (self.folder().to_owned(), Arc::clone(&self.store.cache));
        let time_to_live = self.store.settings.time_to_live;
        let search_limit = self.store.settings.search_limit;
        let list = move || {
            let summaries = &cache.summaries;
            run(&Listed { folder: &folder, summaries, time_to_live, search_limit })
        };
        self.store.executor.run(list).await
    }

    pub(crate) async fn page(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, HistoryError> {
        let (filter, after) = (filter.clone(), after.cloned());
        self.list_with(move |listed| listed.page(&filter, after.as_ref(), limit)).await
    }

    pub(crate) async fn info_of(
        &self,
        session: &SessionId,
    ) -> Result<Option<SessionInfo>, HistoryError> {
        self.read(session, |conversation| conversation.info()).await
    }

    pub(crate) async fn set_title_of(
        &self,
        session: &SessionId,
        title: Option<&str>,
    ) -> Result<(), HistoryError> {
        let check = |title| SessionInfo::check_title(title, SessionInfo::MAX_TITLE_BYTES);
        title.map_or(Ok(()), check)?;
        let title = title.map(str::to_owned);
        self.write(session, |conversation| conversation.set_title(title)).await
    }

    pub(crate) async fn set_label_of(
        &self,
        session: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        SessionInfo::check_label(name, value, SessionInfo::MAX_LABEL_VALUE_BYTES)?;
        let (name, value) = (name.to_owned(), value.map(str::to_owned));
        self.write(session, |conversation| conversation.set_label(name, value)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        session: &SessionId,
        run: impl FnOnce(&Conversation<'_>) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let time_to_live = self.store.settings.time_to_live;
        self.with(session, LockMode::Shared, time_to_live, |conversation, _| run(conversation))
            .await
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        session: &SessionId,
        run: impl FnOnce(&mut Conversation<'_>) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let (mode, time_to_live) = (LockMode::Exclusive, self.store.settings.time_to_live);
        self.with(session, mode, time_to_live, |conversation, _| run(conversation)).await
    }

    /// Runs an operation on a conversation, and on the lock if the operation needs one.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        session: &SessionId,
        mode: LockMode,
        time_to_live: Option<Duration>,
        run: impl FnOnce(&mut Conversation<'_>, Option<&SessionLock>) -> Result<T, HistoryError>
        + Send
        + 'static,
    ) -> Result<T, HistoryError> {
        let (paths, id) = (self.paths(session), session.clone());
        let (cache, files) = (Arc::clone(&self.store.cache), paths.clone());
        let lock_timeout = self.store.settings.lock_timeout;
        let operate = move |mut lock: Option<&mut SessionLock>| {
            let file = lock.as_deref_mut().and_then(SessionLock::take_data);
            let mut conversation = Conversation {
                paths: &files,
                session: &id,
                file,
                index: None,
                summaries: &cache.summaries,
                time_to_live,
                lock_timeout,
            };
            let run = |conversation: &mut Conversation<'_>| run(conversation, lock.as_deref());
            let output = cache.with(&mut conversation, run)?;
            if let Some(lock) = lock {
                lock.put_data(conversation.file);
            }
            Ok(output)
        };
        self.store.executor.run_locked(session, paths, mode, operate).await
    }

    /// Runs an operation on the lock of a session.
    pub(crate) async fn with_lock<T: Send + 'static>(
        &self,
        session: &SessionId,
        run: impl FnOnce(&SessionLock) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let operate = move |lock: Option<&mut SessionLock>| match lock {
            Some(lock) => run(lock),
            None => Err(HistoryError::Unsupported { what: "leases without a lock" }),
        };
        let paths = self.paths(session);
        self.store.executor.run_locked(session, paths, LockMode::Exclusive, operate).await
    }

    pub(crate) async fn alternatives_of(
        &self,
        session: &SessionId,
        point: Point,
    ) -> Result<Vec<conversant_core::Alternative>, HistoryError> {
        self.read(session, move |conversation| conversation.alternatives(point)).await
    }

    /// Begins a session with the turns of another one. The two are locked one after the other, so
    /// that no two forks wait for each other.
    pub(crate) async fn fork_at(
        &self,
        session: &SessionId,
        point: Point,
        into: &SessionId,
    ) -> Result<Version, HistoryError> {
        for _ in 0..FORK_ATTEMPTS {
            let share = move |conversation: &mut Conversation<'_>| conversation.share(point);
            let origin = self.write(session, share).await?;
            let begin = move |conversation: &mut Conversation<'_>| conversation.begin(&origin);
            // The session may have been cleared in between.
            if let Some(version) = self.write(into, begin).await? {
                return Ok(version);
            }
        }
        Err(HistoryError::Busy)
    }
}

#[async_trait]
impl BranchedHistory for JsonlHistory {
    async fn load_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        range: Range,
    ) -> Result<Slice, HistoryError> {
        let paths = self.paths(session);
        let settings = &self.store.settings;
        let (time_to_live, lock_timeout) = (settings.time_to_live, settings.lock_timeout);
        // What is in memory is read here: to wake a thread would take as long.
        let at_once = || {
            let _lock = lock::shared_at_once(&paths)?;
            let loaded = tail::load(Source::PageCache, &paths, session, point, range, time_to_live);
            loaded.ok().flatten()
        };
        if range != Range::All
            && let Some(slice) = self.store.executor.run_at_once(session, at_once)?
        {
            return Ok(slice);
        }
        let id = session.clone();
        let (cache, files) = (Arc::clone(&self.store.cache), paths.clone());
        let load = move |_: Option<&mut SessionLock>| {
            // A session that is only read needs no index.
            let loaded = tail::load(Source::Disk, &files, &id, point, range, time_to_live)?;
            if let Some(slice) = loaded {
                return Ok(slice);
            }
            let mut conversation = Conversation {
                paths: &files,
                session: &id,
                file: None,
                index: None,
                summaries: &cache.summaries,
                time_to_live,
                lock_timeout,
            };
            cache.with(&mut conversation, |conversation| conversation.load(point, range))
        };
        self.store.executor.run_locked(session, paths, LockMode::Shared, load).await
    }

    async fn append_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        log_record::check(turn.messages().iter(), self.store.settings.max_message_bytes)?;
        let turn = turn.clone();
        if turn.messages().is_empty() {
            let append = move |conversation: &Conversation<'_>| {
                conversation.append_nothing(point, &turn, expect)
            };
            return self.read(session, append).await;
        }
        self.write(session, move |conversation| conversation.append(point, &turn, expect)).await
    }

    async fn turns_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        range: Range,
    ) -> Result<Vec<Turn>, HistoryError> {
        self.read(session, move |conversation| conversation.turns(point, range)).await
    }

    async fn first_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        self.read(session, move |conversation| conversation.first(point, count).map(Some)).await
    }

    async fn note_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
    ) -> Result<Option<Note>, HistoryError> {
        let name = name.to_owned();
        self.read(session, move |conversation| conversation.note(point, &name)).await
    }

    async fn put_note_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        let (name, note) = (name.to_owned(), note.clone());
        self.write(session, move |conversation| conversation.put_note(point, &name, &note)).await
    }

    async fn replace_note_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        let (name, read, note) = (name.to_owned(), read.cloned(), note.clone());
        let replace = move |conversation: &mut Conversation<'_>| {
            if conversation.note(point, &name)? != read {
                return Ok(false);
            }
            conversation.put_note(point, &name, &note).map(|()| true)
        };
        self.write(session, replace).await
    }
}

impl fmt::Debug for JsonlHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonlHistory").field("folder", &self.folder()).finish_non_exhaustive()
    }
}
