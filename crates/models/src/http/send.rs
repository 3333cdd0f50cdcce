//! The one function that sends, and what it makes of the head of a response.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use conversant_core::{DecodeError, ModelError, TimeoutPhase, TransportPhase};
use reqwest::{
    Method, Response,
    header::{
        CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
        LOCATION, TRANSFER_ENCODING,
    },
};
use tokio::time::Instant;

use super::{
    Endpoint, HttpClient, Mask, Retries, Timers, body, classify,
    client::POOL_IDLE,
    retry::{self, Failure, Retry},
    timers::Deadline,
};
use crate::{api_error, wire::KEPT};

/// The largest head of a response, in bytes.
const HEAD: usize = 64 * 1024;
/// The largest body of a response, in bytes.
pub(crate) const BODY: usize = 32 * 1024 * 1024;

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
    pub(crate) connect: Duration,
    /// When a response was last read to its end: until a little later its connection is kept.
    pub(crate) last_used: Arc<Mutex<Option<Instant>>>,
}

/// A response whose head is there and is one of success.
#[derive(Debug)]
pub(crate) struct Incoming {
    response: Response,
    pub(crate) request_id: Option<String>,
    pub(crate) content_type: Option<String>,
    idle: Duration,
    deadline: Deadline,
}

/// A response that was read to its end.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) body: Bytes,
    pub(crate) request_id: Option<String>,
    pub(crate) content_type: Option<String>,
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
        pieces: &[Bytes],
        deadline: Deadline,
    ) -> Result<Received, ModelError> {
        let mut retries = self.start_retries();
        loop {
            let attempt = async {
                self.send(method.clone(), path, pieces, deadline).await?.read_whole(BODY).await
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
        self.retries.reusing(retry::is_recent(last, POOL_IDLE))
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
        pieces: &[Bytes],
        deadline: Deadline,
    ) -> Result<Incoming, Failure> {
        if deadline.left().is_zero() {
            return Err(Failure::last(deadline.error()));
        }
        let client = self.client.get(self.endpoint.is_secure())?;
        let mut request = reqwest::Request::new(method, self.endpoint.url(path));
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = (!pieces.is_empty()).then(|| body::of_pieces(pieces));
        let response = deadline
            .within(TimeoutPhase::Headers, self.timers.headers, client.execute(request))
            .await
            .map_err(|error| match error {
                ModelError::Timeout { phase: TimeoutPhase::Total, .. } => Failure::last(error),
                error => Failure::again(error),
            })?
            .map_err(|error| classify::before_head(error, self.connect))?;
        self.judge(response, deadline).await
    }

    /// Looks at the head of a response.
    async fn judge(&self, response: Response, deadline: Deadline) -> Result<Incoming, Failure> {
        let status = response.status();
        let headers = response.headers();
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
        let incoming = Incoming {
            request_id: text(headers, "x-request-id"),
            content_type: text(headers, CONTENT_TYPE.as_str()),
            idle: self.timers.idle,
            deadline,
            response,
        };
        if status.is_success() {
            return incoming.decodable();
        }
        if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            let origin = self.origin(incoming.response.headers().get(LOCATION));
            let status = status.as_u16();
            return Err(Failure::last(ModelError::Redirect { status, origin }));
        }
        Err(incoming.into_status_error().await)
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

impl Incoming {
    /// Refuses a body that was compressed although nothing asked for it.
    fn decodable(self) -> Result<Self, Failure> {
        let encoding = text(self.response.headers(), CONTENT_ENCODING.as_str());
        match encoding.as_deref().map(str::trim) {
            None | Some("" | "identity") => Ok(self),
            Some(_) => {
                let error = DecodeError::new("it is compressed, which was not asked for")
                    .with_content_type(self.content_type);
                Err(Failure::last(error.into()))
            }
        }
    }

    /// Returns the next piece of the body, or `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        let chunk = self.response.chunk();
        match self.deadline.within(TimeoutPhase::Idle, self.idle, chunk).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(classify::in_body(error)),
            Err(error @ ModelError::Timeout { phase: TimeoutPhase::Total, .. }) => {
                Err(Failure::last(error))
            }
            Err(error) => Err(Failure::again(error)),
        }
    }

    /// Reads the body to its end, if it is not larger than a limit.
    pub(crate) async fn read_whole(mut self, limit: usize) -> Result<Received, Failure> {
        let too_large = || {
            let limit = u64::try_from(limit).unwrap_or(u64::MAX);
            Failure::last(ModelError::BodyTooLarge { what: "the body", limit })
        };
        let announced = self.response.content_length().unwrap_or(0);
        if usize::try_from(announced).map_or(true, |announced| announced > limit) {
            return Err(too_large());
        }
        let first = self.chunk().await?.unwrap_or_default();
        let mut second = self.chunk().await?;
        let mut body = first;
        if second.is_some() {
            let mut joined = Vec::with_capacity(body.len() * 4);
            joined.extend_from_slice(&body);
            while let Some(chunk) = second {
                if joined.len() + chunk.len() > limit {
                    return Err(too_large());
                }
                joined.extend_from_slice(&chunk);
                second = self.chunk().await?;
            }
            body = joined.into();
        }
        if body.len() > limit {
            return Err(too_large());
        }
        Ok(Received { body, request_id: self.request_id, content_type: self.content_type })
    }

    /// Reads what the server says of an error, as far as it comes.
    async fn into_status_error(mut self) -> Failure {
        let mut body = Vec::new();
        while body.len() < KEPT {
            match self.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) | Err(_) => break,
            }
        }
        body.truncate(KEPT);
        let headers = self.response.headers();
        let status = self.response.status().as_u16();
        let asked = retry::retry_after(headers, SystemTime::now());
        let error = api_error::of_status(status, &body, self.request_id.clone(), asked);
        let quota = error.kind == conversant_core::StatusKind::QuotaExhausted;
        let retry = match quota {
            true => Retry::Never,
            false => retry::of_response(headers, error.kind.is_retryable(), asked),
        };
        Failure { error: ModelError::Status { status, error: Box::new(error) }, retry }
    }
}
