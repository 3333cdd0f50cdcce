//! A request body of shared pieces whose length is known.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body of pieces that are sent as they are, with `Content-Length`.
#[derive(Debug)]
struct Pieces {
    pieces: Arc<[Bytes]>,
    /// How many are sent.
    sent: usize,
    /// How many bytes are not.
    left: u64,
}

impl Body for Pieces {
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

/// Makes a request's body of pieces, without a copy.
pub(super) fn of_pieces(pieces: &Arc<[Bytes]>) -> reqwest::Body {
    match &**pieces {
        [] => reqwest::Body::default(),
        [piece] => reqwest::Body::from(piece.clone()),
        several => {
            let left = several.iter().map(length).sum();
            reqwest::Body::wrap(Pieces { pieces: Arc::clone(pieces), sent: 0, left })
        }
    }
}
