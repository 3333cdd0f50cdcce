//! The body of an answer. Its chunks are flushed one by one, may wait at a gate, and count as
//! broken off when the client disconnects.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::{answer::Hold, state::State};

/// Counts an answer as broken off unless it was finished before it is dropped.
#[derive(Debug)]
pub(super) struct Unfinished {
    state: Arc<State>,
    finished: bool,
}

impl Unfinished {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self { state, finished: false }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            self.state.disconnects.add();
        }
    }
}

pub(super) struct AnswerBody {
    chunks: VecDeque<Bytes>,
    /// The length of a whole answer. A streamed one is sent chunked.
    length: Option<u64>,
    hold: Option<Holding>,
    sent: usize,
    /// Whether the chunk sent last was given the time to be flushed by itself.
    flushed: bool,
    unfinished: Unfinished,
}

struct Holding {
    after: usize,
    pass: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl AnswerBody {
    pub(super) fn whole(body: Bytes, unfinished: Unfinished) -> Self {
        let length = u64::try_from(body.len()).ok();
        let chunks = if body.is_empty() { VecDeque::new() } else { VecDeque::from([body]) };
        Self { length, ..Self::streamed(chunks, None, unfinished) }.finish_if_empty()
    }

    pub(super) fn streamed(
        chunks: impl IntoIterator<Item = Bytes>,
        hold: Option<Hold>,
        unfinished: Unfinished,
    ) -> Self {
        let hold = hold.map(|Hold { after, gate }| Holding {
            after,
            pass: Box::pin(async move { gate.pass().await }),
        });
        // An empty chunk would end the body.
        let chunks = chunks.into_iter().filter(|chunk| !chunk.is_empty()).collect();
        Self { chunks, length: None, hold, sent: 0, flushed: true, unfinished }
    }

    /// Marks an empty body as finished: hyper does not poll a body of known length after its end.
    fn finish_if_empty(mut self) -> Self {
        self.unfinished.finished = self.chunks.is_empty();
        self
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if !this.flushed {
            // The connection writes out what it has whenever its body has nothing ready.
            this.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(hold) = &mut this.hold
            && hold.after <= this.sent
        {
            ready!(hold.pass.as_mut().poll(context));
            this.hold = None;
        }
        let chunk = this.chunks.pop_front();
        match &chunk {
            Some(_) => {
                this.sent += 1;
                this.flushed = false;
                this.unfinished.finished = this.length.is_some() && this.chunks.is_empty();
            }
            None => this.unfinished.finished = true,
        }
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.unfinished.finished
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody")
            .field("sent", &self.sent)
            .field("left", &self.chunks.len())
            .finish_non_exhaustive()
    }
}
