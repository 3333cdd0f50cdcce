//! The tool loop: a chat model that runs the tools that another one calls.

use std::{fmt, sync::Arc, vec::IntoIter};

use conversant_core::{
    BoxError, ChatModel, ChatRequest, Delta, Message, Messages, ModelDescription, ModelError,
    Reply, ReplyStream, ToolResultDelta, async_trait, observe_chat, observe_chat_stream,
};
use futures_util::stream;

use crate::{
    error::RoundLimit,
    exchange::Exchange,
    tool_runner::{Calls, ToolRunner},
};

/// A chat model that runs the tools that the wrapped model calls, until it answers.
///
/// - The calls of one answer run in parallel, unless the call's options forbid parallel calls.
/// - An unknown tool, invalid arguments, a failed, panicked, denied or timed out call are results
///   that the model receives, so that it can correct the call. A result that is too large is cut
///   off, and the model receives that it was.
/// - The loop ends with the model's answer, with an error of the model, after the limit of rounds
///   ([`RoundLimit`]) or at the call's deadline. Dropping the future or the stream drops the
///   running tools.
/// - An error after the first round has the calls and results of the rounds before it
///   ([`ModelError::exchange`]), also those of a loop that this one is around. A deadline of a
///   chain ends the call from outside, without them. Tools that must not run twice should recognise
///   a repeated call themselves.
/// - A [`ToolChoice`](conversant_core::ToolChoice) that forces a call, in the options of the call
///   or in the model's own settings ([`ModelDescription::forces_tools`]), holds for the first
///   round.
/// - If the model calls a tool that only the options of the call define, the reply is returned, so
///   that the caller can run these calls ([`Reply::open_calls`]). Other calls of the same answer
///   are run before, and their results are in [`Reply::call_results`].
/// - [`Reply::intermediate`] has the calls and results, and [`Reply::usage`] the sum of all rounds.
///   A chain stores both with the answer as one turn, or nothing.
///
/// A stream has the text of all rounds as it arrives, the tool calls, and a [`Delta::ToolResult`]
/// for each result.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatModel, ChatRequest, Delta, Message, Reply, ToolCall};
/// use conversant_testkit::ScriptedChat;
/// use conversant_tools::{FnTool, ToolLoop};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let call = ToolCall::new("time", json!({})).with_id("call_1");
/// let model = ScriptedChat::new([
///     Reply::new(Message::ai("").with_tool_calls([call])),
///     Reply::new(Message::ai("It is noon.")),
/// ]);
/// let time = FnTool::new("time", "The time of day.", json!({"type": "object"}), |_| async {
///     Ok("12:00".into())
/// });
/// let tools = ToolLoop::builder(model).tool(time).max_rounds(3).build()?;
///
/// let mut stream = tools.stream(&ChatRequest::new(Message::human("What time is it?"))).await?;
/// let mut shown = Vec::new();
/// while let Some(delta) = stream.next().await {
///     match delta? {
///         Delta::ToolResult(result) => shown.push(format!("(tool: {})", result.text())),
///         Delta::Done(reply) => shown.push(reply.text().into_owned()),
///         _ => {}
///     }
/// }
/// assert_eq!(shown, ["(tool: 12:00)", "It is noon."]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ToolLoop {
    inner: Arc<Inner>,
}

struct Inner {
    model: Arc<dyn ChatModel>,
    runner: ToolRunner,
    max_rounds: usize,
    /// Whether the model's own settings force it to call a tool.
    is_forced: bool,
}

/// The next step after a round.
enum Step {
    /// The model has answered, or calls tools of the caller as well as others, which have this
    /// number of results.
    Answer(Box<Reply>, usize),
    /// The model has called tools, and this is the number of their results.
    Results(usize),
}

impl ToolLoop {
    pub(crate) fn new(model: Arc<dyn ChatModel>, runner: ToolRunner, max_rounds: usize) -> Self {
        let is_forced = (*model).describe().forces_tools;
        Self { inner: Arc::new(Inner { model, runner, max_rounds, is_forced }) }
    }
}

impl Inner {
    /// Runs the tools that a reply calls, if it calls any of the loop's.
    async fn step(&self, exchange: &mut Exchange, mut reply: Reply) -> Result<Step, ModelError> {
        exchange.receive(&mut reply);
        let mut calls = Calls { valid: reply.open_calls(), invalid: reply.open_invalid_calls() };
        if calls.is_empty() {
            return Ok(Step::Answer(Box::new(reply), 0));
        }
        let is_loops = |name: &str| !self.is_callers(exchange, name);
        let is_callers_turn = !calls.valid.iter().all(|call| is_loops(&call.name));
        if is_callers_turn {
            calls.valid.retain(|call| is_loops(&call.name));
            calls.invalid.retain(|call| call.name.as_deref().is_none_or(is_loops));
        }
        if exchange.rounds >= self.max_rounds && !calls.is_empty() {
            let mut messages = exchange.messages.clone();
            messages.push(reply.message);
            let limit: BoxError = Box::new(RoundLimit::new(self.max_rounds, messages));
            let limit = ModelError::custom("a limit of the tool loop was reached", false, limit);
            return Err(exchange.failed(limit));
        }
        let options = &exchange.request.options;
        let parallel = options.parallel_tool_calls.unwrap_or(true);
        let results = self.runner.run(calls, parallel, options).await;
        let results = results.map_err(|error| exchange.failed(error))?;
        let count = results.len();
        if is_callers_turn {
            reply.call_results.extend(results);
            return Ok(Step::Answer(Box::new(reply), count));
        }
        exchange.add_round(reply, results, self.is_forced);
        Ok(Step::Results(count))
    }

    /// Returns whether a tool is one that only the caller's options define.
    fn is_callers(&self, exchange: &Exchange, name: &str) -> bool {
        self.runner.tools.get(name).is_none()
            && exchange.request.options.tools.iter().any(|tool| tool.name == name)
    }
}

#[async_trait]
impl ChatModel for ToolLoop {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        let inner = &*self.inner;
        let mut exchange = Exchange::new(request, &inner.runner.tools);
        loop {
            let reply = observe_chat(&*inner.model, &exchange.request).await;
            let reply = reply.map_err(|error| exchange.failed(error))?;
            if let Step::Answer(reply, _) = inner.step(&mut exchange, reply).await? {
                return Ok(exchange.finish(*reply));
            }
        }
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        let exchange = Exchange::new(request, &self.inner.runner.tools);
        let first = observe_chat_stream(&*self.inner.model, &exchange.request).await?;
        let state = Streaming {
            inner: Arc::clone(&self.inner),
            exchange: Some(exchange),
            round: Some(first),
            has_calls: false,
            items: Vec::new().into_iter(),
            end: None,
        };
        Ok(ReplyStream::new(Box::pin(stream::unfold(state, |mut state| async move {
            state.next().await.map(|item| (item, state))
        }))))
    }

    fn enforces_schemas(&self) -> bool {
        self.inner.model.enforces_schemas()
    }

    fn describe(&self) -> ModelDescription {
        (*self.inner.model).describe().with_emits_events(true)
    }
}

/// A streamed call of a loop.
struct Streaming {
    inner: Arc<Inner>,
    /// `None` after the end.
    exchange: Option<Exchange>,
    /// The stream of the current round, or `None` while results are returned.
    round: Option<ReplyStream>,
    /// Whether the current round has streamed its calls. A model that does not stream has not.
    has_calls: bool,
    /// The results, after calls that were not streamed.
    items: IntoIter<Delta>,
    /// The end, which follows these results.
    end: Option<Delta>,
}

impl Streaming {
    async fn next(&mut self) -> Option<Result<Delta, ModelError>> {
        let item = self.advance().await.transpose()?;
        if matches!(item, Err(_) | Ok(Delta::Done(_))) {
            self.exchange = None;
        }
        Some(item)
    }

    async fn advance(&mut self) -> Result<Option<Delta>, ModelError> {
        loop {
            if let Some(item) = self.items.next() {
                return Ok(Some(item));
            }
            let Some(exchange) = &mut self.exchange else { return Ok(self.end.take()) };
            let round = match &mut self.round {
                Some(round) => round,
                None => {
                    let round = observe_chat_stream(&*self.inner.model, &exchange.request).await;
                    self.round.insert(round.map_err(|error| exchange.failed(error))?)
                }
            };
            match round.next().await.transpose().map_err(|error| exchange.failed(error))? {
                Some(Delta::Done(reply)) => {
                    self.round = None;
                    match self.inner.step(exchange, *reply).await? {
                        Step::Results(count) => {
                            let has_calls = std::mem::take(&mut self.has_calls);
                            let results = exchange.messages.last_n(count);
                            self.items = items(exchange.last_answer(), &results, has_calls);
                        }
                        Step::Answer(reply, count) => {
                            if count > 0 {
                                let results = reply.call_results.last_n(count);
                                self.items = items(Some(&reply.message), &results, self.has_calls);
                            }
                            let exchange = self.exchange.take();
                            let reply = exchange.map(|exchange| exchange.finish(*reply));
                            self.end = reply.map(Delta::from);
                        }
                    }
                }
                Some(delta) => {
                    self.has_calls |= matches!(delta, Delta::ToolCall(_));
                    return Ok(Some(delta));
                }
                None => return Ok(None),
            }
        }
    }
}

/// Returns the results of an answer's calls as pieces, after the calls if they were not streamed.
fn items(answer: Option<&Message>, results: &Messages, has_calls: bool) -> IntoIter<Delta> {
    let mut round: Messages = answer.cloned().into_iter().collect();
    round.append(results);
    let pieces: Vec<_> = if has_calls {
        ToolResultDelta::of(&round).map(|result| Delta::ToolResult(Box::new(result))).collect()
    } else {
        Delta::of_exchange(&round).collect()
    };
    pieces.into_iter()
}

impl fmt::Debug for ToolLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolLoop")
            .field("max_rounds", &self.inner.max_rounds)
            .finish_non_exhaustive()
    }
}
