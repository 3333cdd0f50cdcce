//! A call that goes on after the tools that another model has called.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    vec,
};

use conversant_core::{
    ChatRequest, CompletionRequest, Delta, Messages, ModelError, Reply, ReplyStream,
};
use futures_core::Stream;

/// A request that a model can go on with after tools have run.
pub(crate) trait GoOn: Sized {
    /// Returns the request with the calls and results of the tools, or `None` if it cannot have
    /// them. `is_forced` is whether the model's own settings force it to call a tool.
    fn after(&self, exchange: &Messages, is_forced: bool) -> Option<Self>;
}

impl GoOn for ChatRequest {
    fn after(&self, exchange: &Messages, is_forced: bool) -> Option<Self> {
        let mut request = self.clone();
        request.messages.append(exchange);
        request.options.lift_forced_choice(is_forced);
        Some(request)
    }
}

impl GoOn for CompletionRequest {
    fn after(&self, _exchange: &Messages, _is_forced: bool) -> Option<Self> {
        None
    }
}

/// Returns a reply with what the tools have done before.
pub(crate) fn reply_after(exchange: &Messages, mut reply: Reply) -> Reply {
    let mut intermediate = exchange.clone();
    intermediate.append(&reply.intermediate);
    reply.intermediate = intermediate;
    reply
}

/// Returns a stream that begins with the calls of the tools and their results.
pub(crate) fn stream_after(exchange: &Messages, stream: ReplyStream) -> ReplyStream {
    let before: Vec<_> = Delta::of_exchange(exchange).collect();
    let (before, exchange) = (before.into_iter(), exchange.clone());
    ReplyStream::new(AfterTools { before, exchange, stream })
}

struct AfterTools {
    before: vec::IntoIter<Delta>,
    exchange: Messages,
    stream: ReplyStream,
}

impl Stream for AfterTools {
    type Item = Result<Delta, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(piece) = self.before.next() {
            return Poll::Ready(Some(Ok(piece)));
        }
        let item = ready!(Pin::new(&mut self.stream).poll_next(context));
        Poll::Ready(item.map(|item| match item {
            Ok(Delta::Done(reply)) => Ok(Delta::from(reply_after(&self.exchange, *reply))),
            Ok(piece) => Ok(piece),
            Err(error) => Err(error.after_tools(&self.exchange)),
        }))
    }
}
