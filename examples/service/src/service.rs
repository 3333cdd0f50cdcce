//! The service: a chain for each session over one store.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use conversant_chains::{Conversations, LlmChain, WiringError};
use conversant_core::{
    CallOptions, ChatHistory, HistoryError, LanguageModel, Message, Messages, Range, SessionId,
};
use conversant_memory::WindowMemory;
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};

use crate::{failure::Failure, totals::Totals};

/// A chat service. Clones share everything.
#[derive(Clone)]
pub struct Service {
    conversations: Conversations,
    history: Arc<dyn ChatHistory>,
    totals: Arc<Totals>,
    limit: Duration,
}

impl Service {
    /// Creates a service over a model and a store. Each call must end within a limit.
    ///
    /// # Errors
    /// [`WiringError`] if the chain's parts do not fit.
    pub fn new(
        model: impl Into<LanguageModel>,
        history: Arc<dyn ChatHistory>,
        limit: Duration,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let prompt = ChatPromptTemplate::from_messages((
            Message::system("You are a helpful assistant."),
            MessagesPlaceholder::new("history"),
            MessageTemplate::human("{message}"),
        ))?;
        let totals = Arc::new(Totals::default());
        let definition =
            LlmChain::builder().prompt(prompt).model(model).observer(Arc::clone(&totals));
        let store = Arc::clone(&history);
        // A window that moves by ten turns at once, so that the provider's prompt cache hits.
        let define = move |session: &SessionId| -> Result<LlmChain, WiringError> {
            let memory = WindowMemory::new()
                .with_k(20)
                .with_step(10)
                .with_return_messages(true)
                .with_history(Arc::clone(&store), session.clone());
            definition.clone().memory(memory).build()
        };
        let conversations = Conversations::new(define)?;
        Ok(Self { conversations, history, totals, limit })
    }

    pub(crate) fn chain(&self, session: &str) -> Result<LlmChain, Failure> {
        let session = SessionId::new(session).map_err(Failure::bad_request)?;
        self.conversations.chain(&session).map_err(Failure::internal)
    }

    pub(crate) fn options(&self) -> CallOptions {
        CallOptions::new().with_deadline(Instant::now() + self.limit)
    }

    pub(crate) async fn messages(&self, session: &str) -> Result<Messages, Failure> {
        let session = SessionId::new(session).map_err(Failure::bad_request)?;
        let load = self.history.load(&session, Range::LastTurns(100)).await;
        load.map(|slice| slice.messages).map_err(|error: HistoryError| Failure::internal(error))
    }

    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Lets running calls end within a limit, and returns the number of those that did not.
    pub async fn close(&self, limit: Duration) -> usize {
        self.conversations.close(limit).await
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("totals", &self.totals).finish_non_exhaustive()
    }
}
