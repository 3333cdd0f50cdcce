//! Requests to models that observers see.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;

use super::{
    emitter::{EventEmitter, ReportedRequest},
    event::{Event, ModelRequest},
    model_description::ModelDescription,
    stopwatch::Stopwatch,
};
use crate::model::{
    ChatModel, ChatRequest, CompletionModel, CompletionRequest, Delta, ModelError, Reply,
    ReplyStream,
};

/// A request that runs. Dropped before its end, it ends as cancelled.
struct Running {
    events: EventEmitter,
    request: Arc<ReportedRequest>,
    started: Stopwatch,
    first_token: Option<Duration>,
    has_ended: bool,
}

impl Running {
    fn start(model: ModelDescription, request: ModelRequest<'_>, is_streamed: bool) -> Self {
        let events = request.options().events.clone();
        let number = events.next_number();
        events.emit(&Event::model_started(number, &model, request, is_streamed));
        Self {
            events,
            request: Arc::new(ReportedRequest { number, model }),
            started: Stopwatch::start(),
            first_token: None,
            has_ended: false,
        }
    }

    /// Returns the emitter that the request is sent with.
    fn events(&self) -> EventEmitter {
        self.events.in_request(&self.request)
    }

    fn end(&mut self, result: Result<&Reply, &ModelError>) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        let time = self.started.elapsed();
        self.events.emit(&Event::model_ended(
            self.request.number,
            &self.request.model,
            self.events.purpose(),
            result,
            time,
            self.first_token,
        ));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(Err(&ModelError::Cancelled));
    }
}

/// An answer in pieces whose end observers see.
struct Observed {
    stream: ReplyStream,
    running: Running,
}

impl Stream for Observed {
    type Item = Result<Delta, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(Pin::new(&mut self.stream).poll_next(context));
        let running = &mut self.running;
        match &item {
            Some(Ok(Delta::Done(reply))) => running.end(Ok(reply)),
            Some(Err(error)) => running.end(Err(error)),
            Some(Ok(_)) if running.first_token.is_none() => {
                running.first_token = Some(running.started.elapsed());
            }
            Some(Ok(_)) | None => {}
        }
        Poll::Ready(item)
    }
}

/// Starts a request that observers see, if there are any and the model does not emit its events
/// itself.
fn start(
    request: ModelRequest<'_>,
    describe: impl FnOnce() -> ModelDescription,
    is_streamed: bool,
    is_completion: bool,
) -> Option<Running> {
    if !request.options().events.reports_requests() {
        return None;
    }
    let mut model = describe();
    model.is_completion = is_completion;
    (!model.emits_events).then(|| Running::start(model, request, is_streamed))
}

macro_rules! observe {
    ($kind:literal, $model:ident, $request:ty, $generate:ident, $stream:ident, $completion:literal) => {
        #[doc = concat!("Calls a ", $kind, " model, and emits [`Event::ModelStarted`] and")]
        /// [`Event::ModelEnded`] to the observers of the request's options, unless the model emits
        /// them itself. For models that make requests to other models, such as a tool loop.
        ///
        /// # Errors
        /// The model's error.
        pub async fn $generate<M: $model + ?Sized>(
            model: &M,
            request: &$request,
        ) -> Result<Reply, ModelError> {
            let Some(mut running) = start(request.into(), || model.describe(), false, $completion)
            else {
                return model.generate(request).await;
            };
            let mut request = request.clone();
            request.options.events = running.events();
            let result = model.generate(&request).await;
            running.end(result.as_ref());
            result
        }

        #[doc = concat!("Like [`", stringify!($generate), "`], piece by piece.")]
        ///
        /// # Errors
        /// The model's error.
        pub async fn $stream<M: $model + ?Sized>(
            model: &M,
            request: &$request,
        ) -> Result<ReplyStream, ModelError> {
            let Some(mut running) = start(request.into(), || model.describe(), true, $completion)
            else {
                return model.stream(request).await;
            };
            let mut request = request.clone();
            request.options.events = running.events();
            match model.stream(&request).await {
                Ok(stream) => Ok(stream.map_stream(|stream| Observed { stream, running })),
                Err(error) => {
                    running.end(Err(&error));
                    Err(error)
                }
            }
        }
    };
}
observe!("chat", ChatModel, ChatRequest, observe_chat, observe_chat_stream, false);
observe!(
    "completion",
    CompletionModel,
    CompletionRequest,
    observe_completion,
    observe_completion_stream,
    true
);
