//! A body that is compressed by gzip, unpacked as it is received.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;

use super::{
    attempt::{FailedAttempt, too_large},
    encoding::not_unpacked,
    gunzip::Gunzip,
    response_body::ResponseBody,
};

/// A body of at most `limit` bytes, unpacked.
pub(super) struct UnpackedBody {
    body: ResponseBody,
    gunzip: Gunzip,
    limit: usize,
    unpacked: usize,
}

impl UnpackedBody {
    /// Unpacks a body of which some bytes were read before.
    pub(super) fn new(body: ResponseBody, start: Bytes, limit: usize) -> Self {
        let mut gunzip = Gunzip::new();
        gunzip.feed(start);
        Self { body, gunzip, limit, unpacked: 0 }
    }

    /// Polls for the next frame. It is empty if what was received holds nothing whole.
    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, FailedAttempt>>> {
        let piece = match self.gunzip.next_piece() {
            Ok(Some(piece)) => piece,
            Ok(None) => match ready!(self.body.poll_frame(context)) {
                Some(Ok(frame)) => {
                    self.gunzip.feed(frame.into_data().unwrap_or_default());
                    Bytes::new()
                }
                Some(Err(failed)) => return Poll::Ready(Some(Err(failed))),
                None => {
                    let end = self.gunzip.check_end();
                    return Poll::Ready(end.err().map(|error| Err(not_unpacked(error))));
                }
            },
            Err(error) => return Poll::Ready(Some(Err(not_unpacked(error)))),
        };
        self.unpacked = self.unpacked.saturating_add(piece.len());
        let frame = match self.unpacked > self.limit {
            true => Err(too_large(self.limit)),
            false => Ok(Frame::data(piece)),
        };
        Poll::Ready(Some(frame))
    }
}
