//! The caller's end of a call: the pieces that the model's thread sends, until the deadline.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use conversant_core::{Delta, ModelError, ReplyStream, Stream, TimeoutPhase};
use futures_channel::mpsc::UnboundedReceiver;
use futures_timer::Delay;

/// The pieces of an answer. Dropping it ends the call before its next token.
pub(crate) struct AnswerStream {
    /// The first item, which was awaited before the stream was returned.
    first: Option<Result<Delta, ModelError>>,
    pieces: UnboundedReceiver<Result<Delta, ModelError>>,
    deadline: Option<(Delay, Duration)>,
}

impl AnswerStream {
    /// Creates it; fails if the deadline has passed.
    pub(crate) fn new(
        pieces: UnboundedReceiver<Result<Delta, ModelError>>,
        deadline: Option<Instant>,
    ) -> Result<Self, ModelError> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match left {
            Some(Duration::ZERO) => Err(timeout(Duration::ZERO)),
            left => {
                let deadline = left.map(|left| (Delay::new(left), left));
                Ok(Self { first: None, pieces, deadline })
            }
        }
    }

    /// Waits for the first piece, so that a call that cannot begin fails as a whole.
    pub(crate) async fn begin(mut self) -> Result<ReplyStream, ModelError> {
        match poll_fn(|context| Pin::new(&mut self).poll_next(context)).await {
            Some(Err(error)) => Err(error),
            first => {
                self.first = first;
                Ok(ReplyStream::new(self))
            }
        }
    }
}

fn timeout(after: Duration) -> ModelError {
    ModelError::Timeout { phase: TimeoutPhase::Total, after }
}

impl Stream for AnswerStream {
    type Item = Result<Delta, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        if let Poll::Ready(piece) = Pin::new(&mut self.pieces).poll_next(context) {
            return Poll::Ready(piece);
        }
        if let Some((delay, after)) = &mut self.deadline
            && Pin::new(delay).poll(context).is_ready()
        {
            let after = *after;
            self.pieces.close();
            return Poll::Ready(Some(Err(timeout(after))));
        }
        Poll::Pending
    }
}
