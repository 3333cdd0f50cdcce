//! rig: an agent that is given the history with each call.

use bench::{
    measure::{Sample, repeated},
    workload::{KEY, MODEL, PACED_MODEL, QUESTION, SYSTEM, TEMPERATURE, is_human, message},
};
use conversant_core::BoxError;
use futures_util::StreamExt;
use rig::{
    Agent, AgentBuilder,
    agent::MultiTurnStreamItem,
    completion::Message,
    providers::openai::{OpenAIConfig, Route},
    streaming::{Item, StreamEvent},
};

use crate::peer::Client;

/// Agents, of which each has its model.
pub(crate) struct Rig {
    agent: Agent,
    paced: Agent,
}

fn agent(base_url: &str, model: &str) -> Agent {
    let config = OpenAIConfig::new(KEY).with_base_url(base_url).with_route(Route::Chat);
    let model = config.client().completion(model);
    AgentBuilder::new(model).preamble(SYSTEM).temperature(TEMPERATURE).build()
}

impl Client for Rig {
    type History = Vec<Message>;

    fn new(base_url: &str) -> Result<Self, BoxError> {
        Ok(Self { agent: agent(base_url, MODEL), paced: agent(base_url, PACED_MODEL) })
    }

    async fn history(n: usize) -> Self::History {
        let said = (0..n).map(|index| match is_human(index) {
            true => Message::user(message(index)),
            false => Message::assistant(message(index)),
        });
        said.collect()
    }

    async fn call(&self, history: &mut Self::History, question: &str) -> Result<(), BoxError> {
        let response = self.agent.chat(question, history).await?;
        if response.output().is_empty() {
            return Err("there is no answer".into());
        }
        Ok(())
    }

    async fn stream(&self, model: &str, mut first: impl FnMut()) -> Result<String, BoxError> {
        let agent = if model == PACED_MODEL { &self.paced } else { &self.agent };
        let mut stream = agent.prompt(QUESTION).stream();
        let mut whole = String::new();
        while let Some(item) = stream.next().await {
            let MultiTurnStreamItem::StreamAssistantItem(item) = item? else { continue };
            if let Item::Event(StreamEvent::Text { text, .. }) = item {
                first();
                whole.push_str(&text);
            }
        }
        Ok(whole)
    }

    async fn format_chat(n: usize) -> Sample {
        let history = Self::history(n).await;
        repeated(|| {
            let mut messages = history.clone();
            messages.push(Message::user(QUESTION));
            messages
        })
    }
}
