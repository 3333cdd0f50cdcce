//! genai: a chat request that holds the conversation, and is sent as a copy.

use bench::{
    measure::{Sample, repeated},
    workload::{KEY, MODEL, QUESTION, SYSTEM, TEMPERATURE, is_human, message},
};
use conversant_core::BoxError;
use futures_util::StreamExt;
use genai::{
    ModelIden, ServiceTarget,
    adapter::AdapterKind,
    chat::{ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent},
    resolver::{AuthData, Endpoint, Error, ServiceTargetResolver},
};

use crate::peer::Client;

/// genai's client.
pub(crate) struct Genai(genai::Client);

fn options() -> ChatOptions {
    ChatOptions::default().with_temperature(TEMPERATURE)
}

impl Client for Genai {
    type History = ChatRequest;

    fn new(base_url: &str) -> Result<Self, BoxError> {
        let base_url = format!("{base_url}/");
        let resolver = ServiceTargetResolver::from_resolver_fn(
            move |target: ServiceTarget| -> Result<ServiceTarget, Error> {
                Ok(ServiceTarget {
                    endpoint: Endpoint::from_owned(base_url.clone()),
                    auth: AuthData::from_single(KEY),
                    model: ModelIden::new(AdapterKind::OpenAI, target.model.model_name),
                })
            },
        );
        Ok(Self(genai::Client::builder().with_service_target_resolver(resolver).build()?))
    }

    async fn history(n: usize) -> Self::History {
        let said = (0..n).map(|index| match is_human(index) {
            true => ChatMessage::user(message(index)),
            false => ChatMessage::assistant(message(index)),
        });
        said.fold(ChatRequest::default().with_system(SYSTEM), ChatRequest::append_message)
    }

    async fn call(&self, history: &mut Self::History, question: &str) -> Result<(), BoxError> {
        history.messages.push(ChatMessage::user(question));
        let response = self.0.exec_chat(MODEL, history.clone(), Some(&options())).await?;
        let answer = response.first_text().ok_or("there is no answer")?;
        history.messages.push(ChatMessage::assistant(answer));
        Ok(())
    }

    async fn stream(&self, model: &str, mut first: impl FnMut()) -> Result<String, BoxError> {
        let request = Self::history(0).await.append_message(ChatMessage::user(QUESTION));
        let response = self.0.exec_chat_stream(model, request, Some(&options())).await?;
        let mut stream = response.stream;
        let mut text = String::new();
        while let Some(event) = stream.next().await {
            if let ChatStreamEvent::Chunk(chunk) = event? {
                first();
                text.push_str(&chunk.content);
            }
        }
        Ok(text)
    }

    async fn format_chat(n: usize) -> Sample {
        let history = Self::history(n).await;
        repeated(|| history.clone().append_message(ChatMessage::user(QUESTION)))
    }
}
