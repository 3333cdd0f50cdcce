//! From a transport's error to ours, by the phase in which it happened.

use std::{error::Error, io, time::Duration};

use conversant_core::{BoxError, ModelError, TimeoutPhase, TransportPhase};

use super::{
    direct::TookTooLong,
    retry::{Failure, Retry},
};

/// Iterates over an error and its causes.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    // An `io::Error` does not show what it wraps in `source`, but what that has as its source.
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
}

fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

fn says(error: &(dyn Error + 'static), what: &str) -> bool {
    chain(error).any(|cause| cause.to_string().starts_with(what))
}

/// Classifies what went wrong before the head of a response was there.
pub(super) fn of_hyper(error: hyper_util::client::legacy::Error, connect: Duration) -> Failure {
    if error.is_connect() {
        let is_timeout = find::<TookTooLong>(&error).is_some()
            || find::<io::Error>(&error).is_some_and(|it| it.kind() == io::ErrorKind::TimedOut);
        return while_connecting(error.into(), is_timeout, connect);
    }
    before_head(error.into())
}

/// As [`of_hyper`], for what reqwest says.
#[cfg(feature = "reqwest")]
pub(super) fn of_reqwest(error: reqwest::Error, connect: Duration) -> Failure {
    let error = error.without_url();
    if error.is_builder() {
        return refused();
    }
    if error.is_connect() {
        let is_timeout = error.is_timeout();
        return while_connecting(error.into(), is_timeout, connect);
    }
    before_head(error.into())
}

/// Makes the failure of a request that can't be sent.
pub(super) fn refused() -> Failure {
    Failure::last(ModelError::config(
        "the request can't be made: the HTTP client refuses its URL or headers",
    ))
}

fn before_head(error: BoxError) -> Failure {
    let hyper = find::<hyper::Error>(&*error);
    // hyper tells it by a method in servers only.
    let too_large =
        hyper.is_some_and(|error| error.is_parse() && error.to_string().contains("too large"));
    let cut = hyper.is_some_and(hyper::Error::is_incomplete_message) || is_reset(&*error);
    let sending = hyper.is_some_and(hyper::Error::is_body_write_aborted);
    let phase = if sending { TransportPhase::Send } else { TransportPhase::Headers };
    let retry = match (too_large, cut) {
        (true, _) => Retry::Never,
        // A kept-alive connection that its server had closed already.
        (false, true) => Retry::AtOnceIfReused,
        (false, false) => Retry::Backoff,
    };
    Failure { error: ModelError::Transport { phase, source: error }, retry }
}

fn while_connecting(error: BoxError, is_timeout: bool, connect: Duration) -> Failure {
    if is_timeout {
        let phase = TimeoutPhase::Connect;
        return Failure::again(ModelError::Timeout { phase, after: connect });
    }
    if find::<rustls::Error>(&*error).is_some() {
        return Failure::last(ModelError::Tls { source: error });
    }
    if says(&*error, "dns error") {
        return Failure { error: ModelError::Dns { source: error }, retry: Retry::Once };
    }
    if says(&*error, "tunnel error") {
        return Failure::last(ModelError::Connect { source: error });
    }
    Failure::again(ModelError::Connect { source: error })
}

fn is_reset(error: &(dyn Error + 'static)) -> bool {
    find::<io::Error>(error).is_some_and(|error| {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        matches!(error.kind(), ConnectionReset | ConnectionAborted | BrokenPipe)
    })
}

/// Makes the failure of a body that could not be read to its end.
pub(super) fn in_body(error: BoxError) -> Failure {
    transport(TransportPhase::Body, error)
}

/// Makes the failure of a response that is not as HTTP says.
pub(super) fn transport(phase: TransportPhase, source: impl Into<BoxError>) -> Failure {
    Failure::again(ModelError::Transport { phase, source: source.into() })
}
