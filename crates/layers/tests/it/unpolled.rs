//! Waiting calls that nothing polls, although they exist.

use std::{
    task::{Context, Poll, Waker},
    time::Duration,
};

use conversant_core::{CallOptions, ChatModel, ChatRequest, ModelError, Reply};
use conversant_layers::{ConcurrencyLimit, RateLimit};
use conversant_testkit::block_on;
use futures_core::future::BoxFuture;
use tokio::{
    runtime::Builder,
    time::{Instant, timeout},
};

use super::{ask, parrot};

type Call<'c> = BoxFuture<'c, Result<Reply, ModelError>>;

/// Polls each of some calls once. None ends.
async fn poll_once(calls: &mut [Call<'_>]) {
    for call in calls {
        timeout(Duration::ZERO, call).await.unwrap_err();
    }
}

/// A request with a deadline of 200 ms, and one without a deadline.
fn requests() -> [ChatRequest; 2] {
    let options = CallOptions::new().with_timeout(Duration::from_millis(200));
    [ask("hi").with_options(options), ask("hi")]
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_goes_on_without_them() {
    let window = Duration::from_millis(100);
    for (request, held, longest) in
        requests().iter().flat_map(|request| [(request, 1, 300), (request, 9, 2_000)])
    {
        let has_deadline = request.options.deadline.is_some();
        if has_deadline && held > 1 {
            continue; // They fail at once, since their turns come after the deadline.
        }
        let model = RateLimit::new(parrot(), 1, window);
        model.generate(&ask("hi")).await.unwrap();
        let start = Instant::now();
        let mut calls: Vec<_> = (0..held).map(|_| model.generate(request)).collect();
        poll_once(&mut calls).await;
        model.generate(&ask("hi")).await.unwrap();
        let took = start.elapsed();
        assert!(took <= Duration::from_millis(longest), "{held} {has_deadline}: {took:?}");
        // They delay no further call.
        let start = Instant::now();
        model.generate(&ask("hi")).await.unwrap();
        assert_eq!(start.elapsed(), window);
        // A call that is polled again has its turn.
        for call in calls {
            assert_eq!(call.await.is_err(), has_deadline);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_concurrency_limit_goes_on_without_them() {
    for (request, held, longest) in
        requests().iter().flat_map(|request| [(request, 1, 200), (request, 9, 1_800)])
    {
        let has_deadline = request.options.deadline.is_some();
        let model = ConcurrencyLimit::new(parrot(), 1);
        let stream = model.stream(&ask("hi")).await.unwrap();
        let mut calls: Vec<_> = (0..held).map(|_| model.generate(request)).collect();
        poll_once(&mut calls).await;
        let live = ask("hi");
        let mut live = [model.generate(&live)];
        poll_once(&mut live).await;
        drop(stream);
        let start = Instant::now();
        let [live] = live;
        live.await.unwrap();
        let took = start.elapsed();
        assert!(took <= Duration::from_millis(longest), "{held} {has_deadline}: {took:?}");
        let start = Instant::now();
        model.generate(&ask("hi")).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        tokio::time::advance(Duration::from_millis(200)).await;
        for call in calls {
            assert_eq!(call.await.is_err(), has_deadline);
        }
    }
}

/// A call that was passed over and is polled once more is the first again.
#[tokio::test(start_paused = true)]
async fn a_concurrency_limit_goes_on_without_one_that_came_back() {
    let model = ConcurrencyLimit::new(parrot(), 1);
    let stream = model.stream(&ask("hi")).await.unwrap();
    let request = ask("hi");
    let mut calls = [model.generate(&request)];
    poll_once(&mut calls).await;
    drop(stream);
    let stream = model.stream(&ask("hi")).await.unwrap();
    let mut first = [model.generate(&request)];
    poll_once(&mut first).await;
    poll_once(&mut calls).await;
    let [first] = first;
    let ((), result) = tokio::join!(async { drop(stream) }, timeout(Duration::from_secs(2), first));
    result.unwrap().unwrap();
}

/// Without a timer, further calls pass them over.
#[test]
fn without_a_runtime_a_concurrency_limit_goes_on_when_calls_arrive() {
    let model = ConcurrencyLimit::new(parrot(), 1);
    let stream = block_on(model.stream(&ask("hi"))).unwrap();
    let request = ask("hi");
    let mut polled = model.generate(&request);
    assert!(poll(&mut polled).is_pending());
    drop(stream);
    assert!(poll(&mut model.generate(&request)).is_pending());
    // The clock of this runtime is ahead.
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(tokio::time::advance(Duration::from_secs(1)));
    let entered = runtime.enter();
    assert!(poll(&mut model.generate(&request)).is_ready());
    drop(entered);
    block_on(polled).unwrap();
}

fn poll(call: &mut Call<'_>) -> Poll<Result<Reply, ModelError>> {
    call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}
