//! The service: a model, the conversations, and what happens in them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::StatusCode;
use chat::{
    backend::Backend,
    definition::{Definition, MEMORY_KEY},
    model_arguments::ModelArguments,
};
use conversant_chains::{Conversations, LlmChain};
use conversant_core::{CallOptions, ChatHistory, SessionId};
use conversant_memory::WindowMemory;
use lru::LruCache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::{
    failure::Failure,
    feed::{Feed, Refusal, Running},
    tools,
};

/// The number of turns that a model of a server is shown at least. It moves by [`STEP`] turns at
/// once, so that the server's prompt cache hits.
const WINDOW: usize = 100;
const STEP: usize = 50;

/// The number of feeds that are kept although nothing happens in their conversations.
const IDLE_FEEDS: usize = 64;

/// How much the service does at the same time, and how long its end takes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Answers that are written.
    pub answers: usize,
    /// Feeds that are read.
    pub readers: usize,
    /// The time that an answer has to end with the service. It is more than the 10 seconds for
    /// which the store waits for other programs.
    pub answer_end: Duration,
    /// The time of the last attempt to save an answer, before it is printed.
    pub last_save: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let (answer_end, last_save) = (Duration::from_secs(15), Duration::from_secs(2));
        Self { answers: 256, readers: 512, answer_end, last_save }
    }
}

type Feeds = LruCache<SessionId, Arc<Feed>>;

/// The service. Clones share everything.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    about: About,
    history: Arc<dyn ChatHistory>,
    conversations: Conversations,
    options: CallOptions,
    timeout: Duration,
    limits: Limits,
    feeds: Mutex<Feeds>,
    answers: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    /// Changes with the list of conversations.
    list: watch::Sender<u64>,
    /// Becomes true when the service ends.
    ending: watch::Sender<bool>,
}

/// The facts that the page shows about the service.
#[derive(Debug, Clone, serde::Serialize)]
pub struct About {
    pub model: String,
    /// The file of the conversations.
    pub file: String,
    pub tools: Vec<&'static str>,
}

impl Service {
    /// Creates a service over a model and a store.
    pub fn new(
        arguments: &ModelArguments,
        backend: &Backend,
        history: Arc<dyn ChatHistory>,
        file: String,
        has_tools: bool,
        limits: Limits,
    ) -> Result<Self, chat::failure::Failure> {
        let definition = Definition::new(arguments, backend)?;
        let options = CallOptions::new().with_stop(definition.stop());
        let is_local = backend.local().is_some();
        let shows_messages = !backend.is_completion();
        let model = match has_tools {
            true => Some(tools::with_tools(backend.model(), Arc::clone(&history))?),
            false => None,
        };
        let store = Arc::clone(&history);
        let conversations = Conversations::new(move |session| {
            let mut builder = definition.chain(Arc::clone(&store), session.clone());
            if !is_local {
                let memory = WindowMemory::new().with_k(WINDOW).with_step(STEP);
                let memory = memory.with_memory_key(MEMORY_KEY);
                let memory = memory.with_return_messages(shows_messages);
                builder = builder.memory(memory.with_history(Arc::clone(&store), session.clone()));
            }
            if let Some(model) = &model {
                builder = builder.model(model.clone());
            }
            builder.store_records(true).prompt_cache_key(session.as_str()).build()
        });
        let tools = if has_tools { tools::NAMES.to_vec() } else { Vec::new() };
        let about = About { model: backend.name().to_owned(), file, tools };
        Ok(Self(Arc::new(Inner {
            about,
            history,
            conversations: conversations.map_err(chat::failure::Failure::other)?,
            options,
            timeout: arguments.timeout,
            limits,
            feeds: Mutex::new(LruCache::unbounded()),
            answers: Arc::new(Semaphore::new(limits.answers)),
            readers: Arc::new(Semaphore::new(limits.readers)),
            list: watch::Sender::new(0),
            ending: watch::Sender::new(false),
        })))
    }

    pub fn about(&self) -> &About {
        &self.0.about
    }

    pub fn history(&self) -> &dyn ChatHistory {
        &*self.0.history
    }

    pub fn conversations(&self) -> &Conversations {
        &self.0.conversations
    }

    /// Returns the chain of a session.
    pub fn chain(&self, session: &SessionId) -> Result<LlmChain, Failure> {
        self.0.conversations.chain(session).map_err(|error| {
            Failure::new(StatusCode::INTERNAL_SERVER_ERROR, crate::failure::line(error))
        })
    }

    /// Returns the options of a call that begins now.
    pub fn options(&self) -> CallOptions {
        self.0.options.clone().with_timeout(self.0.timeout)
    }

    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Begins an answer in the feed of a session, and returns the feed and the answer's place.
    ///
    /// # Errors
    /// Those of [`Feed::begin`], and [`Refusal::Closed`] if too many answers are being written, or
    /// if the service ends.
    pub fn begin(
        &self,
        session: &SessionId,
        running: Running,
    ) -> Result<(Arc<Feed>, OwnedSemaphorePermit), Refusal> {
        let mut feeds = self.feeds();
        // Under the lock, so that an answer is among those that `close` returns, or is refused.
        let place = Arc::clone(&self.0.answers).try_acquire_owned().map_err(|_| Refusal::Closed)?;
        let feed = feed(&mut feeds, session);
        feed.begin(running)?;
        Ok((feed, place))
    }

    pub fn readers(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.readers)
    }

    /// Returns the feed of a session. Feeds in which nothing happens are forgotten after a while.
    pub fn feed(&self, session: &SessionId) -> Arc<Feed> {
        feed(&mut self.feeds(), session)
    }

    fn feeds(&self) -> MutexGuard<'_, Feeds> {
        self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports that the list of conversations has changed.
    pub fn list_changed(&self) {
        self.0.list.send_modify(|count| *count += 1);
    }

    pub fn list(&self) -> watch::Receiver<u64> {
        self.0.list.subscribe()
    }

    pub fn ending(&self) -> watch::Receiver<bool> {
        self.0.ending.subscribe()
    }

    /// Begins no more answers, and returns the feeds of the conversations.
    pub fn close(&self) -> Vec<(SessionId, Arc<Feed>)> {
        let feeds = self.feeds();
        self.0.answers.close();
        feeds.iter().map(|(session, feed)| (session.clone(), Arc::clone(feed))).collect()
    }

    /// Ends the streams of all readers.
    pub fn end_readers(&self) {
        self.0.ending.send_replace(true);
    }
}

/// Returns the feed of a session, and forgets those in which nothing happens, if they are many.
fn feed(feeds: &mut Feeds, session: &SessionId) -> Arc<Feed> {
    let feed = Arc::clone(feeds.get_or_insert(session.clone(), Arc::default));
    let excess = feeds.len().saturating_sub(IDLE_FEEDS);
    if excess > 0 {
        // A feed that another request has just got is shared, and not idle.
        let is_idle = |feed: &Arc<Feed>| Arc::strong_count(feed) == 1 && feed.is_idle();
        let idle = feeds.iter().rev().filter(|(_, feed)| is_idle(feed));
        let idle: Vec<_> = idle.take(excess).map(|(session, _)| session.clone()).collect();
        for session in idle {
            feeds.pop(&session);
        }
    }
    feed
}
