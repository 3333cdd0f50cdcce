//! The thread that a connection lives on.

use std::{io, sync::mpsc, thread};

use conversant_core::{BoxError, VectorStoreError};
use futures_channel::oneshot;
use rusqlite::Connection;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A connection on a thread of its own, which ends with the last job after the worker is dropped.
pub(crate) struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    pub(crate) fn new(mut connection: Connection) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::Builder::new().name("conversant-vector-sqlite".to_owned()).spawn(move || {
            for job in queue {
                job(&mut connection);
            }
        })?;
        Ok(Self { jobs })
    }

    /// Runs a job on the connection. It is done also if nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, VectorStoreError> {
        let (told, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Nobody may be waiting any more.
            let _ = told.send(job(connection));
        });
        self.jobs.send(job).map_err(|_| backend("the store's thread has ended"))?;
        answer.await.map_err(backend)?.map_err(backend)
    }
}

pub(crate) fn backend(source: impl Into<BoxError>) -> VectorStoreError {
    VectorStoreError::Backend { source: source.into() }
}
