//! Sending requests: the one place in this crate that does I/O.

mod body;
mod classify;
mod client;
mod endpoint;
mod mask;
mod retry;
mod send;
mod timers;

pub(crate) use self::{
    client::{CONNECT, HttpClient},
    endpoint::Endpoint,
    mask::Mask,
    retry::Retries,
    send::Connection,
    timers::Timers,
};
