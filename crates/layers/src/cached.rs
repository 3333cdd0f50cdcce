//! A model that answers repeated requests from a cache.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use conversant_core::{
    ChatModel, ChatRequest, CompletionModel, CompletionRequest, Delta, FinishReason,
    ModelDescription, ModelError, Reply, ReplyStream, Usage, async_trait,
};
use futures_core::Stream;
use serde_json::Value as Json;

use crate::{
    cache::{CacheKey, ReplyCache},
    wait,
};

/// The longest wait for a cache: 2 seconds.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A model that answers a repeated request from a cache.
///
/// Only complete answers are stored: no errors, no answers that were cut off
/// ([`FinishReason::is_cut_off`]) or are empty, and none with invalid tool calls. Two concurrent
/// calls with the same request both reach the model.
///
/// A cache never fails a call: one that panics or takes too long has no answer, and does not store
/// one ([`with_timeout`](Self::with_timeout)).
///
/// As a stream, an answer from the cache has its text as one piece, after the calls and results of
/// a tool loop ([`ReplyStream::whole`]).
///
/// An answer from the cache costs nothing: its usage is 0 and
/// [`Reply::from_cache`](conversant_core::Reply::from_cache) is set, also for observers. Records
/// and totals count it as a cache hit.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatModel, ChatRequest, Message, ModelError};
/// use conversant_layers::{Cached, InMemoryCache};
/// use conversant_testkit::ScriptedChat;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ModelError> {
/// let inner = ScriptedChat::new(["Hello!"]);
/// let model = Cached::new(inner.clone(), "gpt-6-luna, temperature 0", InMemoryCache::new(1000));
/// let request = ChatRequest::new(Message::human("Hi there my friend"));
/// for _ in 0..3 {
///     assert_eq!(model.generate(&request).await?.text(), "Hello!");
/// }
/// assert_eq!(inner.requests().len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Cached<M, C> {
    model: M,
    namespace: Arc<str>,
    cache: Arc<C>,
    timeout: Duration,
}

impl<M, C: ReplyCache> Cached<M, C> {
    /// Puts a cache before a model. To share a cache, pass an `Arc` of it.
    ///
    /// The namespace distinguishes the model and its settings from others that share the cache,
    /// since a request does not contain them.
    pub fn new(model: M, namespace: impl Into<Arc<str>>, cache: C) -> Self {
        let (namespace, cache) = (namespace.into(), Arc::new(cache));
        Self { model, namespace, cache, timeout: TIMEOUT }
    }

    /// Sets the longest wait for the cache, before the model is called and after its answer.
    /// Default: 2 seconds. A call with a deadline waits for half of the time that is left, at most.
    ///
    /// The limit needs a tokio runtime with a timer. Without one, a cache is waited for without a
    /// limit.
    #[must_use]
    pub const fn with_timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    async fn get(&self, key: &CacheKey, deadline: Option<Instant>) -> Option<Reply> {
        wait::for_cache(limit(self.timeout, deadline), || self.cache.get(key)).await?
    }

    async fn put(&self, key: CacheKey, reply: Reply, deadline: Option<Instant>) {
        let limit = limit(self.timeout, deadline);
        let _ = wait::for_cache(limit, || self.cache.put(key, reply)).await;
    }

    fn chat_key(&self, request: &ChatRequest) -> Option<CacheKey> {
        // A record of an earlier call has its times, which the answer does not depend on.
        let messages: Vec<_> =
            request.messages.iter().map(|message| message.without_call_record()).collect();
        let messages = serde_json::to_value(&messages).ok()?;
        Some(CacheKey::new(&self.namespace, &messages, &request.options))
    }

    // `Option`, as for chat requests, whose messages may fail to serialize.
    fn completion_key(&self, request: &CompletionRequest) -> Option<CacheKey> {
        let prompt = Json::from(request.prompt.as_str());
        Some(CacheKey::new(&self.namespace, &prompt, &request.options))
    }
}

/// Returns the longest wait for a cache. It leaves time for the rest of the call.
fn limit(timeout: Duration, deadline: Option<Instant>) -> Duration {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    left.map_or(timeout, |left| timeout.min(left / 2))
}

/// Marks an answer from the cache: nothing was paid for it.
fn unpaid(reply: Reply) -> Reply {
    reply.with_from_cache(true).with_usage(Usage::default())
}

/// Returns whether an answer can be used again: it is whole, and asking again would not give a
/// better one.
fn is_complete(reply: &Reply) -> bool {
    let message = &reply.message;
    let is_empty = message.content().is_empty() && message.tool_calls().is_empty();
    !is_empty
        && message.invalid_tool_calls().is_empty()
        && !reply.finish_reason.as_ref().is_some_and(FinishReason::is_cut_off)
}

macro_rules! impl_model {
    ($($model:ident($request:ty, $key:ident)),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<M: $model, C: ReplyCache + 'static> $model for Cached<M, C> {
            async fn generate(&self, request: &$request) -> Result<Reply, ModelError> {
                let Some(key) = self.$key(request) else {
                    return self.model.generate(request).await;
                };
                let deadline = request.options.deadline;
                if let Some(reply) = self.get(&key, deadline).await {
                    return Ok(unpaid(reply));
                }
                let reply = self.model.generate(request).await?;
                if is_complete(&reply) {
                    self.put(key, reply.clone(), deadline).await;
                }
                Ok(reply)
            }

            async fn stream(&self, request: &$request) -> Result<ReplyStream, ModelError> {
                let Some(key) = self.$key(request) else {
                    return self.model.stream(request).await;
                };
                let deadline = request.options.deadline;
                if let Some(reply) = self.get(&key, deadline).await {
                    return Ok(ReplyStream::whole(unpaid(reply)));
                }
                Ok(ReplyStream::new(CachingStream {
                    stream: self.model.stream(request).await?,
                    cache: Arc::clone(&self.cache),
                    key: Some(key),
                    timeout: self.timeout,
                    deadline,
                    put: None,
                }))
            }

            fn enforces_schemas(&self) -> bool {
                self.model.enforces_schemas()
            }

            fn describe(&self) -> ModelDescription {
                self.model.describe()
            }
        }
    )*};
}
impl_model!(ChatModel(ChatRequest, chat_key), CompletionModel(CompletionRequest, completion_key));

/// A stream whose answer is stored in a cache at its end.
struct CachingStream<C> {
    stream: ReplyStream,
    cache: Arc<C>,
    /// `None` once the answer is being stored.
    key: Option<CacheKey>,
    timeout: Duration,
    deadline: Option<Instant>,
    put: Option<(Put, Box<Reply>)>,
}

type Put = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<C: ReplyCache + 'static> Stream for CachingStream<C> {
    type Item = Result<Delta, ModelError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some((put, _)) = &mut this.put {
                ready!(put.as_mut().poll(context));
                let done = this.put.take().map(|(_, reply)| Ok(Delta::Done(reply)));
                return Poll::Ready(done);
            }
            match ready!(Pin::new(&mut this.stream).poll_next(context)) {
                Some(Ok(Delta::Done(reply))) if is_complete(&reply) && this.key.is_some() => {
                    let Some(key) = this.key.take() else { continue };
                    let (cache, copy) = (Arc::clone(&this.cache), Reply::clone(&reply));
                    let limit = limit(this.timeout, this.deadline);
                    let put: Put = Box::pin(async move {
                        let _ = wait::for_cache(limit, || cache.put(key, copy)).await;
                    });
                    this.put = Some((put, reply));
                }
                item => return Poll::Ready(item),
            }
        }
    }
}
