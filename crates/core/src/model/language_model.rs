//! A model of either shape, and the one place that tells them apart.

use std::{fmt, sync::Arc};

use super::{
    CallOptions, ChatModel, ChatRequest, CompletionModel, CompletionRequest, ModelError, Reply,
    ReplyStream,
};
use crate::prompt_value::PromptValue;

/// A model of either shape, shared. A prompt of the other shape is rendered to the model's: messages to a transcript for a
/// completion model, text to one human message for a chat model.
///
/// # Examples
///
/// ```
/// # use conversant_core::{async_trait, CompletionModel, CompletionRequest, Message, ModelError, Reply};
/// use conversant_core::{CallOptions, LanguageModel};
/// # struct Echo;
/// # #[async_trait]
/// # impl CompletionModel for Echo {
/// #     async fn generate(&self, request: &CompletionRequest) -> Result<Reply, ModelError> {
/// #         Ok(Reply::new(Message::ai(request.prompt.as_str())))
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ModelError> {
///
/// let model = LanguageModel::completion(Echo);
/// let reply = model.generate("Once upon a time".into(), CallOptions::new()).await?;
/// assert_eq!(reply.text(), "Once upon a time");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum LanguageModel {
    /// A model that takes messages.
    Chat(Arc<dyn ChatModel>),
    /// A model that takes text.
    Completion(Arc<dyn CompletionModel>),
}

impl LanguageModel {
    /// Creates it from a chat model.
    #[must_use]
    pub fn chat(model: impl ChatModel + 'static) -> Self {
        Self::Chat(Arc::new(model))
    }

    /// Creates it from a completion model.
    #[must_use]
    pub fn completion(model: impl CompletionModel + 'static) -> Self {
        Self::Completion(Arc::new(model))
    }

    /// Answers a prompt.
    ///
    /// # Errors
    /// What the model returns.
    // The stars call the models themselves: through the `Arc`s each future would be boxed twice.
    pub async fn generate(
        &self,
        prompt: PromptValue,
        options: CallOptions,
    ) -> Result<Reply, ModelError> {
        match self {
            Self::Chat(model) => {
                (**model).generate(&ChatRequest { messages: prompt.into_messages(), options }).await
            }
            Self::Completion(model) => {
                (**model).generate(&CompletionRequest { prompt: prompt.into_text(), options }).await
            }
        }
    }

    /// Answers a prompt piece by piece.
    ///
    /// # Errors
    /// What the model returns.
    pub async fn stream(
        &self,
        prompt: PromptValue,
        options: CallOptions,
    ) -> Result<ReplyStream, ModelError> {
        match self {
            Self::Chat(model) => {
                (**model).stream(&ChatRequest { messages: prompt.into_messages(), options }).await
            }
            Self::Completion(model) => {
                (**model).stream(&CompletionRequest { prompt: prompt.into_text(), options }).await
            }
        }
    }
}

impl fmt::Debug for LanguageModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chat(_) => "LanguageModel::Chat(…)",
            Self::Completion(_) => "LanguageModel::Completion(…)",
        })
    }
}
