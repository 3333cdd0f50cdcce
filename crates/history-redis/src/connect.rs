//! Settings of the connections to the server.

use std::{fmt, time::Duration};

use conversant_core::HistoryError;
use conversant_history::{MAX_TIMEOUT, SessionExecutor};
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use rustls::{
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::runtime::Handle;

use crate::{
    error::{Failure, RedisError, backend},
    pool::Database,
};

/// The default number of connections. Each carries many operations at once.
const CONNECTIONS: usize = 4;

/// The most connections of a history.
const MAX_CONNECTIONS: usize = 1024;

/// The default time to connect, and to wait for an answer before another connection is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The default time for an operation.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The number of attempts to connect, with growing pauses that begin with this one.
const MAX_ATTEMPTS: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The settings that all histories of this crate have.
#[derive(Clone)]
pub(crate) struct Connect {
    url: String,
    pub(crate) connections: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) operation_timeout: Duration,
    pub(crate) root_certificates: Option<Vec<u8>>,
}

impl Connect {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections: CONNECTIONS,
            connect_timeout: CONNECT_TIMEOUT,
            operation_timeout: OPERATION_TIMEOUT,
            root_certificates: None,
        }
    }

    /// Connects.
    pub(crate) async fn database(&self) -> Result<Database, HistoryError> {
        let runtime = Handle::try_current()
            .map_err(|_| fault("cannot create a history in Redis outside a Tokio runtime"))?;
        let client = self.client()?;
        let connect_timeout = self.connect_timeout.min(MAX_TIMEOUT);
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(connect_timeout))
            .set_response_timeout(Some(connect_timeout))
            .set_number_of_retries(MAX_ATTEMPTS)
            .set_min_delay(FIRST_PAUSE);
        let connections = self.connections.clamp(1, MAX_CONNECTIONS);
        let mut managers = Vec::with_capacity(connections);
        for _ in 0..connections {
            let manager = ConnectionManager::new_with_config(client.clone(), config.clone()).await;
            managers.push(manager.map_err(|error| HistoryError::from(Failure::from(error)))?);
        }
        let executor = SessionExecutor::new(runtime, self.operation_timeout);
        let database = Database::new(managers, executor);
        database.synchronize().await?;
        Ok(database)
    }

    fn client(&self) -> Result<Client, HistoryError> {
        // The client's own error could quote a part of the URL, and so a password.
        let unreadable = |_| fault("cannot parse the URL of the server");
        let info: ConnectionInfo = self.url.as_str().into_connection_info().map_err(unreadable)?;
        if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Client::open(info).map_err(unreadable);
        }
        // The client uses the process's default provider, and panics if there is none.
        if CryptoProvider::get_default().is_none() {
            // Another thread may have installed one meanwhile.
            let _ = CryptoProvider::install_default(ring::default_provider());
        }
        if let Some(roots) = &self.root_certificates {
            let mut found = CertificateDer::pem_slice_iter(roots).peekable();
            if found.peek().is_none() || found.any(|root| root.is_err()) {
                return Err(fault("cannot read the root certificates"));
            }
        }
        let certificates =
            TlsCertificates { client_tls: None, root_cert: self.root_certificates.clone() };
        Client::build_with_tls(info, certificates)
            .map_err(|_| fault("cannot read the root certificates"))
    }
}

fn fault(what: &str) -> HistoryError {
    backend(RedisError::new(what))
}

/// Leaves out the URL, which may have a password.
impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("connections", &self.connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("operation_timeout", &self.operation_timeout)
            .finish_non_exhaustive()
    }
}

/// The settings that the builders of both histories have.
macro_rules! connect_settings {
    () => {
        /// Sets the number of connections, from 1 to 1,024. 4 by default.
        ///
        /// Each carries many operations at once. With several, operations do not wait for a large
        /// message.
        pub const fn connections(mut self, connections: usize) -> Self {
            self.connect.connections = connections;
            self
        }

        /// Sets how long to wait for the server to accept a connection, and for its answer before
        /// another connection is tried. 10 seconds by default.
        pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
            self.connect.connect_timeout = timeout;
            self
        }

        /// Sets how long an operation may take, including the wait for earlier operations on its
        /// session. 30 seconds by default.
        ///
        /// An operation that takes longer fails with [`HistoryError::TimedOut`], or with
        /// [`HistoryError::Busy`] if it has not started. A write that has timed out takes no effect
        /// later: it carries its deadline, and the server refuses it after that.
        pub const fn operation_timeout(mut self, timeout: Duration) -> Self {
            self.connect.operation_timeout = timeout;
            self
        }

        /// Sets certificates, in PEM, to trust instead of the system's.
        pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
            self.connect.root_certificates = Some(pem.into());
            self
        }

        /// Sets the size of the largest accepted message, in bytes of its JSON. 16 MiB by default.
        pub const fn max_message_bytes(mut self, max: u64) -> Self {
            self.max_message_bytes = max;
            self
        }
    };
}

pub(crate) use connect_settings;
