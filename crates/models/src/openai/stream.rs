//! Streamed answers: the decoder's pieces as they come over the wire.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use conversant_core::{BoxError, CallOptions, Delta, ModelError, Reply, ReplyStream, TimeoutPhase};
use futures_core::Stream;
use http::Method;

use super::call::{self, Protocol};
use crate::{
    http::{Failure, Incoming},
    wire::StreamDecoder,
};

/// How long what follows a whole answer (what it used, `[DONE]`) is waited for.
const LINGER: Duration = Duration::from_secs(5);
/// How long the end of a response is waited for after `[DONE]`, so that its connection can be kept.
const END: Duration = Duration::from_millis(5);

/// Sends a request and returns its answer as soon as it begins. Until then failures are repeated as those of a whole answer
/// are; after that nothing is.
pub(super) async fn stream<S: Protocol>(
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

/// The form of a body: of events, or whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Events,
    Whole,
}

/// The maximum size of what is read before a body's form is known, in bytes.
const MAX_HEAD: usize = 64 * 1024;

impl Form {
    /// Returns the form that a content type names.
    fn of_label(content_type: Option<String>) -> Option<Self> {
        let label = content_type?.to_ascii_lowercase();
        if label.starts_with("text/event-stream") {
            Some(Self::Events)
        } else {
            (label.contains("json") || label.contains("html")).then_some(Self::Whole)
        }
    }

    /// Returns the form of a body that begins like this, if it can be told yet. What it begins with says
    /// more than its label. Blank lines and comments may come before either form.
    fn of_head(head: &[u8], label: Option<Self>) -> Option<Self> {
        const BOM: &[u8] = b"\xef\xbb\xbf";
        if head.len() < BOM.len() && BOM.starts_with(head) {
            return None;
        }
        let mut rest = head.strip_prefix(BOM).unwrap_or(head).trim_ascii_start();
        while rest.first() == Some(&b':') {
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            rest = end.and_then(|end| rest.get(end..)).unwrap_or_default().trim_ascii_start();
        }
        let fields = [&b"data"[..], b"event", b"id", b"retry"];
        let is_field = || fields.iter().any(|field| rest.starts_with(field));
        match rest.first() {
            Some(b'{' | b'[' | b'<') => Some(Self::Whole),
            Some(_) if is_field() => Some(Self::Events),
            Some(_) => Some(label.unwrap_or(Self::Events)),
            None => (head.len() > MAX_HEAD).then(|| label.unwrap_or(Self::Events)),
        }
    }
}

/// Reads up to the first event.
async fn begin<S: Protocol>(
    shared: &Arc<S>,
    mut incoming: Incoming,
    choices: usize,
) -> Result<ReplyStream, Failure> {
    let limit = shared.connection().body_limit;
    let keep_alive = shared.settings().comments_keep_alive;
    let label = Form::of_label(incoming.content_type.to_text());
    if label != Some(Form::Events) && incoming.must_be_whole(limit) {
        return whole(shared, incoming, None).await;
    }
    let mut head = Bytes::new();
    let form = loop {
        if let Some(form) = Form::of_head(&head, label) {
            break form;
        }
        match incoming.chunk().await {
            Ok(Some(chunk)) if head.is_empty() => head = chunk,
            Ok(Some(chunk)) => head = [&*head, &*chunk].concat().into(),
            Ok(None) => break label.unwrap_or(Form::Whole),
            Err(failure) if label == Some(Form::Whole) => return Err(failure),
            Err(failure) => {
                let error = cut(&StreamDecoder::new(), Some(failure.error));
                return Err(Failure { error, ..failure });
            }
        }
        if keep_alive || label == Some(Form::Whole) {
            incoming.restart_idle();
        }
    };
    if form == Form::Whole {
        return whole(shared, incoming, Some(head)).await;
    }
    incoming.check_uncompressed()?;
    let mut decoder = StreamDecoder::with_limits(choices, limit);
    decoder.feed(head);
    loop {
        while !decoder.has_begun() {
            let read = decoder.read_event();
            if !read.map_err(|error| typed(error, &incoming))? {
                break;
            }
        }
        if decoder.take_progress() || keep_alive {
            incoming.restart_idle();
        }
        if decoder.has_begun() {
            break;
        }
        match incoming.chunk().await {
            Ok(Some(chunk)) => decoder.feed(chunk),
            Ok(None) => return Err(Failure::last(cut(&decoder, None))),
            Err(failure) => {
                return Err(Failure { error: cut(&decoder, Some(failure.error)), ..failure });
            }
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
async fn whole<S: Protocol>(
    shared: &Arc<S>,
    mut incoming: Incoming,
    first: Option<Bytes>,
) -> Result<ReplyStream, Failure> {
    let received = incoming.read_whole(first, shared.connection().body_limit).await?;
    shared.connection().was_used();
    let reply = call::read_answer(&**shared, received)?;
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

impl<S: Protocol> Pieces<S> {
    /// Ends the stream, closes the connection, and makes the last item of what there is.
    fn end(&mut self, failure: Option<ModelError>) -> Option<Result<Delta, ModelError>> {
        let (incoming, decoder) = self.running.take()?;
        let strict = self.shared.settings().require_done;
        let is_whole = decoder.is_done()
            || match &failure {
                _ if strict => false,
                // Silence is an end, too.
                None | Some(ModelError::Timeout { phase: TimeoutPhase::Idle, .. }) => {
                    decoder.is_whole()
                }
                Some(_) => decoder.is_certain(),
            };
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
        let mut reply = call::judge(&*self.shared, decoder.into_answer()?)?;
        reply.request_id = request_id;
        Ok(reply)
    }

    /// Ends the stream with an error, and closes the connection.
    fn fail(&mut self, error: ModelError) -> Option<Result<Delta, ModelError>> {
        let (incoming, _) = self.running.take()?;
        Some(Err(self.shared.connection().mask.error(typed(error, &incoming))))
    }
}

impl<S: Protocol> Stream for Pieces<S> {
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
            } else if decoder.is_certain() {
                if !this.is_lingering {
                    this.is_lingering = true;
                    incoming.wait_for_end(LINGER);
                }
            } else {
                if this.is_lingering {
                    // More came, so it was no end.
                    this.is_lingering = false;
                    incoming.set_idle(this.shared.connection().timers.idle);
                }
                if decoder.take_progress() || keep_alive {
                    incoming.restart_idle();
                }
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
