//! Reads the body of a response, within limits of time and size.

use std::{
    future::poll_fn,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use conversant_core::{ModelError, TimeoutPhase};
use http::HeaderValue;
use tokio::{
    runtime::Handle,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    attempt::{FailedAttempt, too_large},
    encoding::{self, Encoding},
    received_body::ReceivedBody,
    response_body::ResponseBody,
    timeouts::{self, Deadline},
};

/// The number of pieces that are taken between two looks at the clock, if they are there without
/// waiting.
const UNTIMED_PIECES: u8 = 31;

/// The reader of a response whose head is there.
#[derive(Debug)]
pub(crate) struct ResponseReader {
    pub(crate) head: AnswerHead,
    pub(super) body: ReceivedBody,
    pub(super) encoding: Encoding,
    announced_bytes: Option<u64>,
    max_idle_timeout: Duration,
    idle_timeout: Duration,
    /// The moment at which the idle timeout ends. `None` until the next look at the clock, which
    /// starts it: to read the clock for each piece would cost more than the piece.
    idle_at: Option<Instant>,
    /// The number of polls before the next look at the clock.
    untimed: u8,
    /// The runtime that drives the connection.
    runtime: Handle,
    sleep: Option<Pin<Box<Sleep>>>,
    deadline: Deadline,
}

/// A response that was read to its end.
#[derive(Debug)]
pub(crate) struct BufferedResponse {
    pub(super) body: Bytes,
    pub(super) head: AnswerHead,
}

/// The facts about an answer that the head of its response has.
#[derive(Debug, Default)]
pub(crate) struct AnswerHead {
    pub(crate) request_id: Option<String>,
    pub(crate) content_type: ContentType,
}

impl AnswerHead {
    /// Adds them to the error of the answer.
    pub(crate) fn add_to(&self, mut error: ModelError) -> ModelError {
        match &mut error {
            ModelError::Decode(error) => error.content_type = self.content_type.to_text(),
            ModelError::ApiErrorInBody { error } | ModelError::Stream { error, .. } => {
                error.request_id.clone_from(&self.request_id);
            }
            _ => {}
        }
        error
    }
}

/// The `Content-Type` of a response.
#[derive(Debug, Clone, Default)]
pub(crate) struct ContentType(pub(super) Option<HeaderValue>);

impl ContentType {
    pub(crate) fn to_text(&self) -> Option<String> {
        let value = self.0.as_ref()?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// Copies the value, so that it does not hold the connection's buffer while a stream lasts.
    pub(crate) fn detach(&mut self) {
        let Some(value) = &mut self.0 else { return };
        let known = EVENT_STREAMS.into_iter().find(|known| known.as_bytes() == value.as_bytes());
        let copy = match known {
            Some(known) => Ok(HeaderValue::from_static(known)),
            None => HeaderValue::from_bytes(value.as_bytes()),
        };
        if let Ok(copy) = copy {
            *value = copy;
        }
    }
}

/// The usual values for streams, which need no memory of their own.
const EVENT_STREAMS: [&str; 2] = ["text/event-stream", "text/event-stream; charset=utf-8"];

impl ResponseReader {
    pub(super) fn new(
        body: ResponseBody,
        idle_timeout: Duration,
        deadline: Deadline,
        runtime: Handle,
    ) -> Self {
        let announced_bytes = body.announced_bytes();
        Self {
            head: AnswerHead::default(),
            body: ReceivedBody::AsSent(body),
            encoding: Encoding::Identity,
            announced_bytes,
            max_idle_timeout: idle_timeout,
            idle_timeout,
            idle_at: None,
            untimed: UNTIMED_PIECES,
            runtime,
            sleep: None,
            deadline,
        }
    }

    /// Polls for the next piece of the body. The idle timeout runs until
    /// [`restart_idle`](Self::restart_idle).
    pub(crate) fn poll_chunk(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, FailedAttempt>>> {
        loop {
            // A body that always has more ready would never reach its timer.
            match self.untimed.checked_sub(1) {
                Some(left) => self.untimed = left,
                None => {
                    self.untimed = UNTIMED_PIECES;
                    if let Some(failure) = self.overdue() {
                        return Poll::Ready(Some(Err(failure)));
                    }
                }
            }
            match self.body.poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(_trailers) => {}
                },
                Poll::Ready(Some(Err(failed))) => {
                    let failed = failed.map(|error| self.head.add_to(error));
                    return Poll::Ready(Some(Err(failed)));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    ready!(self.poll_timer(context));
                    self.untimed = 0;
                }
            }
        }
    }

    fn overdue(&mut self) -> Option<FailedAttempt> {
        let now = Instant::now();
        if now >= self.deadline.at {
            return Some(FailedAttempt::last(self.deadline.error()));
        }
        let idle_at = *self.idle_at.get_or_insert_with(|| timeouts::after(now, self.idle_timeout));
        let error = ModelError::Timeout { phase: TimeoutPhase::Idle, after: self.idle_timeout };
        (now >= idle_at).then(|| FailedAttempt::retryable(error))
    }

    /// Polls the timer, which is ready when a limit may be over.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let idle_timeout = self.idle_timeout;
        let idle_at =
            *self.idle_at.get_or_insert_with(|| timeouts::after(Instant::now(), idle_timeout));
        let until = idle_at.min(self.deadline.at);
        let runtime = &self.runtime;
        let sleep = self.sleep.get_or_insert_with(|| {
            // Outside of a runtime, the timer is that of the connection's.
            let _entered = Handle::try_current().is_err().then(|| runtime.enter());
            Box::pin(sleep_until(until))
        });
        // A timer that fires too early is reset then, which is cheaper than with every piece.
        if sleep.is_elapsed() || sleep.deadline() > until {
            sleep.as_mut().reset(until);
        }
        Future::poll(sleep.as_mut(), context)
    }

    /// Restarts the idle timeout, after something was received.
    pub(crate) fn restart_idle(&mut self) {
        self.idle_at = None;
    }

    /// Sets the idle timeout, and restarts it.
    pub(crate) fn set_idle_timeout(&mut self, limit: Duration) {
        self.idle_timeout = limit.min(self.max_idle_timeout);
        self.restart_idle();
    }

    /// Returns the next piece of the body, or `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, FailedAttempt> {
        poll_fn(|context| self.poll_chunk(context)).await.transpose()
    }

    /// Reads the body to its end, if it is not larger than `max_bytes`. `first` was read before.
    pub(crate) async fn read_whole(
        &mut self,
        first: Option<Bytes>,
        max_bytes: usize,
    ) -> Result<BufferedResponse, FailedAttempt> {
        if self.is_announced_beyond(max_bytes) {
            return Err(too_large(max_bytes));
        }
        let mut body = first.unwrap_or_default();
        let mut joined = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            self.restart_idle();
            if body.len() + joined.len() + chunk.len() > max_bytes {
                return Err(too_large(max_bytes));
            }
            if body.is_empty() && joined.is_empty() {
                body = chunk;
                continue;
            }
            if joined.is_empty() {
                joined = Vec::from(mem::take(&mut body));
            }
            joined.extend_from_slice(&chunk);
        }
        if !joined.is_empty() {
            body = joined.into();
        }
        if body.len() > max_bytes {
            return Err(too_large(max_bytes));
        }
        let body = self
            .encoding
            .unpack(body, max_bytes)
            .map_err(|failed| failed.map(|error| self.head.add_to(error)))?;
        Ok(BufferedResponse { body, head: mem::take(&mut self.head) })
    }

    /// Reads the first bytes of the body, as far as they come within `limit` each, and unpacks
    /// them, as far as that is possible.
    pub(super) async fn read_some(&mut self, bytes: usize, limit: Duration) -> Vec<u8> {
        self.set_idle_timeout(limit);
        let mut read = Vec::new();
        while read.len() < bytes {
            match self.chunk().await {
                Ok(Some(chunk)) => read.extend_from_slice(&chunk),
                Ok(None) | Err(_) => break,
            }
        }
        read.truncate(bytes);
        self.encoding.unpack_some(read, bytes)
    }

    /// Returns whether a body that begins with some bytes is compressed, so that it has to be
    /// [unpacked](Self::unpacked). Fails if it cannot be.
    pub(crate) fn is_compressed(&self, start: &[u8]) -> Result<bool, FailedAttempt> {
        if !self.encoding.is_compressed(start) {
            return Ok(false);
        }
        let unpackable = encoding::check_unpackable(start).map(|()| true);
        unpackable.map_err(|error| FailedAttempt::last(self.head.add_to(error.into())))
    }

    /// Returns a reader that unpacks the body as it is received, to at most `max_bytes`. `start`
    /// was read before.
    pub(crate) fn unpacked(self, start: Bytes, max_bytes: usize) -> Self {
        #[cfg(feature = "gzip")]
        let body = self.body.unpacked(start, max_bytes);
        // Nothing is compressed that could be unpacked.
        #[cfg(not(feature = "gzip"))]
        let (body, ..) = (self.body, start, max_bytes);
        Self { body, encoding: Encoding::Unpacked, ..self }
    }

    /// Returns whether the body is announced to be larger than a limit.
    pub(crate) fn is_announced_beyond(&self, max_bytes: usize) -> bool {
        let size = self.announced_bytes.map(usize::try_from);
        size.is_some_and(|size| size.map_or(true, |size| size > max_bytes))
    }
}
