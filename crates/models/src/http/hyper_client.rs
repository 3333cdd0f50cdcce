//! hyper's client: a connector with a time limit that knows proxies, and a pool of connections.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use conversant_core::{BoxError, ModelError};
use http::{HeaderMap, HeaderValue, Uri, header};
use hyper_rustls::HttpsConnector;
#[cfg(feature = "socks")]
use hyper_util::client::legacy::connect::proxy::{SocksV4, SocksV5};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, proxy::Tunnel},
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, pki_types::CertificateDer};
use tokio::time::timeout;
use tower_service::Service;

use super::{
    config::{KEEPALIVE, KEEPALIVE_PROBES, POOL_IDLE_TIMEOUT, USER_AGENT},
    endpoint::Endpoint,
    guarded_stream::GuardedStream,
    network_stream::NetworkStream,
    proxy::{Proxy, ProxyError, ProxyKind},
    request_body::RequestBody,
    tls,
};

/// hyper's client with our connector. It holds the connections of one runtime.
pub(super) type HyperClient = Client<Connector, RequestBody>;

/// Creates a client with no connections.
pub(super) fn client(connector: Connector) -> HyperClient {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(POOL_IDLE_TIMEOUT);
    // A server that is frozen acknowledges what the system has received for it. Over HTTP/1.1 that
    // costs the call that waits, over HTTP/2 all that share its connection.
    #[cfg(feature = "http2")]
    builder
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(KEEPALIVE)
        .http2_keep_alive_timeout(KEEPALIVE);
    builder.build(connector)
}

/// Makes connections, each within a time limit that includes its TLS handshake.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<Route>,
    timeout: Duration,
    /// Whether requests go to the server in clear, through a proxy.
    is_forwarded: bool,
}

impl Connector {
    /// Creates a connector for an endpoint.
    ///
    /// # Errors
    /// [`ModelError::Config`], if the TLS settings cannot be made.
    pub(super) fn new(
        endpoint: &Endpoint,
        proxy: Option<&Proxy>,
        roots: &[CertificateDer<'static>],
        timeout: Duration,
    ) -> Result<Self, ModelError> {
        let is_secure = endpoint.is_secure();
        let speaks_tls = is_secure || proxy.is_some_and(|proxy| proxy.kind == ProxyKind::Http);
        let tls = if speaks_tls { tls::config(roots) } else { tls::unused() };
        let tls = tls.map_err(|error| {
            ModelError::config(format!("cannot make the TLS settings: {error}"))
        })?;
        let route = match proxy {
            None => Route::Direct(tcp(is_secure)),
            Some(proxy) => Route::through(proxy, is_secure, &tls),
        };
        let is_forwarded = matches!(&route, Route::Forward { .. });
        let mut https = HttpsConnector::from((route, tls));
        if is_secure {
            https.enforce_https();
        }
        Ok(Self { https, timeout, is_forwarded })
    }
}

fn tcp(is_secure: bool) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(!is_secure);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_keepalive_interval(Some(KEEPALIVE));
    tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    tcp.set_tcp_user_timeout(Some(super::config::UNACKNOWLEDGED));
    tcp
}

/// The way to a server, below TLS with the server itself.
#[derive(Clone)]
enum Route {
    Direct(HttpConnector),
    Proxied {
        by: Proxied,
        proxy: Arc<str>,
    },
    /// Requests are sent to the proxy, which sends them on.
    Forward {
        connector: Box<HttpsConnector<Self>>,
        proxy: Uri,
        origin: Arc<str>,
    },
}

/// A proxy that makes a connection to the server, and sees nothing of what goes through it.
#[derive(Clone)]
enum Proxied {
    Tunnel(Box<Tunnel<HttpsConnector<Route>>>),
    #[cfg(feature = "socks")]
    Socks4(SocksV4<HttpConnector>),
    #[cfg(feature = "socks")]
    Socks5(SocksV5<HttpConnector>),
}

type Guarded = GuardedStream<NetworkStream>;
type Connecting<S> = Pin<Box<dyn Future<Output = Result<S, BoxError>> + Send>>;

impl Route {
    fn through(proxy: &Proxy, is_secure: bool, tls: &Arc<ClientConfig>) -> Self {
        let (uri, origin) = (proxy.uri(), Arc::from(proxy.origin()));
        let https = || HttpsConnector::from((Self::Direct(tcp(true)), without_h2(tls)));
        let by = match proxy.kind {
            ProxyKind::Http if !is_secure => {
                let connector = Box::new(https());
                return Self::Forward { connector, proxy: uri, origin };
            }
            ProxyKind::Http => {
                let agent = (header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
                let tunnel = Tunnel::new(uri, https()).with_headers(HeaderMap::from_iter([agent]));
                Proxied::Tunnel(Box::new(match proxy.basic_auth() {
                    Some(auth) => tunnel.with_auth(auth),
                    None => tunnel,
                }))
            }
            #[cfg(feature = "socks")]
            ProxyKind::Socks4 => Proxied::Socks4(SocksV4::new(uri, tcp(true))),
            #[cfg(feature = "socks")]
            ProxyKind::Socks5 => {
                let socks = SocksV5::new(uri, tcp(true));
                Proxied::Socks5(match proxy.raw_auth() {
                    Some((user, password)) => socks.with_auth(user, password),
                    None => socks,
                })
            }
        };
        Self::Proxied { by, proxy: origin }
    }
}

/// A proxy is spoken to in HTTP/1.1.
fn without_h2(tls: &ClientConfig) -> Arc<ClientConfig> {
    let mut tls = tls.clone();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(tls)
}

impl Service<Uri> for Route {
    type Response = NetworkStream;
    type Error = BoxError;
    type Future = Connecting<NetworkStream>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Direct(tcp) => tcp.poll_ready(context).map_err(BoxError::from),
            Self::Proxied { by, .. } => by.poll_ready(context),
            Self::Forward { connector, .. } => connector.poll_ready(context),
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match self {
            Self::Direct(tcp) => {
                let connecting = tcp.call(uri);
                Box::pin(async { Ok(NetworkStream::Tcp(connecting.await?)) })
            }
            Self::Proxied { by, proxy } => {
                let connecting = by.connect(uri);
                let proxy = Arc::clone(proxy);
                Box::pin(async move {
                    connecting.await.map_err(|source| through(&proxy, source).into())
                })
            }
            Self::Forward { connector, proxy, origin } => {
                let connecting = connector.call(proxy.clone());
                let origin = Arc::clone(origin);
                Box::pin(async move {
                    let connected = connecting.await.map_err(|source| through(&origin, source))?;
                    Ok(connected.into())
                })
            }
        }
    }
}

impl Proxied {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Tunnel(tunnel) => tunnel.poll_ready(context).map_err(BoxError::from),
            #[cfg(feature = "socks")]
            Self::Socks4(socks) => socks.poll_ready(context).map_err(BoxError::from),
            #[cfg(feature = "socks")]
            Self::Socks5(socks) => socks.poll_ready(context).map_err(BoxError::from),
        }
    }

    fn connect(&mut self, uri: Uri) -> Connecting<NetworkStream> {
        match self {
            Self::Tunnel(tunnel) => {
                let connecting = tunnel.call(uri);
                Box::pin(async { Ok(connecting.await?.into()) })
            }
            #[cfg(feature = "socks")]
            Self::Socks4(socks) => {
                let connecting = socks.call(uri);
                Box::pin(async { Ok(NetworkStream::Tcp(connecting.await?)) })
            }
            #[cfg(feature = "socks")]
            Self::Socks5(socks) => {
                let connecting = socks.call(uri);
                Box::pin(async { Ok(NetworkStream::Tcp(connecting.await?)) })
            }
        }
    }
}

fn through(proxy: &str, source: BoxError) -> ProxyError {
    ProxyError { proxy: proxy.to_owned(), source }
}

impl Service<Uri> for Connector {
    type Response = Guarded;
    type Error = BoxError;
    type Future = Connecting<Guarded>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = timeout(self.timeout, self.https.call(uri));
        let is_forwarded = self.is_forwarded;
        Box::pin(async move {
            let stream = connecting.await.map_err(|_| ConnectTimeout)??;
            Ok(GuardedStream::new(NetworkStream::from(stream), is_forwarded))
        })
    }
}

/// A connection was not made within its time limit.
#[derive(Debug)]
pub(super) struct ConnectTimeout;

impl fmt::Display for ConnectTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot connect in time")
    }
}

impl Error for ConnectTimeout {}
