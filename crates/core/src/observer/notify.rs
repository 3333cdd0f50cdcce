//! The call of an observer: its panics are caught, and it is not called from inside itself.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
};

use super::event::Observer;
use crate::panic_payload::drop_payload;

thread_local! {
    /// The observers that run on this thread.
    static RUNNING: RefCell<Vec<*const ()>> = const { RefCell::new(Vec::new()) };
}

/// Calls an observer, unless it runs on this thread already: an observer that makes a call which it
/// observes would otherwise be called by that call's events without end.
pub(super) fn notify(observer: &dyn Observer, event: impl FnOnce()) {
    let address = ptr::from_ref(observer).cast::<()>();
    // A thread that ends may drop a call after its own memory: it has no list any more.
    let is_running = RUNNING.try_with(|running| {
        let mut running = running.borrow_mut();
        let is_running = running.contains(&address);
        if !is_running {
            running.push(address);
        }
        is_running
    });
    if is_running == Ok(true) {
        return;
    }
    if let Err(payload) = catch_unwind(AssertUnwindSafe(event)) {
        drop_payload(payload);
    }
    let remove = |running: &RefCell<Vec<_>>| {
        running.borrow_mut().retain(|&other| other != address);
    };
    let _ = RUNNING.try_with(remove);
}
