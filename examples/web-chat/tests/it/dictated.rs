//! A model that says what a test dictates, when the test says it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use conversant_core::{
    ChatModel, ChatRequest, Delta, Message, ModelError, Reply, ReplyStream, async_trait,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A chat model whose answers are dictated.
#[derive(Clone, Default)]
pub(crate) struct Dictated(Arc<Mutex<VecDeque<UnboundedReceiver<Delta>>>>);

/// An answer that is dictated.
pub(crate) struct Answer {
    pieces: UnboundedSender<Delta>,
    text: String,
}

impl Dictated {
    /// Returns the answer to the next call that has none.
    pub(crate) fn answer(&self) -> Answer {
        let (pieces, received) = unbounded_channel();
        self.0.lock().unwrap().push_back(received);
        Answer { pieces, text: String::new() }
    }
}

impl Answer {
    pub(crate) fn say(&mut self, text: &str) {
        self.text.push_str(text);
        // A call that was stopped hears nothing.
        let _ = self.pieces.send(Delta::Text(text.to_owned()));
    }

    pub(crate) fn think(&mut self, text: &str) {
        let _ = self.pieces.send(Delta::Reasoning(text.to_owned()));
    }

    pub(crate) fn end(self) {
        let reply = Reply::new(Message::ai(self.text.as_str()));
        let _ = self.pieces.send(reply.into());
    }
}

#[async_trait]
impl ChatModel for Dictated {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        self.stream(request).await?.into_reply().await
    }

    async fn stream(&self, _: &ChatRequest) -> Result<ReplyStream, ModelError> {
        let received = self.0.lock().unwrap().pop_front().unwrap();
        Ok(ReplyStream::new(futures_util::stream::unfold(received, |mut received| async move {
            received.recv().await.map(|piece| (Ok(piece), received))
        })))
    }
}
