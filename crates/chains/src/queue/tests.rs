//! The queue, polled without a runtime.

use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Poll, Wake},
};

use super::*;

fn enter(queue: &Arc<Queue>) -> Enter {
    queue.enter(false, Duration::MAX, None)
}

fn enter_now(queue: &Arc<Queue>) -> Enter {
    queue.enter(true, Duration::MAX, None)
}

/// Returns a call whose deadline was long ago.
fn enter_expired(queue: &Arc<Queue>) -> Enter {
    queue.enter(false, Duration::MAX, Instant::now().checked_sub(2 * GRACE))
}

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
    let mut waits: Vec<_> = (0..4).map(|_| enter(&queue)).collect();
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
    assert!(queue.lock().holder.is_none());
}

#[test]
fn a_call_that_gives_up_leaves_the_queue_even_when_it_was_its_turn() {
    let queue = Arc::new(Queue::default());
    let holder = ready(&mut enter(&queue));
    let (mut first, mut second, mut third) = (enter(&queue), enter(&queue), enter(&queue));
    for wait in [&mut first, &mut second, &mut third] {
        assert!(poll(wait).is_pending());
    }
    drop(second);
    drop(holder);
    drop(first); // granted, and never polled again
    let permit = ready(&mut third);
    drop(permit);
    let state = queue.lock();
    assert!(state.holder.is_none() && state.waiting.is_empty());
}

#[test]
fn a_wait_that_was_never_polled_holds_nothing() {
    let queue = Arc::new(Queue::default());
    drop(enter(&queue));
    let mut enter = pin!(enter(&queue));
    assert!(enter.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

#[test]
fn a_call_from_inside_the_holder_is_refused_and_one_from_outside_waits() {
    let (queue, other) = (Arc::new(Queue::default()), Arc::new(Queue::default()));
    let holder = ready(&mut enter(&queue));
    {
        let _polled = holder.mark_polled();
        let inner = ready(&mut enter(&other));
        let _inner_polled = inner.mark_polled();
        assert_eq!(refused(&mut enter(&queue)), Refusal::Reentrant);
        assert_eq!(refused(&mut enter_now(&other)), Refusal::Reentrant);
    }
    assert!(poll(&mut enter(&queue)).is_pending());
    assert_eq!(refused(&mut enter_now(&queue)), Refusal::Busy);
    drop(holder);
    drop(ready(&mut enter_now(&queue)));
}

#[test]
fn a_closed_queue_refuses_all_but_the_call_that_runs() {
    let queue = Arc::new(Queue::default());
    let context = Context::from_waker(Waker::noop());
    let holder = ready(&mut enter(&queue));
    let mut waiting = enter(&queue);
    assert!(poll(&mut waiting).is_pending());
    queue.close();
    assert_eq!(refused(&mut waiting), Refusal::Closed);
    assert_eq!(refused(&mut enter(&queue)), Refusal::Closed);
    assert!(holder.poll_lost(&context).is_pending() && queue.poll_idle(&context).is_pending());
    queue.abort();
    assert!(holder.poll_lost(&context).is_ready() && queue.poll_idle(&context).is_pending());
    drop(holder);
    assert!(queue.poll_idle(&context).is_ready());
}

#[test]
fn a_closed_queue_lets_in_what_is_to_be_saved_until_it_is_aborted() {
    let queue = Arc::new(Queue::default());
    let context = Context::from_waker(Waker::noop());
    let holder = ready(&mut enter(&queue));
    let (mut before, mut call, mut after) =
        (enter(&queue).saving(), enter(&queue), enter(&queue).saving());
    assert!(poll(&mut before).is_pending() && poll(&mut call).is_pending());
    queue.close();
    assert_eq!(refused(&mut call), Refusal::Closed);
    assert!(poll(&mut before).is_pending() && poll(&mut after).is_pending());
    drop(holder);
    assert!(queue.poll_idle(&context).is_pending());
    drop(ready(&mut before));
    drop(ready(&mut after));
    assert!(queue.poll_idle(&context).is_ready());
    let last = ready(&mut enter(&queue).saving());
    let mut aborted = enter(&queue).saving();
    assert!(poll(&mut aborted).is_pending());
    queue.abort();
    assert_eq!(refused(&mut aborted), Refusal::Closed);
    assert_eq!(refused(&mut enter(&queue).saving()), Refusal::Closed);
    drop(last);
}

#[test]
fn a_grant_that_meets_a_close_is_passed_on() {
    let queue = Arc::new(Queue::default());
    let holder = ready(&mut enter(&queue));
    let mut granted = enter(&queue);
    assert!(poll(&mut granted).is_pending());
    drop(holder);
    queue.close();
    assert_eq!(refused(&mut granted), Refusal::Closed);
    drop(granted);
    assert!(queue.poll_idle(&Context::from_waker(Waker::noop())).is_ready());
}

#[test]
fn a_wait_ends_at_its_limit() {
    let queue = Arc::new(Queue::default());
    let holder = ready(&mut enter(&queue));
    let mut impatient = queue.enter(false, Duration::ZERO, None);
    assert_eq!(refused(&mut impatient), Refusal::TimedOut(Duration::ZERO));
    drop(impatient);
    assert!(queue.lock().waiting.is_empty());
    drop(holder);
    drop(ready(&mut queue.enter(false, Duration::ZERO, None)));
}

#[test]
fn a_call_that_nothing_polls_after_its_deadline_is_overtaken_once() {
    let queue = Arc::new(Queue::default());
    let context = Context::from_waker(Waker::noop());
    let overtaken = ready(&mut enter_expired(&queue));
    {
        let _polled = overtaken.mark_polled();
        assert_eq!(refused(&mut enter_now(&queue)), Refusal::Reentrant);
    }
    let (mut first, mut second) = (enter(&queue), enter(&queue));
    // A poll elsewhere keeps the place.
    queue.lock().holder.as_mut().unwrap().polled_by = Some(elsewhere());
    assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
    queue.lock().holder.as_mut().unwrap().polled_by = None;
    assert!(poll(&mut second).is_pending());
    let first = ready(&mut first);
    assert!(poll(&mut second).is_pending());
    assert_eq!(overtaken.poll_lost(&context), Poll::Ready(Loss::Overtaken));
    assert!(overtaken.mark_polled().is_none() && !overtaken.keep());
    drop(overtaken);
    assert!(first.poll_lost(&context).is_pending());
    drop(first);
    drop(ready(&mut second));
    assert!(queue.lock().holder.is_none());
}

#[test]
fn a_call_that_does_not_wait_overtakes_as_well_and_a_kept_place_is_not_overtaken() {
    let queue = Arc::new(Queue::default());
    let kept = ready(&mut enter_expired(&queue));
    assert!(kept.keep());
    assert_eq!(refused(&mut enter_now(&queue)), Refusal::Busy);
    drop(kept);
    let overtaken = ready(&mut enter_expired(&queue));
    drop(ready(&mut enter_now(&queue)));
    drop(overtaken);
    assert!(queue.lock().holder.is_none());
}

/// A waker that notes whether it was dropped under the queue's lock: the task that it would wake
/// may own a call of the same queue.
struct Owning(Arc<Queue>, Arc<AtomicUsize>);

impl Wake for Owning {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Owning {
    fn drop(&mut self) {
        if self.0.state.try_lock().is_ok() {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn no_waker_is_dropped_under_the_lock() {
    let queue = Arc::new(Queue::default());
    let (mut made, free) = (0, Arc::new(AtomicUsize::new(0)));
    let mut poll_owned = |future: &mut Enter| {
        made += 1;
        let waker = Waker::from(Arc::new(Owning(Arc::clone(&queue), Arc::clone(&free))));
        Pin::new(future).poll(&mut Context::from_waker(&waker))
    };
    let lost = |permit: &Permit| {
        let waker = Waker::from(Arc::new(Owning(Arc::clone(&queue), Arc::clone(&free))));
        permit.poll_lost(&Context::from_waker(&waker)).is_pending()
    };
    // Each waker is replaced, or goes with its call.
    let holder = ready(&mut enter(&queue));
    let (mut next, mut leaving) = (enter(&queue), enter(&queue));
    for _ in 0..2 {
        assert!(poll_owned(&mut next).is_pending() && poll_owned(&mut leaving).is_pending());
    }
    drop(leaving);
    assert!(lost(&holder) && lost(&holder));
    drop(holder);
    let holder = ready(&mut next);
    assert!(lost(&holder));
    drop(holder);
    // A call that is overtaken, and waiting calls of a queue that closes.
    let (overtaken, mut first) = (ready(&mut enter(&queue)), enter(&queue));
    assert!(lost(&overtaken) && poll_owned(&mut first).is_pending());
    queue.lock().holder.as_mut().unwrap().deadline = Instant::now().checked_sub(2 * GRACE);
    let holder = ready(&mut first);
    let (mut closed, mut aborted) = (enter(&queue), enter(&queue).saving());
    assert!(poll_owned(&mut closed).is_pending() && poll_owned(&mut aborted).is_pending());
    assert!(lost(&holder));
    queue.close();
    queue.abort();
    drop((overtaken, holder));
    assert_eq!(free.load(Ordering::Relaxed), made + 5);
}

fn elsewhere() -> ThreadId {
    std::thread::spawn(current_thread).join().unwrap()
}
