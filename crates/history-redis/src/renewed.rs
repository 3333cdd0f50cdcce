//! A connection to one server, or to the master that sentinels name, which is made anew when it
//! breaks or hangs.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

#[cfg(feature = "sentinel")]
use redis::sentinel::SentinelClient;
use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError as ClientError, RedisFuture,
    RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};

/// The number of the connections of a history that are in use. Once one of them breaks or hangs,
/// all are made anew, since mostly they have the same cause. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Generation(Arc<AtomicU64>);

impl Generation {
    pub(crate) fn number(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Ends the use of the connections of this number, unless it has ended.
    pub(crate) fn end(&self, number: u64) {
        let next = number.wrapping_add(1);
        let _ = self.0.compare_exchange(number, next, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// The address of a server.
pub(crate) enum Address {
    /// The URL's. Its name is resolved at each connection.
    Server(Client),
    /// That of the present master.
    #[cfg(feature = "sentinel")]
    Master(SentinelClient),
}

impl Address {
    async fn connect(
        &mut self,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        match self {
            Self::Server(client) => {
                client.get_multiplexed_async_connection_with_config(config).await
            }
            #[cfg(feature = "sentinel")]
            Self::Master(client) => client.get_async_connection_with_config(config).await,
        }
    }
}

/// A connection that carries many operations at once. Clones share it.
///
/// Operations that are under way on a connection that is replaced end on it.
#[derive(Clone)]
pub(crate) struct RenewedConnection {
    address: Arc<tokio::sync::Mutex<Address>>,
    config: AsyncConnectionConfig,
    generation: Generation,
    /// The last connection, and its generation.
    last: Arc<Mutex<Option<(u64, MultiplexedConnection)>>>,
}

impl RenewedConnection {
    /// Connects.
    pub(crate) async fn connect(
        address: Address,
        config: AsyncConnectionConfig,
        generation: Generation,
    ) -> RedisResult<Self> {
        let address = Arc::new(tokio::sync::Mutex::new(address));
        let connection = Self { address, config, generation, last: Arc::default() };
        connection.get().await?;
        Ok(connection)
    }

    /// Returns the connection and its generation, if it is in use.
    fn current(&self) -> Option<(u64, MultiplexedConnection)> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(number, _)| *number == self.generation.number()).cloned()
    }

    /// Returns the connection and its generation, and connects if there is none.
    async fn get(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let mut address = self.address.lock().await;
        // Another operation may have connected meanwhile.
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let number = self.generation.number();
        let connection = address.connect(&self.config).await?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = last.replace((number, connection.clone()));
        drop(last);
        drop(replaced);
        Ok((number, connection))
    }

    /// Notes the outcome of a command on a connection of a generation.
    fn noted<T>(&self, number: u64, outcome: RedisResult<T>) -> RedisResult<T> {
        if let Err(error) = &outcome
            && is_over(error)
        {
            self.generation.end(number);
        }
        outcome
    }
}

/// Returns whether a connection broke or hangs, or its server is no longer the master.
fn is_over(error: &ClientError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error() || is_demoted(error)
}

impl ConnectionLike for RenewedConnection {
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
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map_or(0, |(_, connection)| connection.get_db())
    }
}

/// Returns whether another server has become the master: this one no longer accepts writes.
fn is_demoted(error: &ClientError) -> bool {
    let detail = error.detail().unwrap_or_default();
    error.code() == Some("READONLY") || detail.contains("-READONLY ")
}
