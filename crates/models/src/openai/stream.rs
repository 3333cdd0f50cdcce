//! Streamed answers: decodes the pieces of a response as they are received.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use conversant_core::{
    BoxError, CallOptions, Delta, EventEmitter, ModelError, Reply, ReplyStream, TimeoutPhase,
};
use futures_core::Stream;
use http::Method;

use super::{adapter::Adapter, endpoint::Endpoint, hints, response_form::ResponseForm};
use crate::{
    http::{
        attempt::FailedAttempt, client::Outgoing, response_reader::ResponseReader, retry,
        send::Call,
    },
    wire::{AnswerDecoder, StreamedAnswer, without_events},
};

/// The time that usage and `[DONE]` may take after a whole answer: 5 s.
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);
/// The time that the end of a response may take after `[DONE]`, so that its connection can be kept:
/// 5 ms.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(5);

impl Adapter {
    /// Sends a request of a call and returns its answer as soon as it begins. Failures before that
    /// are retried like those of whole answers; later ones are not. Boxed, so that it is compiled
    /// once and not for each endpoint.
    ///
    /// # Errors
    /// [`ModelError`], with every secret masked.
    pub(crate) fn stream<'a, A: StreamedAnswer>(
        self: &'a Arc<Self>,
        call: &'a mut Call,
        endpoint: &'static Endpoint,
        body: &'a Arc<[Bytes]>,
        options: &'a CallOptions,
    ) -> Pin<Box<dyn Future<Output = Result<ReplyStream, ModelError>> + Send + 'a>> {
        Box::pin(async move {
            let connection = &self.connection;
            let deadline = call.deadline;
            let request = Outgoing { method: Method::POST, path: endpoint.path, body };
            let attempt = || async {
                let reader = connection.send(&request, &deadline).await?;
                begin::<A>(self, endpoint, reader, &options.events).await
            };
            connection.with_retries(call, &options.events, attempt).await.map_err(hints::add)
        })
    }
}

/// Reads up to the first piece.
async fn begin<A: StreamedAnswer>(
    adapter: &Arc<Adapter>,
    endpoint: &'static Endpoint,
    mut reader: ResponseReader,
    events: &EventEmitter,
) -> Result<ReplyStream, FailedAttempt> {
    let max_bytes = adapter.connection.max_response_bytes;
    let keep_alive = adapter.settings.comments_keep_alive;
    let labelled = ResponseForm::of_content_type(reader.head.content_type.to_text());
    if labelled != Some(ResponseForm::Events) && reader.is_announced_beyond(max_bytes) {
        return whole(adapter, endpoint, reader, None, events).await;
    }
    let mut decoder = A::decoder(adapter.choices, max_bytes);
    let mut prefix = Bytes::new();
    let form = loop {
        if reader.is_compressed(&prefix)? {
            reader = reader.unpacked(mem::take(&mut prefix), max_bytes);
        }
        if let Some(form) = ResponseForm::of_prefix(&prefix, labelled) {
            break form;
        }
        match reader.chunk().await {
            Ok(Some(chunk)) if prefix.is_empty() => prefix = chunk,
            Ok(Some(chunk)) => prefix = [&*prefix, &*chunk].concat().into(),
            Ok(None) => break labelled.unwrap_or(ResponseForm::Whole),
            Err(failed) if labelled == Some(ResponseForm::Whole) => return Err(failed),
            Err(failed) => return Err(failed.map(|error| truncated(&decoder, Some(error)))),
        }
        if keep_alive || labelled == Some(ResponseForm::Whole) {
            reader.restart_idle();
        }
    };
    if form == ResponseForm::Whole {
        return whole(adapter, endpoint, reader, Some(prefix), events).await;
    }
    decoder.feed(prefix.clone());
    loop {
        while !decoder.has_begun() {
            let read = decoder.read_event();
            if !read.map_err(|error| retry::of_answer(reader.head.add_to(error)))? {
                break;
            }
        }
        if decoder.take_progress() || keep_alive {
            reader.restart_idle();
        }
        if decoder.has_begun() {
            break;
        }
        match reader.chunk().await {
            Ok(Some(chunk)) => decoder.feed(chunk),
            Ok(None) => {
                let ended = decoder.end_input();
                ended.map_err(|error| retry::of_answer(reader.head.add_to(error)))?;
                if decoder.has_begun() {
                    break;
                }
                let error = Some(&prefix).filter(|_| !decoder.has_events());
                let error = error.and_then(|prefix| without_events(prefix));
                let error = error.unwrap_or_else(|| truncated(&decoder, None));
                return Err(FailedAttempt::last(reader.head.add_to(error)));
            }
            Err(failed) => return Err(failed.map(|error| truncated(&decoder, Some(error)))),
        }
    }
    reader.head.content_type.detach();
    reader.set_idle_timeout(adapter.connection.timeouts.in_stream());
    Ok(ReplyStream::new(Pieces {
        adapter: Arc::clone(adapter),
        endpoint,
        events: events.clone(),
        running: Some((reader, decoder)),
        phase: Phase::Reading,
        ended: None,
    }))
}

/// Reads a whole answer, which becomes a stream of one piece.
async fn whole(
    adapter: &Adapter,
    endpoint: &Endpoint,
    mut reader: ResponseReader,
    first: Option<Bytes>,
    events: &EventEmitter,
) -> Result<ReplyStream, FailedAttempt> {
    let decode = |body: &[u8]| adapter.reply(endpoint, body, events);
    let (mut reply, head) = adapter.connection.whole(&mut reader, first, decode).await?;
    reply.request_id = head.request_id;
    Ok(ReplyStream::whole(reply))
}

/// Creates the error of a stream that ended, or failed, too early.
fn truncated<A: StreamedAnswer>(
    decoder: &AnswerDecoder<A>,
    error: Option<ModelError>,
) -> ModelError {
    let source: BoxError = match error {
        None => return ModelError::truncated(decoder.partial()),
        Some(ModelError::Transport { source, .. }) => source,
        Some(error) => return error,
    };
    ModelError::StreamTruncated { partial: decoder.partial(), source: Some(source) }
}

/// The phase of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The answer is being received.
    Reading,
    /// The answer is whole; usage and the end marker may follow.
    Lingering,
    /// The end marker was received; only the response's own end may follow.
    Draining,
}

/// The pieces of a stream that has begun.
struct Pieces<A> {
    adapter: Arc<Adapter>,
    endpoint: &'static Endpoint,
    events: EventEmitter,
    /// `None` once the stream has ended and its connection is closed.
    running: Option<(ResponseReader, AnswerDecoder<A>)>,
    phase: Phase,
    /// The end of the response, once it was reached, with the failure that it ended with.
    ended: Option<Option<ModelError>>,
}

type Item = Result<Delta, ModelError>;

impl<A: StreamedAnswer> Pieces<A> {
    /// Ends the stream at the end of the response, or where it failed, and returns its last item.
    fn end(&mut self, failure: Option<ModelError>) -> Option<Item> {
        let (reader, decoder) = self.running.take()?;
        let strict = self.adapter.settings.require_done;
        let is_whole = match &failure {
            // A compressed body that is damaged: no part of it can be trusted.
            Some(ModelError::Decode(_)) => false,
            _ if decoder.is_done() => true,
            _ if strict => false,
            // Silence is an end, too.
            None | Some(ModelError::Timeout { phase: TimeoutPhase::Idle, .. }) => {
                decoder.is_whole()
            }
            Some(_) => decoder.is_certain(),
        };
        let reply = match failure {
            _ if is_whole => self.reply(decoder, reader.head.request_id),
            error => Err(truncated(&decoder, error)),
        };
        Some(reply.map(Delta::from).map_err(|error| self.adapter.error(error)))
    }

    fn reply(
        &self,
        decoder: AnswerDecoder<A>,
        request_id: Option<String>,
    ) -> Result<Reply, ModelError> {
        let answer = decoder.into_answer()?;
        let mut reply = self.adapter.check(self.endpoint, answer, &self.events)?;
        reply.request_id = request_id;
        Ok(reply)
    }

    /// Ends the stream with an error of the decoder.
    fn fail(&mut self, error: ModelError) -> Option<Item> {
        let (reader, _) = self.running.take()?;
        Some(Err(self.adapter.error(reader.head.add_to(error))))
    }
}

/// Enters the phase that the decoder has reached, each with its time limit for the next piece.
fn advance<A: StreamedAnswer>(
    phase: &mut Phase,
    decoder: &mut AnswerDecoder<A>,
    reader: &mut ResponseReader,
    adapter: &Adapter,
) {
    let reached = if decoder.is_done() {
        Phase::Draining
    } else if decoder.is_certain() {
        Phase::Lingering
    } else {
        Phase::Reading
    };
    if *phase != reached {
        *phase = reached;
        reader.set_idle_timeout(match reached {
            Phase::Draining => DRAIN_TIMEOUT,
            Phase::Lingering => LINGER_TIMEOUT,
            // More was received after a whole answer, which was none then.
            Phase::Reading => adapter.connection.timeouts.in_stream(),
        });
    } else if reached == Phase::Reading
        && (decoder.take_progress() || adapter.settings.comments_keep_alive)
    {
        reader.restart_idle();
    }
}

impl<A: StreamedAnswer> Stream for Pieces<A> {
    type Item = Item;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Item>> {
        let this = self.get_mut();
        loop {
            let Some((reader, decoder)) = &mut this.running else { return Poll::Ready(None) };
            match decoder.next_delta() {
                Ok(Some(delta)) => return Poll::Ready(Some(Ok(delta))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(this.fail(error)),
            }
            if let Some(failure) = this.ended.take() {
                return Poll::Ready(this.end(failure));
            }
            advance(&mut this.phase, decoder, reader, &this.adapter);
            match ready!(reader.poll_chunk(context)) {
                Some(Ok(_)) if this.phase == Phase::Draining => return Poll::Ready(this.end(None)),
                Some(Ok(chunk)) => decoder.feed(chunk),
                Some(Err(failed)) => this.ended = Some(Some(failed.error)),
                None => {
                    this.adapter.connection.mark_used();
                    this.ended = Some(None);
                }
            }
            if this.ended.is_some()
                && this.phase != Phase::Draining
                && let Err(error) = decoder.end_input()
            {
                return Poll::Ready(this.fail(error));
            }
        }
    }
}
