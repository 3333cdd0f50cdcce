//! A connection to one server, to a cluster, or to the master that sentinels name, which is made
//! anew when it breaks or hangs.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

#[cfg(feature = "sentinel")]
use redis::sentinel::SentinelClient;
use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError as ClientError, RedisFuture,
    RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
#[cfg(feature = "cluster")]
use redis::{
    cluster::ClusterClient, cluster_async::ClusterConnection, cluster_routing::RoutingInfo,
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

/// Where a connection leads.
pub(crate) trait Address: Send + Sync + 'static {
    type Connection: ConnectionLike + Clone + Send + Sync + 'static;

    fn connect(&mut self) -> impl Future<Output = RedisResult<Self::Connection>> + Send;

    /// Returns whether an error shows that the connection broke or hangs, or that its server is no
    /// longer the master.
    fn is_over(error: &ClientError) -> bool {
        error.is_io_error() || error.is_unrecoverable_error() || is_demoted(error)
    }
}

/// The server of a URL, whose name is resolved at each connection.
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) config: AsyncConnectionConfig,
}

impl Address for Server {
    type Connection = MultiplexedConnection;

    async fn connect(&mut self) -> RedisResult<MultiplexedConnection> {
        self.client.get_multiplexed_async_connection_with_config(&self.config).await
    }
}

/// The present master.
#[cfg(feature = "sentinel")]
pub(crate) struct Master {
    pub(crate) client: SentinelClient,
    pub(crate) config: AsyncConnectionConfig,
}

#[cfg(feature = "sentinel")]
impl Address for Master {
    type Connection = MultiplexedConnection;

    async fn connect(&mut self) -> RedisResult<MultiplexedConnection> {
        self.client.get_async_connection_with_config(&self.config).await
    }
}

/// The nodes of a cluster. The client replaces their connections that break, but not those that
/// hang.
#[cfg(feature = "cluster")]
impl Address for ClusterClient {
    type Connection = ClusterConnection;

    async fn connect(&mut self) -> RedisResult<ClusterConnection> {
        self.get_async_connection().await
    }

    fn is_over(error: &ClientError) -> bool {
        error.is_timeout()
    }
}

/// A connection that carries many operations at once. Clones share it.
///
/// Operations that are under way on a connection that is replaced end on it.
pub(crate) struct RenewedConnection<A: Address> {
    address: Arc<tokio::sync::Mutex<A>>,
    generation: Generation,
    last: Arc<Mutex<Option<Numbered<A>>>>,
}

/// A connection, and its generation.
type Numbered<A> = (u64, <A as Address>::Connection);

impl<A: Address> Clone for RenewedConnection<A> {
    fn clone(&self) -> Self {
        let (address, last) = (Arc::clone(&self.address), Arc::clone(&self.last));
        Self { address, generation: self.generation.clone(), last }
    }
}

impl<A: Address> RenewedConnection<A> {
    /// Connects.
    pub(crate) async fn connect(address: A, generation: Generation) -> RedisResult<Self> {
        let address = Arc::new(tokio::sync::Mutex::new(address));
        let connection = Self { address, generation, last: Arc::default() };
        connection.get().await?;
        Ok(connection)
    }

    /// Returns the connection and its generation, if it is in use.
    fn current(&self) -> Option<Numbered<A>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(number, _)| *number == self.generation.number()).cloned()
    }

    /// Returns the connection and its generation, and connects if there is none.
    async fn get(&self) -> RedisResult<Numbered<A>> {
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let mut address = self.address.lock().await;
        // Another operation may have connected meanwhile.
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let number = self.generation.number();
        let connection = address.connect().await?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = last.replace((number, connection.clone()));
        drop(last);
        drop(replaced);
        Ok((number, connection))
    }

    /// Notes the outcome of a command on a connection of a generation.
    fn noted<T>(&self, number: u64, outcome: RedisResult<T>) -> RedisResult<T> {
        if let Err(error) = &outcome
            && A::is_over(error)
        {
            self.generation.end(number);
        }
        outcome
    }
}

#[cfg(feature = "cluster")]
impl RenewedConnection<ClusterClient> {
    /// Sends a command to a node of the cluster.
    pub(crate) async fn route_command(&self, cmd: Cmd, route: RoutingInfo) -> RedisResult<Value> {
        let (number, mut connection) = self.get().await?;
        let outcome = connection.route_command(cmd, route).await;
        self.noted(number, outcome)
    }
}

impl<A: Address> ConnectionLike for RenewedConnection<A> {
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
