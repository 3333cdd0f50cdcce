//! Runs operations on the connections, each in a task, and again if a connection breaks.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use conversant_core::{HistoryError, HistoryIdentity, SessionId};
#[cfg(feature = "cluster")]
use conversant_history::MAX_TIMEOUT;
use conversant_history::{Call, ServerClock, SessionExecutor};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    error::{Failure, RedisError, backend},
    link::Link,
    renewed::Generation,
};

/// The pauses between attempts at an operation whose connection breaks, or for which none can be
/// made.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The pauses until the server's clock passes the deadline of an earlier write.
const CLOCK_PAUSE: Duration = Duration::from_millis(20);

/// The most by which the clocks of servers that replace each other may differ.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(1);

/// An operation of scripts, each whole or nothing. To run it twice has the effect of running it
/// once.
pub(crate) trait Operation: Send + Sync + 'static {
    type Output: Send + 'static;

    /// Runs it. A write takes no effect after `limit`.
    fn run(
        &self,
        connection: &mut Link,
        limit: Limit,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// The deadline of an operation by the server's clock, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit(pub(crate) i64);

/// The connections and the executor of a history.
#[derive(Clone)]
pub(crate) struct Database {
    connections: Connections,
    executor: SessionExecutor,
}

/// The connections, as the tasks of operations use them. Each carries many operations at once.
#[derive(Clone)]
struct Connections {
    links: Arc<[Link]>,
    generation: Generation,
    next: Arc<AtomicUsize>,
    clock: Arc<ServerClock>,
}

impl Database {
    /// Returns the identity of the store, which clones share.
    pub(crate) fn identity(&self) -> HistoryIdentity {
        HistoryIdentity::of(&self.connections.next)
    }

    pub(crate) fn new(links: Vec<Link>, generation: Generation, executor: SessionExecutor) -> Self {
        let (next, clock) = Default::default();
        let connections = Connections { links: links.into(), generation, next, clock };
        Self { connections, executor }
    }

    /// Writes to a session. A write that has started is finished even if its future is dropped.
    pub(crate) async fn write<O: Operation>(
        &self,
        session: &SessionId,
        operation: O,
    ) -> Result<O::Output, HistoryError> {
        let connections = self.connections.clone();
        let write = async move |call| connections.write(&operation, call).await;
        self.executor.write(session, write).await
    }

    /// Reads a session. Dropping the future aborts the read.
    pub(crate) async fn read<O: Operation>(
        &self,
        session: &SessionId,
        operation: O,
    ) -> Result<O::Output, HistoryError> {
        let connections = self.connections.clone();
        let read = async move |call| connections.read(&operation, call).await;
        self.executor.read(session, read).await
    }

    /// Runs an operation that belongs to no session. Dropping the future aborts it.
    pub(crate) async fn run<O: Operation>(&self, operation: O) -> Result<O::Output, HistoryError> {
        let connections = self.connections.clone();
        let run = async move |call| connections.read(&operation, call).await;
        self.executor.read_all(run).await
    }

    /// Prepares the keys for a history that connects. Unlike a read, it can find that the server is
    /// read-only.
    pub(crate) async fn prepare<O: Operation>(
        &self,
        operation: O,
    ) -> Result<O::Output, HistoryError> {
        let connections = self.connections.clone();
        let run = async move |call| connections.attempt(&operation, call).await;
        self.executor.read_all(run).await
    }

    /// Returns the database for operations on all keys, which take as long as there are keys. Each
    /// of their commands still ends within the time to connect.
    #[cfg(feature = "cluster")]
    pub(crate) fn without_limit(&self) -> Self {
        Self { executor: self.executor.with_limit(MAX_TIMEOUT), ..self.clone() }
    }

    /// Sets the estimate of the server's clock.
    pub(crate) async fn synchronize(&self) -> Result<(), HistoryError> {
        let now = self.run(ReadClock).await?;
        self.connections.clock.set(now);
        Ok(())
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("connections", &self.connections.links.len())
            .field("executor", &self.executor)
            .finish_non_exhaustive()
    }
}

impl Connections {
    /// Attempts a write until the server has answered. While it cannot be reached, its outcome may
    /// be unknown, and the executor ends it at its deadline; otherwise it ends with the last cause.
    async fn write<O: Operation>(
        &self,
        operation: &O,
        call: Call,
    ) -> Result<O::Output, HistoryError> {
        self.settle(&call).await?;
        let (mut is_late, mut pause) = (false, FIRST_PAUSE);
        loop {
            let was_in_doubt = call.is_in_doubt();
            call.sent();
            let mut link = self.connection()?;
            let outcome = self.run(operation, &mut link, &call).await;
            let is_in_doubt = match &outcome {
                Err(Failure::Lost { was_sent, .. }) => *was_sent || was_in_doubt,
                _ => false,
            };
            if !is_in_doubt {
                call.answered();
            }
            match outcome {
                Ok(output) => return Ok(output),
                // Another server takes over, or has done so.
                Err(Failure::Demoted(_)) if link.is_replicated() => {}
                // The server's clock was set, or the estimate was wrong.
                Err(Failure::Late { now_millis }) if !is_late => {
                    is_late = true;
                    self.clock.set(now_millis);
                    continue;
                }
                // Until the server is there again, or the time of the write is over.
                Err(Failure::Lost { .. }) if is_in_doubt || has_time(&call, pause) => {}
                Err(failure) => return Err(failure.into()),
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Attempts a read, again on another connection if one breaks, until its time is over.
    async fn read<O: Operation>(
        &self,
        operation: &O,
        call: Call,
    ) -> Result<O::Output, HistoryError> {
        match self.attempt(operation, call).await {
            // It was not to write.
            Err(HistoryError::ReadOnly { source: Some(source) }) => {
                Err(HistoryError::Backend { source })
            }
            outcome => outcome,
        }
    }

    async fn attempt<O: Operation>(
        &self,
        operation: &O,
        call: Call,
    ) -> Result<O::Output, HistoryError> {
        self.settle(&call).await?;
        self.repeat(operation, &call).await
    }

    /// Attempts what can be repeated, until the server has answered or the time is over.
    async fn repeat<O: Operation>(
        &self,
        operation: &O,
        call: &Call,
    ) -> Result<O::Output, HistoryError> {
        let mut pause = Duration::ZERO;
        loop {
            let mut link = self.connection()?;
            match self.run(operation, &mut link, call).await {
                Err(Failure::Lost { .. }) if has_time(call, pause) => {
                    sleep(pause).await;
                    pause = (pause * 2).clamp(FIRST_PAUSE, MAX_PAUSE);
                }
                outcome => return outcome.map_err(HistoryError::from),
            }
        }
    }

    /// Runs an operation on a connection. If nothing is answered until its time is over, and it is
    /// dropped, the connections are made anew.
    async fn run<O: Operation>(
        &self,
        operation: &O,
        link: &mut Link,
        call: &Call,
    ) -> Result<O::Output, Failure> {
        let deadline = call.deadline();
        let (generation, number) = (&self.generation, self.generation.number());
        let _unanswered = Unanswered { generation, number, deadline };
        operation.run(link, self.limit(deadline)).await
    }

    /// Ensures that an earlier write on the session, whose outcome is not known, takes no effect
    /// after this: its deadline is over by the server's clock, and scripts run one at a time.
    async fn settle(&self, call: &Call) -> Result<(), HistoryError> {
        let Some(deadline) = call.unsettled() else { return Ok(()) };
        sleep_until(deadline).await;
        let limit = self.limit(deadline);
        if self.connection()?.is_replicated() {
            // The clock that is read can be another server's than that of the session.
            sleep(MAX_CLOCK_SKEW).await;
        }
        while self.repeat(&ReadClock, call).await? <= limit.0 {
            sleep(CLOCK_PAUSE).await;
        }
        Ok(())
    }

    /// Returns the next connection.
    fn connection(&self) -> Result<Link, HistoryError> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let link = self.links.get(next % self.links.len().max(1));
        link.cloned().ok_or_else(|| {
            backend(RedisError::new("cannot use the pool of connections: it is empty"))
        })
    }

    fn limit(&self, deadline: Instant) -> Limit {
        Limit(self.clock.at(deadline))
    }
}

/// Returns whether a call has time for another attempt after a pause.
fn has_time(call: &Call, pause: Duration) -> bool {
    Instant::now() + pause < call.deadline()
}

/// An attempt on a connection of a generation. The executor drops it at its deadline.
struct Unanswered<'c> {
    generation: &'c Generation,
    number: u64,
    deadline: Instant,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if Instant::now() >= self.deadline {
            self.generation.end(self.number);
        }
    }
}

/// Reads the server's clock, in milliseconds since 1970.
struct ReadClock;

impl Operation for ReadClock {
    type Output = i64;

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<i64, Failure> {
        let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(connection).await?;
        Ok(seconds.saturating_mul(1000).saturating_add(micros / 1000))
    }
}
