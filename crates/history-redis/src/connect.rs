//! Settings of the connections to the server.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use conversant_core::HistoryError;
use conversant_history::{MAX_TIMEOUT, SessionExecutor};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    TlsCertificates,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};
use rustls::{
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::{runtime::Handle, time::sleep};

#[cfg(feature = "cluster")]
use redis::cluster::ClusterClient;
#[cfg(feature = "sentinel")]
use redis::{
    TlsMode,
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};

use crate::{
    error::{Failure, RedisError, backend},
    link::Link,
    pool::Database,
    renewed::{Address, Generation, RenewedConnection},
};

/// The default number of connections. Each carries many operations at once.
const CONNECTIONS: usize = 4;

/// The most connections of a history.
const MAX_CONNECTIONS: usize = 1024;

/// The default time to connect, and to wait for an answer before another connection is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The default time for an operation.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The number of attempts to connect for the first time, with growing pauses that begin with this
/// one.
const MAX_ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The time of silence after which the system asks whether the server is still there, and the time
/// for which it may acknowledge nothing.
const MAX_SILENCE: Duration = Duration::from_secs(30);

/// The settings that all histories of this crate have.
#[derive(Clone)]
pub(crate) struct Connect {
    servers: Servers,
    pub(crate) connections: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) operation_timeout: Duration,
    pub(crate) only_root_certificates: Option<Vec<u8>>,
}

/// The servers of a history, by URL.
#[derive(Clone)]
pub(crate) enum Servers {
    Single(String),
    /// Any nodes of a cluster.
    #[cfg(feature = "cluster")]
    Cluster(Vec<String>),
    /// Sentinels, and the URL of the master with its name in the place of a host.
    #[cfg(feature = "sentinel")]
    Sentinel {
        master: String,
        sentinels: Vec<String>,
    },
}

impl Connect {
    pub(crate) fn new(servers: Servers) -> Self {
        Self {
            servers,
            connections: CONNECTIONS,
            connect_timeout: CONNECT_TIMEOUT,
            operation_timeout: OPERATION_TIMEOUT,
            only_root_certificates: None,
        }
    }

    /// Connects.
    pub(crate) async fn database(&self) -> Result<Database, HistoryError> {
        let runtime = Handle::try_current()
            .map_err(|_| fault("cannot create a history in Redis outside a Tokio runtime"))?;
        let connections = self.connections.clamp(1, MAX_CONNECTIONS);
        let generation = Generation::default();
        let mut links = Vec::with_capacity(connections);
        for _ in 0..connections {
            links.push(self.link(&generation).await?);
        }
        let executor = SessionExecutor::new(runtime, self.operation_timeout);
        let database = Database::new(links, generation, executor);
        database.synchronize().await?;
        Ok(database)
    }

    #[cfg(feature = "cluster")]
    pub(crate) const fn is_cluster(&self) -> bool {
        matches!(self.servers, Servers::Cluster(_))
    }

    /// Opens a connection. Attempts are repeated, each of which may take the whole time.
    async fn link(&self, generation: &Generation) -> Result<Link, HistoryError> {
        let time = self.connect_timeout.min(MAX_TIMEOUT);
        match tokio::time::timeout(time, self.connect(time, generation)).await {
            Ok(link) => link,
            Err(_) => Err(fault(
                "the server does not answer within the time to connect; it may expect TLS \
                 (`rediss://`), or none",
            )),
        }
    }

    async fn connect(
        &self,
        timeout: Duration,
        generation: &Generation,
    ) -> Result<Link, HistoryError> {
        let failed = |error| HistoryError::from(Failure::from(error));
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout));
        match &self.servers {
            Servers::Single(url) => {
                let client = self.client(url)?;
                let (mut attempts, mut pause) = (1, FIRST_PAUSE);
                loop {
                    let (address, config) = (Address::Server(client.clone()), config.clone());
                    let generation = generation.clone();
                    match RenewedConnection::connect(address, config, generation).await {
                        Err(error) if attempts < MAX_ATTEMPTS && error.is_io_error() => {
                            attempts += 1;
                            sleep(pause).await;
                            pause *= 2;
                        }
                        connected => return connected.map(Link::Single).map_err(failed),
                    }
                }
            }
            #[cfg(feature = "cluster")]
            Servers::Cluster(urls) => {
                let nodes =
                    urls.iter().map(|url| Self::info(url)).collect::<Result<Vec<_>, _>>()?;
                let builder = ClusterClient::builder(nodes)
                    .tcp_settings(tcp_settings())
                    .connection_timeout(timeout)
                    .response_timeout(timeout)
                    .overall_response_timeout(Some(timeout));
                let builder = match self.certificates()? {
                    Some(certificates) => builder.certs(certificates),
                    None => builder,
                };
                let client = builder.build().map_err(|_| unreadable())?;
                client.get_async_connection().await.map(Link::Cluster).map_err(failed)
            }
            #[cfg(feature = "sentinel")]
            Servers::Sentinel { .. } if self.only_root_certificates.is_some() => Err(fault(
                "cannot use `only_root_certificates` with sentinels; add the certificates to the \
                 system's",
            )),
            #[cfg(feature = "sentinel")]
            Servers::Sentinel { master, sentinels } => {
                let sentinels =
                    sentinels.iter().map(|url| Self::info(url)).collect::<Result<Vec<_>, _>>()?;
                let master = Self::info(master)?;
                let (name, is_encrypted) = match master.addr() {
                    ConnectionAddr::Tcp(name, _) => (name.clone(), false),
                    ConnectionAddr::TcpTls { host, .. } => (host.clone(), true),
                    _ => return Err(unreadable()),
                };
                let mut node = SentinelNodeConnectionInfo::default()
                    .set_redis_connection_info(master.redis_settings().clone())
                    .set_tcp_settings(tcp_settings());
                if is_encrypted {
                    node = node.set_tls_mode(TlsMode::Secure);
                }
                let kind = SentinelServerType::Master;
                let client = SentinelClient::build(sentinels, name, Some(node), kind);
                let address = Address::Master(client.map_err(|_| unreadable())?);
                RenewedConnection::connect(address, config, generation.clone())
                    .await
                    .map(Link::Sentinel)
                    .map_err(failed)
            }
        }
    }

    fn client(&self, url: &str) -> Result<Client, HistoryError> {
        let info = Self::info(url)?;
        if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Client::open(info).map_err(|_| unreadable());
        }
        let certificates = self.certificates()?.unwrap_or(NO_CERTIFICATES);
        Client::build_with_tls(info, certificates)
            .map_err(|_| fault("cannot read the root certificates"))
    }

    /// Parses a URL. The client's own error could quote a part of it, and so a password.
    fn info(url: &str) -> Result<ConnectionInfo, HistoryError> {
        let info: ConnectionInfo = url.into_connection_info().map_err(|_| unreadable())?;
        // The client uses the process's default provider, and panics if there is none.
        let is_encrypted = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        if is_encrypted && CryptoProvider::get_default().is_none() {
            // Another thread may have installed one meanwhile.
            let _ = CryptoProvider::install_default(ring::default_provider());
        }
        // It panics then, too.
        if is_encrypted && SystemTime::now() < UNIX_EPOCH {
            return Err(fault("cannot check certificates: the system's clock is before 1970"));
        }
        Ok(info.set_tcp_settings(tcp_settings()))
    }

    fn certificates(&self) -> Result<Option<TlsCertificates>, HistoryError> {
        let Some(roots) = &self.only_root_certificates else { return Ok(None) };
        let mut found = CertificateDer::pem_slice_iter(roots).peekable();
        if found.peek().is_none() || found.any(|root| root.is_err()) {
            return Err(fault("cannot read the root certificates"));
        }
        Ok(Some(TlsCertificates { client_tls: None, root_cert: Some(roots.clone()) }))
    }
}

/// A connection carries many operations, whose small packets are not held back. That a server is
/// gone is noticed although nothing closes the connection.
fn tcp_settings() -> TcpSettings {
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(TcpKeepalive::new().with_time(MAX_SILENCE));
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(MAX_SILENCE);
    settings
}

/// The system's certificates.
const NO_CERTIFICATES: TlsCertificates = TlsCertificates { client_tls: None, root_cert: None };

fn unreadable() -> HistoryError {
    fault("cannot parse the URL of the server")
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
        /// the connections are replaced and another one is tried. 10 seconds by default.
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

        /// Sets the only certificates to trust, in PEM, instead of the system's. The stores in
        /// PostgreSQL and the adapters of models have `root_certificates`, which adds some.
        ///
        /// Sentinels and their master are checked against the system's: with them it is an error.
        pub fn only_root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
            self.connect.only_root_certificates = Some(pem.into());
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
