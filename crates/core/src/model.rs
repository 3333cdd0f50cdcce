//! The model seam: chat and completion models, what they are asked and what they answer.

mod api_error;
mod decode_error;
mod error;
mod language_model;
mod reply;
mod request;
mod stream;
mod tools;

use async_trait::async_trait;

pub use self::{
    api_error::{ApiError, StatusKind},
    decode_error::DecodeError,
    error::{ModelError, PartialReply, TimeoutPhase, TransportPhase},
    language_model::LanguageModel,
    reply::{Choice, FinishReason, Reply, Usage},
    request::{CallOptions, ChatRequest, CompletionRequest},
    stream::{Delta, ReplyStream, ToolCallDelta},
    tools::{ResponseFormat, ToolChoice, ToolDefinition},
};

/// A model that takes messages and answers with a message.
///
/// **Who implements it**: model crates. **Who calls it**: chains, and memories that summarise. The request is borrowed, so that a
/// model may retry without a copy. A model keeps to [`CallOptions::deadline`] itself: nothing above it sleeps.
///
/// # Examples
///
/// See the [crate's page](crate) for a model of eight lines.
#[async_trait]
pub trait ChatModel: Send + Sync {
    /// Answers.
    ///
    /// # Errors
    /// [`ModelError`], whose kinds say what the caller can do.
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError>;

    /// Answers piece by piece. The default gives the whole answer of [`generate`](Self::generate) as one piece.
    ///
    /// # Errors
    /// [`ModelError`], if the answer does not begin; what happens later is an item of the stream.
    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        self.generate(request).await.map(ReplyStream::whole)
    }
}

/// A model that takes text and continues it.
///
/// As [`ChatModel`], but over text: the reply's message is an AI message that holds the continuation.
#[async_trait]
pub trait CompletionModel: Send + Sync {
    /// Continues the text.
    ///
    /// # Errors
    /// [`ModelError`], whose kinds say what the caller can do.
    async fn generate(&self, request: &CompletionRequest) -> Result<Reply, ModelError>;

    /// Continues the text piece by piece. The default gives the whole of [`generate`](Self::generate) as one piece.
    ///
    /// # Errors
    /// [`ModelError`], if the answer does not begin; what happens later is an item of the stream.
    async fn stream(&self, request: &CompletionRequest) -> Result<ReplyStream, ModelError> {
        self.generate(request).await.map(ReplyStream::whole)
    }
}

macro_rules! forward_model {
    ($model:ident, $request:ty: $($pointer:ty),*) => {$(
        #[async_trait]
        impl<M: $model + ?Sized> $model for $pointer {
            async fn generate(&self, request: &$request) -> Result<Reply, ModelError> {
                (**self).generate(request).await
            }
            async fn stream(&self, request: &$request) -> Result<ReplyStream, ModelError> {
                (**self).stream(request).await
            }
        }
    )*};
}
forward_model!(ChatModel, ChatRequest: &M, Box<M>, std::sync::Arc<M>);
forward_model!(CompletionModel, CompletionRequest: &M, Box<M>, std::sync::Arc<M>);
