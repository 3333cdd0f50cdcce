//! The builder of an LLM chain.

use std::{borrow::Cow, fmt, sync::Arc};

use conversant_core::{LanguageModel, Memory, OutputParser, Prompt};

use crate::{
    correction::Correction,
    llm_chain::LlmChain,
    prompt_faults::prompt_faults,
    prompt_model_steps::{Parts, PromptModelSteps},
    settings::{Settings, impl_settings},
    wiring::{WiringError, WiringFault},
};

/// A builder of an [`LlmChain`]. A prompt and a model are required.
///
/// | setting | default |
/// |---|---|
/// | [`memory`](Self::memory) | none: calls do not know of each other |
/// | [`parser`](Self::parser) | none: the output is the answer's text |
/// | [`correction`](Self::correction) | none: an answer that cannot be parsed is an error |
/// | [`observer`](Self::observer), [`verbose`](Self::verbose) | none |
/// | [`prices`](Self::prices), [`store_records`](Self::store_records) | none, `false` |
/// | [`name`](Self::name), [`output_key`](Self::output_key) | `LLMChain`, `text`, as LangChain's |
/// | [`inputs`](Self::inputs) | the prompt's variables that the memory does not provide |
/// | [`allow_unused`](Self::allow_unused) | none: a variable that is not used is a fault |
/// | [`maintenance`](Self::maintenance) | [`Inline`](crate::Maintenance::Inline) |
/// | [`queue_timeout`](Self::queue_timeout) | 10 minutes |
/// | [`concurrency`](Self::concurrency) | 8 calls of an `apply` at the same time |
/// | [`prompt_cache_key`](Self::prompt_cache_key) | none: that of a call's options, or the model's |
///
/// # Examples
///
/// A builder is a value: a definition that is shared by many sessions is cloned.
///
/// ```
/// use conversant_chains::LlmChain;
/// use conversant_core::vars;
/// use conversant_memory::BufferMemory;
/// use conversant_prompts::PromptTemplate;
/// use conversant_testkit::ScriptedChat;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let definition = LlmChain::builder()
///     .prompt(PromptTemplate::from_template("{history}\nHuman: {input}")?)
///     .model(ScriptedChat::new(["Hi Ada!", "Hi Grace!"]));
/// let ada = definition.clone().memory(BufferMemory::new()).build()?;
/// let grace = definition.memory(BufferMemory::new()).build()?;
/// assert_eq!(ada.predict(vars! { "input" => "I am Ada." }).await?, "Hi Ada!");
/// assert_eq!(grace.predict(vars! { "input" => "I am Grace." }).await?, "Hi Grace!");
/// # Ok(())
/// # }
/// ```
#[must_use]
#[derive(Clone, Default)]
pub struct LlmChainBuilder {
    prompt: Option<Arc<dyn Prompt>>,
    model: Option<LanguageModel>,
    parser: Option<Arc<dyn OutputParser>>,
    corrections: Vec<Correction>,
    name: Option<Cow<'static, str>>,
    output_key: Option<Cow<'static, str>>,
    settings: Settings,
}

impl LlmChain {
    /// Returns a builder.
    pub fn builder() -> LlmChainBuilder {
        LlmChainBuilder::default()
    }
}

impl LlmChainBuilder {
    /// Sets the prompt.
    pub fn prompt(mut self, prompt: impl Prompt + 'static) -> Self {
        self.prompt = Some(Arc::new(prompt));
        self
    }

    /// Sets the model: any chat model, or [`LanguageModel::completion`] of a custom completion
    /// model.
    pub fn model(mut self, model: impl Into<LanguageModel>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets the memory. Calls with a memory are turns of one conversation.
    pub fn memory(mut self, memory: impl Memory + 'static) -> Self {
        self.settings.memory = Some(Arc::new(memory));
        self
    }

    /// Sets the parser that turns the answer's text into the output. It receives the text without
    /// [reasoning](crate::without_reasoning).
    ///
    /// If the prompt has a variable `format_instructions` and the parser has instructions, the
    /// chain provides the variable, unless it is a partial one of the prompt.
    pub fn parser(mut self, parser: impl OutputParser + 'static) -> Self {
        self.parser = Some(Arc::new(parser));
        self
    }

    /// Adds a correction of answers that cannot be parsed, by the parser or as the type of a
    /// `predict_as`. Corrections are tried in the order in which they were added.
    pub fn correction(mut self, correction: Correction) -> Self {
        self.corrections.push(correction);
        self
    }

    /// Sets the name that events and transcripts show.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the name of the output.
    pub fn output_key(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.output_key = Some(key.into());
        self
    }

    /// Checks the wiring and builds the chain.
    ///
    /// # Errors
    /// [`WiringError`], with every fault. Without a prompt, its variables are not checked.
    pub fn build(self) -> Result<LlmChain, WiringError> {
        let no_prompt = self.prompt.is_none().then_some(WiringFault::NoPrompt);
        let no_model = self.model.is_none().then_some(WiringFault::NoModel);
        let mut faults: Vec<_> = [no_prompt, no_model].into_iter().flatten().collect();
        let (Some(prompt), model) = (self.prompt, self.model) else {
            return Err(WiringError::new(faults));
        };
        faults.extend(prompt_faults(&*prompt, &self.settings));
        let output_key = [self.output_key.unwrap_or(Cow::Borrowed("text"))];
        let memory = self.settings.memory.clone();
        let slots = PromptModelSteps::slots_of(&*prompt, self.parser.as_deref(), memory.as_deref());
        let slots = slots.as_deref().unwrap_or_else(|| prompt.slots());
        let names = self.settings.check(slots, &output_key, faults)?;
        let Some(model) = model else { return Err(WiringError::new(vec![WiringFault::NoModel])) };
        let name = self.name.unwrap_or(Cow::Borrowed("LLMChain"));
        let parts = Parts { name, prompt, model, parser: self.parser, output_key };
        let steps = PromptModelSteps::new(parts, self.corrections, memory.as_deref());
        Ok(LlmChain::new(self.settings.runner(steps, names)))
    }
}

impl_settings!([] LlmChainBuilder);

impl fmt::Debug for LlmChainBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmChainBuilder")
            .field("model", &self.model)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
