//! The body of a response, of any client.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use conversant_core::BoxError;
use http_body::{Body, Frame, SizeHint};

use super::{
    attempt::FailedAttempt,
    transport_error::{CustomClientError, in_body},
};

/// The body of a response.
pub(super) enum ResponseBody {
    Hyper(hyper::body::Incoming),
    Custom(Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl ResponseBody {
    /// Returns the size that the response announces, in bytes.
    pub(super) fn announced_bytes(&self) -> Option<u64> {
        match self {
            Self::Hyper(body) => body.size_hint().exact(),
            Self::Custom(body) => body.size_hint().exact(),
        }
    }

    /// Polls for the next frame.
    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, FailedAttempt>>> {
        match self {
            Self::Hyper(body) => Pin::new(body)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(|error| in_body(error.into())))),
            Self::Custom(body) => body.as_mut().poll_frame(context).map(|frame| {
                frame.map(|frame| frame.map_err(|error| in_body(CustomClientError::boxed(error))))
            }),
        }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseBody")
    }
}

/// A body whose errors are boxed.
pub(super) struct BoxedErrors<B>(pub(super) Pin<Box<B>>);

impl<B> Body for BoxedErrors<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0
            .as_mut()
            .poll_frame(context)
            .map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
