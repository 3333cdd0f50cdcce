//! A response while it comes in: its body, with the limits of time and size.

use std::{
    future::poll_fn,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use conversant_core::{DecodeError, ModelError, TimeoutPhase};
use http::HeaderValue;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    body::ResponseBody,
    classify,
    retry::{Failure, Retry},
    timers::Deadline,
};

/// How many pieces of a body that are there without waiting are taken between two looks at the clock.
const UNWATCHED: u8 = 31;

/// The body of a response whose head is there and is one of success or error.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) request_id: Option<String>,
    pub(crate) content_type: ContentType,
    pub(super) body: ResponseBody,
    pub(super) encoding: Encoding,
    announced: Option<u64>,
    idle: Duration,
    /// When the idle timer ends. `None` until it is next looked at, which starts it: a clock for each piece would cost more than the piece.
    idle_at: Option<Instant>,
    /// How many times the body may still be polled before the clock is looked at.
    unwatched: u8,
    sleep: Option<Pin<Box<Sleep>>>,
    deadline: Deadline,
}

/// How a body is compressed. Nothing asks for it, but some proxies do it all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Other,
}

impl Encoding {
    pub(super) fn of(header: Option<&str>) -> Self {
        match header.map(str::trim) {
            None | Some("" | "identity") => Self::Identity,
            Some("gzip" | "x-gzip") => Self::Gzip,
            Some(_) => Self::Other,
        }
    }
}

/// A response that was read to its end.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) body: Bytes,
    pub(crate) request_id: Option<String>,
    pub(crate) content_type: ContentType,
}

/// What a response says its body is, as it came: whoever reads it makes text of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ContentType(pub(super) Option<HeaderValue>);

impl ContentType {
    pub(crate) fn to_text(&self) -> Option<String> {
        let value = self.0.as_ref()?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }
}

impl Incoming {
    pub(super) fn new(body: ResponseBody, idle: Duration, deadline: Deadline) -> Self {
        let announced = body.announced();
        Self {
            request_id: None,
            content_type: ContentType::default(),
            body,
            encoding: Encoding::Identity,
            announced,
            idle,
            idle_at: None,
            unwatched: 0,
            sleep: None,
            deadline,
        }
    }

    /// Polls for the next piece of the body. The idle timer runs until [`restart_idle`](Self::restart_idle).
    pub(crate) fn poll_chunk(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Failure>>> {
        loop {
            // A body that always has more ready would never come to its timer.
            match self.unwatched.checked_sub(1) {
                Some(left) => self.unwatched = left,
                None => {
                    self.unwatched = UNWATCHED;
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
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(classify::in_body(error))));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    ready!(self.poll_timer(context));
                    self.unwatched = 0;
                }
            }
        }
    }

    fn overdue(&mut self) -> Option<Failure> {
        let now = Instant::now();
        if now >= self.deadline.at {
            return Some(Failure::last(self.deadline.error()));
        }
        let idle_at = *self.idle_at.get_or_insert_with(|| later(now, self.idle));
        let error = ModelError::Timeout { phase: TimeoutPhase::Idle, after: self.idle };
        (now >= idle_at).then(|| Failure::again(error))
    }

    /// Polls the timer: ready when a limit may be over.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let idle_at = *self.idle_at.get_or_insert_with(|| later(Instant::now(), self.idle));
        let until = idle_at.min(self.deadline.at);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
        // A timer that fires too early is set again then, which is cheaper than with every piece.
        if sleep.is_elapsed() || sleep.deadline() > until {
            sleep.as_mut().reset(until);
        }
        Future::poll(sleep.as_mut(), context)
    }

    /// Starts the idle timer anew: something has come.
    pub(crate) fn restart_idle(&mut self) {
        self.idle_at = None;
    }

    /// Waits no longer than this for what is left: all that matters has come.
    pub(crate) fn wait_for_end(&mut self, limit: Duration) {
        self.idle = self.idle.min(limit);
        self.restart_idle();
    }

    /// Sets how long the response may pause from now on.
    pub(crate) fn set_idle(&mut self, limit: Duration) {
        self.idle = limit;
        self.restart_idle();
    }

    /// Returns the next piece of the body, or `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        poll_fn(|context| self.poll_chunk(context)).await.transpose()
    }

    /// Reads the body to its end, if it is not larger than a limit. `first` is what of it was read before.
    pub(crate) async fn read_whole(
        &mut self,
        first: Option<Bytes>,
        limit: usize,
    ) -> Result<Received, Failure> {
        if self.is_announced_beyond(limit) {
            return Err(too_large(limit));
        }
        let mut body = first.unwrap_or_default();
        let mut joined = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            self.restart_idle();
            if body.len() + joined.len() + chunk.len() > limit {
                return Err(too_large(limit));
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
        if body.len() > limit {
            return Err(too_large(limit));
        }
        let body = match self.encoding {
            Encoding::Identity => body,
            #[cfg(feature = "gzip")]
            Encoding::Gzip => unzip(&body, limit)?,
            _ => return Err(self.compressed()),
        };
        let (request_id, content_type) =
            (self.request_id.take(), mem::take(&mut self.content_type));
        Ok(Received { body, request_id, content_type })
    }

    /// Reads the first bytes of the body, for as long as that may take and as far as they come.
    pub(super) async fn read_some(&mut self, bytes: usize, limit: Duration) -> Vec<u8> {
        self.wait_for_end(limit);
        let mut read = Vec::new();
        while read.len() < bytes {
            match self.chunk().await {
                Ok(Some(chunk)) => read.extend_from_slice(&chunk),
                Ok(None) | Err(_) => break,
            }
        }
        read.truncate(bytes);
        read
    }

    /// Returns whether the body can only be read as a whole: it is compressed, or known to be too large.
    pub(crate) fn must_be_whole(&self, limit: usize) -> bool {
        self.encoding != Encoding::Identity || self.is_announced_beyond(limit)
    }

    fn is_announced_beyond(&self, limit: usize) -> bool {
        let size = self.announced.map(usize::try_from);
        size.is_some_and(|size| size.map_or(true, |size| size > limit))
    }

    /// Refuses a stream that is compressed.
    pub(crate) fn check_uncompressed(&self) -> Result<(), Failure> {
        match self.encoding {
            Encoding::Identity => Ok(()),
            Encoding::Gzip | Encoding::Other => Err(self.compressed()),
        }
    }

    fn compressed(&self) -> Failure {
        let error = DecodeError::new("it is compressed in a way that was not asked for")
            .with_content_type(self.content_type.to_text());
        Failure::last(error.into())
    }
}

fn later(now: Instant, limit: Duration) -> Instant {
    now.checked_add(limit).unwrap_or_else(|| now + Duration::from_secs(86400 * 365))
}

fn too_large(limit: usize) -> Failure {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    Failure { error: ModelError::BodyTooLarge { what: "the body", limit }, retry: Retry::Never }
}

/// Unpacks a body, up to a limit.
#[cfg(feature = "gzip")]
fn unzip(body: &[u8], limit: usize) -> Result<Bytes, Failure> {
    use std::io::Read;

    use conversant_core::TransportPhase;

    let mut unpacked = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    flate2::read::MultiGzDecoder::new(body)
        .take(most)
        .read_to_end(&mut unpacked)
        .map_err(|error| classify::transport(TransportPhase::Body, error))?;
    if unpacked.len() > limit {
        return Err(too_large(limit));
    }
    Ok(unpacked.into())
}
