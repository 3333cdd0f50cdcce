//! A chat model that fails by the schedule, and records its requests.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use conversant_core::{
    ChatModel, ChatRequest, Delta, Message, ModelError, Reply, ReplyStream, ToolCall, async_trait,
};
use futures_core::Stream;
use serde_json::json;

use super::{
    exchange::{answer_of, is_human, is_question, summary_of},
    world::{Asking, World},
};

/// The chance, in percent, that a request fails, and again that a stream breaks off.
const FAILURES: usize = 10;
/// The chance, in percent, that the model calls tools.
const TOOL_CALLS: usize = 40;

/// A model that answers `question 7` with `answer 7`, unless a fault of the schedule prevents it.
///
/// - It calls the tools of the request now and then, before it answers.
/// - `answer 7` is its own answer, so that steps can follow each other.
/// - Any other text is a request for a summary. It is answered with the questions that the text
///   names.
#[derive(Clone)]
pub struct SimulatedChat {
    world: Arc<World>,
}

impl SimulatedChat {
    pub(super) fn new(world: &Arc<World>) -> Self {
        Self { world: Arc::clone(world) }
    }

    /// Waits for the answer, and returns it with the mark of the running request.
    async fn reply(&self, request: &ChatRequest) -> Result<(Reply, Option<Asking>), ModelError> {
        let question = request.messages.iter().rfind(|message| is_human(message));
        let question = question.map(|message| message.text().into_owned()).unwrap_or_default();
        let is_chat = is_question(&question);
        let asking = is_chat.then(|| self.world.ask(&request.messages));
        self.world.stall().await;
        if self.world.strike(FAILURES) {
            return Err(failure());
        }
        if !is_chat {
            let texts: Vec<_> = request.messages.iter().map(Message::text).collect();
            return Ok((Reply::new(Message::ai(summary_of(&texts.join("\n")))), asking));
        }
        let message = match request.options.tools.first() {
            Some(tool) if self.world.strike(TOOL_CALLS) => {
                let calls = (0..=self.world.below(2)).map(|_| {
                    let id = format!("call {}", self.world.tick());
                    ToolCall::new(tool.name.as_str(), json!({})).with_id(id)
                });
                Message::ai("").with_tool_calls(calls)
            }
            _ => Message::ai(answer_of(&question)),
        };
        Ok((Reply::new(message), asking))
    }
}

fn failure() -> ModelError {
    ModelError::custom("a simulated failure", true, None)
}

#[async_trait]
impl ChatModel for SimulatedChat {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        let (reply, _asking) = self.reply(request).await?;
        self.world.stall().await;
        self.world.pay(&reply.text());
        Ok(reply)
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        let (reply, asking) = self.reply(request).await?;
        let text = reply.text().into_owned();
        let pieces = text.split_inclusive(' ').map(|piece| Ok(Delta::Text(piece.to_owned())));
        let end = if self.world.strike(FAILURES) { Err(failure()) } else { Ok(reply.into()) };
        let items = pieces.chain([end]).collect();
        let world = Arc::clone(&self.world);
        Ok(ReplyStream::new(Pieces { world, asking, polls: 0, items, text }))
    }
}

/// A stream that waits between its pieces.
struct Pieces {
    world: Arc<World>,
    /// The running request, until the answer is whole.
    asking: Option<Asking>,
    /// The polls for which it still waits.
    polls: usize,
    items: VecDeque<Result<Delta, ModelError>>,
    /// The whole text.
    text: String,
}

impl Stream for Pieces {
    type Item = Result<Delta, ModelError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(left) = this.polls.checked_sub(1) {
            this.polls = left;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.polls = this.world.polls_of_a_stall();
        let item = this.items.pop_front();
        if matches!(item, Some(Ok(Delta::Done(_)))) {
            this.world.pay(&this.text);
            this.asking = None;
        }
        Poll::Ready(item)
    }
}

impl fmt::Debug for SimulatedChat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedChat").finish_non_exhaustive()
    }
}
