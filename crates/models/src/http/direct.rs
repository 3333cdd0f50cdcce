//! hyper's client, with nothing around it: a connector that has a time limit, and a pool of connections.
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
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::{net::TcpStream, time::timeout};
use tower_service::Service;

use super::{body::Pieces, client::POOL_IDLE, tls};

/// hyper's client, as it is used here.
pub(super) type Direct = Client<Connector, Pieces>;

/// After how long without a byte a connection is probed, and how often: reqwest's settings.
const KEEPALIVE: (Duration, u32) = (Duration::from_secs(15), 3);
/// How long what was sent may stay unacknowledged: reqwest's setting.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Makes a client for servers that speak TLS, or for those that do not. It uses no proxy.
pub(super) fn client(secure: bool, connect: Duration) -> Result<Direct, BoxError> {
    let mut http = HttpConnector::new();
    http.enforce_http(!secure);
    http.set_nodelay(true);
    http.set_keepalive(Some(KEEPALIVE.0));
    http.set_keepalive_interval(Some(KEEPALIVE.0));
    http.set_keepalive_retries(Some(KEEPALIVE.1));
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    http.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    let mut https = HttpsConnector::from((http, tls::config(secure)?));
    if secure {
        https.enforce_https();
    }
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .build(Connector { https, limit: connect }))
}

/// Makes connections, each within a time that includes its TLS handshake.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    https: HttpsConnector<HttpConnector>,
    limit: Duration,
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

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
