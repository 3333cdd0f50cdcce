//! An HTTP client of the user, in place of the built-in one.

use std::{fmt, future::poll_fn, pin::Pin, sync::Arc};

use bytes::Bytes;
use conversant_core::BoxError;
use http_body::Body;
use tower_service::Service;

use super::response_body::{BoxedErrors, ResponseBody};

type Sending = Pin<Box<dyn Future<Output = Result<http::Response<ResponseBody>, BoxError>> + Send>>;

/// A user's client, with its types erased.
#[derive(Clone)]
pub(crate) struct CustomClient(Arc<dyn Fn(http::Request<Bytes>) -> Sending + Send + Sync>);

impl CustomClient {
    pub(crate) fn new<S, Q, P, B>(service: S) -> Self
    where
        S: Service<Q, Response = P> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        Q: TryFrom<http::Request<Bytes>> + Send + 'static,
        Q::Error: Into<BoxError>,
        P: Into<http::Response<B>>,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Arc::new(move |request| {
            let mut service = service.clone();
            Box::pin(async move {
                let request = Q::try_from(request).map_err(Into::into)?;
                poll_fn(|context| service.poll_ready(context)).await.map_err(Into::into)?;
                let response: http::Response<B> =
                    service.call(request).await.map_err(Into::into)?.into();
                Ok(response.map(|body| ResponseBody::Custom(Box::pin(BoxedErrors(Box::pin(body))))))
            })
        }))
    }

    /// Sends a request, and returns the response's head and its body's reader.
    pub(super) fn send(&self, request: http::Request<Bytes>) -> Sending {
        (self.0)(request)
    }
}

impl fmt::Debug for CustomClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomClient")
    }
}
