//! Totals of all calls, counted by an observer.

use std::sync::atomic::{AtomicU64, Ordering};

use conversant_core::{Event, Observer};
use serde_json::{Value as Json, json};

/// Calls, failures and tokens since the start.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    calls: AtomicU64,
    failures: AtomicU64,
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
}

impl Totals {
    pub(crate) fn to_json(&self) -> Json {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "calls": read(&self.calls),
            "failures": read(&self.failures),
            "input_tokens": read(&self.input_tokens),
            "output_tokens": read(&self.output_tokens),
        })
    }
}

impl Observer for Totals {
    fn on_event(&self, event: &Event<'_>) {
        let add = |counter: &AtomicU64, count| counter.fetch_add(count, Ordering::Relaxed);
        match event {
            Event::ChainStarted { .. } => {
                add(&self.calls, 1);
            }
            Event::ChainFailed { .. } => {
                add(&self.failures, 1);
            }
            Event::ModelAnswered { reply, .. } => {
                let usage = reply.usage.unwrap_or_default();
                add(&self.input_tokens, usage.input_tokens);
                add(&self.output_tokens, usage.output_tokens);
            }
            _ => {}
        }
    }
}
