//! Request bodies: shared pieces of known length.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body of pieces that are sent without a copy, with `Content-Length`.
#[derive(Debug)]
pub(super) struct RequestBody {
    pieces: Arc<[Bytes]>,
    /// The number of pieces that were sent.
    sent: usize,
    /// The number of bytes that were not sent yet.
    left: u64,
}

impl RequestBody {
    pub(super) fn new(pieces: &Arc<[Bytes]>) -> Self {
        let left = pieces.iter().map(length).sum();
        Self { pieces: Arc::clone(pieces), sent: 0, left }
    }
}

/// Joins a body's pieces. One piece is not copied.
pub(super) fn join(pieces: &[Bytes]) -> Bytes {
    match pieces {
        [piece] => piece.clone(),
        pieces => pieces.concat().into(),
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.get(self.sent).cloned();
        self.sent += 1;
        self.left = self.left.saturating_sub(piece.as_ref().map_or(0, length));
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.sent >= self.pieces.len()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn length(piece: &Bytes) -> u64 {
    u64::try_from(piece.len()).unwrap_or(u64::MAX)
}
