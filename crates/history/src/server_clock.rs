//! The clock of a server, as estimated here.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;

/// Estimates the time of a server's clock, so that a request can carry a deadline that the server
/// checks.
///
/// A request can reach a server long after its caller has given it up: a process was stopped, or a
/// packet was delayed. The server then refuses it.
#[derive(Debug)]
pub struct ServerClock {
    origin: Instant,
    /// The server's time at the origin, in milliseconds.
    origin_millis: AtomicI64,
}

impl ServerClock {
    /// Creates a clock that has not been set.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now(), origin_millis: AtomicI64::new(0) }
    }

    /// Sets the clock to the server's present time, in milliseconds.
    pub fn set(&self, server_millis: i64) {
        let origin = server_millis.saturating_sub(self.since_origin(Instant::now()));
        self.origin_millis.store(origin, Ordering::SeqCst);
    }

    /// Returns the server's time, in milliseconds, at an instant of this process.
    #[must_use]
    pub fn at(&self, instant: Instant) -> i64 {
        self.origin_millis.load(Ordering::SeqCst).saturating_add(self.since_origin(instant))
    }

    fn since_origin(&self, instant: Instant) -> i64 {
        let since = instant.saturating_duration_since(self.origin);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

impl Default for ServerClock {
    fn default() -> Self {
        Self::new()
    }
}
