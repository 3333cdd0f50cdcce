//! The adapter of the completion endpoint.

use std::sync::Arc;

use bytes::Bytes;
use conversant_core::{
    CompletionModel, CompletionRequest, LanguageModel, ModelDescription, ModelError, Reply,
    ReplyStream, async_trait,
};

use super::{
    adapter::{Adapter, constructors},
    builder::OpenAiBuilder,
    endpoint::Endpoint,
};
use crate::wire::{Accumulator, BodyWriter, push_stop, read_answer};

/// The default `max_tokens`: 256, as in LangChain.
const MAX_TOKENS: u32 = 256;

/// A model behind OpenAI's completion endpoint (`/completions`), or that of a compatible server.
///
/// OpenAI has had no completion models since 2026-09-28; llama.cpp, vLLM and Ollama serve the
/// endpoint for local ones. Cheap to clone: clones share the HTTP client and its connections.
///
/// Unless [`max_tokens`](OpenAiBuilder::max_tokens) is set, 256 is sent, as LangChain 0.1.20 does:
/// the endpoint's default of 16 cuts answers short. `max_tokens(None)` sends no limit.
///
/// # Examples
///
/// ```
/// use conversant_models::OpenAi;
///
/// let model = OpenAi::builder("qwen3-8b").base_url("http://localhost:11434/v1").build()?;
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
#[derive(Debug, Clone)]
pub struct OpenAi {
    adapter: Arc<Adapter>,
}

constructors!(OpenAi);

static COMPLETIONS: Endpoint =
    Endpoint { path: "completions", notes_origin: false, decode: read_answer };

impl OpenAi {
    /// # Errors
    /// [`ModelError::Config`], if the request has options that the endpoint does not have.
    fn body(
        &self,
        request: &CompletionRequest,
        streamed: bool,
    ) -> Result<Arc<[Bytes]>, ModelError> {
        if !request.options.tools.is_empty() || request.options.response_format.is_some() {
            return Err(ModelError::config(
                "cannot send tools or a response format to the completion endpoint; use the chat \
                 endpoint",
            ));
        }
        let adapter = &*self.adapter;
        let length = adapter.head.len() + request.prompt.len() + request.prompt.len() / 8 + 256;
        let mut body = BodyWriter::with_capacity(length);
        body.push(&adapter.head);
        if streamed {
            adapter.push_stream(&mut body);
        }
        push_stop(&mut body, &request.options, &adapter.options);
        // A list, as LangChain sends it.
        body.push(b"\"prompt\":[");
        body.push_text(&request.prompt);
        body.push(b"]}");
        Ok(body.finish())
    }
}

impl OpenAiBuilder<OpenAi> {
    /// Builds the adapter. Nothing is sent.
    ///
    /// # Errors
    /// [`ModelError::Config`], if the API key is missing, or the base URL, the proxy, a certificate
    /// or a parameter is invalid.
    pub fn build(mut self) -> Result<OpenAi, ModelError> {
        if self.params.get("max_tokens").is_none() {
            self.params.set("max_tokens", MAX_TOKENS);
        }
        self.params.remove_null("max_tokens");
        // A server that repeats the prompt may be asked for the probabilities of its tokens alone.
        if self.params.get("echo") != Some(&true.into()) {
            self.params.refuse_zero("max_tokens");
        }
        Ok(OpenAi { adapter: Arc::new(Adapter::new(&self)?) })
    }
}

#[async_trait]
impl CompletionModel for OpenAi {
    async fn generate(&self, request: &CompletionRequest) -> Result<Reply, ModelError> {
        let body = self.body(request, false)?;
        let mut call = self.adapter.start(&request.options)?;
        self.adapter.generate(&mut call, &COMPLETIONS, &body, &request.options).await
    }

    async fn stream(&self, request: &CompletionRequest) -> Result<ReplyStream, ModelError> {
        let body = self.body(request, true)?;
        let (adapter, mut call) = (&self.adapter, self.adapter.start(&request.options)?);
        adapter.stream::<Accumulator>(&mut call, &COMPLETIONS, &body, &request.options).await
    }

    fn describe(&self) -> ModelDescription {
        self.adapter.describe()
    }
}

impl From<OpenAi> for LanguageModel {
    fn from(model: OpenAi) -> Self {
        Self::completion(model)
    }
}
