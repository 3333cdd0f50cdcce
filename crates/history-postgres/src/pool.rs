//! Runs operations on the connections of a pool, each in a task that owns its connection.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use conversant_core::{HistoryError, HistoryIdentity, SessionId};
use conversant_history::{
    Call, MAX_TIMEOUT, ServerClock, SessionExecutor,
    postgres::{PostgresConnection, PostgresPool},
};
use deadpool_postgres::Client;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_postgres::types::Type;

use crate::error::{Failure, no_connection};

/// The number of attempts at an operation that conflicts with others.
const MAX_CONFLICTS: u32 = 32;

/// The pauses between attempts at an operation whose connection breaks, or for which none can be
/// made.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The pauses until the server's clock passes the deadline of an earlier write.
const CLOCK_PAUSE: Duration = Duration::from_millis(20);

/// An operation of one statement or transaction. To run it twice has the effect of running it once.
pub(crate) trait Operation: Send + Sync + 'static {
    type Output: Send + 'static;

    /// Runs it on a connection without an open transaction. A write takes no effect after `limit`.
    fn run(
        &self,
        client: &mut Client,
        limit: Limit,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// The times of an operation by the server's clock, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) deadline: i64,
    /// The time at which it is sent, by the estimate of the clock.
    pub(crate) now: i64,
}

/// A statement that waits until no other write holds a session, whose name is its parameter.
#[derive(Clone, Debug)]
pub(crate) struct Barrier(pub(crate) Arc<str>);

/// The connections and the executor of a history.
#[derive(Clone)]
pub(crate) struct Database {
    connections: Connections,
    executor: SessionExecutor,
}

/// The connections, as the tasks of operations use them.
#[derive(Clone)]
struct Connections {
    pool: PostgresPool,
    clock: Arc<ServerClock>,
    barrier: Barrier,
    acquire_timeout: Duration,
    /// Whether the server was reached. Before that, its address may be wrong.
    was_reached: Arc<AtomicBool>,
    /// When attempts end whose connection breaks, if that is before the deadline of their call.
    last_attempt: Option<Instant>,
}

impl Database {
    /// Returns the identity of the store, which clones share.
    pub(crate) fn identity(&self) -> HistoryIdentity {
        HistoryIdentity::of(&self.connections.was_reached)
    }

    pub(crate) fn new(
        pool: PostgresPool,
        executor: SessionExecutor,
        barrier: Barrier,
        acquire_timeout: Duration,
    ) -> Self {
        let (clock, was_reached) = Default::default();
        let connections =
            Connections { pool, clock, barrier, acquire_timeout, was_reached, last_attempt: None };
        Self { connections, executor }
    }

    /// Returns the connections.
    pub(crate) const fn pool(&self) -> &PostgresPool {
        &self.connections.pool
    }

    /// Writes to a session. A write that has started is finished even if its future is dropped.
    pub(crate) async fn write<O: Operation>(
        &self,
        session: &SessionId,
        operation: O,
    ) -> Result<O::Output, HistoryError> {
        let (connections, name) = (self.connections.clone(), session.clone());
        let write = async move |call| connections.write(&name, &operation, call).await;
        self.executor.write(session, write).await
    }

    /// Reads a session. Dropping the future aborts the read.
    pub(crate) async fn read<O: Operation>(
        &self,
        session: &SessionId,
        operation: O,
    ) -> Result<O::Output, HistoryError> {
        let (connections, name) = (self.connections.clone(), session.clone());
        let read = async move |call| connections.read(Some(&name), &operation, call).await;
        self.executor.read(session, read).await
    }

    /// Runs an operation that belongs to no session and reads. Dropping the future aborts it.
    pub(crate) async fn run<O: Operation>(&self, operation: O) -> Result<O::Output, HistoryError> {
        let connections = self.connections.clone();
        let run = async move |call| connections.read(None, &operation, call).await;
        self.executor.read_all(run).await
    }

    /// Runs an operation that belongs to no session and changes what is stored. Dropping the future
    /// aborts it.
    pub(crate) async fn change<O: Operation>(
        &self,
        operation: O,
    ) -> Result<O::Output, HistoryError> {
        let connections = self.connections.clone();
        let run = async move |call| connections.attempt(None, &operation, call).await;
        self.executor.read_all(run).await
    }

    /// Returns the database for changes that take as long as there is stored. Those whose
    /// connection breaks begin again for this time alone.
    pub(crate) fn without_limit(&self, time: Duration) -> Self {
        let mut connections = self.connections.clone();
        connections.last_attempt = Instant::now().checked_add(time);
        Self { connections, executor: self.executor.with_limit(MAX_TIMEOUT) }
    }

    /// Sets the estimate of the server's clock.
    pub(crate) async fn synchronize(&self) -> Result<(), HistoryError> {
        let connections = self.connections.clone();
        let run = async move |call: Call| {
            let now = connections.read(None, &ReadClock, call).await?;
            connections.clock.set(now);
            connections.was_reached.store(true, Ordering::Relaxed);
            Ok(())
        };
        self.executor.read_all(run).await
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("pool", &self.connections.pool)
            .field("executor", &self.executor)
            .finish_non_exhaustive()
    }
}

impl Connections {
    /// Attempts a write until the server has answered. Until then nothing is known of it, and the
    /// executor ends it at its deadline.
    async fn write<O: Operation>(
        &self,
        session: &SessionId,
        operation: &O,
        call: Call,
    ) -> Result<O::Output, HistoryError> {
        self.settle(session, &call).await?;
        let (mut conflicts, mut is_late, mut pause) = (0, false, FIRST_PAUSE);
        loop {
            let connection = match self.connection(&call).await {
                Err(error) if !call.is_in_doubt() => return Err(error),
                connection => connection,
            };
            if let Ok(connection) = connection {
                call.sent();
                let outcome = run(connection, operation, self.limit(call.deadline())).await;
                if !matches!(outcome, Err(Failure::Lost(_))) {
                    call.answered();
                }
                match outcome {
                    Ok(output) => return Ok(output),
                    Err(Failure::Conflict) if conflicts < MAX_CONFLICTS => {
                        conflicts += 1;
                        continue;
                    }
                    // The server's clock was set, or the estimate was wrong.
                    Err(Failure::Late { now_millis }) if !is_late => {
                        is_late = true;
                        self.clock.set(now_millis);
                        continue;
                    }
                    Err(Failure::Lost(_)) => {}
                    Err(failure) => return Err(failure.into()),
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Attempts a read, again on another connection if one breaks, until its time is over.
    async fn read<O: Operation>(
        &self,
        session: Option<&SessionId>,
        operation: &O,
        call: Call,
    ) -> Result<O::Output, HistoryError> {
        match self.attempt(session, operation, call).await {
            // It was not to write: a privilege is missing.
            Err(HistoryError::ReadOnly { source: Some(source) }) => {
                Err(HistoryError::Backend { source })
            }
            outcome => outcome,
        }
    }

    async fn attempt<O: Operation>(
        &self,
        session: Option<&SessionId>,
        operation: &O,
        call: Call,
    ) -> Result<O::Output, HistoryError> {
        if let Some(session) = session {
            self.settle(session, &call).await?;
        }
        self.repeat(operation, &call).await
    }

    /// Attempts what can be repeated, until the server has answered or the time is over.
    async fn repeat<O: Operation>(
        &self,
        operation: &O,
        call: &Call,
    ) -> Result<O::Output, HistoryError> {
        let (mut conflicts, mut pause) = (0, Duration::ZERO);
        loop {
            let connection = self.connection(call).await?;
            match run(connection, operation, self.limit(call.deadline())).await {
                Ok(output) => return Ok(output),
                Err(Failure::Conflict) if conflicts < MAX_CONFLICTS => conflicts += 1,
                Err(Failure::Lost(_)) if self.has_time(call, pause) => {
                    sleep(pause).await;
                    pause = (pause * 2).clamp(FIRST_PAUSE, MAX_PAUSE);
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    /// Ensures that an earlier write on the session, whose outcome is not known, takes no effect
    /// after this: its deadline is over by the server's clock, and it does not hold the session.
    async fn settle(&self, session: &SessionId, call: &Call) -> Result<(), HistoryError> {
        let Some(deadline) = call.unsettled() else { return Ok(()) };
        sleep_until(deadline).await;
        let limit = self.limit(deadline);
        while self.repeat(&ReadClock, call).await? <= limit.deadline {
            sleep(CLOCK_PAUSE).await;
        }
        let hold = Hold { barrier: self.barrier.clone(), session: session.clone() };
        self.repeat(&hold, call).await
    }

    /// Waits for a connection. While the server that was reached is away, as one that restarts, it
    /// tries again until the time of the call is over.
    async fn connection(&self, call: &Call) -> Result<PostgresConnection<'_>, HistoryError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let failure = match self.pool.connection().await {
                Ok(connection) => return Ok(connection),
                Err(error) => no_connection(error, self.acquire_timeout),
            };
            let is_away = matches!(failure, Failure::Lost(_));
            let was_reached = self.was_reached.load(Ordering::Relaxed);
            if !is_away || !was_reached || !self.has_time(call, pause) {
                return Err(failure.into());
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    fn limit(&self, deadline: Instant) -> Limit {
        Limit { deadline: self.clock.at(deadline), now: self.clock.at(Instant::now()) }
    }

    /// Returns whether a call has time for another attempt after a pause.
    fn has_time(&self, call: &Call, pause: Duration) -> bool {
        let end = self.last_attempt.map_or(call.deadline(), |last| last.min(call.deadline()));
        Instant::now() + pause < end
    }
}

/// Runs an operation on a connection, which goes back to the pool unless it broke.
async fn run<O: Operation>(
    mut connection: PostgresConnection<'_>,
    operation: &O,
    limit: Limit,
) -> Result<O::Output, Failure> {
    let client = connection.client().map_err(Failure::Lost)?;
    let outcome = operation.run(client, limit).await;
    if matches!(outcome, Err(Failure::Lost(_))) {
        connection.close();
    } else {
        connection.keep();
    }
    outcome
}

/// Reads the server's clock, in milliseconds since 1970.
struct ReadClock;

impl Operation for ReadClock {
    type Output = i64;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<i64, Failure> {
        let statement = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        Ok(client.query_typed_one(statement, &[]).await?.try_get(0)?)
    }
}

/// Waits until no other write holds a session.
struct Hold {
    barrier: Barrier,
    session: SessionId,
}

impl Operation for Hold {
    type Output = ();

    async fn run(&self, client: &mut Client, _: Limit) -> Result<(), Failure> {
        client.query_typed(&self.barrier.0, &[(&self.session.as_str(), Type::TEXT)]).await?;
        Ok(())
    }
}
