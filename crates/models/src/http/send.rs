//! Sends requests, and classifies responses by their heads.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use conversant_core::{EventEmitter, ModelError, StatusKind, TimeoutPhase, TransportPhase};
use http::{
    HeaderMap, HeaderValue, Response,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, TRANSFER_ENCODING},
    response::Parts,
};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

use super::{
    attempt::{FailedAttempt, RetryDirective},
    client::{HttpClient, Outgoing, Request},
    config::{ERROR_BODY_TIMEOUT, MAX_HEAD_BYTES, POOL_IDLE_TIMEOUT},
    encoding::Encoding,
    endpoint::Endpoint,
    masking::Mask,
    response_body::ResponseBody,
    response_reader::{AnswerHead, BufferedResponse, ContentType, ResponseReader},
    retry::{self, Retries},
    runtime::{self, CheckedRuntimes},
    timeouts::{Deadline, Timeouts},
    transport_error,
};
use crate::wire::{MAX_KEPT, api_error};

/// The header with the server's id of a request.
const REQUEST_ID: &str = "x-request-id";
/// The status by which a proxy demands a user and a password.
const PROXY_AUTHENTICATION_REQUIRED: u16 = 407;

/// A server, and all that is sent to it besides the body.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) endpoint: Endpoint,
    pub(crate) client: HttpClient,
    /// The headers of each request. Secret values are marked as sensitive.
    pub(crate) headers: HeaderMap,
    pub(crate) mask: Mask,
    pub(crate) timeouts: Timeouts,
    pub(crate) retries: Retries,
    pub(crate) max_response_bytes: usize,
    /// When a response was last read to its end. Its connection is kept for a while.
    pub(crate) last_used: Arc<Mutex<Option<Instant>>>,
    pub(crate) runtimes: Arc<CheckedRuntimes>,
}

/// A call that has started: its deadline and its retries, which all of its requests share.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) deadline: Deadline,
    retries: Retries,
}

impl Call {
    /// Reports that a request has failed, and that the call makes another one, which does not count
    /// as a retry.
    #[cfg(feature = "responses")]
    pub(crate) fn goes_on_after(&mut self, error: &ModelError, events: &EventEmitter) {
        self.retries.report(error, std::time::Duration::ZERO, events);
    }
}

impl Connection {
    /// Starts a call.
    ///
    /// # Errors
    /// [`ModelError::Config`], outside of a tokio runtime, or in one without a timer or sockets.
    pub(crate) fn start(&self, callers: Option<std::time::Instant>) -> Result<Call, ModelError> {
        self.runtimes.check()?;
        let deadline = Deadline::new(self.timeouts.total, callers);
        Ok(Call { deadline, retries: self.retries.start() })
    }

    /// Sends a request, reads the response to its end and decodes it, with retries.
    ///
    /// # Errors
    /// [`ModelError`], with every secret masked.
    pub(crate) async fn call<T>(
        &self,
        request: &Outgoing<'_>,
        call: &mut Call,
        events: &EventEmitter,
        decode: impl Fn(&[u8]) -> Result<T, ModelError>,
    ) -> Result<(T, AnswerHead), ModelError> {
        let deadline = call.deadline;
        self.with_retries(call, events, || async {
            let mut reader = self.send(request, &deadline).await?;
            self.whole(&mut reader, None, &decode).await
        })
        .await
    }

    /// Reads a response to its end, of which `first` was read before, and decodes it.
    ///
    /// # Errors
    /// [`FailedAttempt`], with the facts of the response's head.
    pub(crate) async fn whole<T>(
        &self,
        reader: &mut ResponseReader,
        first: Option<Bytes>,
        decode: impl Fn(&[u8]) -> Result<T, ModelError>,
    ) -> Result<(T, AnswerHead), FailedAttempt> {
        let read = reader.read_whole(first, self.max_response_bytes).await?;
        let BufferedResponse { body, head } = read;
        self.mark_used();
        match decode(&body) {
            Ok(decoded) => Ok((decoded, head)),
            Err(error) => Err(retry::of_answer(head.add_to(error))),
        }
    }

    /// Makes attempts until one succeeds or is not to be repeated.
    ///
    /// # Errors
    /// The last attempt's [`ModelError`], with every secret masked.
    pub(crate) async fn with_retries<T, F>(
        &self,
        call: &mut Call,
        events: &EventEmitter,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, ModelError>
    where
        F: Future<Output = Result<T, FailedAttempt>>,
    {
        let last_used = *self.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        let Call { deadline, retries } = call;
        retries.set_reused(retry::is_recent(last_used, deadline.started, POOL_IDLE_TIMEOUT));
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(failed) => {
                    let failed = failed.map(|error| self.mask.error(error));
                    // Boxed, so that only calls that fail pay for its size.
                    Box::pin(retries.wait(failed, deadline, events)).await?;
                }
            }
        }
    }

    /// Notes that a connection is kept for another request.
    pub(crate) fn mark_used(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Sends a request once. All requests are sent here.
    ///
    /// # Errors
    /// [`FailedAttempt`], if there is no response, or one without success.
    pub(crate) async fn send(
        &self,
        request: &Outgoing<'_>,
        deadline: &Deadline,
    ) -> Result<ResponseReader, FailedAttempt> {
        let runtime = runtime::current()?;
        let request =
            Request { outgoing: request, endpoint: &self.endpoint, headers: &self.headers };
        let until = deadline.of_phase(TimeoutPhase::Headers, self.timeouts.headers)?;
        let sent = timeout_at(until.at, self.client.send(request, &runtime)).await;
        let response = sent.map_err(|_| {
            #[cfg(feature = "http2")]
            self.client.forget_connections(&runtime);
            until.failure()
        })??;
        let error = match self.classify_response(response, *deadline, runtime)? {
            ResponseKind::Success(reader) => return Ok(reader),
            ResponseKind::Error(response) => response.read(),
        };
        Err(error.await)
    }

    /// Classifies a response by its head.
    fn classify_response(
        &self,
        response: Response<ResponseBody>,
        deadline: Deadline,
        runtime: Handle,
    ) -> Result<ResponseKind, FailedAttempt> {
        let (Parts { status, headers, .. }, body) = response.into_parts();
        let head = Head::of(&headers);
        if head.bytes > MAX_HEAD_BYTES {
            let error = format!("the head of the response is larger than {MAX_HEAD_BYTES} bytes");
            return Err(FailedAttempt {
                retry: RetryDirective::Never,
                ..transport_error::transport(TransportPhase::Headers, error)
            });
        }
        if head.has_length && head.has_transfer_encoding {
            let error = "the response has both a length and a transfer encoding";
            return Err(transport_error::transport(TransportPhase::Headers, error));
        }
        let mut reader =
            ResponseReader::new(body, self.timeouts.before_answer(), deadline, runtime);
        reader.head = AnswerHead {
            request_id: head.request_id.map(text),
            content_type: ContentType(head.content_type.cloned()),
        };
        reader.encoding = head.encoding;
        if status.is_success() {
            return Ok(ResponseKind::Success(reader));
        }
        let status = status.as_u16();
        if matches!(status, 301 | 302 | 303 | 307 | 308) {
            let origin = self.redirect_origin(headers.get(LOCATION));
            return Err(FailedAttempt::last(ModelError::Redirect { status, origin }));
        }
        if status == PROXY_AUTHENTICATION_REQUIRED {
            let proxy = self.client.forwarding_proxy(&self.endpoint);
            if let Some(proxy) = proxy {
                return Err(transport_error::refused_by_proxy(proxy, &self.endpoint));
            }
        }
        Ok(ResponseKind::Error(Box::new(ErrorResponse { status, headers, reader })))
    }

    /// Returns the origin that a redirect leads to.
    fn redirect_origin(&self, location: Option<&HeaderValue>) -> String {
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

/// The parts of a response's head that matter for every response.
#[derive(Default)]
struct Head<'h> {
    bytes: usize,
    has_length: bool,
    has_transfer_encoding: bool,
    request_id: Option<&'h HeaderValue>,
    content_type: Option<&'h HeaderValue>,
    encoding: Encoding,
}

impl<'h> Head<'h> {
    /// Reads the headers once: a search for each of these would hash its name.
    fn of(headers: &'h HeaderMap) -> Self {
        let mut head = Self::default();
        for (name, value) in headers {
            head.bytes += name.as_str().len() + value.len();
            // The first value of a header counts.
            if name == CONTENT_LENGTH {
                head.has_length = true;
            } else if name == CONTENT_TYPE {
                head.content_type.get_or_insert(value);
            } else if name == TRANSFER_ENCODING {
                head.has_transfer_encoding = true;
            } else if name == CONTENT_ENCODING {
                if head.encoding == Encoding::Identity {
                    head.encoding = Encoding::of(value);
                }
            } else if name == REQUEST_ID {
                head.request_id.get_or_insert(value);
            }
        }
        head
    }
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// The kind of a response, by its head.
#[allow(clippy::large_enum_variant, reason = "it is matched where it was made")]
enum ResponseKind {
    Success(ResponseReader),
    Error(Box<ErrorResponse>),
}

/// A response with an error status.
struct ErrorResponse {
    status: u16,
    headers: HeaderMap,
    reader: ResponseReader,
}

impl ErrorResponse {
    /// Reads the server's error, as far as it comes, and decides on a retry. The future is boxed,
    /// so that only calls that fail pay for its size.
    fn read(self: Box<Self>) -> Pin<Box<dyn Future<Output = FailedAttempt> + Send>> {
        Box::pin(async move {
            let Self { status, headers, mut reader } = *self;
            let body = reader.read_some(MAX_KEPT, ERROR_BODY_TIMEOUT).await;
            let asked = retry::retry_after(&headers, SystemTime::now());
            let error = api_error::of_status(status, &body, reader.head.request_id, asked);
            // The wait may be in the error's text alone.
            let retry = match error.kind {
                StatusKind::QuotaExhausted => RetryDirective::Never,
                _ => retry::of_response(&headers, error.is_retryable(), error.retry_after),
            };
            FailedAttempt { error: ModelError::Status { status, error: Box::new(error) }, retry }
        })
    }
}
