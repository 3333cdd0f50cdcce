//! The threads that own the connections: one writes, the others read.
//!
//! An operation is handed to a thread when its future is first polled, and takes place even if the
//! future is dropped. Writes have one queue. A read of a session that has writes in the queue goes
//! through the queue as well, so that it sees them; other reads go to the readers directly, and do
//! not wait for the writer.

mod batch;
mod pending;
mod running;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, mpsc},
};

use conversant_core::{HistoryError, SessionId};
use futures_channel::oneshot;
use rusqlite::Connection;

use self::{
    batch::{Job, Write},
    pending::Pending,
    running::Running,
};
use crate::{
    connection::{self, Tables},
    error::backend,
    options::Options,
};

type Read = Box<dyn FnOnce(&mut Connection) + Send>;

/// An entry of the readers' queue.
enum ReadTask {
    Read(Read),
    /// Ends the reader that receives it.
    Close,
}

/// An entry of the writer's queue.
enum Task {
    Write(Box<dyn Write>),
    Read(Read),
    /// Ends the writer, and then the readers.
    Close,
}

/// Handles to the threads' queues. The threads finish what is queued and end when it is dropped.
pub(crate) struct Workers {
    /// `None` in a store that is opened for reading only.
    queue: Option<mpsc::Sender<Task>>,
    reads: mpsc::Sender<ReadTask>,
    readers: usize,
    pending: Arc<Pending>,
    running: Arc<Running>,
}

impl Workers {
    /// Opens the store and starts the threads.
    pub(crate) fn start<T: Tables>(options: &Options, tables: &T) -> Result<Self, HistoryError> {
        let first = connection::open_writer(options, tables)?;
        let (reads, waiting) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let (readers, running) = (options.readers.max(1), Arc::new(Running::default()));
        for _ in 0..readers {
            let connection = connection::open_reader(options, tables)?;
            let waiting = Arc::clone(&waiting);
            running.spawn("history-read", move || read_all(connection, &waiting))?;
        }
        let mut queue = None;
        if !options.read_only {
            let (sender, tasks) = mpsc::channel();
            let reads = reads.clone();
            running.spawn("history-write", move || {
                batch::write_all(&first, &tasks, &reads, readers);
            })?;
            queue = Some(sender);
        }
        Ok(Self { queue, reads, readers, pending: Arc::default(), running })
    }

    /// Lets the threads finish what is queued and waits until they have ended.
    pub(crate) async fn close(&self) {
        // A send fails only if the threads have ended.
        match &self.queue {
            Some(queue) => drop(queue.send(Task::Close)),
            None => (0..self.readers).for_each(|_| drop(self.reads.send(ReadTask::Close))),
        }
        self.running.ended().await;
    }

    /// Writes in one transaction, which is rolled back if `run` returns an error. `run` may be called
    /// more than once.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        session: Option<&SessionId>,
        run: impl FnMut(&Connection) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let queue = self.queue.as_ref().ok_or(HistoryError::ReadOnly { source: None })?;
        let (reply, answer) = oneshot::channel();
        let held = session.map(|session| self.pending.hold(session));
        let job = Job::new(run, reply, held);
        queue.send(Task::Write(Box::new(job))).map_err(|_| backend(Closed))?;
        answer.await.map_err(|_| backend(Closed))?
    }

    /// Reads on one of the readers' connections.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        session: Option<&SessionId>,
        run: impl FnOnce(&mut Connection) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |connection| {
            // The caller may have given up.
            let _ = reply.send(run(connection));
        });
        let sent = match &self.queue {
            Some(queue) if self.pending.has(session) => queue.send(Task::Read(read)).is_ok(),
            _ => self.reads.send(ReadTask::Read(read)).is_ok(),
        };
        if !sent {
            return Err(backend(Closed));
        }
        answer.await.map_err(|_| backend(Closed))?
    }
}

fn read_all(mut connection: Connection, waiting: &Mutex<mpsc::Receiver<ReadTask>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(ReadTask::Read(read)) = next else { return };
        read(&mut connection);
    }
}

/// The error of an operation on a store whose threads have ended.
#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the history is closed")
    }
}

impl std::error::Error for Closed {}
