//! TLS settings.

use std::{
    sync::{Arc, OnceLock},
    time::{SystemTime, UNIX_EPOCH},
};

use conversant_core::ModelError;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    time_provider::TimeProvider,
};
use rustls_platform_verifier::Verifier;

/// Returns the TLS settings: the platform's trust store with further root certificates, and ring
/// for the cryptography, so that nothing process-wide is set.
///
/// # Errors
/// If the platform's trust store cannot be read, or a certificate is invalid.
pub(super) fn config(
    roots: &[CertificateDer<'static>],
) -> Result<Arc<ClientConfig>, rustls::Error> {
    // Settings, not a client: they hold no connection. Reading the platform's certificates takes
    // some 30 ms on Linux, too much for each of many adapters.
    static PLATFORM: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if !roots.is_empty() {
        return with_roots(roots).map(Arc::new);
    }
    if let Some(config) = PLATFORM.get() {
        return Ok(Arc::clone(config));
    }
    let config = Arc::new(with_roots(&[])?);
    Ok(Arc::clone(PLATFORM.get_or_init(|| config)))
}

fn with_roots(roots: &[CertificateDer<'static>]) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = verifier(roots, Arc::clone(&provider))?;
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(SystemClock))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![
        #[cfg(feature = "http2")]
        b"h2".to_vec(),
        b"http/1.1".to_vec(),
    ];
    Ok(config)
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

#[cfg(not(target_os = "android"))]
fn verifier(
    roots: &[CertificateDer<'static>],
    provider: Arc<CryptoProvider>,
) -> Result<Verifier, rustls::Error> {
    Verifier::new_with_extra_roots(roots.iter().cloned(), provider)
}

#[cfg(target_os = "android")]
fn verifier(
    roots: &[CertificateDer<'static>],
    provider: Arc<CryptoProvider>,
) -> Result<Verifier, rustls::Error> {
    if !roots.is_empty() {
        return Err(rustls::Error::General("Android takes no further certificates".to_owned()));
    }
    Verifier::new(provider)
}

/// Returns the settings of a client that makes no TLS connections: no certificates are read for it.
///
/// # Errors
/// If rustls refuses its own defaults.
pub(super) fn unused() -> Result<Arc<ClientConfig>, rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Reads certificates in PEM.
///
/// # Errors
/// [`ModelError::Config`], if the text is not PEM or has no certificates.
pub(super) fn read_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ModelError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let roots = read.map_err(|error| {
        ModelError::config(format!("cannot read the root certificates: {error}; give them in PEM"))
    })?;
    if roots.is_empty() {
        return Err(ModelError::config(
            "cannot read the root certificates: the text has none; give them in PEM",
        ));
    }
    Ok(roots)
}
