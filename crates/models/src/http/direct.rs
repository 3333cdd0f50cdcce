//! hyper's client, with nothing around it: a connector that knows the system's proxy and has a time limit, and a pool of connections.
//!
//! reqwest wraps the same client in layers for redirects, retries and cookies, which none of our requests wants, and which parse its URL three
//! times. They take a fifth of what a call costs.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use conversant_core::BoxError;
use http::{HeaderMap, HeaderValue, Uri, header::USER_AGENT};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::{
        legacy::{
            Client,
            connect::{HttpConnector, proxy::Tunnel},
        },
        proxy::matcher::Intercept,
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::{net::TcpStream, time::timeout};
use tower_service::Service;

use super::{
    body::Pieces,
    client::{AGENT, POOL_IDLE},
    tls,
};

/// hyper's client, as it is used here.
pub(super) type Direct = Client<Connector, Pieces>;

/// After how long without a byte a connection is probed, and how often: reqwest's settings.
const KEEPALIVE: (Duration, u32) = (Duration::from_secs(15), 3);
/// How long what was sent may stay unacknowledged: reqwest's setting.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Makes a client for servers that speak TLS, perhaps behind a proxy, or for those that do not.
pub(super) fn client(
    secure: bool,
    connect: Duration,
    proxy: Option<&Intercept>,
) -> Result<Direct, BoxError> {
    let way = match proxy {
        Some(proxy) => Way::Through(Box::new(tunnel(proxy)?)),
        None => Way::Straight(tcp(secure)),
    };
    let mut https = HttpsConnector::from((way, tls::config(secure)?));
    if secure {
        https.enforce_https();
    }
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .build(Connector { https, limit: connect }))
}

fn tcp(secure: bool) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(!secure);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE.0));
    tcp.set_keepalive_interval(Some(KEEPALIVE.0));
    tcp.set_keepalive_retries(Some(KEEPALIVE.1));
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    tcp
}

/// Makes the way through a proxy, which is asked for a connection to the server and sees nothing of what goes through it.
fn tunnel(proxy: &Intercept) -> Result<Tunnel<HttpsConnector<HttpConnector>>, BoxError> {
    if !matches!(proxy.uri().scheme_str(), Some("http" | "https")) {
        return Err("the system's proxy is neither an HTTP nor an HTTPS one".into());
    }
    let connector = HttpsConnector::from((tcp(true), tls::config(true)?));
    let agent = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(AGENT))]);
    let tunnel = Tunnel::new(proxy.uri().clone(), connector).with_headers(agent);
    Ok(match proxy.basic_auth() {
        Some(auth) => tunnel.with_auth(auth.clone()),
        None => tunnel,
    })
}

/// How a server is reached, below what is said to it.
#[derive(Debug, Clone)]
pub(super) enum Way {
    Straight(HttpConnector),
    Through(Box<Tunnel<HttpsConnector<HttpConnector>>>),
}

type Below = MaybeHttpsStream<TokioIo<TcpStream>>;
type Connecting<S> = Pin<Box<dyn Future<Output = Result<S, BoxError>> + Send>>;

impl Service<Uri> for Way {
    type Response = Below;
    type Error = BoxError;
    type Future = Connecting<Below>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Straight(tcp) => tcp.poll_ready(context).map_err(BoxError::from),
            Self::Through(tunnel) => tunnel.poll_ready(context).map_err(BoxError::from),
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match self {
            Self::Straight(tcp) => {
                let connecting = tcp.call(uri);
                Box::pin(async { Ok(MaybeHttpsStream::Http(connecting.await?)) })
            }
            Self::Through(tunnel) => {
                let connecting = tunnel.call(uri);
                Box::pin(async { Ok(connecting.await?) })
            }
        }
    }
}

/// Makes connections, each within a time that includes its TLS handshake.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    https: HttpsConnector<Way>,
    limit: Duration,
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Below>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = timeout(self.limit, self.https.call(uri));
        Box::pin(async { connecting.await.map_err(|_| TookTooLong)? })
    }
}

/// Making a connection took too long.
#[derive(Debug)]
pub(super) struct TookTooLong;

impl fmt::Display for TookTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connecting took too long")
    }
}

impl Error for TookTooLong {}
