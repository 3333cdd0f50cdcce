//! How to connect, and with which limits.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use conversant_core::HistoryError;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls_platform_verifier::Verifier;
use tokio::runtime::Handle;
use tokio_postgres::{Config, NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    engine::Engine,
    error::{PostgresError, backend},
};

/// How many connections there are at most, unless told otherwise.
const MOST_CONNECTIONS: usize = 16;

/// How long to wait for a server that does not answer, or for a connection to be free.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may be silent before the system asks whether the other end is there, and how long unanswered
/// data may be under way.
const SILENCE: Duration = Duration::from_secs(30);

/// Where the database is, and how to reach it: what all histories of this crate have in common.
#[derive(Clone)]
pub(crate) struct Connecting {
    url: String,
    most_connections: usize,
    patience: Duration,
    roots: Vec<u8>,
}

impl Connecting {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            most_connections: MOST_CONNECTIONS,
            patience: PATIENCE,
            roots: Vec::new(),
        }
    }

    pub(crate) fn set_most_connections(&mut self, most: usize) {
        self.most_connections = most.max(1);
    }

    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    pub(crate) fn set_roots(&mut self, pem: Vec<u8>) {
        self.roots = pem;
    }

    /// Makes the pool. No connection is made yet.
    pub(crate) fn engine(&self) -> Result<Engine, HistoryError> {
        let runtime = Handle::try_current()
            .map_err(|_| fault("a history in PostgreSQL is made on a Tokio runtime"))?;
        let config = self.config()?;
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match self.tls(config.get_ssl_mode())? {
            Some(tls) => Manager::from_config(config, tls, manager_config),
            None => Manager::from_config(config, NoTls, manager_config),
        };
        let pool = Pool::builder(manager)
            .max_size(self.most_connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(self.patience))
            .create_timeout(Some(self.patience))
            .build()
            .map_err(|_| fault("the pool of connections can't be made"))?;
        Ok(Engine::new(pool, runtime))
    }

    fn config(&self) -> Result<Config, HistoryError> {
        // The client's own error could quote a part of the URL, and so a password.
        let mut config = Config::from_str(&self.url)
            .map_err(|_| fault("the URL of the database can't be read"))?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(self.patience);
        }
        if config.get_application_name().is_none() {
            config.application_name("conversant");
        }
        config.keepalives_idle(config.get_keepalives_idle().min(SILENCE));
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        Ok(config)
    }

    /// Returns how to encrypt, unless the URL says not to.
    fn tls(&self, mode: SslMode) -> Result<Option<MakeRustlsConnect>, HistoryError> {
        if mode == SslMode::Disable {
            return Ok(None);
        }
        match self.tls_config() {
            Ok(config) => Ok(Some(MakeRustlsConnect::new(config))),
            // Without trusted certificates nobody can be trusted; a mere preference does without.
            Err(_) if mode == SslMode::Prefer && self.roots.is_empty() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn tls_config(&self) -> Result<rustls::ClientConfig, HistoryError> {
        let unreadable = |_| fault("the root certificates can't be read");
        let roots: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&self.roots)
            .collect::<Result<_, _>>()
            .map_err(unreadable)?;
        if roots.is_empty() != self.roots.is_empty() {
            return Err(fault("the root certificates can't be read"));
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

/// The URL may hold a password.
impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting")
            .field("most_connections", &self.most_connections)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
