//! A chat service over HTTP: sessions, streams, deadlines, totals and a graceful end.
//!
//! | route | answer |
//! |---|---|
//! | `POST /sessions/{id}/turns` with `{"message": …}` | the answer as JSON |
//! | `POST /sessions/{id}/stream` with `{"message": …}` | the answer as server-sent events |
//! | `GET /sessions/{id}` | the messages of the session |
//! | `GET /totals` | calls, failures and tokens since the start |

#![allow(clippy::print_stderr, reason = "the log of a program")]

mod failure;
mod routes;
mod service;
mod totals;

pub use self::{routes::router, service::Service};
