//! A chat or completion model, and the one place that distinguishes them.

use std::{fmt, sync::Arc};

use super::{
    error::ModelError,
    reply::Reply,
    request::{CallOptions, ChatRequest, CompletionRequest},
    stream::ReplyStream,
    traits::{ChatModel, CompletionModel},
};
use crate::{
    observer::{
        ModelDescription, observe_chat, observe_chat_stream, observe_completion,
        observe_completion_stream,
    },
    prompt_value::PromptValue,
};

/// A shared chat or completion model. A prompt of the other kind is converted. Messages become a
/// transcript for a completion model; text becomes one human message for a chat model.
///
/// Chains and memories take `impl Into<LanguageModel>`: pass any [`ChatModel`], also an
/// `Arc<dyn ChatModel>`, as it is, and a [`CompletionModel`] in [`completion`](Self::completion).
/// The completion adapters of `conversant-models` can be passed as they are, too.
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
    /// Wraps a chat model.
    #[must_use]
    pub fn chat(model: impl ChatModel + 'static) -> Self {
        Self::Chat(Arc::new(model))
    }

    /// Wraps a completion model.
    #[must_use]
    pub fn completion(model: impl CompletionModel + 'static) -> Self {
        Self::Completion(Arc::new(model))
    }

    /// Returns what observers see of the model.
    #[must_use]
    pub fn describe(&self) -> ModelDescription {
        match self {
            Self::Chat(model) => (**model).describe(),
            Self::Completion(model) => {
                let mut model = (**model).describe();
                model.is_completion = true;
                model
            }
        }
    }

    /// Answers a prompt. Observers of the options see the request.
    ///
    /// # Errors
    /// The model's error.
    pub fn generate(
        &self,
        prompt: PromptValue,
        options: CallOptions,
    ) -> impl Future<Output = Result<Reply, ModelError>> + Send + '_ {
        // Created outside of the future: an `async fn` stores its arguments twice.
        let request = self.request(prompt, options);
        // `**model` is the model itself; called through a reference, its future is boxed twice.
        async move {
            match &request {
                Request::Chat(model, request) if request.options.events.is_enabled() => {
                    Box::pin(observe_chat(*model, request)).await
                }
                Request::Chat(model, request) => (**model).generate(request).await,
                Request::Completion(model, request) if request.options.events.is_enabled() => {
                    Box::pin(observe_completion(*model, request)).await
                }
                Request::Completion(model, request) => (**model).generate(request).await,
            }
        }
    }

    /// Returns whether the model's server makes answers match a JSON Schema of the options.
    #[must_use]
    pub fn enforces_schemas(&self) -> bool {
        match self {
            Self::Chat(model) => model.enforces_schemas(),
            Self::Completion(model) => model.enforces_schemas(),
        }
    }

    /// Answers a prompt piece by piece.
    ///
    /// # Errors
    /// The model's error.
    pub fn stream(
        &self,
        prompt: PromptValue,
        options: CallOptions,
    ) -> impl Future<Output = Result<ReplyStream, ModelError>> + Send + '_ {
        let request = self.request(prompt, options);
        async move {
            match &request {
                Request::Chat(model, request) if request.options.events.is_enabled() => {
                    Box::pin(observe_chat_stream(*model, request)).await
                }
                Request::Chat(model, request) => (**model).stream(request).await,
                Request::Completion(model, request) if request.options.events.is_enabled() => {
                    Box::pin(observe_completion_stream(*model, request)).await
                }
                Request::Completion(model, request) => (**model).stream(request).await,
            }
        }
    }

    /// Converts a prompt to a request of the model's kind.
    fn request(&self, prompt: PromptValue, options: CallOptions) -> Request<'_> {
        match self {
            Self::Chat(model) => {
                Request::Chat(&**model, ChatRequest { messages: prompt.into_messages(), options })
            }
            Self::Completion(model) => {
                let request = CompletionRequest { prompt: prompt.into_text(), options };
                Request::Completion(&**model, request)
            }
        }
    }
}

/// A request, with the model that it is for.
enum Request<'m> {
    Chat(&'m dyn ChatModel, ChatRequest),
    Completion(&'m dyn CompletionModel, CompletionRequest),
}

impl<M: ChatModel + 'static> From<M> for LanguageModel {
    fn from(model: M) -> Self {
        Self::chat(model)
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
