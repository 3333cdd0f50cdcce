//! The body of a response as it is read: as the server sends it, or unpacked.

use std::{
    fmt,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;

#[cfg(feature = "gzip")]
use super::unpacked_body::UnpackedBody;
use super::{attempt::FailedAttempt, response_body::ResponseBody};

/// The body of a response.
pub(super) enum ReceivedBody {
    AsSent(ResponseBody),
    #[cfg(feature = "gzip")]
    Unpacked(Box<UnpackedBody>),
}

impl ReceivedBody {
    /// Unpacks the body as it is received, to at most `max_bytes`. `start` was read before.
    #[cfg(feature = "gzip")]
    pub(super) fn unpacked(self, start: Bytes, max_bytes: usize) -> Self {
        match self {
            Self::AsSent(body) => {
                Self::Unpacked(Box::new(UnpackedBody::new(body, start, max_bytes)))
            }
            unpacked @ Self::Unpacked(_) => unpacked,
        }
    }

    /// Polls for the next frame.
    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, FailedAttempt>>> {
        match self {
            Self::AsSent(body) => body.poll_frame(context),
            #[cfg(feature = "gzip")]
            Self::Unpacked(body) => body.poll_frame(context),
        }
    }
}

impl fmt::Debug for ReceivedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceivedBody")
    }
}
