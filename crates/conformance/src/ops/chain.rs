//! `chain`: a whole chain over HTTP, with the real adapters and a server that answers from the
//! case.

use std::sync::Arc;

use conversant_chains::{ChainError, LlmChain, Verbose, WiringError, WiringFault};
use conversant_core::{
    CallOptions, LanguageModel, LoadContext, Memory, Messages, Prompt, Role, Value, Variables,
};
use conversant_models::{OpenAi, OpenAiBuilder, OpenAiChat, markers::TextEndpoint};
use conversant_prompts::{ChatPromptTemplate, PromptTemplate};
use conversant_testkit::{OpenAiServer, RecordedRequest, ScriptedCompletion};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::chat_prompt::Part;
use crate::{case, failure::Failure, memories, short_form};

#[derive(Deserialize)]
struct Input {
    prompt: Template,
    memory: Option<memories::Spec>,
    model: Model,
    model_replies: Vec<String>,
    #[serde(default)]
    summary_replies: Vec<String>,
    #[serde(default)]
    verbose: bool,
    calls: Vec<Call>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Template {
    Template(String),
    Chat(Vec<Part>),
}

#[derive(Deserialize)]
struct Model {
    kind: ModelKind,
    model: String,
    #[serde(flatten)]
    parameters: Map<String, Json>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum ModelKind {
    Completion,
    Chat,
}

#[derive(Deserialize)]
struct Call {
    method: Method,
    inputs: Map<String, Json>,
    #[serde(default)]
    stop: Option<Vec<String>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Method {
    Predict,
    Invoke,
}

pub(crate) fn run(input: &Json) -> Result<Json, Failure> {
    let input: Input = case::input(input)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::broken(&error))?.block_on(run_calls(input))
}

async fn run_calls(input: Input) -> Result<Json, Failure> {
    let Input { prompt, memory, model, model_replies, summary_replies, verbose, calls } = input;
    let server = OpenAiServer::start(model_replies).map_err(|error| Failure::broken(&error))?;
    let summariser = ScriptedCompletion::new(summary_replies);
    let live = memory.as_ref().and_then(memories::Spec::live_variable);
    let memory = memory.map(|memory| memory.build(&summariser)).transpose()?;
    let memory = memory.map(|built| built.memory);
    let (observer, transcripts) = Verbose::buffer();

    let mut chain = LlmChain::builder().prompt(prompt.build()?).model(model.build(&server)?);
    if let Some(memory) = &memory {
        chain = chain.memory(Arc::clone(memory));
    }
    if verbose {
        chain = chain.observer(observer);
    }
    let chain = chain.build()?;

    let mut outputs = Vec::new();
    for call in calls {
        outputs.push(match call.run(&chain, live.as_deref()).await {
            Ok(value) => json!({ "ok": value }),
            Err(Failure::Refused(kind)) => json!({ "err": kind }),
            Err(failure) => return Err(failure),
        });
    }
    let requests: Vec<_> = server.requests().iter().map(|request| model.reduce(request)).collect();
    Ok(json!({
        "stdout": transcripts.take(),
        "outputs": outputs,
        "requests": requests,
        "memory": match &memory {
            Some(memory) => load(&**memory).await?,
            None => Json::Null,
        },
    }))
}

impl Template {
    fn build(self) -> Result<Box<dyn Prompt>, Failure> {
        Ok(match self {
            Self::Template(template) => Box::new(PromptTemplate::from_template(template)?),
            Self::Chat(messages) => Box::new(ChatPromptTemplate::from_messages(messages)?),
        })
    }
}

impl Model {
    fn build(&self, server: &OpenAiServer) -> Result<LanguageModel, Failure> {
        let model = match self.kind {
            ModelKind::Completion => {
                self.set(OpenAi::builder(&self.model), server).build().map(LanguageModel::from)
            }
            ModelKind::Chat => {
                self.set(OpenAiChat::builder(&self.model), server).build().map(LanguageModel::from)
            }
        };
        model.map_err(|error| Failure::broken(&error))
    }

    fn set<M: TextEndpoint>(
        &self,
        builder: OpenAiBuilder<M>,
        server: &OpenAiServer,
    ) -> OpenAiBuilder<M> {
        let mut builder = builder.base_url(server.base_url()).max_retries(0);
        for (name, value) in &self.parameters {
            let number = value.as_f64().unwrap_or_default();
            builder = match name.as_str() {
                "temperature" => builder.temperature(number),
                "top_p" => builder.top_p(number),
                "presence_penalty" => builder.presence_penalty(number),
                "frequency_penalty" => builder.frequency_penalty(number),
                "max_tokens" => {
                    builder.max_tokens(value.as_u64().and_then(|tokens| u32::try_from(tokens).ok()))
                }
                _ => builder.extra(name, value.clone()),
            };
        }
        builder
    }

    /// Reduces a request to what a case says of it.
    fn reduce(&self, request: &RecordedRequest) -> Json {
        let body = request.json();
        let mut reduced = Map::new();
        reduced.insert("path".to_owned(), json!(request.path()));
        let parameters = self.parameters.keys().map(String::as_str);
        for name in parameters.chain(["model", "stop", "messages", "prompt"]) {
            let value = match body.get(name) {
                Some(Json::Array(prompts)) if name == "prompt" && prompts.len() == 1 => {
                    prompts.first()
                }
                value => value,
            };
            if let Some(value) = value {
                reduced.insert(name.to_owned(), value.clone());
            }
        }
        reduced.into()
    }
}

impl Call {
    async fn run(self, chain: &LlmChain, live: Option<&str>) -> Result<Json, Failure> {
        let inputs = short_form::variables(&self.inputs);
        let options = CallOptions::new().with_stop(self.stop.unwrap_or_default());
        match self.method {
            Method::Predict => Ok(json!(chain.predict_with(inputs, options).await?)),
            Method::Invoke => {
                let mut variables = chain.invoke_with(inputs, options).await?.variables;
                if let (Some(name), Some(memory)) = (live, chain.memory()) {
                    see_what_was_saved(&mut variables, name, memory).await?;
                }
                Ok(short_form::write_variables(&variables))
            }
        }
    }
}

/// Loads the variables of a memory.
async fn load(memory: &dyn Memory) -> Result<Json, Failure> {
    let loaded = memory.load(LoadContext::new(&Variables::new())).await?;
    Ok(short_form::write_variables(&loaded.variables))
}

/// Replaces a list of messages that the reference hands out itself by what it holds after the call.
/// Where a summary comes first the reference hands out a copy, and the summary is never part of its
/// own list.
async fn see_what_was_saved(
    variables: &mut Variables,
    name: &str,
    memory: &dyn Memory,
) -> Result<(), Failure> {
    let begins_with_summary =
        |messages: &Messages| messages.first().is_some_and(|first| *first.role() == Role::System);
    let before = variables.get(name).and_then(Value::as_messages);
    if before.is_some_and(begins_with_summary) {
        return Ok(());
    }
    let nothing = Variables::new();
    let after = memory.load(LoadContext::new(&nothing)).await?.variables.remove(name);
    if let Some(Value::Messages(messages)) = after {
        let from = usize::from(begins_with_summary(&messages));
        variables.insert(name.to_owned(), messages.slice(from..));
    }
    Ok(())
}

impl From<WiringError> for Failure {
    fn from(error: WiringError) -> Self {
        let key = error.faults().iter().find_map(|fault| match fault {
            WiringFault::Key(key) => Some(Self::from(key)),
            _ => None,
        });
        key.unwrap_or_else(|| Self::broken(&error))
    }
}

impl From<ChainError> for Failure {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Load(error) => error.into(),
            ChainError::MissingInputs { .. } => Self::Refused("missing_variable"),
            ChainError::Prompt(error) => error.into(),
            other => Self::broken(&other),
        }
    }
}
