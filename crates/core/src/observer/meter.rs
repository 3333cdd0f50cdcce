//! An observer that sums calls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    call_info::CallInfo,
    event::{Event, Observer},
    observer_identity::ObserverIdentity,
    totals::Totals,
};

/// An observer that sums calls, for the totals of a process. Clones share the sums: add one to the
/// builder of each chain.
///
/// Calls inside observed calls are part of the sums of the outer ones, and are not added again.
///
/// # Examples
///
/// ```
/// use conversant_core::{CallId, CallInfo, CallRecord, CallResult, Event, Meter, Observer, Usage};
///
/// let meter = Meter::new();
/// let record = CallRecord::new().with_usage(Usage::new(8, 17));
/// let call = CallInfo::new(CallId::random());
/// meter.on_event(&call, &Event::call_ended(CallResult::Answered, &record));
/// assert_eq!(meter.totals().usage.output_tokens, 17);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Totals>>);

impl Meter {
    /// Creates a meter at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the sums since the start.
    #[must_use]
    pub fn totals(&self) -> Totals {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Totals> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Meter {
    fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
        self.lock().add_event(event);
    }

    fn on_nested_event(&self, _: &CallInfo, _: &Event<'_>) {}

    fn identity(&self) -> Option<ObserverIdentity> {
        ObserverIdentity::of(&*self.0)
    }
}
