//! The readers: threads that each own a connection for reading.

use std::sync::{Arc, Mutex, PoisonError};

use conversant_core::HistoryError;
use conversant_history::{Jobs, Threads};
use rusqlite::Connection;

use super::files::Files;
use crate::error::backend;

/// An operation on a reader's connection.
pub(super) type Read = Box<dyn FnOnce(&mut Connection) + Send>;

/// A connection for reading.
struct Reader {
    connection: Connection,
    /// Dropped after the connection.
    _files: Arc<Files>,
}

/// The readers that no thread has taken yet.
type Waiting = Arc<Mutex<Vec<Reader>>>;

/// The threads of the readers of a store.
///
/// They start before the store's file is opened, and get their connections later: threads that
/// start after it would delay the first load.
pub(super) struct Readers {
    threads: Threads<Read>,
    waiting: Waiting,
}

impl Readers {
    pub(super) fn start(count: usize) -> Result<Self, HistoryError> {
        let waiting = Waiting::default();
        let runs = (0..count).map(|_| {
            let waiting = Arc::clone(&waiting);
            move |reads: &Jobs<Read>| run(reads, &waiting)
        });
        let threads = Threads::start("history-read", runs).map_err(backend)?;
        Ok(Self { threads, waiting })
    }

    /// Gives a connection to a thread, which closes it at its end. Each thread gets one, before the
    /// first operation is sent.
    pub(super) fn add(&self, connection: Connection, files: Arc<Files>) {
        let reader = Reader { connection, _files: files };
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
    }

    /// Hands an operation to a thread.
    pub(super) fn send(&self, read: Read) -> Result<(), HistoryError> {
        Ok(self.threads.send(read)?)
    }

    /// Lets the threads finish what is queued and waits until they have ended.
    pub(super) async fn close(&self) {
        self.threads.close().await;
    }
}

/// Reads on one connection until there are no more operations.
fn run(reads: &Jobs<Read>, waiting: &Waiting) {
    let take = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut reader = None;
    while let Some(read) = reads.next() {
        reader = reader.or_else(take);
        if let Some(Reader { connection, .. }) = &mut reader {
            read(connection);
        }
    }
    drop(reader.or_else(take));
}
