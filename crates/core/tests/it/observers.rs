//! Observers where a program ends.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use conversant_core::{CallId, CallInfo, Event, EventEmitter, ModelError, Observer};

#[derive(Default)]
struct Counted(AtomicUsize);

impl Observer for Counted {
    fn on_event(&self, _: &CallInfo, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends an event when it is dropped, as a stream does.
struct Dropped(EventEmitter);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.emit(&Event::retrying(1, &ModelError::Cancelled, Duration::ZERO));
    }
}

thread_local! {
    static KEPT: RefCell<Option<Dropped>> = const { RefCell::new(None) };
}

/// Values that a thread keeps are dropped after those of the crate, which began later.
#[test]
fn a_call_that_ends_with_its_thread_is_observed() {
    let observer = Arc::new(Counted::default());
    let observers = Arc::new([Arc::clone(&observer) as Arc<dyn Observer>]);
    thread::spawn(move || {
        KEPT.with(|_| ());
        let events = EventEmitter::new(CallInfo::new(CallId::from_u64(7)), observers);
        drop(Dropped(events.clone()));
        KEPT.replace(Some(Dropped(events)));
    })
    .join()
    .unwrap();
    assert_eq!(observer.0.load(Ordering::Relaxed), 2);
}
