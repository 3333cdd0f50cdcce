//! Streamed answers: the decoder's pieces as they come over the wire.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use conversant_core::{BoxError, CallOptions, Delta, ModelError, Reply, ReplyStream};
use futures_core::Stream;
use http::Method;

use super::{builder::Settings, call};
use crate::{
    http::{Connection, Failure, Incoming},
    wire::{Answer, StreamDecoder},
};

/// How long what follows a whole answer (what it used, `[DONE]`) is waited for.
const LINGER: Duration = Duration::from_secs(5);
/// How long the end of a response is waited for after `[DONE]`, so that its connection can be kept.
const END: Duration = Duration::from_millis(5);

/// What both adapters know of a call when it is streamed.
pub(super) trait Streams: Send + Sync + 'static {
    fn connection(&self) -> &Connection;
    fn settings(&self) -> Settings;
    /// Reads a whole answer, for servers that do not stream.
    fn read(&self, body: &[u8]) -> Result<Answer, ModelError>;
}

/// Sends a request and returns its answer as soon as it begins. Until then failures are repeated as those of a whole answer
/// are; after that nothing is.
pub(super) async fn stream<S: Streams>(
    shared: &Arc<S>,
    path: &str,
    body: &Arc<[Bytes]>,
    choices: usize,
    options: &CallOptions,
) -> Result<ReplyStream, ModelError> {
    let connection = shared.connection();
    let deadline = connection.deadline(options.deadline);
    let mut retries = connection.start_retries();
    loop {
        let attempt = async {
            let incoming = connection.send(Method::POST, path, body, deadline).await?;
            begin(shared, incoming, choices).await
        };
        match attempt.await {
            Ok(stream) => return Ok(stream),
            Err(failure) => {
                let waited = retries.wait(failure, &deadline).await;
                waited.map_err(|error| connection.mask.error(error))?;
            }
        }
    }
}

/// What a response to a request for a stream seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Events,
    Whole,
    /// To be told from the first byte.
    Unknown,
}

impl Form {
    fn of(content_type: Option<String>) -> Self {
        let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
        if content_type.starts_with("text/event-stream") {
            Self::Events
        } else if content_type.contains("json") || content_type.contains("html") {
            Self::Whole
        } else {
            Self::Unknown
        }
    }
}

/// Reads up to the first event.
async fn begin<S: Streams>(
    shared: &Arc<S>,
    mut incoming: Incoming,
    choices: usize,
) -> Result<ReplyStream, Failure> {
    let mut form = Form::of(incoming.content_type.to_text());
    if form == Form::Whole {
        return whole(shared, incoming, None).await;
    }
    incoming.check_uncompressed()?;
    let mut decoder = StreamDecoder::with_limits(choices, shared.connection().body_limit);
    let keep_alive = shared.settings().comments_keep_alive;
    while !decoder.has_begun() {
        let chunk = match incoming.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) if form == Form::Unknown => {
                return whole(shared, incoming, None).await;
            }
            Ok(None) => return Err(Failure::last(cut(&decoder, None))),
            Err(failure) => {
                return Err(Failure { error: cut(&decoder, Some(failure.error)), ..failure });
            }
        };
        if form == Form::Unknown {
            if matches!(chunk.trim_ascii_start().first(), Some(b'{' | b'<' | b'[')) {
                return whole(shared, incoming, Some(chunk)).await;
            }
            form = Form::Events;
        }
        decoder.feed(chunk);
        while !decoder.has_begun() {
            let read = decoder.read_event();
            if !read.map_err(|error| typed(error, &incoming))? {
                break;
            }
        }
        if decoder.take_progress() || keep_alive {
            incoming.restart_idle();
        }
    }
    Ok(ReplyStream::new(Pieces {
        shared: Arc::clone(shared),
        running: Some((incoming, decoder)),
        is_lingering: false,
        is_over: false,
    }))
}

/// Takes a whole answer for a stream of one piece.
async fn whole<S: Streams>(
    shared: &Arc<S>,
    mut incoming: Incoming,
    first: Option<Bytes>,
) -> Result<ReplyStream, Failure> {
    let received = incoming.read_whole(first, shared.connection().body_limit).await?;
    shared.connection().was_used();
    let reply = call::read_answer(received, |body| shared.read(body), shared.settings())?;
    Ok(ReplyStream::whole(reply))
}

/// Makes the error of a stream that ended, or failed, too early.
fn cut(decoder: &StreamDecoder, error: Option<ModelError>) -> ModelError {
    let source: BoxError = match error {
        None => return ModelError::truncated(decoder.partial()),
        Some(ModelError::Transport { source, .. }) => source,
        Some(error) => return error,
    };
    ModelError::StreamTruncated { partial: decoder.partial(), source: Some(source) }
}

/// Adds to an error what the head of the response says.
fn typed(mut error: ModelError, incoming: &Incoming) -> ModelError {
    match &mut error {
        ModelError::Decode(error) => error.content_type = incoming.content_type.to_text(),
        ModelError::Stream { error, .. } => error.request_id.clone_from(&incoming.request_id),
        _ => {}
    }
    error
}

/// A stream that has begun.
struct Pieces<S> {
    shared: Arc<S>,
    /// `None` once it has ended: the connection is closed then.
    running: Option<(Incoming, StreamDecoder)>,
    /// Whether the answer is whole, and only the stream's own end is waited for.
    is_lingering: bool,
    /// Whether the stream has said that it is over.
    is_over: bool,
}

impl<S: Streams> Pieces<S> {
    /// Ends the stream, closes the connection, and makes the last item of what there is.
    fn end(&mut self, failure: Option<ModelError>) -> Option<Result<Delta, ModelError>> {
        let (incoming, decoder) = self.running.take()?;
        let strict = self.shared.settings().require_done;
        let is_whole = decoder.is_done() || (decoder.is_whole() && !strict);
        let reply = match failure {
            _ if is_whole => self.judge(decoder, incoming.request_id),
            error => Err(cut(&decoder, error)),
        };
        Some(reply.map(Delta::from).map_err(|error| self.shared.connection().mask.error(error)))
    }

    fn judge(
        &self,
        decoder: StreamDecoder,
        request_id: Option<String>,
    ) -> Result<Reply, ModelError> {
        let mut reply = call::judge(decoder.into_answer()?, self.shared.settings())?;
        reply.request_id = request_id;
        Ok(reply)
    }

    /// Ends the stream with an error, and closes the connection.
    fn fail(&mut self, error: ModelError) -> Option<Result<Delta, ModelError>> {
        let (incoming, _) = self.running.take()?;
        Some(Err(self.shared.connection().mask.error(typed(error, &incoming))))
    }
}

impl<S: Streams> Stream for Pieces<S> {
    type Item = Result<Delta, ModelError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let keep_alive = this.shared.settings().comments_keep_alive;
        loop {
            let Some((incoming, decoder)) = &mut this.running else { return Poll::Ready(None) };
            match decoder.next_delta() {
                Ok(Some(delta)) => return Poll::Ready(Some(Ok(delta))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(this.fail(error)),
            }
            if decoder.is_done() && !this.is_over {
                this.is_over = true;
                incoming.wait_for_end(END);
            } else if !this.is_lingering && decoder.is_whole() {
                this.is_lingering = true;
                incoming.wait_for_end(LINGER);
            } else if decoder.take_progress() || keep_alive {
                incoming.restart_idle();
            }
            match ready!(incoming.poll_chunk(context)) {
                Some(Ok(_)) if this.is_over => return Poll::Ready(this.end(None)),
                Some(Ok(chunk)) => decoder.feed(chunk),
                Some(Err(failure)) => return Poll::Ready(this.end(Some(failure.error))),
                None => {
                    this.shared.connection().was_used();
                    return Poll::Ready(this.end(None));
                }
            }
        }
    }
}
