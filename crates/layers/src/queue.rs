//! A queue of calls that wait for places, in the order of their arrival.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant as StdInstant},
};

use conversant_core::ModelError;
use tokio::time::Instant;

use crate::timer::{Timer, after, on_clock};

/// The time for which the first call keeps its turn although nothing polls it.
const GRACE: Duration = Duration::from_millis(100);
/// The most times of grace after which a waiting call looks whether those before it are polled.
const MAX_GRACES: usize = 10;

/// The places that calls wait for.
pub(crate) trait Places {
    /// Whether a wait needs a timer, since nothing else ends it.
    const NEEDS_TIMER: bool;

    /// Takes a place. Returns `false` if none is free.
    fn take(&mut self, now: Instant) -> bool;

    /// Returns the time until a call gets a place that has `ahead` calls before it. `None` if it
    /// is not known.
    fn time_to_turn(&mut self, ahead: usize, now: Instant) -> Option<Duration>;
}

/// A queue for places. A call takes its place itself, when it is polled and is the first, so that
/// no place is kept for a call that nothing polls.
///
/// A first call that leaves a free place for a while is passed over. It is the first again when it
/// is polled.
pub(crate) struct Queue<P> {
    state: Mutex<State<P>>,
}

struct State<P> {
    places: P,
    /// The waiting calls, by their tickets.
    waiting: VecDeque<Waiting>,
    next_ticket: u64,
    /// The time at which another call saw that the first one leaves a free place.
    unused_since: Option<Instant>,
}

struct Waiting {
    ticket: u64,
    waker: Waker,
}

impl<P: Places> Queue<P> {
    pub(crate) const fn new(places: P) -> Self {
        let state = State { places, waiting: VecDeque::new(), next_ticket: 0, unused_since: None };
        Self { state: Mutex::new(state) }
    }

    /// Waits for a place, but not beyond `deadline`. A call that would have to wait longer, as far
    /// as this is known, fails at once. `place` names the aim of the wait, for the error.
    pub(crate) fn take(&self, place: &'static str, deadline: Option<StdInstant>) -> Turn<'_, P> {
        let call = Call { ticket: None, deadline: on_clock(deadline) };
        Turn { queue: self, call, place, deadline, timer: Timer::default() }
    }

    /// Changes the places, and wakes the first call.
    pub(crate) fn change(&self, change: impl FnOnce(&mut P)) {
        let mut wakers = Wakers::default();
        let mut state = self.lock();
        change(&mut state.places);
        state.wake(0, &mut wakers);
        drop(state);
        wakers.wake();
    }

    /// Returns a value of the places.
    pub(crate) fn places<T>(&self, read: impl FnOnce(&P) -> T) -> T {
        read(&self.lock().places)
    }
}

impl<P> Queue<P> {
    fn lock(&self) -> MutexGuard<'_, State<P>> {
        // The state is whole after each statement below.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call, as the queue knows it.
struct Call {
    /// `None` before the call has asked for the first time.
    ticket: Option<u64>,
    deadline: Option<Instant>,
}

/// The answer to a call that asks for a place.
enum Answer {
    /// The call has a place.
    Taken,
    /// The call's deadline has passed, or comes before the place.
    TooLate,
    /// The call waits, and asks again at a time if nothing happens before.
    Waiting(Option<Instant>),
}

/// The wakers to wake and to drop after the lock, since both may run foreign code.
#[derive(Default)]
struct Wakers {
    woken: Vec<Waker>,
    dropped: Vec<Waker>,
}

impl Wakers {
    fn wake(self) {
        self.woken.into_iter().for_each(Waker::wake);
    }
}

impl<P: Places> State<P> {
    fn ask(&mut self, call: &mut Call, waker: &Waker, wakers: &mut Wakers) -> Answer {
        let now = Instant::now();
        let is_new = call.ticket.is_none();
        if !is_new && call.deadline.is_some_and(|deadline| deadline <= now) {
            return Answer::TooLate;
        }
        let ticket = *call.ticket.get_or_insert_with(|| {
            self.next_ticket += 1;
            self.next_ticket
        });
        let ahead = self.ahead(ticket);
        let ahead = ahead - self.pass_over(ahead, now, wakers);
        if ahead == 0 && self.places.take(now) {
            self.unused_since = None;
            self.remove(ticket, wakers);
            self.wake(0, wakers);
            return Answer::Taken;
        }
        let time = self.places.time_to_turn(ahead, now);
        if let Some(deadline) = call.deadline
            && is_new
        {
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() || left < time.unwrap_or_default() {
                return Answer::TooLate;
            }
        }
        self.wait(ahead, ticket, waker, wakers);
        // Each call looks itself whether those before it are polled: the sooner, the fewer they
        // are.
        let patience = GRACE.saturating_mul(u32::try_from(ahead.min(MAX_GRACES)).unwrap_or(1));
        Answer::Waiting(match (self.unused_since, time) {
            (Some(since), _) if ahead > 0 => Some(after(since, patience)),
            (_, Some(time)) => Some(after(now, time)),
            (_, None) if ahead > 0 => Some(after(now, patience)),
            (_, None) => None,
        })
    }

    /// Passes over the first calls that leave a free place, one for each time of grace. Returns the
    /// number of those that were among the `ahead` first calls.
    fn pass_over(&mut self, ahead: usize, now: Instant, wakers: &mut Wakers) -> usize {
        if ahead == 0 {
            return 0;
        }
        if self.places.time_to_turn(0, now) != Some(Duration::ZERO) {
            self.unused_since = None;
            return 0;
        }
        let unused = now.saturating_duration_since(*self.unused_since.get_or_insert(now));
        let late = usize::try_from(unused.as_millis() / GRACE.as_millis()).unwrap_or(usize::MAX);
        let passed = late.min(ahead);
        if passed > 0 {
            wakers.woken.extend(self.waiting.drain(..passed).map(|waiting| waiting.waker));
            self.unused_since = Some(now);
            self.wake(0, wakers);
        }
        passed
    }

    /// Enters the queue behind `ahead` calls, or updates the call's waker in it.
    fn wait(&mut self, ahead: usize, ticket: u64, waker: &Waker, wakers: &mut Wakers) {
        match self.waiting.get_mut(ahead) {
            Some(waiting) if waiting.ticket == ticket => {
                if !waiting.waker.will_wake(waker) {
                    wakers.dropped.push(std::mem::replace(&mut waiting.waker, waker.clone()));
                }
            }
            _ => {
                self.waiting.insert(ahead, Waiting { ticket, waker: waker.clone() });
                // The call behind one that was passed over may have been the first.
                self.wake(ahead + 1, wakers);
            }
        }
    }
}

impl<P> State<P> {
    /// Returns the number of calls before a call.
    fn ahead(&self, ticket: u64) -> usize {
        self.waiting.partition_point(|waiting| waiting.ticket < ticket)
    }

    /// Removes a call, and returns the number of calls before it, if it was in the queue.
    fn remove(&mut self, ticket: u64, wakers: &mut Wakers) -> Option<usize> {
        let ahead = self.ahead(ticket);
        self.waiting.get(ahead).filter(|waiting| waiting.ticket == ticket)?;
        wakers.dropped.extend(self.waiting.remove(ahead).map(|waiting| waiting.waker));
        Some(ahead)
    }

    /// Removes a call that no longer waits. The call behind it may have its turn earlier.
    fn leave(&mut self, ticket: u64, wakers: &mut Wakers) {
        let Some(ahead) = self.remove(ticket, wakers) else { return };
        if ahead == 0 {
            self.unused_since = None;
        }
        self.wake(ahead, wakers);
    }

    /// Wakes the call behind `ahead` others.
    fn wake(&self, ahead: usize, wakers: &mut Wakers) {
        wakers.woken.extend(self.waiting.get(ahead).map(|waiting| waiting.waker.clone()));
    }
}

/// The wait for a place.
pub(crate) struct Turn<'q, P> {
    queue: &'q Queue<P>,
    call: Call,
    place: &'static str,
    deadline: Option<StdInstant>,
    timer: Timer,
}

impl<P: Places> Future for Turn<'_, P> {
    type Output = Result<(), ModelError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            let mut wakers = Wakers::default();
            let answer = this.queue.lock().ask(&mut this.call, context.waker(), &mut wakers);
            wakers.wake();
            let look = match answer {
                Answer::Taken => return Poll::Ready(Ok(())),
                Answer::TooLate => return Poll::Ready(Err(too_late(this.place, this.deadline))),
                Answer::Waiting(look) => look,
            };
            let Some(time) = look.into_iter().chain(this.call.deadline).min() else {
                return Poll::Pending;
            };
            match ready!(this.timer.poll_until(time, context)) {
                Err(error) if P::NEEDS_TIMER || this.call.deadline.is_some() => {
                    return Poll::Ready(Err(error));
                }
                Err(_) => return Poll::Pending,
                Ok(()) => {}
            }
        }
    }
}

impl<P> Drop for Turn<'_, P> {
    fn drop(&mut self) {
        let Some(ticket) = self.call.ticket else { return };
        let mut wakers = Wakers::default();
        self.queue.lock().leave(ticket, &mut wakers);
        wakers.wake();
    }
}

/// Returns the error of a call whose turn would come after its deadline.
fn too_late(place: &str, deadline: Option<StdInstant>) -> ModelError {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(StdInstant::now()));
    let left = left.unwrap_or_default().as_secs_f64();
    let what = format!("cannot wait for {place} beyond the call's deadline, {left:.3} s from now");
    ModelError::custom(what, true, None)
}
