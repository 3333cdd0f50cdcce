//! Sending requests: the one place in this crate that does I/O.

mod body;
mod classify;
mod client;
mod direct;
mod endpoint;
mod incoming;
mod mask;
mod retry;
mod send;
mod timers;
mod tls;

pub(crate) use self::{
    client::{AGENT, CONNECT, GivenClient, HttpClient},
    endpoint::Endpoint,
    incoming::{Incoming, Received},
    mask::Mask,
    retry::{Failure, Retries},
    send::{BODY, Connection},
    timers::Timers,
};
