//! Bodies: of a request, shared pieces whose length is known; of a response, whatever its client reads it from.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use conversant_core::BoxError;
use http_body::{Body, Frame, SizeHint};

/// A body of pieces that are sent as they are, with `Content-Length`.
#[derive(Debug)]
pub(super) struct Pieces {
    pieces: Arc<[Bytes]>,
    /// How many are sent.
    sent: usize,
    /// How many bytes are not.
    left: u64,
}

impl Pieces {
    pub(super) fn new(pieces: &Arc<[Bytes]>) -> Self {
        let left = pieces.iter().map(length).sum();
        Self { pieces: Arc::clone(pieces), sent: 0, left }
    }
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

/// The body of a response.
#[derive(Debug)]
pub(super) enum ResponseBody {
    Hyper(hyper::body::Incoming),
    #[cfg(feature = "reqwest")]
    Reqwest(reqwest::Body),
}

impl ResponseBody {
    /// Returns how long the response says it is, in bytes.
    pub(super) fn announced(&self) -> Option<u64> {
        match self {
            Self::Hyper(body) => body.size_hint().exact(),
            #[cfg(feature = "reqwest")]
            Self::Reqwest(body) => body.size_hint().exact(),
        }
    }

    /// Polls for the next piece.
    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self {
            Self::Hyper(body) => Pin::new(body)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(BoxError::from))),
            #[cfg(feature = "reqwest")]
            Self::Reqwest(body) => Pin::new(body)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(|error| error.without_url().into()))),
        }
    }
}
