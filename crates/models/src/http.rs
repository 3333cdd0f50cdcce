//! Sends requests: the only part of this crate that does I/O.

pub(crate) mod attempt;
pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod custom_client;
mod encoding;
pub(crate) mod endpoint;
mod escapes;
mod guarded_stream;
#[cfg(feature = "gzip")]
mod gunzip;
mod hyper_client;
pub(crate) mod masking;
mod network_stream;
pub(crate) mod proxy;
mod received_body;
mod request_body;
mod response_body;
pub(crate) mod response_reader;
pub(crate) mod retry;
pub(crate) mod runtime;
pub(crate) mod send;
pub(crate) mod timeouts;
mod tls;
mod transport_error;
#[cfg(feature = "gzip")]
mod unpacked_body;
