//! The HTTP client of an adapter: its own, or the user's.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use conversant_core::ModelError;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header::PROXY_AUTHORIZATION};
use rustls::pki_types::CertificateDer;
use tokio::runtime::{Handle, Id};

use super::{
    attempt::FailedAttempt,
    config::{CONNECT_TIMEOUT, MAX_RUNTIMES},
    custom_client::CustomClient,
    endpoint::Endpoint,
    hyper_client::{self, Connector, HyperClient},
    proxy::{Proxy, ProxySetting},
    request_body::{self, RequestBody},
    response_body::ResponseBody,
    tls, transport_error,
};

/// The settings of a client.
#[derive(Debug, Clone)]
pub(crate) struct ClientSettings {
    /// The user's client, in place of the built-in one.
    pub(crate) custom: Option<CustomClient>,
    pub(crate) connect_timeout: Duration,
    pub(crate) proxy: ProxySetting,
    /// Root certificates in PEM, besides the platform's.
    pub(crate) root_certificates: Vec<Vec<u8>>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            custom: None,
            connect_timeout: CONNECT_TIMEOUT,
            proxy: ProxySetting::default(),
            root_certificates: Vec::new(),
        }
    }
}

/// The client of an adapter and its clones.
///
/// A connection is driven by the runtime that made it. So each runtime has connections of its own:
/// a runtime that is idle or gone cannot hold up the calls of another.
#[derive(Clone)]
pub(crate) struct HttpClient {
    kind: Kind,
    pub(super) connect_timeout: Duration,
}

#[derive(Clone)]
enum Kind {
    Custom(CustomClient),
    Hyper(Arc<Hyper>),
}

/// The built-in client.
struct Hyper {
    proxy: Option<Proxy>,
    roots: Vec<CertificateDer<'static>>,
    /// Made with the first call, since it reads the platform's certificates.
    connector: OnceLock<Connector>,
    /// The clients of the runtimes, the latest first.
    clients: Mutex<VecDeque<(Id, Arc<HyperClient>)>>,
}

impl HttpClient {
    /// Creates the client of an endpoint. No connections are made.
    ///
    /// # Errors
    /// [`ModelError::Config`], if the proxy or the certificates cannot be used.
    pub(crate) fn new(settings: &ClientSettings, endpoint: &Endpoint) -> Result<Self, ModelError> {
        let connect_timeout = settings.connect_timeout;
        if let Some(client) = &settings.custom {
            return Ok(Self { kind: Kind::Custom(client.clone()), connect_timeout });
        }
        let mut roots = Vec::new();
        for pem in &settings.root_certificates {
            roots.extend(tls::read_pem(pem)?);
        }
        let proxy = settings.proxy.resolve(endpoint)?;
        let (connector, clients) = (OnceLock::new(), Mutex::default());
        let hyper = Hyper { proxy, roots, connector, clients };
        Ok(Self { kind: Kind::Hyper(Arc::new(hyper)), connect_timeout })
    }

    /// Returns the header that authorizes requests to a proxy that sends them on.
    pub(crate) fn proxy_header(&self, endpoint: &Endpoint) -> Option<(HeaderName, HeaderValue)> {
        let Kind::Hyper(hyper) = &self.kind else { return None };
        let proxy = hyper.proxy.as_ref().filter(|_| !endpoint.is_secure())?;
        Some((PROXY_AUTHORIZATION, proxy.basic_auth()?))
    }

    /// Returns the address of the proxy that sends requests on, which sees them in clear.
    pub(super) fn forwarding_proxy(&self, endpoint: &Endpoint) -> Option<String> {
        let Kind::Hyper(hyper) = &self.kind else { return None };
        hyper.proxy.as_ref().filter(|_| !endpoint.is_secure()).map(Proxy::origin)
    }

    /// Returns whether the client is the user's.
    pub(crate) fn is_custom(&self) -> bool {
        matches!(self.kind, Kind::Custom(_))
    }

    /// Gives up the connections of a runtime, so that the next request makes a new one. Those that
    /// have requests are closed at their ends.
    ///
    /// A request over HTTP/2 that is dropped leaves its connection to the others, even if nothing
    /// comes from it any more.
    #[cfg(feature = "http2")]
    pub(super) fn forget_connections(&self, runtime: &Handle) {
        let Kind::Hyper(hyper) = &self.kind else { return };
        let id = runtime.id();
        let mut clients = hyper.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|(known, _)| *known != id);
    }

    /// Sends a request, and returns the head of its response and the reader of its body.
    ///
    /// # Errors
    /// [`FailedAttempt`], for every failure before the head is there.
    pub(super) async fn send(
        &self,
        request: Request<'_>,
        runtime: &Handle,
    ) -> Result<Response<ResponseBody>, FailedAttempt> {
        let endpoint = request.endpoint;
        match &self.kind {
            Kind::Hyper(hyper) => {
                let client = hyper.client(runtime, endpoint, self.connect_timeout)?;
                let request = request.into_http(RequestBody::new)?;
                let sent = client.request(request).await.map_err(|error| {
                    transport_error::classify(error.into(), self.connect_timeout, endpoint)
                })?;
                Ok(sent.map(ResponseBody::Hyper))
            }
            Kind::Custom(client) => {
                let request = request.into_http(|pieces| request_body::join(pieces))?;
                // The error's own text may quote the URL, which may hold a key.
                client.send(request).await.map_err(|error| {
                    let error = transport_error::CustomClientError::boxed(error);
                    transport_error::classify(error, self.connect_timeout, endpoint)
                })
            }
        }
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

impl Hyper {
    /// Returns the client of a runtime.
    fn client(
        &self,
        runtime: &Handle,
        endpoint: &Endpoint,
        connect_timeout: Duration,
    ) -> Result<Arc<HyperClient>, ModelError> {
        let id = runtime.id();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        match clients.iter().position(|(known, _)| *known == id) {
            Some(0) => {}
            Some(index) => clients.swap(0, index),
            None => {
                let connector = self.connector(endpoint, connect_timeout)?;
                clients.push_front((id, Arc::new(hyper_client::client(connector))));
                clients.truncate(MAX_RUNTIMES);
            }
        }
        let client = clients.front().map(|(_, client)| Arc::clone(client));
        client.ok_or_else(|| ModelError::config("cannot make the HTTP client"))
    }

    fn connector(&self, endpoint: &Endpoint, timeout: Duration) -> Result<Connector, ModelError> {
        if let Some(connector) = self.connector.get() {
            return Ok(connector.clone());
        }
        let connector = Connector::new(endpoint, self.proxy.as_ref(), &self.roots, timeout)?;
        Ok(self.connector.get_or_init(|| connector).clone())
    }
}

/// The part of a request that an adapter makes.
#[derive(Debug)]
pub(crate) struct Outgoing<'r> {
    pub(crate) method: Method,
    /// The path below the base URL.
    pub(crate) path: &'r str,
    pub(crate) body: &'r Arc<[Bytes]>,
}

/// A request, once.
pub(super) struct Request<'r> {
    pub(super) outgoing: &'r Outgoing<'r>,
    pub(super) endpoint: &'r Endpoint,
    pub(super) headers: &'r HeaderMap,
}

impl Request<'_> {
    fn into_http<B>(
        self,
        body: impl FnOnce(&Arc<[Bytes]>) -> B,
    ) -> Result<http::Request<B>, FailedAttempt> {
        let Outgoing { method, path, body: pieces } = self.outgoing;
        let uri = self.endpoint.uri(path).ok_or_else(|| {
            FailedAttempt::last(ModelError::config("cannot make the request: invalid URL"))
        })?;
        let mut request = http::Request::new(body(pieces));
        request.method_mut().clone_from(method);
        *request.uri_mut() = uri;
        request.headers_mut().clone_from(self.headers);
        Ok(request)
    }
}
