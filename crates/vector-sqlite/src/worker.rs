//! The thread that owns the connection.

use std::{
    io,
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

use conversant_core::{BoxError, VectorStoreError};
use futures_channel::oneshot;
use rusqlite::Connection;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A connection on its own thread, which ends after the last job once the worker is closed or
/// dropped.
pub(crate) struct Worker {
    /// `None` once it is closed.
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Worker {
    pub(crate) fn new(mut connection: Connection) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name("conversant-vector-sqlite".to_owned()).spawn(move || {
            for job in queue {
                job(&mut connection);
            }
            drop(connection);
            drop::<oneshot::Sender<()>>(end);
        })?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), ended: Mutex::new(Some(ended)) })
    }

    /// Runs a job on the connection. It runs to its end even if the future is dropped.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, VectorStoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // The caller may have given up.
            let _ = reply.send(job(connection));
        });
        let sent = match &*self.jobs.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(jobs) => jobs.send(job).is_ok(),
            None => false,
        };
        if !sent {
            return Err(backend("the store is closed"));
        }
        answer.await.map_err(backend)?.map_err(backend)
    }

    /// Waits until the jobs are done and the connection is closed.
    pub(crate) async fn close(&self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            // The sender is dropped when the thread ends.
            let _ = ended.await;
        }
    }
}

pub(crate) fn backend(source: impl Into<BoxError>) -> VectorStoreError {
    VectorStoreError::Backend { source: source.into() }
}
