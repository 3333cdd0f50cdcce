//! The traits of chat and completion models.

use async_trait::async_trait;

use super::{
    error::ModelError,
    reply::Reply,
    request::{ChatRequest, CompletionRequest},
    stream::ReplyStream,
};
#[cfg(doc)]
use super::{error::TimeoutPhase, request::CallOptions};
use crate::observer::ModelDescription;

/// A model that takes messages and answers with a message.
///
/// Implemented by model crates; called by chains and by memories that summarise. The request is
/// borrowed, so that a model can retry without a copy. The model enforces
/// [`CallOptions::deadline`]: it checks it while it waits too, for the server and between the
/// pieces of a stream.
///
/// Write `#[async_trait]` above the `impl`. A call whose deadline has passed fails with
/// [`ModelError::Timeout`] in the phase [`TimeoutPhase::Total`], as
/// [`CallOptions::check_deadline`] returns it. An answer ends before the first of the stop
/// sequences ([`CallOptions::stop`]); a model that has none refuses them. No error quotes what was
/// said.
/// `suite::chat_model` and `suite::slow_chat_model` of `conversant-testkit` check this.
///
/// # Examples
///
/// See the [crate's page](crate) for a model of eight lines.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a chat model",
    note = "implement `ChatModel` for it, with `#[async_trait]` above the `impl`",
    note = "pass a completion model to a chain or a memory as `LanguageModel::completion(…)`"
)]
pub trait ChatModel: Send + Sync {
    /// Returns the answer.
    ///
    /// # Errors
    /// [`ModelError`]; its variants correspond to actions of the caller.
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError>;

    /// Returns the answer piece by piece. By default, the stream has the whole answer of
    /// [`generate`](Self::generate), with its text as one piece ([`ReplyStream::whole`]).
    ///
    /// The pieces are the answer: their texts together are the text of the reply in
    /// [`Delta::Done`](crate::Delta::Done), which is the last item, and pieces of tool calls, if
    /// there are any, are those of its calls. A tool loop has the pieces of all its rounds. Chains
    /// pass on what comes, and a text that is in `Done` alone is never shown to a reader of pieces.
    ///
    /// # Errors
    /// [`ModelError`] if the answer does not begin. Later errors are items of the stream.
    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        self.generate(request).await.map(ReplyStream::whole)
    }

    /// Returns whether the model's server makes answers match a
    /// [`ResponseFormat::JsonSchema`](super::ResponseFormat::JsonSchema) of the options. By default
    /// `false`: then a chain that asks for an answer of a type puts the schema into the prompt.
    fn enforces_schemas(&self) -> bool {
        false
    }

    /// Returns what observers see of the model: its name, its provider and its server. Empty by
    /// default. A model around another one returns the other's.
    fn describe(&self) -> ModelDescription {
        ModelDescription::new()
    }
}

/// A model that takes text and continues it.
///
/// Like [`ChatModel`], but over text: the reply's message is an AI message with the continuation.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a completion model",
    note = "implement `CompletionModel` for it, with `#[async_trait]` above the `impl`"
)]
pub trait CompletionModel: Send + Sync {
    /// Returns the continuation of the text.
    ///
    /// # Errors
    /// [`ModelError`]; its variants correspond to actions of the caller.
    async fn generate(&self, request: &CompletionRequest) -> Result<Reply, ModelError>;

    /// Returns the continuation piece by piece, as [`ChatModel::stream`] does. By default, the
    /// stream has the whole answer of [`generate`](Self::generate) as one piece.
    ///
    /// # Errors
    /// [`ModelError`] if the answer does not begin. Later errors are items of the stream.
    async fn stream(&self, request: &CompletionRequest) -> Result<ReplyStream, ModelError> {
        self.generate(request).await.map(ReplyStream::whole)
    }

    /// Returns whether the model's server makes answers match a
    /// [`ResponseFormat::JsonSchema`](super::ResponseFormat::JsonSchema) of the options, as for
    /// [`ChatModel::enforces_schemas`]. By default `false`.
    fn enforces_schemas(&self) -> bool {
        false
    }

    /// Returns what observers see of the model: its name, its provider and its server. Empty by
    /// default. A model around another one returns the other's.
    fn describe(&self) -> ModelDescription {
        ModelDescription::new()
    }
}

macro_rules! forward_model {
    ($model:ident, $request:ty: $($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<M: $model + ?Sized> $model for $pointer {
            async fn generate(&self, request: &$request) -> Result<Reply, ModelError> {
                (**self).generate(request).await
            }
            async fn stream(&self, request: &$request) -> Result<ReplyStream, ModelError> {
                (**self).stream(request).await
            }
            fn enforces_schemas(&self) -> bool {
                (**self).enforces_schemas()
            }
            fn describe(&self) -> ModelDescription {
                (**self).describe()
            }
        }
    )*};
}
forward_model!(ChatModel, ChatRequest: &M, Box<M>, std::sync::Arc<M>);
forward_model!(CompletionModel, CompletionRequest: &M, Box<M>, std::sync::Arc<M>);
