//! A pool of connections, each of which serves one operation at a time.

use std::fmt;

use deadpool_postgres::{Client, Pool, PoolError};
use tokio::runtime::Handle;

use super::{cancel::Canceller, direct::AreDirect, error::PostgresError};

/// The connections of a store. Clones share them. They live on the Tokio runtime on which the pool
/// was created, and can be awaited on any executor.
#[derive(Clone)]
pub struct PostgresPool {
    pool: Pool,
    canceller: Canceller,
    runtime: Handle,
    direct: AreDirect,
}

impl PostgresPool {
    pub(super) const fn new(
        pool: Pool,
        canceller: Canceller,
        runtime: Handle,
        direct: AreDirect,
    ) -> Self {
        Self { pool, canceller, runtime, direct }
    }

    /// Returns whether all connections so far end at the server itself, so that statements can be
    /// prepared. Behind a pooler, the next transaction may be on another connection of the server,
    /// which does not have them. `false` unless
    /// [`detect_poolers`](super::PostgresSettings::detect_poolers) is set.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.direct.get()
    }

    /// Makes [`is_direct`](Self::is_direct) return `false` from now on: the server has lost a
    /// prepared statement.
    pub fn set_indirect(&self) {
        self.direct.deny();
    }

    /// Returns the runtime of the connections.
    #[must_use]
    pub const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// [`PoolError::Timeout`] if no connection is free in time, and the client's error if a new one
    /// cannot be made.
    pub async fn connection(&self) -> Result<PostgresConnection<'_>, PoolError> {
        let client = Some(self.pool.get().await?);
        Ok(PostgresConnection { client, canceller: &self.canceller })
    }
}

impl fmt::Debug for PostgresPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.pool.status();
        f.debug_struct("PostgresPool")
            .field("connections", &status.size)
            .field("max_connections", &status.max_size)
            .finish_non_exhaustive()
    }
}

/// A connection of a pool, for one operation.
///
/// Call [`keep`](Self::keep) once the operation is over. If the value is dropped without it, its
/// statement is cancelled and the connection closed: the next user would wait for that statement.
pub struct PostgresConnection<'p> {
    client: Option<Client>,
    canceller: &'p Canceller,
}

impl PostgresConnection<'_> {
    /// Returns the client.
    ///
    /// # Errors
    /// [`PostgresError`] if the connection is closed.
    pub fn client(&mut self) -> Result<&mut Client, PostgresError> {
        self.client
            .as_mut()
            .ok_or_else(|| PostgresError::new("cannot use the connection: it is closed"))
    }

    /// Gives the connection back to the pool. Its operation is over.
    pub fn keep(mut self) {
        drop(self.client.take());
    }

    /// Closes the connection, which broke. The pool checks the others before it hands them out.
    pub fn close(mut self) {
        drop(self.client.take().map(deadpool_postgres::Object::take));
    }
}

impl Drop for PostgresConnection<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            self.canceller.cancel(client.cancel_token());
            drop(deadpool_postgres::Object::take(client));
        }
    }
}

impl fmt::Debug for PostgresConnection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConnection").finish_non_exhaustive()
    }
}
