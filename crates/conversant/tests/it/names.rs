//! The items that newcomers name first are in the one crate.

use conversant::{
    BufferMemory, CallOptions, ChatHistory, ChatModel, ChatPromptTemplate, CompletionModel,
    Conversations, Delta, Embeddings, InMemoryHistory, LanguageModel, LlmChain, LocalModel, Memory,
    Message, Messages, ModelError, Observer, OpenAi, OpenAiChat, OpenAiResponses, OutputParser,
    PromptTemplate, Reply, SessionId, Tool, Usage, Verbose, async_trait, vars,
};

/// Names each item, so that the import is used; those that are ambiguous do not compile.
#[test]
fn they_are() {
    fn type_is_named<T: ?Sized>() {}
    type_is_named::<(BufferMemory, CallOptions, ChatPromptTemplate, Delta, InMemoryHistory)>();
    type_is_named::<(LanguageModel, LlmChain, LocalModel, Message, Messages, ModelError)>();
    type_is_named::<(OpenAi, OpenAiChat, OpenAiResponses, PromptTemplate, Reply, SessionId)>();
    type_is_named::<(Usage, Verbose)>();
    type_is_named::<dyn ChatHistory>();
    type_is_named::<dyn ChatModel>();
    type_is_named::<dyn CompletionModel>();
    type_is_named::<dyn Embeddings>();
    type_is_named::<dyn Memory>();
    type_is_named::<dyn Observer>();
    type_is_named::<dyn OutputParser>();
    type_is_named::<dyn Tool>();
    type_is_named::<fn(Conversations)>();
    assert_eq!(vars! { "a" => "b" }.len(), 1);
}

struct Parrot;

#[async_trait]
impl CompletionModel for Parrot {
    async fn generate(&self, request: &conversant::CompletionRequest) -> Result<Reply, ModelError> {
        Ok(Reply::new(Message::ai(request.prompt.as_str())))
    }
}

#[test]
fn a_model_is_written_with_it_alone() {
    drop(LanguageModel::completion(Parrot));
}
