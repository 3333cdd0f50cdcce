//! Many conversations from one definition: a chain for each session.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use conversant_core::{SessionId, TurnId};

use crate::{LlmChain, WiringError, llm_chain::WeakLlmChain};

/// How many conversations are kept at hand after their last use.
const WARM: usize = 64;

/// Hands out a chain for each session, all of one definition: the counterpart of LangChain's `RunnableWithMessageHistory`.
///
/// The chains of one session are one: its calls queue in order, however many tasks ask. Different sessions do not wait for each
/// other. The sessions used last (64, or as many as [`with_warm`](Self::with_warm) says) stay at hand with what their memory has read; a
/// session that nobody holds and that is not among them takes no space.
///
/// # Examples
///
/// ```
/// use conversant_chains::{Conversations, LlmChain};
/// use conversant_core::{vars, LanguageModel, SessionId};
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
///     .model(LanguageModel::chat(Greeter));
/// let conversations = Conversations::new(move |session| {
///     let memory = BufferMemory::new().with_history(history.clone(), session.clone());
///     definition.clone().memory(memory).build()
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
    warm: usize,
    state: Mutex<State>,
}

type Definition = dyn Fn(&SessionId) -> Result<LlmChain, WiringError> + Send + Sync;

#[derive(Default)]
struct State {
    /// The chains that somebody holds, and leftovers of those that nobody holds any more.
    known: HashMap<SessionId, WeakLlmChain>,
    /// The chains used last, the latest at the end.
    warm: VecDeque<(SessionId, LlmChain)>,
    /// How many chains there may be before leftovers are looked for.
    sweep_at: usize,
}

impl Conversations {
    /// Creates conversations of a definition, which builds the chain of a session. It is tried once, so that a fault of the
    /// wiring is told now.
    ///
    /// # Errors
    /// [`WiringError`], with every fault of the definition.
    pub fn new(
        define: impl Fn(&SessionId) -> Result<LlmChain, WiringError> + Send + Sync + 'static,
    ) -> Result<Self, WiringError> {
        define(&SessionId::from(TurnId::random()))?;
        let inner = Inner { define: Box::new(define), warm: WARM, state: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Sets how many conversations are kept at hand after their last use.
    #[must_use]
    pub fn with_warm(self, sessions: usize) -> Self {
        let inner = match Arc::try_unwrap(self.inner) {
            Ok(inner) => Inner { warm: sessions, ..inner },
            // Clones keep the number that they have.
            Err(inner) => return Self { inner },
        };
        Self { inner: Arc::new(inner) }
    }

    /// Returns the chain of a session: the one that others hold, or a new one.
    ///
    /// # Errors
    /// [`WiringError`], if the definition has a fault for this session.
    pub fn chain(&self, session: &SessionId) -> Result<LlmChain, WiringError> {
        let known = self.state().known.get(session).and_then(WeakLlmChain::upgrade);
        let built = match known {
            Some(chain) => chain,
            // Built outside of the lock: it is the caller's code.
            None => (self.inner.define)(session)?,
        };
        let mut state = self.state();
        let (chain, spare) = match state.known.get(session).and_then(WeakLlmChain::upgrade) {
            Some(first) => (first, Some(built)),
            None => {
                state.sweep();
                state.known.insert(session.clone(), built.downgrade());
                (built, None)
            }
        };
        let cold = state.warm_up(session, &chain, self.inner.warm);
        drop(state);
        // Dropped outside of the lock too.
        drop((cold, spare));
        Ok(chain)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many conversations are held: by callers, or at hand.
    #[must_use]
    pub fn open(&self) -> usize {
        self.state().known.values().filter(|chain| chain.upgrade().is_some()).count()
    }

    /// Lets go of a session that has ended.
    pub fn close(&self, session: &SessionId) {
        let mut state = self.state();
        let index = state.warm.iter().position(|(warm, _)| warm == session);
        let chain = index.and_then(|index| state.warm.remove(index));
        drop(state);
        drop(chain);
    }
}

impl State {
    /// Forgets the leftovers, each time that the map has doubled.
    fn sweep(&mut self) {
        if self.known.len() >= self.sweep_at {
            self.known.retain(|_, chain| chain.upgrade().is_some());
            self.sweep_at = (self.known.len() * 2).max(WARM);
        }
    }

    /// Puts a chain at the end of those at hand, and returns the one that has to go for it.
    fn warm_up(
        &mut self,
        session: &SessionId,
        chain: &LlmChain,
        limit: usize,
    ) -> Option<(SessionId, LlmChain)> {
        let entry = match self.warm.iter().rposition(|(warm, _)| warm == session) {
            Some(index) => self.warm.remove(index),
            None => None,
        };
        if limit > 0 {
            self.warm.push_back(entry.unwrap_or_else(|| (session.clone(), chain.clone())));
        }
        if self.warm.len() > limit { self.warm.pop_front() } else { None }
    }
}

impl fmt::Debug for Conversations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversations").field("open", &self.open()).finish_non_exhaustive()
    }
}
