//! A fair lock on a conversation, without a runtime: one call at a time, in the order of arrival.
//!
//! `xtask/loom` checks this file under all interleavings of its threads.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_timer::Delay;

use crate::{
    sync::{Instant, Mutex, MutexGuard, ThreadId, current_thread},
    timer::timer_after,
};

/// The time after its deadline for which a call keeps the place although nothing polls it. It
/// exceeds the time that a failed call has to release its memory.
const GRACE: Duration = Duration::from_secs(1);

/// A place that one call holds at a time. Waiting calls get it in the order of their arrival; a
/// call that gives up waiting leaves the queue.
///
/// A call whose deadline has passed, and that nothing polls although it still exists, is overtaken:
/// the call that waits longest gets the place.
///
/// Wakers are woken and dropped without the lock, since both may run foreign code, which may call
/// the queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    holder: Option<Holder>,
    waiting: VecDeque<Waiting>,
    next_ticket: u64,
    closing: Closing,
    /// Wakes the tasks that wait until the queue is idle.
    idle: Vec<Waker>,
}

/// The call that holds the place, or that it is granted to.
#[derive(Debug)]
struct Holder {
    ticket: u64,
    deadline: Option<Instant>,
    /// The thread that polls the call, during the poll. A call that this thread makes meanwhile is
    /// made from inside the other.
    polled_by: Option<ThreadId>,
    /// Wakes the call, to be aborted.
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    deadline: Option<Instant>,
    waker: Waker,
    saves: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closing {
    #[default]
    Open,
    /// New calls and waiting calls fail, but for those that save.
    Closed,
    /// The call that holds the place fails as well, and so do all others.
    Aborted,
}

/// The reason for which a call does not get the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another call holds the place, and this one does not wait.
    Busy,
    /// The call is made from inside the call that holds the place, so it would wait for itself.
    Reentrant,
    /// The call has waited for this time, its longest.
    TimedOut(Duration),
    /// The queue is closed.
    Closed,
}

/// The reason for which a call has lost the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Its deadline had passed, and another call has the place.
    Overtaken,
    /// The queue is aborted.
    Aborted,
}

impl Queue {
    /// Waits for the place for at most `limit`, unless `no_wait` is set. The call gets `deadline`.
    pub(crate) fn enter(
        self: &Arc<Self>,
        no_wait: bool,
        limit: Duration,
        deadline: Option<Instant>,
    ) -> Enter {
        let queue = Some(Arc::clone(self));
        let (saves, until, timer) = (false, None, None);
        Enter { queue, ticket: None, no_wait, saves, limit, until, deadline, timer }
    }

    /// Refuses new calls and the waiting ones, but for those that save.
    pub(crate) fn close(&self) {
        self.set_closing(Closing::Closed);
    }

    /// Refuses new calls, and lets the running one fail at its next wait.
    pub(crate) fn abort(&self) {
        self.set_closing(Closing::Aborted);
    }

    fn set_closing(&self, closing: Closing) {
        let (left, holder) = {
            let mut state = self.lock();
            state.closing = state.closing.max(closing);
            let stays = |waiting: &Waiting| waiting.saves && closing != Closing::Aborted;
            let waiting = std::mem::take(&mut state.waiting);
            let (staying, left): (VecDeque<_>, VecDeque<_>) = waiting.into_iter().partition(stays);
            state.waiting = staying;
            let aborted = state.holder.as_mut().filter(|_| closing == Closing::Aborted);
            (left, aborted.and_then(|holder| holder.waker.take()))
        };
        left.into_iter().map(|waiting| waiting.waker).chain(holder).for_each(Waker::wake);
    }

    /// Waits until the place is free, or the call that holds it is the one that waits here.
    pub(crate) fn poll_idle(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        let polled_here = |holder: &Holder| holder.polled_by == Some(current_thread());
        if state.holder.as_ref().is_none_or(polled_here) {
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

    /// Grants the place of a call to the call that waits longest.
    fn pass_on(&self, ticket: u64) {
        let (next, watcher, before) = {
            let mut state = self.lock();
            if state.held_by(ticket).is_none() {
                return;
            }
            let Some(Waiting { ticket, deadline, waker, .. }) = state.waiting.pop_front() else {
                let (before, idle) = (state.holder.take(), std::mem::take(&mut state.idle));
                drop(state);
                idle.into_iter().for_each(Waker::wake);
                drop(before);
                return;
            };
            let before = state.holder.replace(Holder::new(ticket, deadline));
            (waker, state.watcher(), before)
        };
        next.wake();
        watcher.into_iter().for_each(Waker::wake);
        drop(before);
    }
}

impl Holder {
    const fn new(ticket: u64, deadline: Option<Instant>) -> Self {
        Self { ticket, deadline, polled_by: None, waker: None }
    }
}

impl State {
    /// Returns the holder, if it is the call with this ticket.
    fn held_by(&mut self, ticket: u64) -> Option<&mut Holder> {
        self.holder.as_mut().filter(|holder| holder.ticket == ticket)
    }

    /// Returns the waker of the call that waits longest, which has to watch a new holder's
    /// deadline.
    fn watcher(&self) -> Option<Waker> {
        self.holder.as_ref()?.deadline?;
        self.waiting.front().map(|waiting| waiting.waker.clone())
    }

    /// Returns when the holder may be overtaken, if it has a deadline. A holder that is being
    /// polled is looked at again later.
    fn expiry(&self, now: Instant) -> Option<Instant> {
        let holder = self.holder.as_ref()?;
        let expiry = holder.deadline?.checked_add(GRACE)?;
        match holder.polled_by {
            Some(_) if expiry <= now => now.checked_add(GRACE),
            _ => Some(expiry),
        }
    }

    /// Returns the index of a waiting call. Tickets are given in the order of the queue.
    fn waiting(&self, ticket: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&ticket, |waiting| waiting.ticket).ok()
    }

    fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }
}

/// The wait for a place.
pub(crate) struct Enter {
    /// `None` once the place is taken.
    queue: Option<Arc<Queue>>,
    /// The ticket of a call that waits.
    ticket: Option<u64>,
    no_wait: bool,
    /// Whether the call saves what an earlier one was answered.
    saves: bool,
    limit: Duration,
    /// The end of the wait, from its start on. A limit beyond the clock's range has none.
    until: Option<Instant>,
    deadline: Option<Instant>,
    timer: Option<(Instant, Delay)>,
}

/// The answer to a call that asks for the place.
enum Admission {
    /// The call has the place.
    Granted(u64),
    Refused(Refusal),
    /// The call waits, and asks again at a time if nothing happens before.
    Waiting(Option<Instant>),
}

/// The wakers that a call has to wake and to drop after the lock.
#[derive(Default)]
struct Wakers {
    woken: [Option<Waker>; 2],
    dropped: Option<Waker>,
}

impl Enter {
    /// Lets the call in although the queue is closed, unless it is aborted: what it saves is paid
    /// for.
    pub(crate) const fn saving(mut self) -> Self {
        self.saves = true;
        self
    }

    fn ask(&mut self, queue: &Queue, context: &Context<'_>, wakers: &mut Wakers) -> Admission {
        let mut state = queue.lock();
        let last = if self.saves { Closing::Closed } else { Closing::Open };
        if state.closing > last {
            return Admission::Refused(Refusal::Closed);
        }
        let Some(holder) = &state.holder else {
            let ticket = self.ticket.unwrap_or_else(|| state.ticket());
            return self.take(&mut state, ticket, wakers);
        };
        if self.ticket == Some(holder.ticket) {
            return Admission::Granted(holder.ticket);
        }
        if self.ticket.is_none() && holder.polled_by == Some(current_thread()) {
            return Admission::Refused(Refusal::Reentrant);
        }
        let now = Instant::now();
        let expiry = state.expiry(now);
        let first = state.waiting.front().map(|waiting| waiting.ticket);
        let is_next = first.is_none() || first == self.ticket;
        if is_next && expiry.is_some_and(|expiry| expiry <= now) {
            wakers.dropped = state.waiting.pop_front().map(|waiting| waiting.waker);
            let ticket = self.ticket.unwrap_or_else(|| state.ticket());
            return self.take(&mut state, ticket, wakers);
        }
        if self.no_wait {
            return Admission::Refused(Refusal::Busy);
        }
        wakers.dropped = self.wait(&mut state, now, context.waker());
        if self.until.is_some_and(|until| until <= now) {
            return Admission::Refused(Refusal::TimedOut(self.limit));
        }
        Admission::Waiting(self.until.into_iter().chain(expiry.filter(|_| is_next)).min())
    }

    /// Takes the place, from a call that has expired if there is one.
    fn take(&self, state: &mut State, ticket: u64, wakers: &mut Wakers) -> Admission {
        let overtaken = state.holder.replace(Holder::new(ticket, self.deadline));
        wakers.woken = [overtaken.and_then(|holder| holder.waker), state.watcher()];
        Admission::Granted(ticket)
    }

    /// Enters the queue, or updates the call's waker in it. Returns the waker that is replaced.
    fn wait(&mut self, state: &mut State, now: Instant, waker: &Waker) -> Option<Waker> {
        let Some(ticket) = self.ticket else {
            let (ticket, deadline, saves) = (state.ticket(), self.deadline, self.saves);
            state.waiting.push_back(Waiting { ticket, deadline, waker: waker.clone(), saves });
            self.ticket = Some(ticket);
            self.until = now.checked_add(self.limit);
            return None;
        };
        let waiting = state.waiting(ticket).and_then(|at| state.waiting.get_mut(at))?;
        replaced(&mut waiting.waker, waker)
    }

    /// Waits until a time.
    fn poll_until(&mut self, time: Instant, context: &mut Context<'_>) -> Poll<()> {
        let (set_to, timer) = self.timer.get_or_insert_with(|| (time, timer_at(time)));
        if *set_to != time {
            (*set_to, *timer) = (time, timer_at(time));
        }
        let fired = Pin::new(timer).poll(context);
        if fired.is_ready() {
            self.timer = None;
        }
        fired
    }
}

/// Sets a waker. Returns the one that was there, if it wakes another task.
fn replaced(waker: &mut Waker, by: &Waker) -> Option<Waker> {
    (!waker.will_wake(by)).then(|| std::mem::replace(waker, by.clone()))
}

fn timer_at(time: Instant) -> Delay {
    timer_after(time.saturating_duration_since(Instant::now()))
}

impl Future for Enter {
    type Output = Result<Permit, Refusal>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let Some(queue) = this.queue.clone() else { return Poll::Pending };
            let mut wakers = Wakers::default();
            match this.ask(&queue, context, &mut wakers) {
                Admission::Granted(ticket) => {
                    this.queue = None;
                    wakers.woken.into_iter().flatten().for_each(Waker::wake);
                    return Poll::Ready(Ok(Permit { queue, ticket }));
                }
                Admission::Refused(refusal) => return Poll::Ready(Err(refusal)),
                Admission::Waiting(None) => return Poll::Pending,
                Admission::Waiting(Some(time)) => {
                    std::task::ready!(this.poll_until(time, context));
                }
            }
        }
    }
}

impl Drop for Enter {
    fn drop(&mut self) {
        let (Some(queue), Some(ticket)) = (&self.queue, self.ticket) else { return };
        let (watcher, left) = {
            let mut state = queue.lock();
            let was_first = state.waiting.front().is_some_and(|first| first.ticket == ticket);
            let left = state.waiting(ticket).and_then(|at| state.waiting.remove(at));
            (state.watcher().filter(|_| was_first), left)
        };
        watcher.into_iter().for_each(Waker::wake);
        drop(left);
        // The place may have been granted to this call.
        queue.pass_on(ticket);
    }
}

/// The place. Dropping it passes it on.
#[derive(Debug)]
pub(crate) struct Permit {
    queue: Arc<Queue>,
    ticket: u64,
}

impl Permit {
    /// Marks the call as being polled by this thread, until the mark is dropped. Returns `None` if
    /// the call was overtaken.
    pub(crate) fn mark_polled(&self) -> Option<Polled<'_>> {
        let mut state = self.queue.lock();
        let holder = state.held_by(self.ticket)?;
        let before = holder.polled_by.replace(current_thread());
        Some(Polled { permit: self, before })
    }

    /// Takes the deadline from the call. Returns whether the call still has the place.
    pub(crate) fn keep(&self) -> bool {
        let mut state = self.queue.lock();
        state.held_by(self.ticket).map(|holder| holder.deadline = None).is_some()
    }

    /// Waits until the place is lost.
    pub(crate) fn poll_lost(&self, context: &Context<'_>) -> Poll<Loss> {
        let mut state = self.queue.lock();
        if state.closing == Closing::Aborted {
            return Poll::Ready(Loss::Aborted);
        }
        let Some(holder) = state.held_by(self.ticket) else {
            return Poll::Ready(Loss::Overtaken);
        };
        let before = match &mut holder.waker {
            Some(waker) => replaced(waker, context.waker()),
            waker => waker.replace(context.waker().clone()),
        };
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.queue.pass_on(self.ticket);
    }
}

/// A poll of a call that holds a permit.
pub(crate) struct Polled<'p> {
    permit: &'p Permit,
    /// The mark of an outer poll.
    before: Option<ThreadId>,
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        if let Some(holder) = self.permit.queue.lock().held_by(self.permit.ticket) {
            holder.polled_by = self.before;
        }
    }
}

// The path is written out for `xtask/loom`, which includes this file from another folder.
#[cfg(test)]
#[path = "queue/tests.rs"]
mod tests;
