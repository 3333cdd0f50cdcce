//! Settings of a connection, and the pool that they describe.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use conversant_core::HistoryError;
use conversant_history::{MAX_TIMEOUT, SessionExecutor};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls_platform_verifier::Verifier;
use tokio::runtime::Handle;
use tokio_postgres::{Config, NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    cancel::Canceller,
    error::{PostgresError, backend},
    pool::{Barrier, Database},
};

/// The default number of connections, and the largest.
const CONNECTIONS: usize = 16;
const MAX_CONNECTIONS: usize = 4096;

/// The default time to connect, and to wait for a free connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The default time for an operation.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The time after which the system probes a silent connection, and after which it gives up data
/// that is not acknowledged.
const MAX_SILENCE: Duration = Duration::from_secs(30);

/// The settings that all histories of this crate have.
#[derive(Clone)]
pub(crate) struct Connect {
    url: String,
    pub(crate) max_connections: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) acquire_timeout: Duration,
    pub(crate) operation_timeout: Duration,
    pub(crate) root_certificates: Vec<u8>,
}

impl Connect {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: CONNECTIONS,
            connect_timeout: CONNECT_TIMEOUT,
            acquire_timeout: CONNECT_TIMEOUT,
            operation_timeout: OPERATION_TIMEOUT,
            root_certificates: Vec::new(),
        }
    }

    /// Creates the pool, and connects once.
    pub(crate) async fn database(&self, barrier: Barrier) -> Result<Database, HistoryError> {
        let runtime = Handle::try_current()
            .map_err(|_| fault("cannot create a history in PostgreSQL outside a Tokio runtime"))?;
        let config = self.config()?;
        let tls = self.tls(config.get_ssl_mode())?;
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match tls.clone() {
            Some(tls) => Manager::from_config(config, tls, manager_config),
            None => Manager::from_config(config, NoTls, manager_config),
        };
        let acquire_timeout = self.acquire_timeout.min(MAX_TIMEOUT);
        let pool = Pool::builder(manager)
            .max_size(self.max_connections.clamp(1, MAX_CONNECTIONS))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(acquire_timeout))
            .create_timeout(Some(self.connect_timeout.min(MAX_TIMEOUT)))
            .build()
            .map_err(|_| fault("cannot create the pool of connections"))?;
        let canceller = Canceller::new(runtime.clone(), tls);
        let executor = SessionExecutor::new(runtime, self.operation_timeout);
        let database = Database::new(pool, canceller, executor, barrier, acquire_timeout);
        database.synchronize().await?;
        Ok(database)
    }

    fn config(&self) -> Result<Config, HistoryError> {
        // The client's own error could quote a part of the URL, and so a password.
        let mut config = Config::from_str(&self.url)
            .map_err(|_| fault("cannot parse the URL of the database"))?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(self.connect_timeout.min(MAX_TIMEOUT));
        }
        if config.get_application_name().is_none() {
            config.application_name("conversant");
        }
        config.keepalives_idle(config.get_keepalives_idle().min(MAX_SILENCE));
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(MAX_SILENCE);
        }
        Ok(config)
    }

    /// Returns the encryption, unless the URL disables it.
    fn tls(&self, mode: SslMode) -> Result<Option<MakeRustlsConnect>, HistoryError> {
        if mode == SslMode::Disable {
            return Ok(None);
        }
        match self.tls_config() {
            Ok(config) => Ok(Some(MakeRustlsConnect::new(config))),
            // A system without trusted certificates cannot verify any server.
            Err(_) if mode == SslMode::Prefer && self.root_certificates.is_empty() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn tls_config(&self) -> Result<rustls::ClientConfig, HistoryError> {
        let unreadable = |_| fault("cannot read the root certificates");
        let roots: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&self.root_certificates)
                .collect::<Result<_, _>>()
                .map_err(unreadable)?;
        if roots.is_empty() != self.root_certificates.is_empty() {
            return Err(fault("cannot read the root certificates"));
        }
        let unusable = |error: rustls::Error| HistoryError::Backend { source: error.into() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(unusable)?;
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(config)
    }
}

fn fault(what: &str) -> HistoryError {
    backend(PostgresError::new(what))
}

/// Leaves out the URL, which may have a password.
impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("max_connections", &self.max_connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("operation_timeout", &self.operation_timeout)
            .finish_non_exhaustive()
    }
}

/// The settings that the builders of both histories have.
macro_rules! connect_settings {
    () => {
        /// Sets the number of connections, at most. 16 by default, and at least 1.
        pub const fn max_connections(mut self, max: usize) -> Self {
            self.connect.max_connections = max;
            self
        }

        /// Sets how long to wait for the server to accept a connection. 10 seconds by default.
        pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
            self.connect.connect_timeout = timeout;
            self
        }

        /// Sets how long to wait for a free connection. 10 seconds by default.
        pub const fn acquire_timeout(mut self, timeout: Duration) -> Self {
            self.connect.acquire_timeout = timeout;
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
            self.connect.root_certificates = pem.into();
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
