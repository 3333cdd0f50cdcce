//! A connection to the master that sentinels name.

use std::sync::{Arc, Mutex, PoisonError};

use redis::{
    AsyncConnectionConfig, Cmd, Pipeline, RedisError as ClientError, RedisFuture, RedisResult,
    Value,
    aio::{ConnectionLike, MultiplexedConnection},
    sentinel::SentinelClient,
};

/// A connection to the present master. Clones share it.
#[derive(Clone)]
pub(crate) struct SentinelConnection {
    client: Arc<tokio::sync::Mutex<SentinelClient>>,
    config: AsyncConnectionConfig,
    /// The connection, until it breaks or its server is no longer the master, and its number.
    current: Arc<Mutex<(u64, Option<MultiplexedConnection>)>>,
}

impl SentinelConnection {
    /// Connects to the master.
    pub(crate) async fn connect(
        client: SentinelClient,
        config: AsyncConnectionConfig,
    ) -> RedisResult<Self> {
        let client = Arc::new(tokio::sync::Mutex::new(client));
        let connection = Self { client, config, current: Arc::default() };
        connection.get().await?;
        Ok(connection)
    }

    fn current(&self) -> (u64, Option<MultiplexedConnection>) {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the connection and its number, and asks the sentinels if there is none.
    async fn get(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        if let (number, Some(connection)) = self.current() {
            return Ok((number, connection));
        }
        let mut client = self.client.lock().await;
        // Another operation may have connected meanwhile.
        if let (number, Some(connection)) = self.current() {
            return Ok((number, connection));
        }
        let connection = client.get_async_connection_with_config(&self.config).await?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = (current.0 + 1, Some(connection.clone()));
        Ok((current.0, connection))
    }

    /// Notes the outcome of a command: the next one asks the sentinels again if the connection
    /// broke or its server is no longer the master.
    fn noted<T>(&self, number: u64, outcome: RedisResult<T>) -> RedisResult<T> {
        if let Err(error) = &outcome
            && is_over(error)
        {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            if current.0 == number {
                current.1 = None;
            }
        }
        outcome
    }
}

fn is_over(error: &ClientError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error() || is_demoted(error)
}

impl ConnectionLike for SentinelConnection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let (number, mut connection) = self.get().await?;
            let outcome = connection.req_packed_command(cmd).await;
            self.noted(number, outcome)
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let (number, mut connection) = self.get().await?;
            let outcome = connection.req_packed_commands(pipeline, offset, count).await;
            self.noted(number, outcome)
        })
    }

    fn get_db(&self) -> i64 {
        self.current().1.map_or(0, |connection| connection.get_db())
    }
}

/// Returns whether another server has become the master: this one no longer accepts writes.
fn is_demoted(error: &ClientError) -> bool {
    let detail = error.detail().unwrap_or_default();
    error.code() == Some("READONLY") || detail.contains("-READONLY ")
}
