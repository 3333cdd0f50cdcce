//! A conversation: an LLM chain with a memory and a default prompt.

use std::{borrow::Cow, sync::Arc};

use conversant_core::{LanguageModel, OutputParser, Prompt, Slot};

use super::{conversation_prompt::ConversationPrompt, kind::impl_kind};
use crate::{
    correction::Correction,
    llm_chain::LlmChain,
    prompt_faults::prompt_faults,
    prompt_model_steps::{Parts, PromptModelSteps},
    runner::Runner,
    settings::Settings,
    wiring::{WiringError, WiringFault},
};

/// A conversation: a model with a memory, and a prompt that has a default (LangChain 0.1.20
/// `chains/conversation/base.py::ConversationChain`).
///
/// The prompt has the memory's variables and the input, and no others. The default prompt is worded
/// differently from LangChain's. It takes the conversation under the name that the memory gives it,
/// as text or as messages.
///
/// # Examples
///
/// ```
/// use conversant_chains::ConversationChain;
/// use conversant_core::vars;
/// use conversant_memory::BufferMemory;
/// use conversant_testkit::ScriptedChat;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let chain = ConversationChain::builder()
///     .model(ScriptedChat::new(["Hello Ada!", "Ada."]))
///     .memory(BufferMemory::new().with_return_messages(true))
///     .build()?;
/// assert_eq!(chain.predict(vars! { "input" => "My name is Ada." }).await?, "Hello Ada!");
/// assert_eq!(chain.predict(vars! { "input" => "What is my name?" }).await?, "Ada.");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ConversationChain {
    runner: Arc<Runner>,
}

/// A builder of a [`ConversationChain`]. A model and a memory are required.
///
/// | setting | default |
/// |---|---|
/// | [`prompt`](Self::prompt) | see [`ConversationChain`] |
/// | [`parser`](Self::parser) | none: the output is the answer's text |
/// | [`correction`](Self::correction) | none: an answer that cannot be parsed is an error |
/// | [`name`](Self::name) | `ConversationChain`, as LangChain's |
/// | [`input_key`](Self::input_key), [`output_key`](Self::output_key) | `input`, `response` |
/// | [`observer`](Self::observer), [`verbose`](Self::verbose) | none |
/// | [`maintenance`](Self::maintenance) | [`Inline`](crate::Maintenance::Inline) |
/// | others, such as [`prices`](Self::prices) | [as in an LLM chain](crate::LlmChainBuilder) |
///
/// # Examples
///
/// See [`ConversationChain`].
#[must_use]
#[derive(Clone, Default)]
pub struct ConversationChainBuilder {
    prompt: Option<Arc<dyn Prompt>>,
    model: Option<LanguageModel>,
    parser: Option<Arc<dyn OutputParser>>,
    corrections: Vec<Correction>,
    input_key: Option<Cow<'static, str>>,
    output_key: Option<Cow<'static, str>>,
    name: Option<Cow<'static, str>>,
    settings: Settings,
}

impl_kind!(ConversationChain, ConversationChainBuilder, "ConversationChain");

impl ConversationChain {
    /// Returns a builder.
    pub fn builder() -> ConversationChainBuilder {
        ConversationChainBuilder::default()
    }
}

impl From<ConversationChain> for LlmChain {
    /// Returns the same chain, with the same memory.
    fn from(chain: ConversationChain) -> Self {
        Self::from_runner(chain.runner)
    }
}

impl ConversationChainBuilder {
    /// Sets the model: any chat model, or [`LanguageModel::completion`] of a custom completion
    /// model.
    pub fn model(mut self, model: impl Into<LanguageModel>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets the prompt.
    pub fn prompt(mut self, prompt: impl Prompt + 'static) -> Self {
        self.prompt = Some(Arc::new(prompt));
        self
    }

    /// Sets the parser that turns the answer's text into the output.
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

    /// Sets the name of the user's input.
    pub fn input_key(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.input_key = Some(key.into());
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
    /// [`WiringError`], with every fault.
    pub fn build(mut self) -> Result<ConversationChain, WiringError> {
        let name = self.take_name();
        let Self {
            prompt, model, parser, corrections, input_key, output_key, mut settings, ..
        } = self;
        let mut faults = Vec::new();
        if model.is_none() {
            faults.push(WiringFault::NoModel);
        }
        if settings.memory.is_none() {
            faults.push(WiringFault::NoPart { part: "memory", method: "memory" });
        }
        let input = input_key.unwrap_or(Cow::Borrowed("input"));
        let prompt = prompt.unwrap_or_else(|| {
            let memory = settings.memory.as_deref();
            let shown = memory.and_then(|memory| memory.variables().first()).cloned();
            let history = shown.unwrap_or_else(|| Slot::text("history").optional());
            Arc::new(ConversationPrompt::new(history, &input))
        });
        // The inputs of a conversation are fixed, unless they are declared.
        settings.inputs.get_or_insert_with(|| vec![input.into_owned()]);
        faults.extend(prompt_faults(&*prompt, &settings));
        let output_key = [output_key.unwrap_or(Cow::Borrowed("response"))];
        let memory = settings.memory.clone();
        let slots = PromptModelSteps::slots_of(&*prompt, parser.as_deref(), memory.as_deref());
        let slots = slots.as_deref().unwrap_or_else(|| prompt.slots());
        let names = settings.check(slots, &output_key, faults)?;
        let Some(model) = model else { return Err(WiringError::new(vec![WiringFault::NoModel])) };
        let parts = Parts { name, prompt, model, parser, output_key };
        let steps = PromptModelSteps::new(parts, corrections, memory.as_deref());
        Ok(ConversationChain { runner: Arc::new(settings.runner(steps, names)) })
    }
}
