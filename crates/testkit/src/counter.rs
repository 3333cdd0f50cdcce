//! A counter that futures can wait for, with any runtime or without one.

use std::{
    future::poll_fn,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

#[derive(Debug, Default)]
pub(crate) struct Counter(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    count: usize,
    waiting: Vec<Waker>,
}

impl Counter {
    /// Adds one, wakes the waiting futures, and returns the new count.
    pub(crate) fn add(&self) -> usize {
        let (count, waiting) = {
            let mut inner = self.lock();
            inner.count += 1;
            (inner.count, std::mem::take(&mut inner.waiting))
        };
        waiting.into_iter().for_each(Waker::wake);
        count
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().count
    }

    /// Waits until the count is at least `least`.
    pub(crate) async fn reached(&self, least: usize) {
        poll_fn(|context| {
            let mut inner = self.lock();
            if inner.count >= least {
                return Poll::Ready(());
            }
            if !inner.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                inner.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
