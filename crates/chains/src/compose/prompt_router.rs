//! A router that asks a model, and chains of which it chooses by their descriptions.

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use conversant_core::{
    LanguageModel, OutputParser, ParseError, Prompt, PromptError, PromptValue, Slot, Value,
    Variables,
};
use serde_json::Value as Json;

use super::{
    route::{Route, Router},
    router::{RouterChain, RouterChainBuilder},
    step_result::intermediate_answer,
};
use crate::{
    answer::Answer,
    builder::LlmChainBuilder,
    chain::{Chain, RunContext},
    error::ChainError,
    llm_chain::LlmChain,
    parser::{JsonParser, is_space},
    prompt_model_steps::{Parts, PromptModelSteps},
    settings::Settings,
    wiring::{TurnNames, WiringError},
};

/// The name that a model gives to choose the default chain.
const DEFAULT: &str = "DEFAULT";

/// A router that asks a model (LangChain 0.1.20 `chains/router/llm_router.py::LLMRouterChain`).
///
/// Needs the feature `composition`.
///
/// The model answers with a JSON object, bare or fenced, of two texts: `destination` is the name of
/// a chain or `DEFAULT`, and `next_inputs` becomes the input of the chosen chain. An answer of
/// another form is [`ChainError::Parse`], which has the model's reply.
///
/// # Examples
///
/// ```
/// use conversant_chains::{LlmChain, LlmRouter, RouterChain};
/// use conversant_core::vars;
/// use conversant_prompts::PromptTemplate;
/// use conversant_testkit::ScriptedCompletion;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = ScriptedCompletion::new([
///     r#"{"destination": "physics", "next_inputs": "Why is the sky blue?"}"#,
///     "It scatters.",
/// ]);
/// let chain = |template: &str| {
///     let prompt = PromptTemplate::from_template(template)?;
///     Ok::<_, Box<dyn std::error::Error>>(
///         LlmChain::builder().prompt(prompt).model(model.clone()).build()?,
///     )
/// };
/// let router = LlmRouter::for_destinations(model.clone(), [("physics", "questions of physics")]);
/// let chain = RouterChain::builder()
///     .router(router)
///     .destination("physics", chain("You are a physicist. {input}")?)
///     .default_chain(chain("{input}")?)
///     .build()?;
/// assert_eq!(chain.predict(vars! { "input" => "blue sky??" }).await?, "It scatters.");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LlmRouter {
    chain: Arc<dyn Chain>,
    /// The prompt of a router that has its own, and the model that it is for.
    own_prompt: Option<(RouterPrompt, LanguageModel)>,
    destinations: Vec<String>,
    default_destination: Cow<'static, str>,
    provides: [Cow<'static, str>; 1],
}

impl LlmRouter {
    /// Creates a router from a chain whose first output is the model's choice.
    pub fn new(chain: impl Chain + 'static) -> Self {
        Self {
            chain: Arc::new(chain),
            own_prompt: None,
            destinations: Vec::new(),
            default_destination: Cow::Borrowed(DEFAULT),
            provides: [Cow::Borrowed("input")],
        }
    }

    /// Creates a router with a prompt of its own, which has the names of the destinations and a
    /// description of each. The input is `input`.
    #[must_use]
    pub fn for_destinations<N: Into<String>, D: AsRef<str>>(
        model: impl Into<LanguageModel>,
        destinations: impl IntoIterator<Item = (N, D)>,
    ) -> Self {
        let mut names = Vec::new();
        let mut candidates = String::new();
        for (name, description) in destinations {
            let name = name.into();
            candidates.push_str(&format!("{name}: {}\n", description.as_ref()));
            names.push(name);
        }
        let (slots, default) = ([Slot::text("input")], Cow::Borrowed(DEFAULT));
        let prompt = RouterPrompt { slots, candidates: candidates.into(), default };
        let model = model.into();
        let chain = prompt.clone().chain(model.clone());
        let own_prompt = Some((prompt, model));
        Self { own_prompt, destinations: names, ..Self::new(chain) }
    }

    /// Sets the name that the model gives to choose the default chain, by default `DEFAULT`.
    /// Case and whitespace around it do not count. The router's own prompt asks for this name; a
    /// chain that was given to [`new`](Self::new) has to ask for it itself.
    #[must_use]
    pub fn with_default_destination(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.default_destination = name.into();
        if let Some((prompt, model)) = &mut self.own_prompt {
            prompt.default.clone_from(&self.default_destination);
            self.chain = Arc::new(prompt.clone().chain(model.clone()));
        }
        self
    }

    /// Sets the name of the input that `next_inputs` becomes, by default `input`.
    #[must_use]
    pub fn with_input_key(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.provides = [key.into()];
        self
    }

    /// Reads the model's choice.
    fn parse(&self, output: &Value) -> Result<Route, ParseError> {
        let text = output.to_text();
        let parsed = match output {
            Value::Data(data) => Value::Data(Arc::clone(data)),
            _ => JsonParser.parse(&text)?,
        };
        let field = |name: &str| match &parsed {
            Value::Data(data) => match data.get(name) {
                Some(Json::String(field)) => Ok(field.clone()),
                Some(_) => Err(format!("`{name}` is not a text")),
                None => Err(format!("`{name}` is missing")),
            },
            _ => Err("it is not a JSON object".to_owned()),
        };
        let of_text = |reason| ParseError::without_source(&text, reason);
        let destination = field("destination").map_err(of_text)?;
        let next_inputs = field("next_inputs").map_err(of_text)?;
        let [key] = &self.provides;
        let inputs = Variables::from([(key.clone(), next_inputs)]);
        let destination = destination.trim_matches(is_space);
        let is_default = self.is_default(destination);
        let route = if is_default { Route::to_default() } else { Route::to(destination) };
        Ok(route.with_inputs(inputs))
    }

    /// Returns whether the model chooses the default chain by a name without whitespace around it.
    fn is_default(&self, name: &str) -> bool {
        let default = self.default_destination.trim_matches(is_space);
        name.to_lowercase() == default.to_lowercase()
    }
}

#[async_trait]
impl Router for LlmRouter {
    fn slots(&self) -> &[Slot] {
        self.chain.slots()
    }

    fn destinations(&self) -> &[String] {
        &self.destinations
    }

    fn can_choose(&self, name: &str) -> bool {
        !name.is_empty() && name.trim_matches(is_space) == name && !self.is_default(name)
    }

    fn provides(&self) -> &[Cow<'static, str>] {
        &self.provides
    }

    async fn route(
        &self,
        variables: &Variables,
        context: &RunContext,
    ) -> Result<Route, ChainError> {
        let answer = self.chain.run(variables, context).await;
        let answer = intermediate_answer(answer, &*self.chain)?;
        let first = self.chain.outputs().first().and_then(|name| answer.outputs.get(name));
        let output = first.cloned().unwrap_or_else(|| Value::from(""));
        self.parse(&output).map_err(|error| {
            let Answer { refused: mut answers, reply, .. } = answer;
            answers.extend(reply);
            ChainError::Parse { source: Box::new(error), answers, interrupted: None }
        })
    }
}

impl std::fmt::Debug for LlmRouter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LlmRouter")
            .field("destinations", &self.destinations)
            .finish_non_exhaustive()
    }
}

/// The router's prompt. Descriptions and the input are data.
#[derive(Clone)]
struct RouterPrompt {
    slots: [Slot; 1],
    /// A line for each destination.
    candidates: Arc<str>,
    /// The name that the model gives if no destination fits.
    default: Cow<'static, str>,
}

impl RouterPrompt {
    /// Returns the chain that asks a model. It has no wiring that could be at fault.
    fn chain(self, model: LanguageModel) -> LlmChain {
        let (name, output_key) = (Cow::Borrowed("LLMChain"), [Cow::Borrowed("text")]);
        let parts = Parts { name, prompt: Arc::new(self), model, parser: None, output_key };
        let steps = PromptModelSteps::new(parts, Vec::new(), None);
        LlmChain::new(Settings::default().runner(steps, TurnNames::default()))
    }
}

impl Prompt for RouterPrompt {
    fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn format(&self, variables: &Variables) -> Result<PromptValue, PromptError> {
        PromptError::check_missing(&self.slots, variables)?;
        let Self { slots: [slot], candidates, default } = self;
        let input = variables.get(slot.name()).map(Value::to_text).unwrap_or_default();
        Ok(PromptValue::from(format!(
            "Choose the prompt that fits the input below best. You may also reword the input if \
             it then gets a better answer.\n\n\
             The prompts, by name and purpose:\n{candidates}\n\
             Answer with a JSON object alone, in this form:\n\
             {{\"destination\": \"<name of the prompt, or {default} if none fits>\", \
             \"next_inputs\": \"<the input, reworded or as it is>\"}}\n\n\
             The input:\n{input}\n\nThe JSON object:\n",
        )))
    }
}

/// A prompt that a model may choose, with its name and the description that the model sees.
///
/// Needs the feature `composition`.
#[derive(Clone)]
pub struct PromptInfo {
    name: String,
    description: String,
    prompt: Arc<dyn Prompt>,
}

impl PromptInfo {
    /// Creates the entry of a prompt. Its variable is `input`.
    pub fn new(
        name: impl Into<String>,
        description: impl Into<String>,
        prompt: impl Prompt + 'static,
    ) -> Self {
        Self { name: name.into(), description: description.into(), prompt: Arc::new(prompt) }
    }
}

impl std::fmt::Debug for PromptInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PromptInfo")
            .field("name", &self.name)
            .field("description", &self.description)
            .finish_non_exhaustive()
    }
}

impl RouterChain {
    /// Returns a builder of a chain in which a model chooses among prompts and then answers the
    /// chosen one (LangChain 0.1.20 `chains/router/multi_prompt.py::MultiPromptChain`).
    ///
    /// The default chain gives the input to the model as it is; set another with
    /// [`default_chain`](RouterChainBuilder::default_chain). The output is `text`.
    ///
    /// # Errors
    /// [`WiringError`] if the chain of a prompt cannot be built.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_chains::{PromptInfo, RouterChain};
    /// use conversant_core::vars;
    /// use conversant_prompts::PromptTemplate;
    /// use conversant_testkit::ScriptedCompletion;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let model = ScriptedCompletion::new([
    ///     r#"{"destination": "DEFAULT", "next_inputs": "Hi!"}"#,
    ///     "Hello!",
    /// ]);
    /// let physics = PromptTemplate::from_template("You are a physicist. {input}")?;
    /// let infos = [PromptInfo::new("physics", "questions of physics", physics)];
    /// let chain = RouterChain::from_prompts(model, infos)?.build()?;
    /// assert_eq!(chain.predict(vars! { "input" => "Hi!" }).await?, "Hello!");
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_prompts(
        model: impl Into<LanguageModel>,
        prompts: impl IntoIterator<Item = PromptInfo>,
    ) -> Result<RouterChainBuilder, WiringError> {
        let model = model.into();
        let infos: Vec<_> = prompts.into_iter().collect();
        let destinations = infos.iter().map(|info| (info.name.clone(), &info.description));
        let router = LlmRouter::for_destinations(model.clone(), destinations);
        let chain = |prompt: Arc<dyn Prompt>| -> Result<LlmChain, WiringError> {
            LlmChainBuilder::default().prompt(prompt).model(model.clone()).build()
        };
        let input_prompt: Arc<dyn Prompt> = Arc::new(InputPrompt([Slot::text("input")]));
        let mut builder = Self::builder()
            .name("MultiPromptChain")
            .router(router)
            .default_chain(chain(input_prompt)?);
        for info in infos {
            builder = builder.destination(info.name, chain(info.prompt)?);
        }
        Ok(builder)
    }
}

/// A prompt that is the input as it is.
struct InputPrompt([Slot; 1]);

impl Prompt for InputPrompt {
    fn slots(&self) -> &[Slot] {
        &self.0
    }

    fn format(&self, variables: &Variables) -> Result<PromptValue, PromptError> {
        PromptError::check_missing(&self.0, variables)?;
        let [slot] = &self.0;
        let input = variables.get(slot.name()).map(Value::to_text).unwrap_or_default();
        Ok(PromptValue::from(input.into_owned()))
    }
}
