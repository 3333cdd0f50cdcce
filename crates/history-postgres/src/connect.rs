//! Settings of a connection, and the database that they describe.

use std::time::Duration;

use conversant_core::HistoryError;
use conversant_history::{
    MAX_TIMEOUT, SessionExecutor,
    postgres::{PostgresError, PostgresSettings},
};
use tokio::runtime::Handle;

use crate::{
    error::backend,
    pool::{Barrier, Database},
};

/// The default time for an operation.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The settings that all histories of this crate have.
#[derive(Clone, Debug)]
pub(crate) struct Connect {
    pub(crate) pool: PostgresSettings,
    pub(crate) operation_timeout: Duration,
}

impl Connect {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self { pool: PostgresSettings::new(url), operation_timeout: OPERATION_TIMEOUT }
    }

    /// Creates the pool, and connects once.
    pub(crate) async fn database(&self, barrier: Barrier) -> Result<Database, HistoryError> {
        let what = "cannot create a history in PostgreSQL outside a Tokio runtime";
        let runtime = Handle::try_current().map_err(|_| backend(PostgresError::new(what)))?;
        let pool = self.pool.pool().map_err(backend)?;
        let executor = SessionExecutor::new(runtime, self.operation_timeout);
        let acquire_timeout = self.pool.acquire_timeout.min(MAX_TIMEOUT);
        let database = Database::new(pool, executor, barrier, acquire_timeout);
        database.synchronize().await?;
        Ok(database)
    }
}

/// The settings that the builders of both histories have.
macro_rules! connect_settings {
    () => {
        /// Sets the number of connections, at most. 16 by default, and at least 1.
        pub const fn max_connections(mut self, max: usize) -> Self {
            self.connect.pool.max_connections = max;
            self
        }

        /// Sets how long to wait for the server to accept a connection. 10 seconds by default.
        ///
        /// It is the time for each address, of which a name or the URL can have several. Let all of
        /// them fit into the [`operation_timeout`](Self::operation_timeout): an address that is
        /// silent takes its whole time before the next one is tried.
        pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
            self.connect.pool.connect_timeout = timeout;
            self
        }

        /// Sets how long to wait for a free connection. 10 seconds by default.
        pub const fn acquire_timeout(mut self, timeout: Duration) -> Self {
            self.connect.pool.acquire_timeout = timeout;
            self
        }

        /// Sets how long an operation may take, including the wait for a connection and for earlier
        /// operations on its session. 30 seconds by default.
        ///
        /// An operation that takes longer fails with [`HistoryError::TimedOut`], or with
        /// [`HistoryError::Busy`] if it has not started. A write that has timed out takes no effect
        /// later: it carries its deadline, and the server refuses it after that.
        pub const fn operation_timeout(mut self, timeout: Duration) -> Self {
            self.connect.operation_timeout = timeout;
            self
        }

        /// Sets certificates, in PEM, to trust in addition to the system's.
        pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
            self.connect.pool.root_certificates = pem.into();
            self
        }

        /// Sets the size of the largest accepted message, in bytes of its JSON. 16 MiB by default.
        /// That of a note is always 16 MiB.
        pub const fn max_message_bytes(mut self, max: u64) -> Self {
            self.max_message_bytes = max;
            self
        }
    };
}

pub(crate) use connect_settings;
