//! The one function that sends, and what it makes of the head of a response.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use conversant_core::{ModelError, StatusKind, TimeoutPhase, TransportPhase};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, TRANSFER_ENCODING},
    response::Parts,
};
use tokio::time::{Instant, timeout_at};

use super::{
    Endpoint, HttpClient, Mask, Retries, Timers,
    body::ResponseBody,
    classify,
    client::{POOL_IDLE, Request},
    incoming::{ContentType, Encoding, Incoming, Received},
    retry::{self, Failure, Retry},
    timers::Deadline,
};
use crate::wire::{MAX_KEPT, api_error};

/// The largest head of a response, in bytes.
const HEAD: usize = 64 * 1024;
/// The largest body of a response, in bytes, unless set otherwise.
pub(crate) const BODY: usize = 32 * 1024 * 1024;
/// How long the next piece of an error's body is waited for.
const ERROR_BODY: Duration = Duration::from_secs(2);

/// A server, and all that is sent to it beside the body.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) endpoint: Endpoint,
    pub(crate) client: HttpClient,
    /// All sensitive ones are marked so.
    pub(crate) headers: HeaderMap,
    pub(crate) mask: Mask,
    pub(crate) timers: Timers,
    pub(crate) retries: Retries,
    /// The largest body of a response, in bytes.
    pub(crate) body_limit: usize,
    /// When a response was last read to its end: until a little later its connection is kept.
    pub(crate) last_used: Arc<Mutex<Option<Instant>>>,
}

impl Connection {
    /// Returns the end of a call that starts now.
    pub(crate) fn deadline(&self, callers: Option<std::time::Instant>) -> Deadline {
        Deadline::new(self.timers.total, callers)
    }

    /// Sends a request and reads the response to its end, with retries.
    ///
    /// # Errors
    /// [`ModelError`], with every secret masked.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        pieces: &Arc<[Bytes]>,
        deadline: Deadline,
    ) -> Result<Received, ModelError> {
        let mut retries = self.start_retries();
        loop {
            let attempt = async {
                let mut incoming = self.send(method.clone(), path, pieces, deadline).await?;
                incoming.read_whole(None, self.body_limit).await
            };
            match attempt.await {
                Ok(received) => {
                    self.was_used();
                    return Ok(received);
                }
                Err(failure) => {
                    retries
                        .wait(failure, &deadline)
                        .await
                        .map_err(|error| self.mask.error(error))?;
                }
            }
        }
    }

    pub(crate) fn start_retries(&self) -> Retries {
        let last = *self.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        self.retries.start(retry::is_recent(last, POOL_IDLE))
    }

    pub(crate) fn was_used(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Sends a request, once. Everything that goes out, goes out here.
    ///
    /// # Errors
    /// [`Failure`], if there is no response, or one without success.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        pieces: &Arc<[Bytes]>,
        deadline: Deadline,
    ) -> Result<Incoming, Failure> {
        if deadline.left().is_zero() {
            return Err(Failure::last(deadline.error()));
        }
        let client = self.client.get(&self.endpoint)?;
        let (endpoint, headers) = (&self.endpoint, &self.headers);
        let request = Request { method, endpoint, path, headers, pieces };
        let until = deadline.of_phase(TimeoutPhase::Headers, self.timers.headers)?;
        let sent = timeout_at(until.at, client.send(request, self.client.connect)).await;
        let response = sent.map_err(|_| until.failure())??;
        let judged = self.judge(response, deadline)?;
        let refusal = match judged {
            Judged::Answer(incoming) => return Ok(incoming),
            Judged::Refusal(refusal) => refusal,
        };
        Err(refusal.read().await)
    }

    /// Looks at the head of a response.
    fn judge(
        &self,
        response: Response<ResponseBody>,
        deadline: Deadline,
    ) -> Result<Judged, Failure> {
        let (Parts { status, headers, .. }, body) = response.into_parts();
        let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
        if headers.iter().map(size).sum::<usize>() > HEAD {
            let error = format!("the head of the response is larger than {HEAD} bytes");
            return Err(Failure {
                retry: Retry::Never,
                ..classify::transport(TransportPhase::Headers, error)
            });
        }
        if headers.contains_key(CONTENT_LENGTH) && headers.contains_key(TRANSFER_ENCODING) {
            let error = "the response has both a length and a transfer encoding";
            return Err(classify::transport(TransportPhase::Headers, error));
        }
        let mut incoming = Incoming::new(body, self.timers.idle, deadline);
        incoming.request_id = text(&headers, "x-request-id");
        incoming.content_type = ContentType(headers.get(CONTENT_TYPE).cloned());
        incoming.encoding = Encoding::of(text(&headers, CONTENT_ENCODING.as_str()).as_deref());
        if status.is_success() {
            return Ok(Judged::Answer(incoming));
        }
        let status = status.as_u16();
        if matches!(status, 301 | 302 | 303 | 307 | 308) {
            let origin = self.origin(headers.get(LOCATION));
            return Err(Failure::last(ModelError::Redirect { status, origin }));
        }
        Ok(Judged::Refusal(Box::new(Refusal { status, headers, incoming })))
    }

    /// Returns the origin that a redirect leads to.
    fn origin(&self, location: Option<&HeaderValue>) -> String {
        let base = self.endpoint.url("");
        let target = location
            .and_then(|location| location.to_str().ok())
            .and_then(|location| base.join(location).ok());
        match target {
            Some(url) if url.host().is_some() => url.origin().ascii_serialization(),
            Some(url) => format!("{}:", url.scheme()),
            None => "nowhere".to_owned(),
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// What the head of a response says that it is.
enum Judged {
    Answer(Incoming),
    Refusal(Box<Refusal>),
}

/// A response with the status of an error.
struct Refusal {
    status: u16,
    headers: HeaderMap,
    incoming: Incoming,
}

impl Refusal {
    /// Reads what the server says of the error, as far as it comes, and decides on a retry. In a box, so that no call's future is as
    /// large as that of one that fails.
    fn read(self: Box<Self>) -> Pin<Box<dyn Future<Output = Failure> + Send>> {
        Box::pin(async move {
            let Self { status, headers, mut incoming } = *self;
            let body = incoming.read_some(MAX_KEPT, ERROR_BODY).await;
            let asked = retry::retry_after(&headers, SystemTime::now());
            let error = api_error::of_status(status, &body, incoming.request_id, asked);
            let retry = match error.kind {
                StatusKind::QuotaExhausted => Retry::Never,
                kind => retry::of_response(&headers, kind.is_retryable(), asked),
            };
            Failure { error: ModelError::Status { status, error: Box::new(error) }, retry }
        })
    }
}
