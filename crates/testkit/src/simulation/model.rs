//! A chat model that fails by the schedule, and records its prompts.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use conversant_core::{
    ChatModel, ChatRequest, Delta, Message, ModelError, Reply, ReplyStream, async_trait,
};

use super::faults::Faults;

/// A model that answers `question 7` with `answer 7`, unless a fault of the schedule prevents it.
#[derive(Clone)]
pub struct SimulatedChat {
    faults: Arc<Faults>,
    prompts: Arc<Mutex<Vec<Vec<String>>>>,
}

impl SimulatedChat {
    pub(super) fn new(faults: &Arc<Faults>) -> Self {
        Self { faults: Arc::clone(faults), prompts: Arc::default() }
    }

    /// Returns the messages of each request.
    pub(super) fn prompts(&self) -> Vec<Vec<String>> {
        self.prompts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn answer(&self, request: &ChatRequest) -> Result<String, ModelError> {
        let texts: Vec<_> =
            request.messages.iter().map(|message| message.text().into_owned()).collect();
        let answer = texts.last().map(|question| answer_of(question)).unwrap_or_default();
        self.prompts.lock().unwrap_or_else(PoisonError::into_inner).push(texts);
        self.faults.stall().await;
        if self.faults.strike(10) {
            return Err(failure());
        }
        Ok(answer)
    }
}

/// Returns the answer of a question.
pub(super) fn answer_of(question: &str) -> String {
    question.replacen("question", "answer", 1)
}

fn failure() -> ModelError {
    ModelError::custom("a simulated failure", true, None)
}

#[async_trait]
impl ChatModel for SimulatedChat {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        let answer = self.answer(request).await?;
        self.faults.stall().await;
        Ok(Reply::new(Message::ai(answer)))
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        let answer = self.answer(request).await?;
        let end = match self.faults.strike(10) {
            true => Err(failure()),
            false => Ok(Reply::new(Message::ai(answer.clone())).into()),
        };
        let pieces = answer.split_inclusive(' ').map(|piece| Ok(Delta::Text(piece.to_owned())));
        let items: Vec<_> = pieces.chain([end]).collect();
        Ok(ReplyStream::from_pieces(items))
    }
}

impl fmt::Debug for SimulatedChat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedChat").finish_non_exhaustive()
    }
}
