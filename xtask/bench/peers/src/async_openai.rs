//! async-openai: typed requests from a list of its messages.

use async_openai::{
    config::OpenAIConfig,
    types::chat::{
        ChatCompletionRequestAssistantMessage, ChatCompletionRequestMessage,
        ChatCompletionRequestSystemMessage, ChatCompletionRequestUserMessage,
        CreateChatCompletionRequest, CreateChatCompletionRequestArgs,
    },
};
use bench::{
    measure::{Sample, repeated},
    workload::{KEY, MODEL, QUESTION, SYSTEM, TEMPERATURE, is_human, message},
};
use conversant_core::BoxError;
use futures_util::StreamExt;

use crate::peer::Client;

/// async-openai's client.
pub(crate) struct AsyncOpenAi(async_openai::Client<OpenAIConfig>);

fn human(text: &str) -> ChatCompletionRequestMessage {
    ChatCompletionRequestUserMessage::from(text).into()
}

fn ai(text: &str) -> ChatCompletionRequestMessage {
    ChatCompletionRequestAssistantMessage::from(text).into()
}

/// Makes a request of a copy of the messages.
fn request(
    model: &str,
    messages: &[ChatCompletionRequestMessage],
) -> Result<CreateChatCompletionRequest, BoxError> {
    let mut request = CreateChatCompletionRequestArgs::default();
    request.model(model).temperature(TEMPERATURE as f32).messages(messages.to_vec());
    Ok(request.build()?)
}

impl Client for AsyncOpenAi {
    type History = Vec<ChatCompletionRequestMessage>;

    fn new(base_url: &str) -> Result<Self, BoxError> {
        let config = OpenAIConfig::new().with_api_base(base_url).with_api_key(KEY);
        Ok(Self(async_openai::Client::with_config(config)))
    }

    async fn history(n: usize) -> Self::History {
        let said = (0..n).map(|index| match is_human(index) {
            true => human(&message(index)),
            false => ai(&message(index)),
        });
        [ChatCompletionRequestSystemMessage::from(SYSTEM).into()].into_iter().chain(said).collect()
    }

    async fn call(&self, history: &mut Self::History, question: &str) -> Result<(), BoxError> {
        history.push(human(question));
        let response = self.0.chat().create(request(MODEL, history)?).await?;
        let answer = response.choices.first().and_then(|choice| choice.message.content.as_deref());
        history.push(ai(answer.ok_or("there is no answer")?));
        Ok(())
    }

    async fn stream(&self, model: &str, mut first: impl FnMut()) -> Result<String, BoxError> {
        let mut messages = Self::history(0).await;
        messages.push(human(QUESTION));
        let mut stream = self.0.chat().create_stream(request(model, &messages)?).await?;
        let mut text = String::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            let delta = chunk.choices.first().and_then(|choice| choice.delta.content.as_deref());
            if let Some(delta) = delta {
                first();
                text.push_str(delta);
            }
        }
        Ok(text)
    }

    async fn format_chat(n: usize) -> Sample {
        let history = Self::history(n).await;
        repeated(|| {
            let mut messages = history.clone();
            messages.push(human(QUESTION));
            let mut request = CreateChatCompletionRequestArgs::default();
            request.model(MODEL).messages(messages).build().expect("it is complete")
        })
    }
}
