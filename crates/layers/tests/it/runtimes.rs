//! Runtimes without a timer, and calls that go on in another runtime than the one they began in.

use std::{
    future::{pending, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, ModelError, Reply, ReplyStream, async_trait,
};
use conversant_layers::{CacheKey, Cached, ConcurrencyLimit, InMemoryCache, RateLimit, ReplyCache};
use conversant_testkit::block_on;
use tokio::runtime::{Builder, Runtime};

use super::{ask, parrot};

type Layer = (Arc<dyn ChatModel>, Option<ReplyStream>);

const WINDOW: Duration = Duration::from_secs(60);

fn rate() -> Layer {
    let model = RateLimit::new(parrot(), 1, WINDOW);
    block_on(model.generate(&ask("hi"))).unwrap();
    (Arc::new(model), None)
}

/// A full limit, and the stream that fills it.
fn concurrency() -> Layer {
    let model = ConcurrencyLimit::new(parrot(), 1);
    let stream = block_on(model.stream(&ask("hi"))).unwrap();
    (Arc::new(model), Some(stream))
}

fn cached() -> Layer {
    (Arc::new(Cached::new(parrot(), "", InMemoryCache::new(9))), None)
}

fn hung_cache() -> Layer {
    (Arc::new(Cached::new(parrot(), "", Hung)), None)
}

struct Hung;

#[async_trait]
impl ReplyCache for Hung {
    async fn get(&self, _: &CacheKey) -> Option<Reply> {
        pending().await
    }

    async fn put(&self, _: CacheKey, _: Reply) {}
}

fn timed(seconds: u64) -> ChatRequest {
    ask("hi").with_options(CallOptions::new().with_timeout(Duration::from_secs(seconds)))
}

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// The name of a layer, and the seconds until the deadline of its call.
type Row = (&'static str, fn() -> Layer, Option<u64>);

const TABLE: [Row; 6] = [
    ("a rate limit", rate, None),
    ("a rate limit with a deadline", rate, Some(600)),
    ("a concurrency limit with a deadline", concurrency, Some(5)),
    ("a cache", cached, None),
    ("a cache with a deadline", cached, Some(5)),
    ("a cache that hangs", hung_cache, None),
];

fn request(deadline: Option<u64>) -> ChatRequest {
    deadline.map_or_else(|| ask("hi"), timed)
}

#[test]
fn a_runtime_without_a_timer_is_an_error_and_a_cache_goes_on() {
    for (name, layer, deadline) in TABLE {
        if name == "a cache that hangs" {
            continue; // It is waited for without a limit.
        }
        let (model, _stream) = layer();
        let runtime = Builder::new_current_thread().build().unwrap();
        match runtime.block_on(model.generate(&request(deadline))) {
            Ok(reply) => assert!(name.contains("cache") && reply.text() == "Human: hi", "{name}"),
            Err(error) => {
                assert!(matches!(error, ModelError::Config { .. }), "{name}: {error}");
                let shown = error.to_string();
                assert!(shown.contains("without a timer; build it with `enable_time`"), "{shown}");
                assert!(!name.contains("cache"), "{name}");
            }
        }
    }
    // A call without a deadline needs no timer.
    let (model, stream) = concurrency();
    let runtime = Builder::new_current_thread().build().unwrap();
    let (waiting, behind) = (ask("hi"), ask("hi"));
    let mut calls = [pin!(model.generate(&waiting)), pin!(model.generate(&behind))];
    {
        let _entered = runtime.enter();
        for call in &mut calls {
            assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    }
    drop(stream);
    for call in calls {
        runtime.block_on(call).unwrap();
    }
}

#[test]
fn a_call_goes_on_in_another_runtime() {
    for (name, layer, deadline) in TABLE {
        for drops in [true, false] {
            let (model, stream) = layer();
            let (first, second) = (paused(), paused());
            let request = request(deadline);
            let mut call = model.generate(&request);
            let is_pending = first
                .block_on(poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_pending())));
            if !is_pending {
                assert!(name.starts_with("a cache"));
                continue;
            }
            // A runtime that nothing drives has timers that do not end.
            let _first = if drops {
                drop(first);
                None
            } else {
                Some(first)
            };
            let result = second.block_on(call);
            // The stream keeps its place until the deadline.
            assert_eq!(result.is_err(), stream.is_some(), "{name}: {result:?}");
        }
    }
}

#[test]
fn a_wait_in_a_runtime_that_was_shut_down_is_an_error() {
    for (name, layer, deadline) in TABLE {
        let (model, _stream) = layer();
        let runtime = paused();
        let request = request(deadline);
        let handle = runtime.handle().clone();
        drop(runtime);
        let call = pin!(model.generate(&request));
        let _entered = handle.enter();
        let poll = call.poll(&mut Context::from_waker(Waker::noop()));
        match poll {
            Poll::Pending => assert_eq!(name, "a cache that hangs"),
            Poll::Ready(result) => {
                assert_eq!(result.is_ok(), name.contains("cache"), "{name}: {result:?}");
            }
        }
    }
}
