//! The adapter of the Responses interface.

use std::sync::Arc;

use bytes::Bytes;
use conversant_core::{
    ChatModel, ChatRequest, ModelDescription, ModelError, Reply, ReplyStream, async_trait,
};
use serde_json::{Map, Value as Json, json};

use super::{
    adapter::{Adapter, constructors},
    builder::OpenAiBuilder,
    endpoint::Endpoint,
    message_view,
};
use crate::dialect::{CacheBreakpoint, SendBack};
use crate::wire::{
    BodyWriter, ResponseAccumulator, ResponsesStyle, absent_parameter, push_prompt_cache_key,
    push_responses_options, read_response,
};

/// The room for the rest of a request, besides its head and its messages.
const REST: usize = 256;

/// The code of the error that refuses encrypted reasoning: it was changed, or is another account's.
const INVALID_ENCRYPTED_CONTENT: &str = "invalid_encrypted_content";

/// A model behind OpenAI's Responses interface (`/responses`), or that of a compatible server:
/// Azure's v1 interface (`base_url("https://NAME.openai.azure.com/openai/v1")`, with the deployment
/// as the model), llama.cpp, Ollama, vLLM.
///
/// Needs the feature `responses`.
///
/// OpenAI's models from gpt-5.4 on reason with tools on this interface only. It is used
/// statelessly: `store` is `false`, and each request holds the whole conversation. All output items
/// of an answer are kept with its message and sent back in order, encrypted reasoning included. It
/// is asked for if the model is one of OpenAI's that reason, by its name, or if a reasoning effort
/// or summary is set; for the name of a deployment, set one of them. If a server refuses the
/// reasoning, the request is made once more without it, within the time and the retries of the
/// call.
///
/// Cheap to clone: clones share the HTTP client and its connections.
///
/// The interface has no `stop`, `n`, `seed`, `logit_bias`, penalties or `max_tokens`. Setting one
/// is an error of `build`, or of the call that sets it.
///
/// # Examples
///
/// ```no_run
/// use conversant_models::OpenAiResponses;
///
/// let model = OpenAiResponses::from_env("gpt-6-luna").reasoning_effort("low").build()?;
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
#[derive(Debug, Clone)]
pub struct OpenAiResponses {
    adapter: Arc<Adapter>,
    styles: Arc<Styles>,
}

/// The forms of messages.
#[derive(Debug)]
struct Styles {
    usual: ResponsesStyle,
    /// After the server has refused the reasoning.
    without_reasoning: ResponsesStyle,
    /// The fields of the parameter `text` that are set.
    text: Map<String, Json>,
}

constructors!(OpenAiResponses);

static RESPONSES: Endpoint =
    Endpoint { path: "responses", notes_origin: true, decode: read_response };

impl OpenAiResponses {
    /// # Errors
    /// [`ModelError::Config`], if the call sets what the interface does not have.
    fn body(
        &self,
        request: &ChatRequest,
        style: &ResponsesStyle,
        streamed: bool,
    ) -> Result<Arc<[Bytes]>, ModelError> {
        let adapter = &*self.adapter;
        let form = CacheBreakpoint::PromptCacheBreakpoint;
        let breakpoint = adapter.settings.cache_breakpoints.then_some(form);
        let view = message_view::of(&request.messages, &adapter.dialect, breakpoint);
        let messages = view.as_ref().unwrap_or(&request.messages);
        let mut body = BodyWriter::default();
        body.make_room(messages, style, adapter.head.len() + REST);
        body.push(&adapter.head);
        if streamed {
            // Usage always comes with the end.
            body.push(b"\"stream\":true,");
        }
        let text = &self.styles.text;
        push_responses_options(&mut body, &request.options, &adapter.options, text)?;
        if adapter.dialect.prompt_cache_key {
            push_prompt_cache_key(&mut body, &request.options, &adapter.options);
        }
        body.push(b"\"input\":");
        body.push_messages(messages, style);
        body.push(b"}");
        Ok(body.finish())
    }
}

/// Returns whether a server refused the reasoning of earlier answers.
fn refuses_reasoning(error: &ModelError) -> bool {
    error.api_error().is_some_and(|error| {
        error.code.as_deref() == Some(INVALID_ENCRYPTED_CONTENT)
            || error.error_type.as_deref() == Some(INVALID_ENCRYPTED_CONTENT)
    })
}

impl OpenAiBuilder<OpenAiResponses> {
    /// Sets the maximum number of tokens of an answer, reasoning included. OpenAI's minimum is 16.
    pub fn max_output_tokens(mut self, tokens: u32) -> Self {
        self.params.set_count("max_output_tokens", tokens);
        self
    }

    /// Sets the reasoning effort, such as `none`, `low`, `medium` or `high`. Except with `none`,
    /// the server is asked for encrypted reasoning, which goes back to it in later requests.
    /// Without an effort, it is asked if the model is one of OpenAI's that reason, by its name.
    pub fn reasoning_effort(self, effort: impl Into<String>) -> Self {
        self.reasoning("effort", effort.into())
    }

    /// Asks for a summary of the reasoning: `auto`, `concise` or `detailed`.
    /// [`Reply::reasoning`] returns it.
    pub fn reasoning_summary(self, summary: impl Into<String>) -> Self {
        self.reasoning("summary", summary.into())
    }

    fn reasoning(mut self, name: &str, value: String) -> Self {
        let mut reasoning = self.params.get("reasoning").cloned().unwrap_or_else(|| json!({}));
        if let Some(fields) = reasoning.as_object_mut() {
            fields.insert(name.to_owned(), value.into());
        }
        self.params.set("reasoning", reasoning);
        self
    }

    /// Sets the length of answers: `low`, `medium` or `high`.
    pub fn verbosity(mut self, verbosity: impl Into<String>) -> Self {
        self.params.set(VERBOSITY, verbosity.into());
        self
    }

    /// Builds the adapter. Nothing is sent.
    ///
    /// # Errors
    /// [`ModelError::Config`], if the API key is missing, the base URL, the proxy, a certificate or
    /// a parameter is invalid, or the interface does not have a parameter.
    pub fn build(mut self) -> Result<OpenAiResponses, ModelError> {
        self.params.remove_null("max_tokens");
        let absent = self.params.names().filter_map(absent_parameter);
        let stop = self.params.options.stop.first().and_then(|_| absent_parameter("stop"));
        let absent: Vec<_> = absent.chain(stop).collect();
        for error in absent {
            self.params.faults.add(error.to_string());
        }
        if self.connection.is_azure() {
            self.params.faults.add(
                "the Responses interface of Azure has no deployments in its path; set \
                 `base_url(\"https://NAME.openai.azure.com/openai/v1\")`, and the deployment as \
                 the model",
            );
        }
        if self.params.get("store").is_none() {
            self.params.set("store", false);
        }
        let effort = self.params.get("reasoning").map(|reasoning| reasoning.get("effort").cloned());
        let reasons = match effort {
            Some(effort) => effort != Some(Json::from("none")),
            None => is_reasoning_model(&self.model),
        };
        if reasons && self.params.get("include").is_none() {
            self.params.set("include", json!(["reasoning.encrypted_content"]));
        }
        let text = self.text();
        let adapter = Adapter::new(&self)?;
        let usual = ResponsesStyle::new(adapter.style.developer_role, adapter.style.origin.clone());
        let without_reasoning = usual.without_reasoning();
        let usual = match adapter.dialect.reasoning {
            SendBack::Never => without_reasoning.clone(),
            _ => usual,
        };
        Ok(OpenAiResponses {
            adapter: Arc::new(adapter),
            styles: Arc::new(Styles { usual, without_reasoning, text }),
        })
    }

    /// Takes what is set of the parameter `text`, to which each call adds its format.
    fn text(&mut self) -> Map<String, Json> {
        let mut text = match self.params.take(TEXT) {
            None => Map::new(),
            Some(Json::Object(text)) => text,
            Some(_) => {
                self.params.faults.add("`text` must be an object");
                Map::new()
            }
        };
        if let Some(verbosity) = self.params.take(VERBOSITY) {
            text.insert(VERBOSITY.to_owned(), verbosity);
        }
        text
    }
}

/// Returns whether a model is one of OpenAI's that reason unless the effort is `none`, by its name:
/// gpt-5 and later, and the o series. OpenAI refuses to encrypt the reasoning of others.
fn is_reasoning_model(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let version = |family: &str| {
        let version = name.strip_prefix(family)?;
        let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<u32>().ok()
    };
    // Azure's usual name of gpt-3.5 is `gpt-35-turbo`.
    let is_gpt = version("gpt-").is_some_and(|version| (5..35).contains(&version));
    (is_gpt || version("o").is_some()) && !name.contains("-chat")
}

const TEXT: &str = "text";
const VERBOSITY: &str = "verbosity";

#[async_trait]
impl ChatModel for OpenAiResponses {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        let body = self.body(request, &self.styles.usual, false)?;
        let (adapter, options) = (&self.adapter, &request.options);
        let mut call = adapter.start(options)?;
        match adapter.generate(&mut call, &RESPONSES, &body, options).await {
            Err(error) if refuses_reasoning(&error) => {
                let body = self.body(request, &self.styles.without_reasoning, false)?;
                call.goes_on_after(&error, &options.events);
                adapter.generate(&mut call, &RESPONSES, &body, options).await
            }
            result => result,
        }
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        let body = self.body(request, &self.styles.usual, true)?;
        let (adapter, options) = (&self.adapter, &request.options);
        let mut call = adapter.start(options)?;
        let begun = adapter.stream::<ResponseAccumulator>(&mut call, &RESPONSES, &body, options);
        match begun.await {
            Err(error) if refuses_reasoning(&error) => {
                let body = self.body(request, &self.styles.without_reasoning, true)?;
                call.goes_on_after(&error, &options.events);
                adapter.stream::<ResponseAccumulator>(&mut call, &RESPONSES, &body, options).await
            }
            result => result,
        }
    }

    fn enforces_schemas(&self) -> bool {
        self.adapter.dialect.json_schema
    }

    fn describe(&self) -> ModelDescription {
        self.adapter.describe()
    }
}
