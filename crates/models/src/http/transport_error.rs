//! Errors of a transport, classified by the phase in which they happened.

use std::{error::Error, fmt, io, time::Duration};

use conversant_core::{BoxError, ModelError, TimeoutPhase, TransportPhase};

use super::{
    attempt::{FailedAttempt, RetryDirective},
    endpoint::Endpoint,
    guarded_stream::TooManyInformational,
    hyper_client::ConnectTimeout,
    proxy::ProxyError,
};

/// Iterates over an error and its causes.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    // The source of an `io::Error` is not the error that it wraps, but that one's source.
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
}

fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

fn has_text(error: &(dyn Error + 'static), what: &str) -> bool {
    chain(error).any(|cause| cause.to_string().starts_with(what))
}

fn has_kind(error: &(dyn Error + 'static), kinds: &[io::ErrorKind]) -> bool {
    chain(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| kinds.contains(&error.kind()))
}

/// Classifies an error of any client that happened before the head of a response was there.
pub(super) fn classify(
    error: BoxError,
    connect_timeout: Duration,
    endpoint: &Endpoint,
) -> FailedAttempt {
    let hyper = find::<hyper_util::client::legacy::Error>(&*error);
    let connecting = hyper.is_some_and(hyper_util::client::legacy::Error::is_connect)
        || has_kind(&*error, &[io::ErrorKind::ConnectionRefused]);
    match connecting {
        true => while_connecting(error, connect_timeout, endpoint),
        false => before_head(error),
    }
}

fn before_head(error: BoxError) -> FailedAttempt {
    let hyper = find::<hyper::Error>(&*error);
    // hyper has a method for it on servers only.
    let too_large = hyper
        .is_some_and(|error| error.is_parse() && error.to_string().contains("too large"))
        || find::<TooManyInformational>(&*error).is_some();
    let cut = hyper.is_some_and(hyper::Error::is_incomplete_message) || is_reset(&*error);
    let sending = hyper.is_some_and(hyper::Error::is_body_write_aborted);
    let phase = if sending { TransportPhase::Send } else { TransportPhase::Headers };
    let retry = match (too_large, cut) {
        (true, _) => RetryDirective::Never,
        // A kept connection that the server had closed already.
        (false, true) => RetryDirective::AtOnceIfReused,
        (false, false) => RetryDirective::Backoff,
    };
    FailedAttempt { error: ModelError::Transport { phase, source: error }, retry }
}

fn while_connecting(
    source: BoxError,
    connect_timeout: Duration,
    endpoint: &Endpoint,
) -> FailedAttempt {
    // The client of a user has a time limit of its own, whose error has no type to find.
    let timed_out = find::<ConnectTimeout>(&*source).is_some()
        || has_kind(&*source, &[io::ErrorKind::TimedOut])
        || has_text(&*source, "operation timed out");
    if timed_out {
        let phase = TimeoutPhase::Connect;
        return FailedAttempt::retryable(ModelError::Timeout { phase, after: connect_timeout });
    }
    let server = server(endpoint);
    if find::<rustls::Error>(&*source).is_some() {
        return FailedAttempt::last(ModelError::Tls { server, source });
    }
    if has_text(&*source, "dns error") {
        let retry = RetryDirective::Once;
        return FailedAttempt { error: ModelError::Dns { server, source }, retry };
    }
    // A proxy that refuses will refuse again; one that cannot be reached may come back.
    let by_proxy = find::<ProxyError>(&*source).is_some() || has_text(&*source, "tunnel error");
    if by_proxy && find::<io::Error>(&*source).is_none() {
        return FailedAttempt::last(ModelError::Connect { server, source });
    }
    FailedAttempt::retryable(ModelError::Connect { server, source })
}

/// Returns the host and the port of an endpoint.
fn server(endpoint: &Endpoint) -> String {
    format!("{}:{}", endpoint.host(), endpoint.port())
}

fn is_reset(error: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    has_kind(error, &[ConnectionReset, ConnectionAborted, BrokenPipe])
}

/// Creates the failure of a body that could not be read to its end.
pub(super) fn in_body(error: BoxError) -> FailedAttempt {
    transport(TransportPhase::Body, error)
}

/// Creates the failure of a response that is invalid HTTP.
pub(super) fn transport(phase: TransportPhase, source: impl Into<BoxError>) -> FailedAttempt {
    FailedAttempt::retryable(ModelError::Transport { phase, source: source.into() })
}

/// Creates the failure of a request that a proxy did not send on: it answered with 407.
pub(super) fn refused_by_proxy(proxy: String, endpoint: &Endpoint) -> FailedAttempt {
    let source = "the proxy demands a user and a password (407)".into();
    let source = Box::new(ProxyError { proxy, source });
    FailedAttempt::last(ModelError::Connect { server: server(endpoint), source })
}

/// An error of a user's client, without the client's own text, which may quote the URL.
pub(super) struct CustomClientError(BoxError);

impl CustomClientError {
    pub(super) fn boxed(error: BoxError) -> BoxError {
        Box::new(Self(error))
    }
}

impl fmt::Display for CustomClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot use the HTTP client")
    }
}

impl fmt::Debug for CustomClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for CustomClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
