//! One caller at a time, first come first served, without a runtime.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// A place that one caller holds at a time. Those who wait get it in the order they came; whoever gives up waiting leaves
/// the queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the place is held, or granted and not yet taken.
    held: bool,
    /// The ticket that the place was granted to, until its owner is polled.
    granted: Option<u64>,
    waiting: VecDeque<(u64, Waker)>,
    next_ticket: u64,
}

impl Queue {
    /// Waits for the place.
    pub(crate) fn enter(self: &Arc<Self>) -> Enter {
        Enter { queue: Some(Arc::clone(self)), ticket: None }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole after each statement below, so a panic elsewhere can't have broken it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the place to whoever waits longest.
    fn pass_on(&self) {
        let next = {
            let mut state = self.lock();
            let next = state.waiting.pop_front();
            state.granted = next.as_ref().map(|(ticket, _)| *ticket);
            state.held = next.is_some();
            next
        };
        if let Some((_, waker)) = next {
            waker.wake();
        }
    }
}

/// The wait for a place.
pub(crate) struct Enter {
    /// `None` once the place is taken.
    queue: Option<Arc<Queue>>,
    ticket: Option<u64>,
}

impl Future for Enter {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Permit> {
        let this = &mut *self;
        let Some(queue) = &this.queue else { return Poll::Pending };
        {
            let mut state = queue.lock();
            match this.ticket {
                None if state.held => {
                    let ticket = state.next_ticket;
                    state.next_ticket += 1;
                    state.waiting.push_back((ticket, context.waker().clone()));
                    this.ticket = Some(ticket);
                    return Poll::Pending;
                }
                None => state.held = true,
                Some(ticket) if state.granted == Some(ticket) => state.granted = None,
                Some(ticket) => {
                    if let Some((_, waker)) =
                        state.waiting.iter_mut().find(|(waiting, _)| *waiting == ticket)
                    {
                        waker.clone_from(context.waker());
                    }
                    return Poll::Pending;
                }
            }
        }
        this.queue.take().map_or(Poll::Pending, |queue| Poll::Ready(Permit { queue }))
    }
}

impl Drop for Enter {
    fn drop(&mut self) {
        let (Some(queue), Some(ticket)) = (&self.queue, self.ticket) else { return };
        let was_granted = {
            let mut state = queue.lock();
            state.waiting.retain(|(waiting, _)| *waiting != ticket);
            state.granted == Some(ticket)
        };
        if was_granted {
            queue.pass_on();
        }
    }
}

/// The place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    queue: Arc<Queue>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.queue.pass_on();
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, task::Poll};

    use super::*;

    fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn ready(enter: &mut Enter) -> Permit {
        match poll(enter) {
            Poll::Ready(permit) => permit,
            Poll::Pending => panic!("the place is not free"),
        }
    }

    #[test]
    fn the_place_is_granted_in_the_order_of_arrival() {
        let queue = Arc::new(Queue::default());
        let mut waits: Vec<_> = (0..4).map(|_| queue.enter()).collect();
        let mut holder = ready(&mut waits[0]);
        for wait in &mut waits[1..] {
            assert!(poll(wait).is_pending());
        }
        for index in 1..4 {
            assert!(waits[index..].iter_mut().all(|wait| poll(wait).is_pending()));
            drop(holder);
            let later = &mut waits[index + 1..];
            assert!(later.iter_mut().all(|wait| poll(wait).is_pending()), "{index} was overtaken");
            holder = ready(&mut waits[index]);
        }
        drop(holder);
        assert!(!queue.lock().held);
    }

    #[test]
    fn whoever_gives_up_leaves_the_queue_even_when_it_was_their_turn() {
        let queue = Arc::new(Queue::default());
        let holder = ready(&mut queue.enter());
        let (mut first, mut second, mut third) = (queue.enter(), queue.enter(), queue.enter());
        for wait in [&mut first, &mut second, &mut third] {
            assert!(poll(wait).is_pending());
        }
        drop(second);
        drop(holder);
        drop(first); // granted, and never polled again
        let permit = ready(&mut third);
        drop(permit);
        let state = queue.lock();
        assert!(!state.held && state.waiting.is_empty() && state.granted.is_none());
    }

    #[test]
    fn a_wait_that_was_never_polled_holds_nothing() {
        let queue = Arc::new(Queue::default());
        drop(queue.enter());
        assert!(pin!(queue.enter()).poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }
}
