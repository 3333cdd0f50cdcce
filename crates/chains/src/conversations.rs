//! Many conversations from one definition: a chain for each session.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use conversant_core::{SessionId, TurnId};
use lru::LruCache;

use crate::{
    llm_chain::{LlmChain, WeakLlmChain},
    runner::close,
    wiring::WiringError,
};

/// The number of chains that are cached after their last use, by default.
const CACHE_CAPACITY: usize = 64;

/// Chains for sessions, all from one definition: the counterpart of LangChain's
/// `RunnableWithMessageHistory`.
///
/// All chains of a session are one chain: the session's calls run one after the other, even if many
/// tasks ask for the chain. Different sessions do not wait for each other.
///
/// A chain exists while a caller holds it. The most recently used ones are cached as well, with
/// what their memories have read: 64, or [`with_cache_capacity`](Self::with_cache_capacity). A
/// cached chain is found in constant time. Clones share the chains. A chain that leaves the cache
/// does not release a lease that its memory keeps between calls: the session is busy until the
/// lease expires. Lease each call, or choose a capacity above the number of conversations.
///
/// # Examples
///
/// ```
/// use conversant_chains::{Conversations, LlmChain};
/// use conversant_core::{vars, SessionId};
/// use conversant_memory::{BufferMemory, InMemoryHistory};
/// use conversant_prompts::PromptTemplate;
/// # use conversant_core::{async_trait, ChatModel, ChatRequest, Message, ModelError, Reply};
/// # struct Greeter;
/// # #[async_trait]
/// # impl ChatModel for Greeter {
/// #     async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
/// #         Ok(Reply::new(Message::ai("Hello!")))
/// #     }
/// # }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let history = InMemoryHistory::new();
/// let definition = LlmChain::builder()
///     .prompt(PromptTemplate::from_template("{history}\nHuman: {human_input}\nAI:")?)
///     .model(Greeter);
/// let conversations = Conversations::new(move |session| {
///     let memory = BufferMemory::new().with_history(history.clone(), session.clone());
///     definition.clone().memory(memory).prompt_cache_key(session.as_str()).build()
/// })?;
///
/// let ada = conversations.chain(&SessionId::new("ada")?)?;
/// assert_eq!(ada.predict(vars! { "human_input" => "hi" }).await?, "Hello!");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Conversations {
    inner: Arc<Inner>,
}

struct Inner {
    define: Box<Definition>,
    state: Mutex<State>,
}

type Definition = dyn Fn(&SessionId) -> Result<LlmChain, WiringError> + Send + Sync;

struct State {
    /// The chains that exist, and entries of chains that no longer do.
    existing: HashMap<SessionId, WeakLlmChain>,
    /// The size of `existing` at which entries of former chains are removed.
    sweep_at: usize,
    cache: LruCache<SessionId, LlmChain>,
    capacity: usize,
    is_closed: bool,
}

impl Conversations {
    /// Creates conversations from a definition, which builds the chain of a session: an
    /// [`LlmChain`] or a [`ConversationChain`](crate::ConversationChain). It is called once with a
    /// random session, so that a fault of the wiring is found now.
    ///
    /// # Errors
    /// [`WiringError`], with every fault of the definition.
    pub fn new<C: Into<LlmChain>>(
        define: impl Fn(&SessionId) -> Result<C, WiringError> + Send + Sync + 'static,
    ) -> Result<Self, WiringError> {
        let define = move |session: &SessionId| define(session).map(Into::into);
        define(&SessionId::from(TurnId::random()))?;
        let state = State {
            existing: HashMap::new(),
            sweep_at: CACHE_CAPACITY,
            // Bounded below, since a bounded `LruCache` allocates its capacity at once.
            cache: LruCache::unbounded(),
            capacity: CACHE_CAPACITY,
            is_closed: false,
        };
        Ok(Self { inner: Arc::new(Inner { define: Box::new(define), state: Mutex::new(state) }) })
    }

    /// Sets the number of chains that are cached after their last use: 64 by default. `0` caches
    /// none.
    #[must_use]
    pub fn with_cache_capacity(self, chains: usize) -> Self {
        let mut evicted = Vec::new();
        let mut state = self.state();
        state.capacity = chains;
        while state.cache.len() > chains {
            evicted.extend(state.cache.pop_lru());
        }
        drop(state);
        self
    }

    /// Returns the chain of a session: the existing one, or a new one.
    ///
    /// # Errors
    /// [`WiringError`], if the definition has a fault for this session. A function that returns a
    /// [`ChainError`](crate::ChainError) can use `?`.
    pub fn chain(&self, session: &SessionId) -> Result<LlmChain, WiringError> {
        let mut state = self.state();
        if let Some(chain) = state.cache.get(session) {
            return Ok(chain.clone());
        }
        let existing = state.existing.get(session).and_then(WeakLlmChain::upgrade);
        drop(state);
        let built = match existing {
            Some(chain) => chain,
            // Outside of the lock, since it is the caller's code.
            None => (self.inner.define)(session)?,
        };
        let mut state = self.state();
        // Another task may have built it meanwhile.
        let existing = state.existing.get(session).and_then(WeakLlmChain::upgrade);
        let (chain, spare) = match existing {
            Some(first) => (first, Some(built)),
            None => {
                state.insert(session, &built);
                (built, None)
            }
        };
        let evicted = state.cache(session, &chain);
        drop(state);
        // Outside of the lock, since a chain may be large.
        drop((evicted, spare));
        Ok(chain)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of chains that exist: held by callers, or cached.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().existing.values().filter(|chain| chain.is_alive()).count()
    }

    /// Returns whether no chains exist.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes a session's chain from the cache. Callers that hold the chain keep it.
    pub fn evict(&self, session: &SessionId) {
        let evicted = self.state().cache.pop(session);
        // Dropped outside of the lock.
        drop(evicted);
    }

    /// Closes all conversations, for the end of a service: new calls and waiting calls fail with
    /// [`ChainError::Closed`](crate::ChainError::Closed), and running calls have `limit` to end,
    /// with the saves of [`save_partial`](crate::ChainStream::save_partial) that are asked for
    /// meanwhile. Then those that still run are given up, as [`LlmChain::close`] documents, and
    /// their number is returned.
    ///
    /// # Examples
    ///
    /// ```
    /// # use conversant_chains::Conversations;
    /// use std::time::Duration;
    ///
    /// # async fn shut_down(conversations: Conversations) {
    /// let given_up = conversations.close(Duration::from_secs(30)).await;
    /// if given_up > 0 {
    ///     eprintln!("{given_up} calls did not end in time");
    /// }
    /// # }
    /// ```
    pub async fn close(&self, limit: Duration) -> usize {
        let chains: Vec<_> = {
            let mut state = self.state();
            state.is_closed = true;
            state.existing.values().filter_map(WeakLlmChain::upgrade).collect()
        };
        close(chains.iter().filter_map(LlmChain::queue).cloned(), limit).await
    }
}

impl State {
    fn insert(&mut self, session: &SessionId, chain: &LlmChain) {
        // The entries of former chains are removed each time that the map has doubled.
        if self.existing.len() >= self.sweep_at {
            self.existing.retain(|_, chain| chain.is_alive());
            self.sweep_at = (self.existing.len() * 2).max(CACHE_CAPACITY);
        }
        if self.is_closed
            && let Some(queue) = chain.queue()
        {
            queue.close();
        }
        self.existing.insert(session.clone(), chain.downgrade());
    }

    /// Caches a chain, and returns the one that is evicted for it.
    fn cache(&mut self, session: &SessionId, chain: &LlmChain) -> Option<(SessionId, LlmChain)> {
        if self.capacity == 0 {
            return None;
        }
        self.cache.put(session.clone(), chain.clone());
        if self.cache.len() > self.capacity { self.cache.pop_lru() } else { None }
    }
}

impl fmt::Debug for Conversations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversations").field("len", &self.len()).finish_non_exhaustive()
    }
}
