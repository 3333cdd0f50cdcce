//! A chat service over HTTP: sessions, streams, deadlines, totals and a graceful end.
//!
//! | route | answer |
//! |---|---|
//! | `POST /sessions/{id}/turns` with `{"message": …, "turn": …}` | the answer as JSON |
//! | `POST /sessions/{id}/stream` with `{"message": …, "turn": …}` | the answer as server-sent events |
//! | `GET /sessions/{id}` | the last messages of the session, its usage and its cost |
//! | `GET /metrics` | calls, failures, tokens and cost since the start, for Prometheus |
//!
//! `turn` is a UUID that the client makes. A request for an answer as JSON that is repeated with it
//! gets the answer of the first one, also if the client left before that came: the call goes on
//! without it, and no model is paid twice. Without the id, each request is a new turn.
//!
//! A client that leaves a stream stops it, and what was received is stored as an incomplete turn. A
//! repetition with its id gets 409 then; if nothing was received, it is a new call.
//!
//! # What it leaves to you
//!
//! - *Who asks.* There are neither accounts nor limits for each user: all who reach the service
//!   read and continue each session whose id they know, and read `/metrics`. Put it behind a proxy
//!   that knows the user, and make the session's id from the user, not from the request. On the
//!   machine itself, a page of another site that a browser opens may reach it as well (DNS
//!   rebinding); the guard of `examples/web-chat` refuses such requests by their `Host`.
//! - *Encryption.* It speaks HTTP, for a proxy in front of it.
//!
//! # Its end
//!
//! After Ctrl-C or SIGTERM it takes no requests. Those that run have the time of a call, and then
//! parts of streams are stored: with the defaults, 70 seconds in all. A supervisor must wait longer
//! before it kills (by default, Docker waits for 10 seconds, Kubernetes for 30 and systemd for 90),
//! or `--end` must be shorter. A second signal ends it at once.

#![allow(clippy::print_stderr, clippy::result_large_err, reason = "a program's log and responses")]

mod failure;
pub mod listener;
pub mod routes;

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{http::StatusCode, response::Result};
use conversant_chains::{Conversations, LlmChain};
use conversant_core::{
    CallOptions, ChatHistory, LanguageModel, Message, Meter, PriceList, Range, SessionId, Turn,
    TurnId, UsageTotals,
};
use conversant_memory::WindowMemory;
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinError,
    time::timeout_at,
};

use crate::listener::ConnectionLimits;

/// The time that each of the last two steps of the service has: parts of streams are stored, and
/// the conversations are closed.
const LAST_STEP: Duration = Duration::from_secs(5);

/// The time that is left at the end of the service when streams have to end.
pub const LAST_STEPS: Duration = Duration::from_secs(2 * LAST_STEP.as_secs());

/// The most calls at the same time that go on if their clients leave. Others wait for a place, as
/// long as their clients do.
const MAX_CALLS: usize = 1024;

/// A chat service. Clones share everything.
#[derive(Clone)]
#[allow(missing_debug_implementations)]
pub struct Service {
    conversations: Conversations,
    /// Whether the service ends. The streams that run have receivers.
    ending: watch::Sender<bool>,
    /// The places of the calls that go on if their clients leave.
    calls: Arc<Semaphore>,
    history: Arc<dyn ChatHistory>,
    meter: Arc<Meter>,
    limit: Duration,
}

impl Service {
    /// Creates a service over a model and a store. Each call must end within a limit.
    ///
    /// # Errors
    /// If the chain's parts do not fit.
    pub fn new(
        model: impl Into<LanguageModel>,
        prices: impl Into<PriceList>,
        history: Arc<dyn ChatHistory>,
        limit: Duration,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let prompt = ChatPromptTemplate::from_messages((
            Message::system("You are a helpful assistant."),
            MessagesPlaceholder::new("history"),
            MessageTemplate::human("{message}"),
        ))?;
        let meter = Arc::new(Meter::new());
        let definition = LlmChain::builder().prompt(prompt).model(model).prices(prices);
        let definition = definition.observer(Arc::clone(&meter)).store_records(true);
        let store = Arc::clone(&history);
        let conversations = Conversations::new(move |session| {
            // A window that moves by ten turns at once, so that the provider's prompt cache hits.
            let memory = WindowMemory::new().with_k(20).with_step(10).with_return_messages(true);
            let memory = memory.with_history(Arc::clone(&store), session.clone());
            definition.clone().memory(memory).prompt_cache_key(session.as_str()).build()
        })?;
        let (ending, calls) = (watch::Sender::new(false), Arc::new(Semaphore::new(MAX_CALLS)));
        Ok(Self { conversations, ending, calls, history, meter, limit })
    }

    /// Ends the service after its connections, by a time: stores the parts of answers that clients
    /// do not read, waits for the calls whose clients have left, and returns the number of calls
    /// that were given up.
    pub async fn close(&self, end: Instant) -> usize {
        let before =
            |time| tokio::time::Instant::from(end.checked_sub(time).unwrap_or_else(Instant::now));
        self.ending.send_replace(true);
        // All places are free when the last of the calls has ended.
        let all = u32::try_from(MAX_CALLS).unwrap_or(u32::MAX);
        let _ = timeout_at(before(LAST_STEPS), self.calls.acquire_many(all)).await;
        // Before the conversations are closed, so that their parts can be saved.
        let _ = timeout_at(before(LAST_STEP), self.ending.closed()).await;
        self.conversations.close(end.saturating_duration_since(Instant::now())).await
    }

    fn chain(&self, session: &str) -> Result<LlmChain> {
        let chain = self.conversations.chain(&id(session)?);
        Ok(chain.map_err(failure::status(StatusCode::INTERNAL_SERVER_ERROR))?)
    }

    /// Runs a call to its end, also if the client leaves: the future of its request is dropped
    /// then, and would take with it what is paid for.
    async fn run<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        let place = Arc::clone(&self.calls).acquire_owned().await;
        let call = tokio::spawn(async move {
            let ended = call.await;
            drop(place);
            ended
        });
        call.await
    }

    fn options(&self, turn: Option<TurnId>) -> CallOptions {
        let options = CallOptions::new().with_timeout(self.limit);
        match turn {
            Some(turn) => options.with_turn_id(turn),
            None => options,
        }
    }

    async fn turns(&self, session: &str) -> Result<Vec<Turn>> {
        let turns = self.history.turns(&id(session)?, Range::LastTurns(100)).await;
        Ok(turns.map_err(failure::of_history)?)
    }

    async fn totals(&self, session: &str) -> Result<UsageTotals> {
        let info = self.history.session_info(&id(session)?).await;
        Ok(info.map_err(failure::of_history)?.map(|info| info.totals).unwrap_or_default())
    }
}

/// Returns whether a store is the URL of a PostgreSQL database, and not the name of a file.
#[must_use]
pub fn is_postgres_url(store: &str) -> bool {
    ["postgres://", "postgresql://"].iter().any(|scheme| store.starts_with(scheme))
}

/// Returns the limits of connections for calls that must end within a limit: the last response of a
/// connection has the time of a body and of a call, and requests have the time of a call to end
/// with the service.
#[must_use]
pub fn connections_for_calls(limit: Duration) -> ConnectionLimits {
    let last_response = limit.saturating_mul(2).saturating_add(LAST_STEP);
    ConnectionLimits { last_response, end_timeout: limit, ..ConnectionLimits::default() }
}

fn id(session: &str) -> Result<SessionId> {
    Ok(SessionId::new(session).map_err(failure::status(StatusCode::BAD_REQUEST))?)
}
