//! Answers that are remembered.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, CompletionModel, CompletionRequest, Delta, FinishReason,
    ModelError, Reply, ReplyStream, async_trait,
};
use futures_core::Stream;
use serde_json::{Value as Json, json};

/// What an answer is remembered under: everything that the answer depends on, as JSON.
///
/// It holds the conversation; `Debug` withholds it. A store outside of the process may want to keep a digest in its place.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CacheKey(Arc<str>);

impl CacheKey {
    /// Returns the key as text. The same request gives the same text, in any process.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn new(namespace: &str, request: &Json, options: &CallOptions) -> Self {
        let key = json!({
            "namespace": namespace,
            "request": request,
            "stop": options.stop,
            "tools": options.tools,
            "tool_choice": options.tool_choice,
            "parallel_tool_calls": options.parallel_tool_calls,
            "response_format": options.response_format,
        });
        Self(key.to_string().into())
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey(<{} bytes>)", self.0.len())
    }
}

/// A store of answers.
///
/// **Who implements it**: whoever wants answers to outlive the process. **Who calls it**: [`Cached`]. A store that fails is one that knows
/// nothing: it must not fail a call, so there is no error to return.
#[async_trait]
pub trait ReplyCache: Send + Sync {
    /// Returns the answer that is remembered under a key, if there is one.
    async fn get(&self, key: &CacheKey) -> Option<Reply>;

    /// Remembers an answer, or not.
    async fn put(&self, key: CacheKey, reply: Reply);
}

#[async_trait]
impl<C: ReplyCache + ?Sized> ReplyCache for Arc<C> {
    async fn get(&self, key: &CacheKey) -> Option<Reply> {
        (**self).get(key).await
    }

    async fn put(&self, key: CacheKey, reply: Reply) {
        (**self).put(key, reply).await;
    }
}

/// Answers remembered in the process, the latest used of them.
///
/// # Examples
///
/// See [`Cached`].
pub struct MemoryCache {
    capacity: usize,
    answers: Mutex<Answers>,
}

#[derive(Default)]
struct Answers {
    by_key: HashMap<CacheKey, (Reply, u64)>,
    uses: u64,
}

impl MemoryCache {
    /// Creates a cache of so many answers.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, answers: Mutex::default() }
    }

    /// Returns how many answers are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().by_key.len()
    }

    /// Returns whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ReplyCache for MemoryCache {
    async fn get(&self, key: &CacheKey) -> Option<Reply> {
        let answers = &mut *self.lock();
        answers.uses += 1;
        let (reply, used) = answers.by_key.get_mut(key)?;
        *used = answers.uses;
        Some(reply.clone())
    }

    async fn put(&self, key: CacheKey, reply: Reply) {
        let answers = &mut *self.lock();
        answers.uses += 1;
        answers.by_key.insert(key, (reply, answers.uses));
        while answers.by_key.len() > self.capacity {
            let oldest = answers.by_key.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { return };
            answers.by_key.remove(&oldest);
        }
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache")
            .field("capacity", &self.capacity)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// A model that remembers its answers, and gives the same one to the same request.
///
/// Only whole answers are remembered: none that was cut off at its limit or by a filter, and no error. Two calls of the same request
/// at the same time are both made.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatModel, ChatRequest, Message};
/// use conversant_models::{OpenAiChat, layer::{Cached, MemoryCache}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = conversant_testkit::OpenAiServer::start(["Hello!"])?;
/// # let model = OpenAiChat::builder("m").base_url(server.base_url()).temperature(0.0).build()?;
/// let model = Cached::new(model, "gpt-4o-mini, temperature 0", MemoryCache::new(1000));
/// let request = ChatRequest::new(Message::human("Hi there my friend"));
/// for _ in 0..3 {
///     assert_eq!(model.generate(&request).await?.text(), "Hello!"); // asked once
/// }
/// # assert_eq!(server.requests().len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Cached<M, C> {
    model: M,
    namespace: Arc<str>,
    cache: Arc<C>,
}

impl<M, C: ReplyCache> Cached<M, C> {
    /// Puts a cache before a model. The namespace is what tells the model and its settings from others that share the cache, for
    /// they are no part of a request. An `Arc` of a cache shares it.
    pub fn new(model: M, namespace: impl Into<Arc<str>>, cache: C) -> Self {
        Self { model, namespace: namespace.into(), cache: Arc::new(cache) }
    }

    fn chat_key(&self, request: &ChatRequest) -> Option<CacheKey> {
        let messages = serde_json::to_value(&request.messages).ok()?;
        Some(CacheKey::new(&self.namespace, &messages, &request.options))
    }

    async fn keep(&self, key: CacheKey, reply: &Reply) {
        if is_whole(reply) {
            self.cache.put(key, reply.clone()).await;
        }
    }
}

fn is_whole(reply: &Reply) -> bool {
    matches!(&reply.finish_reason, None | Some(FinishReason::Stop | FinishReason::ToolCalls))
}

#[async_trait]
impl<M: ChatModel, C: ReplyCache + 'static> ChatModel for Cached<M, C> {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        let Some(key) = self.chat_key(request) else { return self.model.generate(request).await };
        if let Some(reply) = self.cache.get(&key).await {
            return Ok(reply);
        }
        let reply = self.model.generate(request).await?;
        self.keep(key, &reply).await;
        Ok(reply)
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        let Some(key) = self.chat_key(request) else { return self.model.stream(request).await };
        if let Some(reply) = self.cache.get(&key).await {
            return Ok(ReplyStream::whole(reply));
        }
        let stream = self.model.stream(request).await?;
        Ok(Keeping::keep(stream, key, Arc::clone(&self.cache)))
    }
}

#[async_trait]
impl<M: CompletionModel, C: ReplyCache + 'static> CompletionModel for Cached<M, C> {
    async fn generate(&self, request: &CompletionRequest) -> Result<Reply, ModelError> {
        let prompt = Json::from(request.prompt.as_str());
        let key = CacheKey::new(&self.namespace, &prompt, &request.options);
        if let Some(reply) = self.cache.get(&key).await {
            return Ok(reply);
        }
        let reply = self.model.generate(request).await?;
        self.keep(key, &reply).await;
        Ok(reply)
    }

    async fn stream(&self, request: &CompletionRequest) -> Result<ReplyStream, ModelError> {
        let prompt = Json::from(request.prompt.as_str());
        let key = CacheKey::new(&self.namespace, &prompt, &request.options);
        if let Some(reply) = self.cache.get(&key).await {
            return Ok(ReplyStream::whole(reply));
        }
        let stream = self.model.stream(request).await?;
        Ok(Keeping::keep(stream, key, Arc::clone(&self.cache)))
    }
}

/// A stream whose answer is remembered at its end.
struct Keeping<C> {
    stream: ReplyStream,
    cache: Arc<C>,
    key: Option<CacheKey>,
    putting: Option<(Putting, Box<Reply>)>,
}

type Putting = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<C: ReplyCache + 'static> Keeping<C> {
    fn keep(stream: ReplyStream, key: CacheKey, cache: Arc<C>) -> ReplyStream {
        ReplyStream::new(Self { stream, cache, key: Some(key), putting: None })
    }
}

impl<C: ReplyCache + 'static> Stream for Keeping<C> {
    type Item = Result<Delta, ModelError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some((putting, _)) = &mut this.putting {
                ready!(putting.as_mut().poll(context));
                let done = this.putting.take().map(|(_, reply)| Ok(Delta::Done(reply)));
                return Poll::Ready(done);
            }
            match ready!(Pin::new(&mut this.stream).poll_next(context)) {
                Some(Ok(Delta::Done(reply))) if is_whole(&reply) && this.key.is_some() => {
                    let (cache, kept) = (Arc::clone(&this.cache), Reply::clone(&reply));
                    let Some(key) = this.key.take() else { continue };
                    let putting: Putting = Box::pin(async move { cache.put(key, kept).await });
                    this.putting = Some((putting, reply));
                }
                item => return Poll::Ready(item),
            }
        }
    }
}
