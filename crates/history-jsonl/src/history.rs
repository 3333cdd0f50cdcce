//! The history in a folder of files.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, SystemTime},
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Lease, Message, Messages, Note, Range, SessionId, Slice,
    Turn, Version, async_trait,
};

use crate::{
    conversation::{Conversation, is_over},
    failure::{backend, failure},
    index::Index,
    lanes::Lanes,
    place::{ENDING, Place},
    record::{self, Header},
    salvage::{self, Salvaged},
};

#[doc = include_str!("history.md")]
#[derive(Clone)]
pub struct JsonlHistory {
    folder: Arc<Path>,
    max_message_bytes: u64,
    time_to_live: Option<Duration>,
    lanes: Arc<Lanes>,
    known: Arc<Known>,
}

/// What is known of the files, so that nothing is read twice.
#[derive(Default)]
struct Known {
    indexes: Mutex<HashMap<SessionId, Index>>,
    torn: Mutex<BTreeMap<(SessionId, u64), u64>>,
}

/// How many sessions are known at most.
const MOST_KNOWN: usize = 256;

/// How many torn tails are remembered at most.
const MOST_TORN: usize = 1024;

/// A line that was never finished, because whoever wrote it was killed or the power failed: it was not acknowledged. It is not part of the
/// conversation, and the next turn is written over it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TornTail {
    /// The session.
    pub session: SessionId,
    /// How many bytes of its file are whole.
    pub offset: u64,
    /// How many bytes there were of the line.
    pub bytes: u64,
}

impl JsonlHistory {
    /// Opens the history in a folder, and makes the folder if there is none.
    ///
    /// # Errors
    /// [`HistoryError::Corrupt`] if there is something else in its place, [`HistoryError::ReadOnly`] if it can't be made,
    /// [`HistoryError::Backend`] for what else may fail.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, HistoryError> {
        let folder = std::path::absolute(folder.as_ref()).map_err(backend)?;
        if !folder.is_dir() {
            if folder.exists() {
                let what = "there is a file in the folder's place".to_owned();
                return Err(HistoryError::Corrupt { what, source: None });
            }
            fs::create_dir_all(&folder).map_err(failure)?;
        }
        let threads = thread::available_parallelism().map_or(4, |cores| cores.get().clamp(4, 8));
        Ok(Self {
            folder: folder.into(),
            max_message_bytes: 16 * 1024 * 1024,
            time_to_live: None,
            lanes: Arc::new(Lanes::start(threads)?),
            known: Arc::default(),
        })
    }

    /// Sets how many bytes a message may have, as stored JSON; one that has more is [`HistoryError::TooLarge`]. The default is 16 MiB.
    #[must_use]
    pub const fn with_max_message_bytes(mut self, bytes: u64) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// Sets how long a session lives after it was last written. Then it is as if it had been deleted; its space is freed when it is written to
    /// again, or by [`sweep`](Self::sweep). It is a rule of this store, not of the files, and goes by their times. The default is for ever.
    #[must_use]
    pub const fn with_time_to_live(mut self, time: Duration) -> Self {
        self.time_to_live = Some(time);
        self
    }

    /// Removes sessions whose [time](Self::with_time_to_live) is up, at most `limit` of them, and returns how many there were. To be called now
    /// and then.
    ///
    /// # Errors
    /// As for any write.
    pub async fn sweep(&self, limit: usize) -> Result<usize, HistoryError> {
        let expired = self.list(None, limit, true).await?;
        for session in &expired {
            self.delete(session).await?;
        }
        Ok(expired.len())
    }

    /// Returns the file of a session, whether it is there or not.
    #[must_use]
    pub fn path(&self, session: &SessionId) -> PathBuf {
        Place::new(&self.folder, session).file()
    }

    /// Returns the lines that this store (or its clones) found at the end of files and that were never finished, the last 1,024 at most.
    #[must_use]
    pub fn torn_tails(&self) -> Vec<TornTail> {
        let torn = lock(&self.known.torn);
        let tail = |((session, offset), bytes): (&(SessionId, u64), &u64)| TornTail {
            session: session.clone(),
            offset: *offset,
            bytes: *bytes,
        };
        torn.iter().map(tail).collect()
    }

    /// Makes a damaged conversation one that can be used: of the turns that can be read. The damaged file is kept beside it, notes are
    /// left out, and the session begins a new epoch.
    ///
    /// # Errors
    /// As for any write.
    pub async fn salvage(&self, session: &SessionId) -> Result<Salvaged, HistoryError> {
        let (place, id, known) = self.parts(session);
        let salvage = move || {
            let _lock = place.write()?;
            lock(&known.indexes).remove(&id);
            salvage::salvage(&place, &id)
        };
        self.lanes.run(Some(session), salvage).await
    }

    async fn list(
        &self,
        after: Option<&SessionId>,
        limit: usize,
        expired: bool,
    ) -> Result<Vec<SessionId>, HistoryError> {
        let (folder, after) = (Arc::clone(&self.folder), after.cloned());
        let time_to_live = self.time_to_live;
        let wanted = move |written| is_over(written, time_to_live) == expired;
        self.lanes.run(None, move || list(&folder, after.as_ref(), limit, wanted)).await
    }

    fn parts(&self, session: &SessionId) -> (Place, SessionId, Arc<Known>) {
        (Place::new(&self.folder, session), session.clone(), Arc::clone(&self.known))
    }

    async fn read<T: Send + 'static>(
        &self,
        session: &SessionId,
        run: impl FnOnce(&Conversation<'_>) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let ((place, id, known), time_to_live) = (self.parts(session), self.time_to_live);
        let read = move || {
            // Where there is no file there is nothing to wait for, and no lock to leave behind.
            let _lock = if place.file().exists() { Some(place.read()?) } else { None };
            known.with(&place, &id, time_to_live, |conversation| run(conversation))
        };
        self.lanes.run(Some(session), read).await
    }

    async fn write<T: Send + 'static>(
        &self,
        session: &SessionId,
        run: impl FnOnce(&mut Conversation<'_>) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let ((place, id, known), time_to_live) = (self.parts(session), self.time_to_live);
        let write = move || {
            let _lock = place.write()?;
            known.with(&place, &id, time_to_live, run)
        };
        self.lanes.run(Some(session), write).await
    }
}

impl Known {
    /// Runs something on a conversation as it is now.
    fn with<T>(
        &self,
        place: &Place,
        session: &SessionId,
        time_to_live: Option<Duration>,
        run: impl FnOnce(&mut Conversation<'_>) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        let index = lock(&self.indexes).remove(session);
        let mut conversation = Conversation { place, session, index };
        conversation.refresh()?;
        conversation.expire(time_to_live);
        self.report(&conversation);
        let outcome = run(&mut conversation);
        // After an error the file is read anew.
        if outcome.is_ok()
            && let Some(index) = conversation.index
        {
            let mut indexes = lock(&self.indexes);
            if indexes.len() >= MOST_KNOWN {
                indexes.clear();
            }
            indexes.insert(session.clone(), index);
        }
        outcome
    }

    fn report(&self, conversation: &Conversation<'_>) {
        if let Some(index) = conversation.index.as_ref().filter(|index| index.torn > 0) {
            let mut torn = lock(&self.torn);
            if torn.len() < MOST_TORN {
                torn.insert((conversation.session.clone(), index.end), index.torn);
            }
        }
    }
}

/// Takes a lock. Nothing that runs under one leaves its data half changed, so a panic elsewhere is no reason to fail.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl ChatHistory for JsonlHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.read(session, move |conversation| conversation.load(range)).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        record::check(turn.messages().iter(), self.max_message_bytes)?;
        let turn = turn.clone();
        self.write(session, move |conversation| conversation.append(&turn, expect)).await
    }

    fn check(&self, _: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        record::check(messages, self.max_message_bytes)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.write(session, |conversation| conversation.clear(true)).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.read(session, move |conversation| conversation.turns(range)).await
    }

    /// Lists the sessions, by reading the first line of each file.
    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        self.list(after, limit, false).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        let (place, id, known) = self.parts(session);
        let delete = move || {
            let mut lock = place.write()?;
            lock.end_lease()?;
            known.with(&place, &id, None, |conversation| conversation.clear(false))
        };
        self.lanes.run(Some(session), delete).await
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

    /// Stores a note; one that covers an epoch other than the session's is [`HistoryError::Stale`]. The notes before it stay in the file
    /// until the session is cleared.
    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        let (name, note) = (name.to_owned(), note.clone());
        self.write(session, move |conversation| conversation.put_note(&name, &note)).await
    }

    /// Takes the session for one caller, in whatever process. Time is that of the machine's clock: if it is set, leases end
    /// later or earlier.
    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        let (place, id, _) = self.parts(session);
        let lease = move || Ok(Some(Lease::new(id, place.write()?.lease(time)?)));
        self.lanes.run(Some(session), lease).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        let (place, _, _) = self.parts(&lease.session);
        let holder = lease.holder;
        self.lanes.run(Some(&lease.session), move || place.write()?.release(holder)).await
    }
}

fn list(
    folder: &Path,
    after: Option<&SessionId>,
    limit: usize,
    wanted: impl Fn(Option<SystemTime>) -> bool,
) -> Result<Vec<SessionId>, HistoryError> {
    let mut sessions = Vec::new();
    for entry in fs::read_dir(folder).map_err(failure)? {
        let path = entry.map_err(failure)?.path();
        if path.extension().is_none_or(|ending| ending != ENDING) {
            continue;
        }
        let file = File::open(&path).map_err(failure)?;
        if !wanted(file.metadata().and_then(|metadata| metadata.modified()).ok()) {
            continue;
        }
        let mut line = Vec::new();
        let mut file = BufReader::new(file);
        file.read_until(b'\n', &mut line).map_err(failure)?;
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
        f.debug_struct("JsonlHistory").field("folder", &self.folder).finish_non_exhaustive()
    }
}
