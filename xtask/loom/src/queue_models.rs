//! Models of the conversation's queue.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use loom::{
    future::block_on,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::{
    model::Model,
    queue::{Enter, Permit, Queue, Refusal},
};

pub(crate) const ALL: &[Model] = &[
    ("queue: one call at a time, and each gets its turn", one_at_a_time),
    ("queue: a call that gives up passes its turn on", giving_up),
    ("queue: closing wakes all that wait", closing),
    ("queue: what is to be saved is let in while it closes", saving),
    ("queue: an aborted call is woken", aborting),
    ("queue: the wait for idleness ends", idleness),
    ("queue: a call is not overtaken while it is polled", overtaking),
];

fn enter(queue: &Arc<Queue>) -> Enter {
    // A limit beyond the clock's range sets no timer.
    queue.enter(false, Duration::MAX, None)
}

/// Polls a wait once.
fn poll(enter: &mut Enter) -> Poll<Result<Permit, Refusal>> {
    Pin::new(enter).poll(&mut Context::from_waker(Waker::noop()))
}

fn one_at_a_time() {
    let queue = Arc::new(Queue::default());
    let inside = Arc::new(AtomicBool::new(false));
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let (queue, inside) = (Arc::clone(&queue), Arc::clone(&inside));
            thread::spawn(move || call(&queue, &inside))
        })
        .collect();
    call(&queue, &inside);
    for call in calls {
        call.join().unwrap();
    }
    assert!(poll(&mut enter(&queue)).is_ready());
}

fn call(queue: &Arc<Queue>, inside: &AtomicBool) {
    let permit = block_on(enter(queue)).unwrap();
    assert!(!inside.swap(true, Ordering::SeqCst), "two calls at a time");
    inside.store(false, Ordering::SeqCst);
    drop(permit);
}

fn giving_up() {
    let queue = Arc::new(Queue::default());
    let holder = block_on(enter(&queue)).unwrap();
    let mut impatient = enter(&queue);
    assert!(poll(&mut impatient).is_pending());
    let patient = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || drop(block_on(enter(&queue)).unwrap()))
    };
    let leaving = thread::spawn(move || drop(impatient));
    drop(holder);
    leaving.join().unwrap();
    patient.join().unwrap();
}

fn closing() {
    let queue = Arc::new(Queue::default());
    let holder = block_on(enter(&queue)).unwrap();
    let waiting = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || block_on(enter(&queue)).map(drop))
    };
    queue.close();
    drop(holder);
    // It was closed before the place was free.
    assert_eq!(waiting.join().unwrap(), Err(Refusal::Closed));
}

fn saving() {
    let queue = Arc::new(Queue::default());
    let holder = block_on(enter(&queue)).unwrap();
    let saving = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || block_on(enter(&queue).saving()).map(drop))
    };
    let ended = thread::spawn(move || drop(holder));
    queue.close();
    block_on(std::future::poll_fn(|context| queue.poll_idle(context)));
    ended.join().unwrap();
    assert_eq!(saving.join().unwrap(), Ok(()));
}

fn aborting() {
    let queue = Arc::new(Queue::default());
    let holder = block_on(enter(&queue)).unwrap();
    let aborted = thread::spawn(move || {
        block_on(std::future::poll_fn(|context| holder.poll_lost(context)));
    });
    queue.abort();
    aborted.join().unwrap();
}

fn idleness() {
    let queue = Arc::new(Queue::default());
    let holder = block_on(enter(&queue)).unwrap();
    let second = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || drop(block_on(enter(&queue))))
    };
    let ended = thread::spawn(move || drop(holder));
    queue.close();
    block_on(std::future::poll_fn(|context| queue.poll_idle(context)));
    ended.join().unwrap();
    second.join().unwrap();
}

fn overtaking() {
    let queue = Arc::new(Queue::default());
    let long_ago = Instant::now().checked_sub(Duration::from_secs(10));
    let forgotten = block_on(queue.enter(false, Duration::MAX, long_ago)).unwrap();
    let inside = Arc::new(AtomicBool::new(false));
    let next = {
        let (queue, inside) = (Arc::clone(&queue), Arc::clone(&inside));
        thread::spawn(move || match poll(&mut queue.enter(true, Duration::MAX, None)) {
            Poll::Ready(Ok(permit)) => {
                inside.store(true, Ordering::SeqCst);
                thread::yield_now();
                inside.store(false, Ordering::SeqCst);
                drop(permit);
            }
            Poll::Ready(Err(refusal)) => assert_eq!(refusal, Refusal::Busy),
            Poll::Pending => panic!("it waits"),
        })
    };
    // The forgotten call is polled again, unless it was overtaken.
    if let Some(_polled) = forgotten.mark_polled() {
        assert!(!inside.load(Ordering::SeqCst), "two calls at a time");
    }
    drop(forgotten);
    next.join().unwrap();
    assert!(poll(&mut enter(&queue)).is_ready());
}
