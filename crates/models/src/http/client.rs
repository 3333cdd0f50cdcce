//! The HTTP client: built on first use, and shared by all adapters.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use conversant_core::ModelError;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt;

/// How long making a connection may take, unless set otherwise.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// What the client says it is.
pub(crate) const AGENT: &str = concat!("conversant/", env!("CARGO_PKG_VERSION"));
/// How long an unused connection is kept: less than the 5 s after which many servers close theirs.
pub(crate) const POOL_IDLE: Duration = Duration::from_millis(4500);

/// Where requests go out: the client that all adapters share, or one of a user's own.
#[derive(Debug, Clone)]
pub(crate) enum HttpClient {
    /// The shared one.
    Shared,
    /// A client with a connect timer of its own, made on first use.
    Own(Duration, Arc<OnceLock<reqwest::Client>>),
    /// A client that was given.
    Given(reqwest::Client),
}

impl HttpClient {
    /// Returns the client, and makes it if it is the first call.
    ///
    /// # Errors
    /// [`ModelError::Config`], if it can't be made: if the system has no root certificates, for instance.
    pub(crate) fn get(&self, secure: bool) -> Result<reqwest::Client, ModelError> {
        static SECURE: OnceLock<reqwest::Client> = OnceLock::new();
        static PLAIN: OnceLock<reqwest::Client> = OnceLock::new();
        let (cell, connect) = match self {
            Self::Given(client) => return Ok(client.clone()),
            Self::Own(connect, cell) => (&**cell, *connect),
            Self::Shared if secure => (&SECURE, CONNECT),
            Self::Shared => (&PLAIN, CONNECT),
        };
        if let Some(client) = cell.get() {
            return Ok(client.clone());
        }
        let made = build(secure, connect).map_err(|error| {
            ModelError::config(format!("the HTTP client can't be made: {error}"))
        })?;
        Ok(cell.get_or_init(|| made).clone())
    }
}

/// Makes a client that follows no redirects, sends no referer and asks for no compression. One for plain HTTP reads no
/// certificates and uses no proxy, so that a key never goes to a proxy in clear.
fn build(secure: bool, connect: Duration) -> Result<reqwest::Client, conversant_core::BoxError> {
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(secure)?)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // `never` alone keeps a copy of each request for the retry that it never makes.
        .retry(reqwest::retry::never().max_retries_per_request(0))
        .connect_timeout(connect)
        .pool_idle_timeout(POOL_IDLE)
        .tcp_nodelay(true)
        .user_agent(AGENT);
    let builder = if secure { builder.https_only(true) } else { builder.no_proxy() };
    builder.build().map_err(|error| error.without_url().into())
}

/// Makes the TLS settings: the platform's trust store, and ring for the cryptography, so that nothing process-wide is set.
fn tls(secure: bool) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    let mut config = if secure {
        builder.with_platform_verifier()?.with_no_client_auth()
    } else {
        builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
