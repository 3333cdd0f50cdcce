//! The model that answers: on a server, or in this process.

use conversant_core::LanguageModel;
use conversant_models::{OpenAi, OpenAiBuilder, OpenAiChat, markers::TextEndpoint};
use conversant_models_local::{LocalModel, LocalModelBuilder};

use crate::{failure::Failure, model_arguments::ModelArguments, weights};

/// The longest answer of a local model unless it is set, in tokens. A small model may not end by
/// itself.
const LOCAL_MAX_TOKENS: u32 = 200;

/// The model that answers.
#[derive(Clone)]
pub enum Backend {
    /// A model on a server.
    Server { model: LanguageModel, name: String, is_completion: bool },
    /// A model in this process.
    Local { model: LocalModel, is_completion: bool },
}

impl Backend {
    /// Connects to the model that the arguments ask for. What is downloaded is said on standard
    /// error, in lines that begin with the program's name.
    pub async fn connect(arguments: &ModelArguments, program: &str) -> Result<Self, Failure> {
        if let Some(file) = &arguments.model_file {
            return local(arguments, LocalModel::builder(file)).await;
        }
        let name = arguments.model.as_deref().filter(|name| !name.is_empty());
        let has_server = arguments.base_url.is_some() || api_key(arguments)?.is_some();
        match (name, weights::known(name)) {
            (_, Some(known)) if !has_server => {
                let offline = arguments.offline;
                let file = weights::file(known, offline, name.is_some(), program).await?;
                local(arguments, LocalModel::builder(file).name(known.name.clone())).await
            }
            (None, _) => {
                let line =
                    "cannot choose a model: none is named; give --model, or set OPENAI_MODEL";
                Err(Failure::Usage(line.to_owned()))
            }
            (Some(name), _) => server(arguments, name),
        }
    }

    /// Returns the model's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Server { name, .. } => name,
            Self::Local { model, .. } => model.name(),
        }
    }

    /// Returns whether the model continues a text.
    pub const fn is_completion(&self) -> bool {
        match self {
            Self::Server { is_completion, .. } | Self::Local { is_completion, .. } => {
                *is_completion
            }
        }
    }

    /// Returns the model for a chain.
    pub fn model(&self) -> LanguageModel {
        match self {
            Self::Server { model, .. } => model.clone(),
            Self::Local { model, is_completion: true } => LanguageModel::completion(model.clone()),
            Self::Local { model, is_completion: false } => LanguageModel::chat(model.clone()),
        }
    }

    /// Returns the names of the models that [`connect`](Self::connect) can name in place of this
    /// one: those of the server, or those that can be downloaded.
    pub async fn models(&self, arguments: &ModelArguments) -> Result<Vec<String>, Failure> {
        match self {
            Self::Server { name, .. } => {
                let model = configure(OpenAiChat::builder(name), arguments)?.build();
                let models = model.map_err(Failure::other)?.models().await;
                let models = models.map_err(Failure::other)?;
                Ok(models.into_iter().map(|model| model.id).collect())
            }
            Self::Local { .. } => Ok(weights::names()),
        }
    }

    /// Returns the local model.
    pub const fn local(&self) -> Option<&LocalModel> {
        match self {
            Self::Server { .. } => None,
            Self::Local { model, .. } => Some(model),
        }
    }
}

async fn local(arguments: &ModelArguments, builder: LocalModelBuilder) -> Result<Backend, Failure> {
    let mut builder = builder.max_tokens(arguments.max_tokens.unwrap_or(LOCAL_MAX_TOKENS));
    if let Some(temperature) = arguments.temperature {
        #[allow(clippy::cast_possible_truncation, reason = "a setting of few digits")]
        let temperature = temperature as f32;
        builder = builder.temperature(temperature);
    }
    let loaded = tokio::task::spawn_blocking(|| builder.build()).await.map_err(Failure::other)?;
    let model = loaded.map_err(Failure::other)?;
    Ok(Backend::Local { model, is_completion: !arguments.chat_template })
}

fn server(arguments: &ModelArguments, name: &str) -> Result<Backend, Failure> {
    let model = match arguments.completion {
        true => {
            let builder = configure(OpenAi::builder(name), arguments)?;
            // Without it, a completion model goes on to write the human's next line too.
            builder.stop(["\nHuman:"]).build().map(LanguageModel::from)
        }
        false => configure(OpenAiChat::builder(name), arguments)?.build().map(LanguageModel::from),
    };
    let model = model.map_err(|error| with_flags(Failure::other(error)))?;
    Ok(Backend::Server { model, name: name.to_owned(), is_completion: arguments.completion })
}

/// Names the flags that mend a missing key, where the library names its methods.
fn with_flags(failure: Failure) -> Failure {
    match failure {
        Failure::Other(line) if line.starts_with("missing API key") => Failure::Other(
            "missing API key; set OPENAI_API_KEY, name another variable with --api-key-env, give \
             a server on this machine with --base-url, or leave out --model for a model in this \
             process"
                .to_owned(),
        ),
        failure => failure,
    }
}

/// Sets what the arguments ask for; what they don't is not sent.
fn configure<M: TextEndpoint>(
    builder: OpenAiBuilder<M>,
    arguments: &ModelArguments,
) -> Result<OpenAiBuilder<M>, Failure> {
    let mut builder = builder.timeout(arguments.timeout).max_retries(arguments.max_retries);
    if let Some(key) = api_key(arguments)? {
        builder = builder.api_key(key);
    }
    if let Some(url) = &arguments.base_url {
        builder = builder.base_url(url);
    }
    if let Some(temperature) = arguments.temperature {
        builder = builder.temperature(temperature);
    }
    if let Some(tokens) = arguments.max_tokens {
        builder = builder.max_tokens(tokens);
    }
    Ok(builder)
}

fn api_key(arguments: &ModelArguments) -> Result<Option<String>, Failure> {
    let name = &arguments.api_key_env;
    match std::env::var(name) {
        Ok(key) if key.is_empty() => Ok(None),
        Ok(key) => Ok(Some(key)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::Other(format!("{name} is not text")))
        }
    }
}
