//! A clock for durations.

use std::time::{Duration, Instant};

/// The start of a duration. Where there is no clock (`wasm32-unknown-unknown`), each is zero.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopwatch(Option<Instant>);

impl Stopwatch {
    pub(super) fn start() -> Self {
        // `Instant::now` panics on this target.
        let has_clock = !cfg!(all(target_family = "wasm", target_os = "unknown"));
        Self(has_clock.then(Instant::now))
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.0.map(|start| start.elapsed()).unwrap_or_default()
    }
}
