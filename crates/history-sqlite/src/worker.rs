//! The threads that own the connections: one writes, the others read.
//!
//! An operation is handed to a thread when its future is first polled, and takes place even if the
//! future is dropped. Writes have one queue. A read of a session that has writes in the queue goes
//! through the queue as well, so that it sees them; other reads go to the readers directly, and do
//! not wait for the writer.

mod batch;
mod files;
mod pending;

use std::sync::Arc;

use conversant_core::{HistoryError, SessionId};
use conversant_history::{Jobs, Threads, WorkerEnded};
use futures_channel::oneshot;
use rusqlite::Connection;

use self::{
    batch::{Job, Read, Task},
    files::Files,
    pending::Pending,
};
use crate::{
    connection::{self, Tables},
    error::backend,
    options::Options,
};

/// The most readers of a store.
const MAX_READERS: usize = 64;

/// The threads, and their queues. The threads finish what is queued and end when it is dropped.
pub(crate) struct Workers {
    /// `None` in a store that is opened for reading only.
    writer: Option<Threads<Task>>,
    readers: Arc<Threads<Read>>,
    pending: Arc<Pending>,
    files: Arc<Files>,
}

impl Workers {
    /// Opens the store and starts the threads.
    pub(crate) fn start<T: Tables>(options: &Options, tables: &T) -> Result<Self, HistoryError> {
        let (first, files) = connection::open_writer(options, tables)?;
        let files = Arc::new(Files::new(files, options));
        let readers: Vec<_> = (0..options.readers.clamp(1, MAX_READERS))
            .map(|_| {
                let mut connection = connection::open_reader(options, tables)?;
                let files = Arc::clone(&files);
                Ok(move |jobs: &Jobs<Read>| {
                    while let Some(read) = jobs.next() {
                        read(&mut connection);
                    }
                    drop(connection);
                    drop(files);
                })
            })
            .collect::<Result<_, HistoryError>>()?;
        let readers = Arc::new(Threads::start("history-read", readers).map_err(backend)?);
        let mut writer = None;
        if !options.read_only {
            let (readers, files) = (Arc::clone(&readers), Arc::clone(&files));
            let busy_timeout = options.busy_timeout.min(connection::MAX_BUSY_TIMEOUT);
            let write = move |tasks: &Jobs<Task>| {
                batch::write_all(&first, tasks, &readers, &files, busy_timeout);
                drop(first);
                drop(files);
            };
            writer = Some(Threads::start("history-write", [write]).map_err(backend)?);
        }
        Ok(Self { writer, readers, pending: Arc::default(), files })
    }

    /// Lets the threads finish what is queued and waits until they have ended.
    pub(crate) async fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
        self.readers.close().await;
    }

    /// Writes in one transaction, which is rolled back if `run` returns an error. `run` may be
    /// called more than once.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        session: Option<&SessionId>,
        run: impl FnMut(&Connection) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        self.run(session, false, run).await
    }

    /// Writes as [`write`](Self::write) does, and empties the log, which has what was removed.
    pub(crate) async fn erase<T: Send + 'static>(
        &self,
        session: Option<&SessionId>,
        run: impl FnMut(&Connection) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        self.run(session, true, run).await
    }

    async fn run<T: Send + 'static>(
        &self,
        session: Option<&SessionId>,
        erases: bool,
        run: impl FnMut(&Connection) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let writer = self.writer.as_ref().ok_or(HistoryError::ReadOnly { source: None })?;
        let (reply, answer) = oneshot::channel();
        let held = session.map(|session| self.pending.hold(session));
        let job = Job::new(run, erases, reply, held);
        writer.send(Task::Write(Box::new(job)))?;
        answer.await.map_err(|_| WorkerEnded)?
    }

    /// Reads on one of the readers' connections.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        session: Option<&SessionId>,
        run: impl FnOnce(&mut Connection) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let (reply, answer) = oneshot::channel();
        let files = Arc::clone(&self.files);
        let read: Read = Box::new(move |connection| {
            let outcome = run(connection);
            let checked = files.check_read().map_err(HistoryError::from);
            // The caller may have given up.
            let _ = reply.send(checked.and(outcome));
        });
        match &self.writer {
            Some(writer) if self.pending.has(session) => writer.send(Task::Read(read))?,
            _ => self.readers.send(read)?,
        }
        answer.await.map_err(|_| WorkerEnded)?
    }
}
