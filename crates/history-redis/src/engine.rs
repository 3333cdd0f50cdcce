//! Runs operations on the server: each in a task that owns its session's gate, again if the connection broke.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use conversant_core::{HistoryError, SessionId};
use redis::aio::ConnectionManager;
use tokio::{
    runtime::Handle,
    task::{JoinError, JoinHandle},
};

use crate::{
    error::{Failure, RedisError, backend},
    gates::Gates,
};

/// How often an operation whose connection broke is tried again.
const MOST_LOSSES: u32 = 3;

/// Something to do on the server, by scripts that are whole or nothing. Doing it twice is doing it once.
pub(crate) trait Operation: Send + Sync + 'static {
    type Output: Send + 'static;

    /// Does it.
    fn run(
        &self,
        connection: &mut ConnectionManager,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// The connections, and the runtime they live on. Each connection carries many operations at once.
#[derive(Clone)]
pub(crate) struct Engine {
    connections: Arc<[ConnectionManager]>,
    next: Arc<AtomicUsize>,
    gates: Gates,
    runtime: Handle,
}

impl Engine {
    pub(crate) fn new(connections: Vec<ConnectionManager>, runtime: Handle) -> Self {
        let next = Arc::default();
        Self { connections: connections.into(), next, gates: Gates::default(), runtime }
    }

    /// Changes a session. What has begun is finished, whether or not somebody waits for it.
    pub(crate) async fn write<O: Operation>(
        &self,
        session: &SessionId,
        operation: O,
    ) -> Result<O::Output, HistoryError> {
        let writing = self.gates.write(session).await;
        let engine = self.clone();
        let task = self.runtime.spawn(async move {
            let outcome = engine.run(&operation).await;
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
        let engine = self.clone();
        let task = self.runtime.spawn(async move { engine.run(&operation).await });
        ended((&mut AbortOnDrop(task).0).await)
    }

    /// Tries an operation until it is done or there is no point in trying.
    async fn run<O: Operation>(&self, operation: &O) -> Result<O::Output, HistoryError> {
        let mut losses = 0;
        loop {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            // There is one at least.
            let Some(connection) =
                self.connections.iter().cycle().nth(next % self.connections.len().max(1))
            else {
                return Err(backend(RedisError::new("there are no connections")));
            };
            match operation.run(&mut connection.clone()).await {
                Err(Failure::Lost(_)) if losses < MOST_LOSSES => losses += 1,
                outcome => return outcome.map_err(HistoryError::from),
            }
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("connections", &self.connections.len())
            .field("sessions_in_use", &self.gates.len())
            .finish_non_exhaustive()
    }
}

fn ended<T>(joined: Result<Result<T, HistoryError>, JoinError>) -> Result<T, HistoryError> {
    joined.unwrap_or_else(|_| {
        Err(backend(RedisError::new("the runtime that the connections live on has shut down")))
    })
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
