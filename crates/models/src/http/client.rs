//! The HTTP clients: built on first use, and shared by all adapters.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use conversant_core::{BoxError, ModelError};
use http::{HeaderMap, Method, Response, Uri};
use hyper_util::client::proxy::matcher::Matcher;

use super::{
    Endpoint,
    body::{Pieces, ResponseBody},
    classify,
    direct::{self, Direct},
    retry::Failure,
    tls,
};

/// How long making a connection may take, unless set otherwise.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// What the client says it is.
pub(crate) const AGENT: &str = concat!("conversant/", env!("CARGO_PKG_VERSION"));
/// How long an unused connection is kept: less than the 5 s after which many servers close theirs.
pub(crate) const POOL_IDLE: Duration = Duration::from_millis(4500);

/// What an adapter's requests go out with.
#[derive(Debug, Clone)]
pub(crate) struct HttpClient {
    /// A client that was given, in place of our own.
    given: Option<reqwest::Client>,
    /// How long making a connection may take.
    pub(super) connect: Duration,
    /// What was chosen with the first request.
    chosen: Arc<OnceLock<Client>>,
}

/// A client, cheap to clone.
#[derive(Debug, Clone)]
pub(super) enum Client {
    /// hyper's own: the way of a request has nothing on it that is not needed.
    Direct(Arc<Direct>),
    /// reqwest's: what was given, or what speaks to the system's proxy.
    Reqwest(reqwest::Client),
}

impl HttpClient {
    /// Creates it from a client that was given, if one was, and the time that making a connection may take.
    pub(crate) fn new(given: Option<reqwest::Client>, connect: Duration) -> Self {
        Self { given, connect, chosen: Arc::default() }
    }

    /// Returns the client, and makes it if it is the first call.
    ///
    /// # Errors
    /// [`ModelError::Config`], if it can't be made: if the system has no root certificates, for instance.
    pub(super) fn get(&self, endpoint: &Endpoint) -> Result<&Client, ModelError> {
        if let Some(client) = self.chosen.get() {
            return Ok(client);
        }
        let chosen = match &self.given {
            Some(client) => Client::Reqwest(client.clone()),
            None => choose(endpoint, self.connect).map_err(|error| {
                ModelError::config(format!("the HTTP client can't be made: {error}"))
            })?,
        };
        Ok(self.chosen.get_or_init(|| chosen))
    }
}

/// Chooses a client of our own for an endpoint: one that all adapters share, unless its time to connect is not theirs.
fn choose(endpoint: &Endpoint, connect: Duration) -> Result<Client, BoxError> {
    static SECURE: OnceLock<Client> = OnceLock::new();
    static PLAIN: OnceLock<Client> = OnceLock::new();
    static PROXIED: OnceLock<Client> = OnceLock::new();
    let secure = endpoint.is_secure();
    // A key never goes to a proxy in clear.
    let proxied = secure && Matcher::from_system().intercept(&endpoint.base_uri()?).is_some();
    let make = || {
        Ok::<_, BoxError>(match proxied {
            true => Client::Reqwest(through_proxy(connect)?),
            false => Client::Direct(Arc::new(direct::client(secure, connect)?)),
        })
    };
    if connect != CONNECT {
        return make();
    }
    let cell = match (proxied, secure) {
        (true, _) => &PROXIED,
        (false, true) => &SECURE,
        (false, false) => &PLAIN,
    };
    match cell.get() {
        Some(client) => Ok(client.clone()),
        None => {
            let made = make()?;
            Ok(cell.get_or_init(|| made).clone())
        }
    }
}

/// Makes a client that speaks to the system's proxy, follows no redirects, sends no referer and asks for no compression.
fn through_proxy(connect: Duration) -> Result<reqwest::Client, BoxError> {
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::config(true)?)
        .https_only(true)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // `never` alone keeps a copy of each request for the retry that it never makes.
        .retry(reqwest::retry::never().max_retries_per_request(0))
        .connect_timeout(connect)
        .pool_idle_timeout(POOL_IDLE)
        .tcp_nodelay(true)
        .user_agent(AGENT);
    builder.build().map_err(|error| error.without_url().into())
}

/// A request, once.
pub(super) struct Request<'r> {
    pub(super) method: Method,
    pub(super) endpoint: &'r Endpoint,
    pub(super) path: &'r str,
    pub(super) headers: &'r HeaderMap,
    pub(super) pieces: &'r Arc<[Bytes]>,
}

impl Client {
    /// Sends a request, and returns the head of its response and what its body is read from.
    ///
    /// # Errors
    /// [`Failure`], of whatever happens before the head is there. `connect` is how long connecting may have taken.
    pub(super) async fn send(
        &self,
        request: Request<'_>,
        connect: Duration,
    ) -> Result<Response<ResponseBody>, Failure> {
        match self {
            Self::Direct(client) => {
                let uri = request.endpoint.uri(request.path).ok_or_else(classify::refused)?;
                let response = client.request(request.over_hyper(uri)).await;
                let response = response.map_err(|error| classify::of_hyper(error, connect))?;
                Ok(response.map(ResponseBody::Hyper))
            }
            // A box, so that the other way's future is not as large as this one's.
            Self::Reqwest(client) => Box::pin(through_reqwest(client, request, connect)).await,
        }
    }
}

impl Request<'_> {
    fn over_hyper(self, uri: Uri) -> http::Request<Pieces> {
        let mut request = http::Request::new(Pieces::new(self.pieces));
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        request.headers_mut().clone_from(self.headers);
        request
    }
}

async fn through_reqwest(
    client: &reqwest::Client,
    request: Request<'_>,
    connect: Duration,
) -> Result<Response<ResponseBody>, Failure> {
    let url = request.endpoint.url(request.path);
    let mut sent = reqwest::Request::new(request.method, url.clone());
    sent.headers_mut().clone_from(request.headers);
    *sent.body_mut() = match &**request.pieces {
        [] => None,
        // One that the client may send again, where it thinks so.
        [piece] => Some(piece.clone().into()),
        _ => Some(reqwest::Body::wrap(Pieces::new(request.pieces))),
    };
    let response =
        client.execute(sent).await.map_err(|error| classify::of_reqwest(error, connect))?;
    if *response.url() != url {
        return Err(Failure::last(ModelError::config(
            "the HTTP client that was given follows redirects, and so took the conversation \
             elsewhere; build it with `redirect::Policy::none()`",
        )));
    }
    Ok(Response::from(response).map(ResponseBody::Reqwest))
}
