//! The threads that own the connections: one writes, the others read.
//!
//! An operation is handed to a thread when it is first polled, and takes place there whatever becomes of its future. Writes
//! are in one queue. A read of a session that has writes in the queue goes through the queue too, so that it sees
//! them; any other goes to the readers at once, and waits for no writer.

mod batch;
mod pending;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use conversant_core::{HistoryError, SessionId};
use futures_channel::oneshot;
use rusqlite::Connection;

use self::{
    batch::{Job, Write},
    pending::Pending,
};
use crate::{
    connection::{self, Tables},
    failure::backend,
    options::Options,
};

/// A read, on its way to a reader.
type Read = Box<dyn FnOnce(&mut Connection) + Send>;

/// What is in the writer's queue.
enum Task {
    Write(Box<dyn Write>),
    Read(Read),
}

/// The way to the threads. They end when it is dropped and what was asked of them is done.
pub(crate) struct Workers {
    /// None in a store that is only read.
    queue: Option<mpsc::Sender<Task>>,
    reads: mpsc::Sender<Read>,
    pending: Arc<Pending>,
}

impl Workers {
    /// Opens the store and starts the threads.
    pub(crate) fn start<T: Tables>(options: &Options, tables: &T) -> Result<Self, HistoryError> {
        let first = connection::first(options, tables)?;
        let (reads, waiting) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..options.readers.max(1) {
            let (connection, waiting) = (connection::another::<T>(options)?, Arc::clone(&waiting));
            spawn("history-read", move || read_all(connection, &waiting))?;
        }
        let mut queue = None;
        if !options.read_only {
            let (sender, tasks) = mpsc::channel();
            let reads = reads.clone();
            spawn("history-write", move || batch::write_all(&first, &tasks, &reads))?;
            queue = Some(sender);
        }
        Ok(Self { queue, reads, pending: Arc::default() })
    }

    /// Writes in one transaction. What `run` does is undone if it returns an error, and it may be called again.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        session: Option<&SessionId>,
        run: impl FnMut(&Connection) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let queue = self.queue.as_ref().ok_or(HistoryError::ReadOnly { source: None })?;
        let (reply, answer) = oneshot::channel();
        let held = session.map(|session| self.pending.hold(session));
        let job = Job::new(run, reply, held);
        queue.send(Task::Write(Box::new(job))).map_err(|_| backend(Ended))?;
        answer.await.map_err(|_| backend(Ended))?
    }

    /// Reads from one state of the store.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        session: Option<&SessionId>,
        run: impl FnOnce(&mut Connection) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |connection| {
            // Nobody to hear the answer is no fault.
            let _ = reply.send(run(connection));
        });
        let sent = match &self.queue {
            Some(queue) if self.pending.has(session) => queue.send(Task::Read(read)).is_ok(),
            _ => self.reads.send(read).is_ok(),
        };
        if !sent {
            return Err(backend(Ended));
        }
        answer.await.map_err(|_| backend(Ended))?
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), HistoryError> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop).map_err(backend)
}

fn read_all(mut connection: Connection, waiting: &Mutex<mpsc::Receiver<Read>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(read) = next else { return };
        read(&mut connection);
    }
}

/// A thread that ended before it was done.
#[derive(Debug)]
struct Ended;

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the history's thread has ended")
    }
}

impl std::error::Error for Ended {}
