//! Many live sessions: finding one, and the memory of each.

use std::{
    collections::HashMap,
    convert::Infallible,
    env,
    future::{Ready, ready},
    process::Command,
    task::{Context, Poll},
    time::Instant,
};

use bench::{
    measure::resident,
    workload::{KEY, MODEL, SYSTEM, message, runtime},
};
use bytes::Bytes;
use clap::ValueEnum;
use conversant_chains::{Conversations, LlmChain};
use conversant_core::{BoxError, Message, SessionId, vars};
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_models::OpenAiChat;
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
use http_body_util::Full;

use crate::{
    chain::session,
    measured::{Effort, Measured},
};

/// The turns of a session.
const TURNS: usize = 20;

/// The program whose memory is measured.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Holder {
    /// Conversations over a history in memory.
    Conversant,
    /// A map of lists of messages.
    Floor,
}

/// A server in the process that gives the same answer to each request.
#[derive(Clone)]
struct Answering(Bytes);

impl Answering {
    fn new() -> Result<Self, BoxError> {
        let message = serde_json::json!({"role": "assistant", "content": message(1)});
        let choice = serde_json::json!({"index": 0, "message": message, "finish_reason": "stop"});
        let body = serde_json::json!({"id": "1", "object": "chat.completion", "choices": [choice]});
        Ok(Self(serde_json::to_vec(&body)?.into()))
    }
}

impl tower_service::Service<http::Request<Bytes>> for Answering {
    type Response = http::Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Bytes>) -> Self::Future {
        ready(Ok(http::Response::new(Full::new(self.0.clone()))))
    }
}

fn conversations() -> Result<Conversations, BoxError> {
    let model = OpenAiChat::builder(MODEL).api_key(KEY).http_client(Answering::new()?).build()?;
    let prompt = ChatPromptTemplate::from_messages((
        Message::system(SYSTEM),
        MessagesPlaceholder::new("history"),
        MessageTemplate::human("{human_input}"),
    ))?;
    let definition = LlmChain::builder().prompt(prompt).model(model);
    let history = InMemoryHistory::new();
    Ok(Conversations::new(move |session: &SessionId| {
        let memory = BufferMemory::new().with_return_messages(true);
        definition.clone().memory(memory.with_history(history.clone(), session.clone())).build()
    })?)
}

/// A chain of `Conversations` that is cached, with many others: the time to find it.
pub(crate) fn get(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    [64, 10_000].iter().map(|&held| get_of(held, effort)).collect()
}

fn get_of(held: usize, effort: Effort) -> Result<Measured, BoxError> {
    const CALLS: usize = 50_000;
    let conversations = conversations()?.with_cache_capacity(held);
    let sessions = (0..held).map(session).collect::<Result<Vec<_>, BoxError>>()?;
    for session in &sessions {
        conversations.chain(session)?;
    }
    let mut times = Vec::new();
    for _ in 0..effort.long_rounds() {
        let start = Instant::now();
        // A step without a common factor, so that the order is not that of the insertion.
        for call in 0..CALLS {
            let session = sessions.get(call * 7_919 % held).ok_or("no session")?;
            std::hint::black_box(conversations.chain(session)?);
        }
        times.push(start.elapsed().as_secs_f64() * 1e6 / CALLS as f64);
    }
    Ok(Measured::alone(held, "us", times).by_median())
}

/// The resident memory of a session of 20 turns, of those that no caller holds.
pub(crate) fn memory(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    let rounds = if effort == Effort::Quick { 1 } else { 3 };
    let of = |holder| move || measure_holder(holder);
    let measured =
        Measured::in_turns(SESSIONS, "bytes", rounds, of(Holder::Conversant), of(Holder::Floor))?;
    Ok(vec![measured])
}

/// The sessions of [`memory`].
const SESSIONS: usize = 10_000;

fn measure_holder(holder: Holder) -> Result<f64, BoxError> {
    let name = holder.to_possible_value().ok_or("a holder has no name")?.get_name().to_owned();
    let output = Command::new(env::current_exe()?).args(["--hold", &name]).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// Holds the sessions, and prints the resident bytes of each.
pub(crate) fn hold(holder: Holder) -> Result<(), BoxError> {
    let now = || resident().ok_or("the resident memory is not known on this system");
    let before = now()?;
    let after = match holder {
        Holder::Conversant => {
            let conversations = conversations()?;
            runtime()?.block_on(async {
                for number in 0..SESSIONS {
                    converse(&conversations.chain(&session(number)?)?).await?;
                }
                Ok::<_, BoxError>(())
            })?;
            let after = now()?;
            drop(conversations);
            after
        }
        Holder::Floor => {
            let mut sessions: HashMap<String, Vec<(String, String)>> = HashMap::new();
            for number in 0..SESSIONS {
                let held = sessions.entry(format!("session-{number}")).or_default();
                for index in 0..TURNS * 2 {
                    let role = if index % 2 == 0 { "user" } else { "assistant" };
                    held.push((role.to_owned(), message(if index % 2 == 0 { index } else { 1 })));
                }
            }
            let after = now()?;
            drop(sessions);
            after
        }
    };
    println!("{}", after.saturating_sub(before) / SESSIONS as u64);
    Ok(())
}

async fn converse(chain: &LlmChain) -> Result<(), BoxError> {
    for turn in 0..TURNS {
        chain.predict(vars! { "human_input" => message(turn * 2) }).await?;
    }
    Ok(())
}
