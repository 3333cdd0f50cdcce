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
};

/// How long making a connection may take, unless set otherwise.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// What the client says it is.
pub(crate) const AGENT: &str = concat!("conversant/", env!("CARGO_PKG_VERSION"));
/// How long an unused connection is kept: less than the 5 s after which many servers close theirs.
pub(crate) const POOL_IDLE: Duration = Duration::from_millis(4500);

/// A client that a user gives.
#[cfg(feature = "reqwest")]
pub(crate) type GivenClient = reqwest::Client;
/// A client that a user gives: there is none.
#[cfg(not(feature = "reqwest"))]
#[derive(Debug, Clone)]
pub(crate) enum GivenClient {}

/// What an adapter's requests go out with.
#[derive(Debug, Clone)]
pub(crate) struct HttpClient {
    /// A client that was given, in place of our own.
    given: Option<GivenClient>,
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
    /// One that was given.
    #[cfg(feature = "reqwest")]
    Reqwest(reqwest::Client),
}

impl HttpClient {
    /// Creates it from a client that was given, if one was, and the time that making a connection may take.
    pub(crate) fn new(given: Option<GivenClient>, connect: Duration) -> Self {
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
            #[cfg(feature = "reqwest")]
            Some(client) => Client::Reqwest(client.clone()),
            #[cfg(not(feature = "reqwest"))]
            Some(never) => match *never {},
            None => choose(endpoint, self.connect).map(Client::Direct).map_err(|error| {
                ModelError::config(format!("the HTTP client can't be made: {error}"))
            })?,
        };
        Ok(self.chosen.get_or_init(|| chosen))
    }
}

/// Chooses a client of our own for an endpoint: one that all adapters share, unless its time to connect is not theirs.
fn choose(endpoint: &Endpoint, connect: Duration) -> Result<Arc<Direct>, BoxError> {
    static SECURE: OnceLock<Arc<Direct>> = OnceLock::new();
    static PLAIN: OnceLock<Arc<Direct>> = OnceLock::new();
    static PROXIED: OnceLock<Arc<Direct>> = OnceLock::new();
    let secure = endpoint.is_secure();
    // A key never goes to a proxy in clear.
    let proxy = match secure {
        true => Matcher::from_system().intercept(&endpoint.base_uri()?),
        false => None,
    };
    let make = || direct::client(secure, connect, proxy.as_ref()).map(Arc::new);
    if connect != CONNECT {
        return make();
    }
    let cell = match (&proxy, secure) {
        (Some(_), _) => &PROXIED,
        (None, true) => &SECURE,
        (None, false) => &PLAIN,
    };
    match cell.get() {
        Some(client) => Ok(Arc::clone(client)),
        None => {
            let made = make()?;
            Ok(Arc::clone(cell.get_or_init(|| made)))
        }
    }
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
            #[cfg(feature = "reqwest")]
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

#[cfg(feature = "reqwest")]
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
