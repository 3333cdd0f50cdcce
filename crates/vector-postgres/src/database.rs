//! Runs operations on the connections, each within a time limit.

use std::{fmt, future::Future, time::Duration};

use conversant_core::{BoxError, VectorStoreError};
use conversant_history::{
    MAX_TIMEOUT,
    postgres::{PostgresConnection, PostgresError, PostgresPool, PostgresSettings},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_postgres::Client;

/// The number of attempts at an operation that conflicts with others.
const MAX_ATTEMPTS: u32 = 8;

/// The pauses between attempts at an operation whose connection breaks, or for which none can be
/// made.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// An operation of one statement or transaction. To run it twice has the effect of running it once.
pub(crate) trait Operation: Send + Sync + 'static {
    type Output: Send + 'static;

    /// Whether it is tried again if its connection breaks. Its first attempt may have taken effect
    /// before others changed the collection.
    const IS_REPEATED: bool;

    /// Its use of the tables.
    const ACCESS: Access;

    fn run(
        &self,
        client: &Client,
    ) -> impl Future<Output = Result<Self::Output, PostgresError>> + Send;
}

/// The use of the tables by an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It creates them.
    Prepares,
    Reads,
    Writes,
}

/// The connections of a store.
#[derive(Clone)]
pub(crate) struct Database {
    pool: PostgresPool,
    acquire_timeout: Duration,
    limit: Duration,
}

impl Database {
    pub(crate) fn new(settings: &PostgresSettings, limit: Duration) -> Result<Self, PostgresError> {
        let acquire_timeout = settings.acquire_timeout.min(MAX_TIMEOUT);
        Ok(Self { pool: settings.pool()?, acquire_timeout, limit: limit.min(MAX_TIMEOUT) })
    }

    /// Runs an operation. If its future is dropped, its statement is cancelled.
    pub(crate) async fn run<O: Operation>(
        &self,
        operation: O,
    ) -> Result<O::Output, VectorStoreError> {
        let (this, limit) = (self.clone(), self.limit);
        let attempts = async move { this.attempt(&operation, Instant::now() + limit).await };
        let task = self.pool.runtime().spawn(timeout(limit, attempts));
        match (&mut AbortOnDrop(task).0).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(VectorStoreError::TimedOut { limit }),
            Err(error) => {
                let what = match error.is_panic() {
                    true => "it panicked; report it as a fault of the store",
                    false => "the runtime of the connections has shut down",
                };
                Err(backend(PostgresError::new(format!("cannot run the operation: {what}"))))
            }
        }
    }

    async fn attempt<O: Operation>(
        &self,
        operation: &O,
        deadline: Instant,
    ) -> Result<O::Output, VectorStoreError> {
        let (mut attempts, mut pause) = (1, Duration::ZERO);
        loop {
            let mut connection = self.connection(O::ACCESS, deadline).await?;
            let outcome = match connection.client() {
                Ok(client) => operation.run(client).await,
                Err(error) => Err(error),
            };
            match outcome {
                Err(error) if error.is_lost() => {
                    connection.close();
                    if !O::IS_REPEATED || !has_time(deadline, pause) {
                        return Err(refusal(error, O::ACCESS));
                    }
                    sleep(pause).await;
                    pause = (pause * 2).clamp(FIRST_PAUSE, MAX_PAUSE);
                }
                Err(error) if error.is_conflict() && attempts < MAX_ATTEMPTS => {
                    connection.keep();
                    attempts += 1;
                }
                outcome => {
                    connection.keep();
                    return outcome.map_err(|error| refusal(error, O::ACCESS));
                }
            }
        }
    }

    /// Waits for a connection. While the server that was reached is away, as one that restarts, it
    /// tries again until the time is over.
    async fn connection(
        &self,
        access: Access,
        deadline: Instant,
    ) -> Result<PostgresConnection<'_>, VectorStoreError> {
        // The address of a server that was not reached before may be wrong.
        let was_reached = access != Access::Prepares;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.pool.connection().await {
                Ok(connection) => return Ok(connection),
                Err(error) => PostgresError::from(error),
            };
            if error.is_exhausted() {
                return Err(VectorStoreError::TimedOut { limit: self.acquire_timeout });
            }
            if !error.is_lost() || !was_reached || !has_time(deadline, pause) {
                return Err(refusal(error, access));
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }
}

/// Returns whether there is time for another attempt after a pause.
fn has_time(deadline: Instant, pause: Duration) -> bool {
    Instant::now() + pause < deadline
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("pool", &self.pool).field("limit", &self.limit).finish()
    }
}

/// Returns the store's error for one of PostgreSQL.
fn refusal(error: PostgresError, access: Access) -> VectorStoreError {
    match error.code() {
        Some("53100") => VectorStoreError::Full { source: error.into() },
        // Read-only transaction, missing privilege. Whether the store can be written cannot be said
        // if it was to be read.
        Some("25006" | "42501") if access != Access::Reads => {
            VectorStoreError::ReadOnly { source: Some(error.into()) }
        }
        Some("XX001" | "XX002") => corrupt("the database reports that its data is damaged", error),
        // Missing table, column, type or function; a value that is missing, repeated or without its
        // row. Before there are tables, the extension may be missing.
        Some("42P01" | "42703" | "42704" | "42883" | "23502" | "23503" | "23505")
            if access != Access::Prepares =>
        {
            corrupt("the tables do not have the expected form", error)
        }
        // Lock not available within the server's `lock_timeout`.
        Some("55P03") => VectorStoreError::Busy,
        _ if error.is_conflict() => VectorStoreError::Busy,
        _ => backend(error),
    }
}

fn corrupt(what: &str, source: PostgresError) -> VectorStoreError {
    VectorStoreError::Corrupt { what: what.to_owned(), source: Some(source.into()) }
}

pub(crate) fn backend(source: impl Into<BoxError>) -> VectorStoreError {
    VectorStoreError::Backend { source: source.into() }
}
