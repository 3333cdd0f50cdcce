//! JSON bodies of requests, within limits.

use std::time::Duration;

use axum::{
    Json,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::failure::Failure;

/// The largest body of a request, in bytes.
pub const MAX_BODY: usize = 1 << 20;

/// The time within which a body must have arrived.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A JSON body.
pub struct Input<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        match timeout(BODY_TIMEOUT, Json::<T>::from_request(request, state)).await {
            Ok(Ok(Json(value))) => Ok(Self(value)),
            Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                let line = format!(
                    "cannot take the message: it is larger than {} KiB; shorten it",
                    MAX_BODY >> 10
                );
                Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, line))
            }
            Ok(Err(rejection)) => {
                let line = format!("cannot read the request: {}", rejection.body_text());
                Err(Failure::new(rejection.status(), line))
            }
            Err(_) => {
                let line = format!("cannot read the request: no body within {BODY_TIMEOUT:?}");
                Err(Failure::new(StatusCode::REQUEST_TIMEOUT, line))
            }
        }
    }
}
