//! The threads that own the connections: one writes, the others read.
//!
//! An operation is handed to a thread when its future is first polled, and takes place even if the
//! future is dropped. Writes have one queue. A read of a session that has writes in the queue goes
//! through the queue as well, so that it sees them. Other reads do not wait for a writer that is
//! busy: they go to the readers. An idle writer makes brief reads itself, since each commit makes
//! the readers read their pages again, and the writer not. What an idle writer knows without a
//! read, its callers ask on its connection themselves: waking a thread takes longer.

mod batch;
mod files;
mod pending;
mod readers;
mod writer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use conversant_core::{HistoryError, SessionId};
use conversant_history::{Jobs, Threads, WorkerError};
use futures_channel::oneshot;
use rusqlite::Connection;

use self::{
    batch::{Job, Task},
    files::Files,
    pending::Pending,
    readers::{Read, Readers},
    writer::{Closing, SharedWriter},
};
use crate::{
    connection::{self, Tables},
    error::{backend, in_session},
    options::Options,
    statement::{caught, reply},
    table::seen::SeenSessions,
};

/// The most readers of a store.
const MAX_READERS: usize = 64;

/// The time for which the caller of a store's first read stays awake for the answer, in which other
/// threads may run. A program that opens a store loads a conversation next; putting its thread to
/// sleep and waking it takes longer than a brief read.
const AWAKE: Duration = Duration::from_micros(100);

/// How long a read takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadLength {
    /// No longer than a write: writes may wait for it.
    Brief,
    /// In proportion to a conversation, or to the file.
    Unlimited,
}

/// The threads, and their queues. The threads finish what is queued and end when it is dropped.
pub(crate) struct Workers {
    /// `None` in a store that is opened for reading only.
    writer: Option<Threads<Task>>,
    connection: Arc<SharedWriter>,
    readers: Arc<Readers>,
    pending: Arc<Pending>,
    files: Arc<Files>,
    /// Whether nothing was read yet.
    is_unread: AtomicBool,
}

impl Workers {
    /// Opens the store and starts the threads.
    pub(crate) fn start<T: Tables>(options: &Options, tables: &T) -> Result<Self, HistoryError> {
        let count = options.readers.clamp(1, MAX_READERS);
        let readers = Arc::new(Readers::start(count)?);
        let (first, files) = connection::open_writer(options, tables)?;
        let files = Arc::new(Files::new(files, options));
        let busy_timeout = options.busy_timeout.min(connection::MAX_BUSY_TIMEOUT);
        let shared = Arc::new(SharedWriter::new(first, busy_timeout));
        let closing = Closing(Arc::clone(&shared));
        let mut writer = None;
        if !options.read_only {
            let (readers, files) = (Arc::clone(&readers), Arc::clone(&files));
            let write = move |tasks: &Jobs<Task>| {
                // Dropped after the connection.
                let files = files;
                let closing = closing;
                batch::write_all(&closing.0, tasks, &readers, &files);
            };
            // It begins while the readers are opened: the first load is the writer's.
            writer = Some(Threads::start("history-write", [write]).map_err(backend)?);
        }
        for _ in 0..count {
            readers.add(connection::open_reader(options, tables)?, Arc::clone(&files));
        }
        let (pending, is_unread) = (Arc::default(), AtomicBool::new(true));
        Ok(Self { writer, connection: shared, readers, pending, files, is_unread })
    }

    /// Lets the threads finish what is queued and waits until they have ended.
    pub(crate) async fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
        self.readers.close().await;
    }

    /// Returns an error if the store is opened for reading only.
    pub(crate) const fn check_writable(&self) -> Result<(), HistoryError> {
        match &self.writer {
            Some(_) => Ok(()),
            None => Err(HistoryError::ReadOnly { source: None }),
        }
    }

    /// Writes to a session as [`write`](Self::write) does. `run` keeps what is remembered of
    /// sessions in step with what it changes.
    pub(crate) async fn write_remembering<T: Send + 'static>(
        &self,
        session: &SessionId,
        run: impl FnMut(&Connection, &mut SeenSessions) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        self.run(Some(session), false, run).await
    }

    /// Writes in one transaction, which is rolled back if `run` returns an error. `run` may be
    /// called more than once.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        session: Option<&SessionId>,
        run: impl FnMut(&Connection) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        self.run(session, false, forgetting(run)).await
    }

    /// Writes as [`write`](Self::write) does, and empties the log, which has what was removed.
    pub(crate) async fn erase<T: Send + 'static>(
        &self,
        session: Option<&SessionId>,
        run: impl FnMut(&Connection) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        self.run(session, true, forgetting(run)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        session: Option<&SessionId>,
        erases: bool,
        mut run: impl FnMut(&Connection, &mut SeenSessions) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let name = session.cloned();
        let run = move |connection: &Connection, seen: &mut SeenSessions| {
            run(connection, seen).map_err(|error| in_session(error, name.as_ref()))
        };
        let writer = self.writer.as_ref().ok_or(HistoryError::ReadOnly { source: None })?;
        let (reply, answer) = oneshot::channel();
        let held = self.pending.hold(session);
        let job = Job::new(run, erases, reply, held);
        writer.send(Task::Write(Box::new(job)))?;
        answer.await.map_err(|_| WorkerError::Panicked)?
    }

    /// Reads at once, on the connection of the writer, if no writes are queued and it is not in
    /// use. `run` may read no page that is not in memory. Returns `None` otherwise, and if there is
    /// a fault, which [`read`](Self::read) reports.
    pub(crate) fn try_read<T>(
        &self,
        run: impl FnOnce(&Connection, &mut SeenSessions) -> Result<T, HistoryError>,
    ) -> Option<T> {
        if !self.pending.is_empty() {
            return None;
        }
        let outcome = self.connection.try_run(run)?;
        self.files.check_read(false).ok()?;
        Some(outcome)
    }

    /// Reads on a connection: on that of an idle writer, whose pages are in memory, if the read is
    /// brief, and otherwise on a reader's.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        session: Option<&SessionId>,
        length: ReadLength,
        run: impl FnOnce(&mut Connection) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let (to, mut answer) = oneshot::channel();
        let files = Arc::clone(&self.files);
        let is_brief = length == ReadLength::Brief;
        let is_idle = self.pending.is_empty();
        let is_after_writes = !is_idle && session.is_none_or(|session| self.pending.has(session));
        let writer = self.writer.as_ref().filter(|_| is_after_writes || is_idle && is_brief);
        let held = writer.filter(|_| is_brief).map(|_| self.pending.hold(session));
        let name = session.cloned();
        let read: Read = Box::new(move |connection| {
            let outcome = caught(connection, run);
            let outcome = outcome.map_err(|error| in_session(error, name.as_ref()));
            let checked = files.check_read(outcome.is_err()).map_err(HistoryError::from);
            drop(held);
            reply(to, checked.and(outcome));
        });
        match writer {
            Some(writer) if is_brief => writer.send(Task::BriefRead(read))?,
            Some(writer) => writer.send(Task::Read(read))?,
            None => self.readers.send(read)?,
        }
        if is_brief && self.is_unread.swap(false, Ordering::Relaxed) {
            let started = Instant::now();
            while started.elapsed() < AWAKE {
                if let Some(outcome) = answer.try_recv().map_err(|_| WorkerError::Panicked)? {
                    return outcome;
                }
                thread::yield_now();
            }
        }
        answer.await.map_err(|_| WorkerError::Panicked)?
    }
}

/// Returns a write after which no session is remembered.
fn forgetting<T>(
    mut run: impl FnMut(&Connection) -> Result<T, HistoryError> + Send + 'static,
) -> impl FnMut(&Connection, &mut SeenSessions) -> Result<T, HistoryError> + Send + 'static {
    move |connection, seen| {
        seen.forget();
        run(connection)
    }
}
