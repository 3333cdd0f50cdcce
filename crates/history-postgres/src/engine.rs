//! Runs operations on the database: each in a task that owns its connection and its session's gate, again where that helps.

use std::{fmt, future::Future};

use conversant_core::{HistoryError, SessionId};
use deadpool_postgres::{Client, Pool};
use tokio::{runtime::Handle, task::JoinHandle};

use crate::{
    error::{Failure, PostgresError, backend, no_connection},
    gates::Gates,
};

/// How often an operation that met others is tried.
const MOST_CONFLICTS: u32 = 32;

/// How often an operation whose connection broke is tried.
const MOST_LOSSES: u32 = 3;

/// Something to do on the database, by one statement or transaction. Doing it twice is doing it once.
pub(crate) trait Operation: Send + Sync + 'static {
    type Output: Send + 'static;

    /// Does it, on a connection that has no transaction open.
    fn run(
        &self,
        client: &mut Client,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// The connections, and the runtime they live on.
#[derive(Clone)]
pub(crate) struct Engine {
    pool: Pool,
    gates: Gates,
    runtime: Handle,
}

impl Engine {
    pub(crate) fn new(pool: Pool, runtime: Handle) -> Self {
        Self { pool, gates: Gates::default(), runtime }
    }

    /// Changes a session. What has begun is finished, whether or not somebody waits for it.
    pub(crate) async fn write<O: Operation>(
        &self,
        session: &SessionId,
        operation: O,
    ) -> Result<O::Output, HistoryError> {
        let writing = self.gates.write(session).await;
        let pool = self.pool.clone();
        let task = self.runtime.spawn(async move {
            let outcome = run(&pool, &operation).await;
            drop(writing);
            outcome
        });
        ended(task.await)
    }

    /// Reads a session, after what was begun there before. Given up, it ends.
    pub(crate) async fn read<O: Operation>(
        &self,
        session: &SessionId,
        operation: O,
    ) -> Result<O::Output, HistoryError> {
        let _reading = self.gates.read(session).await;
        self.look(operation).await
    }

    /// Reads what is no session's. Given up, it ends.
    pub(crate) async fn look<O: Operation>(&self, operation: O) -> Result<O::Output, HistoryError> {
        let pool = self.pool.clone();
        let task = self.runtime.spawn(async move { run(&pool, &operation).await });
        ended((&mut AbortOnDrop(task).0).await)
    }

    /// Changes what is no session's. What has begun is finished.
    pub(crate) async fn change<O: Operation>(
        &self,
        operation: O,
    ) -> Result<O::Output, HistoryError> {
        let pool = self.pool.clone();
        ended(self.runtime.spawn(async move { run(&pool, &operation).await }).await)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.pool.status();
        f.debug_struct("Engine")
            .field("connections", &status.size)
            .field("most_connections", &status.max_size)
            .field("sessions_in_use", &self.gates.len())
            .finish_non_exhaustive()
    }
}

/// Tries an operation until it is done or there is no point in trying.
async fn run<O: Operation>(pool: &Pool, operation: &O) -> Result<O::Output, HistoryError> {
    let (mut conflicts, mut losses) = (0, 0);
    loop {
        let mut client = pool.get().await.map_err(no_connection)?;
        match operation.run(&mut client).await {
            Err(Failure::Conflict(_)) if conflicts < MOST_CONFLICTS => conflicts += 1,
            Err(Failure::Lost(_)) if losses < MOST_LOSSES => {
                // Its siblings in the pool are looked at before they are handed out.
                drop(deadpool_postgres::Object::take(client));
                losses += 1;
            }
            Err(failure) => return Err(failure.into()),
            Ok(output) => return Ok(output),
        }
    }
}

fn ended<T>(
    joined: Result<Result<T, HistoryError>, tokio::task::JoinError>,
) -> Result<T, HistoryError> {
    joined.unwrap_or_else(|_| {
        Err(backend(PostgresError::new("the runtime that the connections live on has shut down")))
    })
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
