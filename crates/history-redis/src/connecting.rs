//! How to reach the server.

use std::{fmt, time::Duration};

use conversant_core::HistoryError;
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
    engine::Engine,
    error::{Failure, RedisError, backend},
};

/// How many connections there are, unless told otherwise. Each carries many operations at once.
const CONNECTIONS: usize = 4;

/// How long to wait for a server that does not answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a connection is tried for, with growing pauses that begin with this one.
const TRIES: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Where the server is, and how to reach it: what all histories of this crate have in common.
#[derive(Clone)]
pub(crate) struct Connecting {
    url: String,
    connections: usize,
    patience: Duration,
    roots: Option<Vec<u8>>,
}

impl Connecting {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), connections: CONNECTIONS, patience: PATIENCE, roots: None }
    }

    pub(crate) fn set_connections(&mut self, connections: usize) {
        self.connections = connections.max(1);
    }

    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    pub(crate) fn set_roots(&mut self, pem: Vec<u8>) {
        self.roots = Some(pem);
    }

    /// Connects.
    pub(crate) async fn engine(&self) -> Result<Engine, HistoryError> {
        let runtime = Handle::try_current()
            .map_err(|_| fault("a history in Redis is made on a Tokio runtime"))?;
        let client = self.client()?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(self.patience))
            .set_response_timeout(Some(self.patience))
            .set_number_of_retries(TRIES)
            .set_min_delay(FIRST_PAUSE);
        let mut connections = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            let connection =
                ConnectionManager::new_with_config(client.clone(), config.clone()).await;
            connections.push(connection.map_err(|error| HistoryError::from(Failure::from(error)))?);
        }
        Ok(Engine::new(connections, runtime))
    }

    fn client(&self) -> Result<Client, HistoryError> {
        // The client's own error could quote a part of the URL, and so a password.
        let unreadable = |_| fault("the URL of the server can't be read");
        let info: ConnectionInfo = self.url.as_str().into_connection_info().map_err(unreadable)?;
        if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Client::open(info).map_err(unreadable);
        }
        // The client takes the process's own cryptography, and there has to be one.
        if CryptoProvider::get_default().is_none() {
            // Somebody else may have been faster, which is as well.
            let _ = CryptoProvider::install_default(ring::default_provider());
        }
        if let Some(roots) = &self.roots {
            let mut found = CertificateDer::pem_slice_iter(roots).peekable();
            if found.peek().is_none() || found.any(|root| root.is_err()) {
                return Err(fault("the root certificates can't be read"));
            }
        }
        let certificates = TlsCertificates { client_tls: None, root_cert: self.roots.clone() };
        Client::build_with_tls(info, certificates)
            .map_err(|_| fault("the root certificates can't be read"))
    }
}

fn fault(what: &str) -> HistoryError {
    backend(RedisError::new(what))
}

/// The URL may hold a password.
impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting")
            .field("connections", &self.connections)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
