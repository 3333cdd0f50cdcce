//! A fair lock on a conversation, without a runtime: one call at a time, in the order of arrival.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
};

/// A place that one call holds at a time. Waiting calls get it in the order of their arrival; a
/// call that gives up waiting leaves the queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the place is held, or granted and not yet taken.
    held: bool,
    /// The ticket that the place is granted to, until its owner is polled.
    granted: Option<u64>,
    waiting: VecDeque<(u64, Waker)>,
    next_ticket: u64,
    closing: Closing,
    /// The thread that polls the call which holds the place, during the poll. A call that this
    /// thread makes meanwhile is made from inside the other.
    polled_by: Option<ThreadId>,
    /// Wakes the call that holds the place, to be aborted.
    holder: Option<Waker>,
    /// Wakes the tasks that wait until the queue is idle.
    idle: Vec<Waker>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Closing {
    #[default]
    Open,
    /// New calls and waiting calls fail.
    Closed,
    /// The call that holds the place fails as well.
    Aborted,
}

/// The reason for which a call does not get the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another call holds the place, and this one does not wait.
    Busy,
    /// The call is made from inside the call that holds the place, so it would wait for itself.
    Reentrant,
    /// The queue is closed.
    Closed,
}

impl Queue {
    /// Waits for the place, unless `no_wait` is set.
    pub(crate) fn enter(self: &Arc<Self>, no_wait: bool) -> Enter {
        Enter { queue: Some(Arc::clone(self)), ticket: None, no_wait }
    }

    /// Refuses new calls and the waiting ones.
    pub(crate) fn close(&self) {
        self.set_closing(Closing::Closed);
    }

    /// Refuses new calls, and lets the running one fail at its next wait.
    pub(crate) fn abort(&self) {
        self.set_closing(Closing::Aborted);
    }

    fn set_closing(&self, closing: Closing) {
        let wakers = {
            let mut state = self.lock();
            state.closing = closing;
            let mut wakers: Vec<_> = state.waiting.drain(..).map(|(_, waker)| waker).collect();
            if closing == Closing::Aborted {
                wakers.extend(state.holder.take());
            }
            wakers
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits until the place is free.
    pub(crate) fn poll_idle(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if !state.held {
            return Poll::Ready(());
        }
        if state.idle.iter().all(|waker| !waker.will_wake(context.waker())) {
            state.idle.push(context.waker().clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole after each statement below, so a panic elsewhere cannot have broken
        // it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grants the place to the call that waits longest.
    fn pass_on(&self) {
        let (next, idle) = {
            let mut state = self.lock();
            let next = state.waiting.pop_front();
            state.granted = next.as_ref().map(|(ticket, _)| *ticket);
            state.held = next.is_some();
            state.holder = None;
            let idle = if state.held { Vec::new() } else { std::mem::take(&mut state.idle) };
            (next, idle)
        };
        let next = next.map(|(_, waker)| waker);
        next.into_iter().chain(idle).for_each(Waker::wake);
    }
}

/// The wait for a place.
pub(crate) struct Enter {
    /// `None` once the place is taken.
    queue: Option<Arc<Queue>>,
    ticket: Option<u64>,
    no_wait: bool,
}

impl Future for Enter {
    type Output = Result<Permit, Refusal>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(queue) = &this.queue else { return Poll::Pending };
        {
            let mut state = queue.lock();
            if state.closing != Closing::Open {
                return Poll::Ready(Err(Refusal::Closed));
            }
            match this.ticket {
                None if state.held && state.polled_by == Some(thread::current().id()) => {
                    return Poll::Ready(Err(Refusal::Reentrant));
                }
                None if state.held && this.no_wait => return Poll::Ready(Err(Refusal::Busy)),
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
        this.queue.take().map_or(Poll::Pending, |queue| Poll::Ready(Ok(Permit { queue })))
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

/// The place. Dropping it passes it on.
#[derive(Debug)]
pub(crate) struct Permit {
    queue: Arc<Queue>,
}

impl Permit {
    /// Marks the call as being polled by this thread, until the mark is dropped.
    pub(crate) fn mark_polled(&self) -> Polled<'_> {
        self.queue.lock().polled_by = Some(thread::current().id());
        Polled { queue: &self.queue }
    }

    /// Waits until the queue is aborted.
    pub(crate) fn poll_aborted(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.queue.lock();
        if state.closing == Closing::Aborted {
            return Poll::Ready(());
        }
        match &mut state.holder {
            Some(waker) => waker.clone_from(context.waker()),
            holder => *holder = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.queue.pass_on();
    }
}

/// A poll of a call that holds a permit.
pub(crate) struct Polled<'p> {
    queue: &'p Queue,
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        self.queue.lock().polled_by = None;
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
            Poll::Ready(permit) => permit.unwrap(),
            Poll::Pending => panic!("the place is not free"),
        }
    }

    fn refused(enter: &mut Enter) -> Refusal {
        match poll(enter) {
            Poll::Ready(permit) => permit.unwrap_err(),
            Poll::Pending => panic!("the call waits"),
        }
    }

    #[test]
    fn the_place_is_granted_in_the_order_of_arrival() {
        let queue = Arc::new(Queue::default());
        let mut waits: Vec<_> = (0..4).map(|_| queue.enter(false)).collect();
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
    fn a_call_that_gives_up_leaves_the_queue_even_when_it_was_its_turn() {
        let queue = Arc::new(Queue::default());
        let holder = ready(&mut queue.enter(false));
        let (mut first, mut second, mut third) =
            (queue.enter(false), queue.enter(false), queue.enter(false));
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
        drop(queue.enter(false));
        let mut enter = pin!(queue.enter(false));
        assert!(enter.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }

    #[test]
    fn a_call_from_inside_the_holder_is_refused_and_one_from_outside_waits() {
        let (queue, other) = (Arc::new(Queue::default()), Arc::new(Queue::default()));
        let holder = ready(&mut queue.enter(false));
        {
            let _polled = holder.mark_polled();
            let inner = ready(&mut other.enter(false));
            let _inner_polled = inner.mark_polled();
            assert_eq!(refused(&mut queue.enter(false)), Refusal::Reentrant);
            assert_eq!(refused(&mut other.enter(true)), Refusal::Reentrant);
        }
        assert!(poll(&mut queue.enter(false)).is_pending());
        assert_eq!(refused(&mut queue.enter(true)), Refusal::Busy);
        drop(holder);
        drop(ready(&mut queue.enter(true)));
    }

    #[test]
    fn a_closed_queue_refuses_all_but_the_call_that_runs() {
        let queue = Arc::new(Queue::default());
        let context = Context::from_waker(Waker::noop());
        let holder = ready(&mut queue.enter(false));
        let mut waiting = queue.enter(false);
        assert!(poll(&mut waiting).is_pending());
        queue.close();
        assert_eq!(refused(&mut waiting), Refusal::Closed);
        assert_eq!(refused(&mut queue.enter(false)), Refusal::Closed);
        assert!(
            holder.poll_aborted(&context).is_pending() && queue.poll_idle(&context).is_pending()
        );
        queue.abort();
        assert!(holder.poll_aborted(&context).is_ready() && queue.poll_idle(&context).is_pending());
        drop(holder);
        assert!(queue.poll_idle(&context).is_ready());
    }

    #[test]
    fn a_grant_that_meets_a_close_is_passed_on() {
        let queue = Arc::new(Queue::default());
        let holder = ready(&mut queue.enter(false));
        let mut granted = queue.enter(false);
        assert!(poll(&mut granted).is_pending());
        drop(holder);
        queue.close();
        assert_eq!(refused(&mut granted), Refusal::Closed);
        drop(granted);
        assert!(queue.poll_idle(&Context::from_waker(Waker::noop())).is_ready());
    }
}
