//! Settings of the connections to a server.

use std::{
    fmt,
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::{
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    time_provider::TimeProvider,
};
use rustls_platform_verifier::Verifier;
use tokio::runtime::Handle;
use tokio_postgres::{Config, NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    addresses::EachAddress, cancel::Canceller, direct::AreDirect, error::PostgresError,
    pool::PostgresPool,
};
use crate::executor::MAX_TIMEOUT;

/// The default number of connections, and the largest.
const CONNECTIONS: usize = 16;
const MAX_CONNECTIONS: usize = 4096;

/// The default time to connect, and to wait for a free connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time after which the system probes a silent connection, and after which it gives up data
/// that is not acknowledged.
const MAX_SILENCE: Duration = Duration::from_secs(30);

/// Settings of a [`PostgresPool`].
///
/// | setting | default |
/// |---|---|
/// | `max_connections` | 16, at least 1, at most 4,096 |
/// | `connect_timeout` | 10 s |
/// | `acquire_timeout` | 10 s |
/// | `root_certificates` | none besides the system's |
/// | `detect_poolers` | `false` |
#[derive(Clone)]
#[non_exhaustive]
pub struct PostgresSettings {
    /// A URL such as `postgres://user:password@host/database`, or a list of libpq settings.
    pub url: String,
    /// The number of connections, at most.
    pub max_connections: usize,
    /// How long to wait for a server to accept a connection, for each address: a name in the URL
    /// can have several. A `connect_timeout` of the URL comes first.
    pub connect_timeout: Duration,
    /// How long to wait for a free connection.
    pub acquire_timeout: Duration,
    /// Certificates, in PEM, to trust in addition to the system's.
    pub root_certificates: Vec<u8>,
    /// Whether each new connection is checked for a pooler, which takes a round trip. See
    /// [`PostgresPool::is_direct`].
    pub detect_poolers: bool,
}

impl PostgresSettings {
    /// Creates the default settings for a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: CONNECTIONS,
            connect_timeout: CONNECT_TIMEOUT,
            acquire_timeout: CONNECT_TIMEOUT,
            root_certificates: Vec::new(),
            detect_poolers: false,
        }
    }

    /// Creates a pool, which connects when it is used.
    ///
    /// # Errors
    /// [`PostgresError`] if the URL cannot be parsed, the certificates cannot be read, or there is
    /// no Tokio runtime.
    pub fn pool(&self) -> Result<PostgresPool, PostgresError> {
        let runtime = Handle::try_current().map_err(|_| {
            PostgresError::new("cannot connect to PostgreSQL outside a Tokio runtime")
        })?;
        let config = self.config()?;
        let tls = self.tls(config.get_ssl_mode())?;
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let connect_timeout = config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        let manager = match tls.clone() {
            Some(tls) => Manager::from_connect(config, EachAddress { tls }, manager_config),
            None => Manager::from_connect(config, EachAddress { tls: NoTls }, manager_config),
        };
        let direct = AreDirect::default();
        let mut builder = Pool::builder(manager);
        if self.detect_poolers {
            builder = builder.post_create(direct.hook(connect_timeout));
        } else {
            direct.deny();
        }
        let pool = builder
            .max_size(self.max_connections.clamp(1, MAX_CONNECTIONS))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(self.acquire_timeout.min(MAX_TIMEOUT)))
            .build()
            .map_err(|_| PostgresError::new("cannot create the pool of connections"))?;
        let canceller = Canceller::new(runtime.clone(), tls);
        Ok(PostgresPool::new(pool, canceller, runtime, direct))
    }

    fn config(&self) -> Result<Config, PostgresError> {
        // The client's own error could quote a part of the URL, and so a password.
        let mut config = Config::from_str(&self.url)
            .map_err(|_| PostgresError::new("cannot parse the URL of the database"))?;
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
    fn tls(&self, mode: SslMode) -> Result<Option<MakeRustlsConnect>, PostgresError> {
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

    fn tls_config(&self) -> Result<rustls::ClientConfig, PostgresError> {
        let unreadable = |_| PostgresError::new("cannot read the root certificates");
        let roots: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&self.root_certificates)
                .collect::<Result<_, _>>()
                .map_err(unreadable)?;
        if roots.is_empty() != self.root_certificates.is_empty() {
            return Err(PostgresError::new("cannot read the root certificates"));
        }
        let unusable =
            |error: rustls::Error| PostgresError::new(format!("cannot set up encryption: {error}"));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(unusable)?;
        let config = rustls::ClientConfig::builder_with_details(provider, Arc::new(SystemClock))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(config)
    }
}

/// The system's clock, by which certificates are checked. A handshake before 1970 is an error; with
/// rustls' own clock it panics.
#[derive(Debug)]
struct SystemClock;

impl TimeProvider for SystemClock {
    fn current_time(&self) -> Option<UnixTime> {
        SystemTime::now().duration_since(UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}

/// Leaves out the URL, which may have a password.
impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSettings")
            .field("max_connections", &self.max_connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("detect_poolers", &self.detect_poolers)
            .finish_non_exhaustive()
    }
}
