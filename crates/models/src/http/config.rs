//! Limits and defaults of the transport.

use std::time::Duration;

/// The `User-Agent` of every request.
pub(crate) const USER_AGENT: &str = concat!("conversant/", env!("CARGO_PKG_VERSION"));

/// The default limit for making a connection, TLS included: 5 s.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The default limit for a whole call, retries included: 10 minutes, as in openai-python.
pub(crate) const TOTAL_TIMEOUT: Duration = Duration::from_secs(600);
/// The default limit from the start of an attempt to the head of its response, and to the first
/// piece of an answer: that of the whole call. A server that works on an answer for minutes sends
/// nothing until it has it, and a second request would be paid for too.
pub(crate) const BEGIN_TIMEOUT: Duration = Duration::MAX;
/// The default limit between two pieces of a stream: 5 minutes. Some servers hold the connection
/// open after a whole answer.
pub(crate) const STREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// The limit between two pieces of an error's body: 2 s. The status alone makes an error.
pub(super) const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// The substitute for limits that a clock cannot count to: a year.
pub(super) const FAR_FUTURE: Duration = Duration::from_secs(86_400 * 365);

/// The default number of retries of a call: 2, as in openai-python.
pub(crate) const MAX_RETRIES: u32 = 2;
/// The default first wait between attempts: 0.5 s. It doubles with each attempt.
pub(super) const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// The default longest wait between attempts: 8 s.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(8);
/// The longest `Retry-After` that is honoured: 120 s. Longer ones are not retried.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);
/// The retries that a budget starts with, and the most that it saves: 10.
pub(super) const RETRY_SAVINGS: f64 = 10.0;

/// The default size limit of a response: 32 MiB.
pub(crate) const MAX_RESPONSE_BYTES: usize = 32 << 20;
/// The size limit of a response's head: 64 KiB.
pub(super) const MAX_HEAD_BYTES: usize = 64 << 10;
/// The number of informational (1xx) heads that may precede a response: 100.
pub(super) const MAX_INFORMATIONAL: u32 = 100;

/// The time that an unused connection is kept: 4.5 s. Many servers close theirs after 5 s.
pub(super) const POOL_IDLE_TIMEOUT: Duration = Duration::from_millis(4500);
/// The number of runtimes that an adapter keeps connections for: 16.
pub(super) const MAX_RUNTIMES: usize = 16;
/// The silence after which a connection is probed, and the time between probes: 15 s, as in
/// reqwest.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(15);
/// The number of probes without an answer that close a connection: 3, as in reqwest.
pub(super) const KEEPALIVE_PROBES: u32 = 3;
/// The time that sent data may stay unacknowledged: 30 s, as in reqwest.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
pub(super) const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
