//! Building an LLM chain.

use std::{borrow::Cow, fmt, sync::Arc};

use conversant_core::{LanguageModel, Memory, Observer, OutputParser, Prompt};

use crate::{
    LlmChain, Maintenance, Verbose, WiringError, WiringFault, link::Link, steps::LlmSteps,
    wiring::Wiring,
};

/// Builds an [`LlmChain`]. A prompt and a model are needed; [`build`](Self::build) checks that everything fits together.
///
/// # Examples
///
/// See the [crate's page](crate).
#[must_use]
#[derive(Clone, Default)]
pub struct LlmChainBuilder {
    prompt: Option<Arc<dyn Prompt>>,
    model: Option<LanguageModel>,
    memory: Option<Arc<dyn Memory>>,
    parser: Option<Arc<dyn OutputParser>>,
    observers: Vec<Arc<dyn Observer>>,
    verbose: bool,
    name: Option<Cow<'static, str>>,
    output_key: Option<Cow<'static, str>>,
    inputs: Option<Vec<String>>,
    allow_unused: Vec<String>,
    maintenance: Maintenance,
}

impl LlmChainBuilder {
    /// Sets the prompt.
    pub fn prompt(mut self, prompt: impl Prompt + 'static) -> Self {
        self.prompt = Some(Arc::new(prompt));
        self
    }

    /// Sets the model: an adapter, or [`LanguageModel::chat`] or [`LanguageModel::completion`] of one's own.
    pub fn model(mut self, model: impl Into<LanguageModel>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Gives the chain a memory. Without one, each call stands alone.
    pub fn memory(mut self, memory: impl Memory + 'static) -> Self {
        self.memory = Some(Arc::new(memory));
        self
    }

    /// Sets what makes the output of the model's answer. Without a parser, the output is the answer's text.
    pub fn parser(mut self, parser: impl OutputParser + 'static) -> Self {
        self.parser = Some(Arc::new(parser));
        self
    }

    /// Writes the transcript of each call to standard output, as LangChain's verbose mode does. To write it elsewhere, give a
    /// [`Verbose`] to [`observer`](Self::observer).
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// Adds somebody who watches.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// Sets the chain's name in the transcript. The default is LangChain's `LLMChain`.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the name of the output. The default is LangChain's `text`.
    pub fn output_key(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.output_key = Some(key.into());
        self
    }

    /// Declares the inputs of each call, so that the check can tell a variable that nobody gives and an input that nobody uses. Without
    /// a declaration, what the prompt needs and the memory does not give is an input.
    pub fn inputs(mut self, inputs: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.inputs = Some(inputs.into_iter().map(Into::into).collect());
        self
    }

    /// Allows a memory's variable to go unused, for memories that several chains share.
    pub fn allow_unused(mut self, variable: impl Into<String>) -> Self {
        self.allow_unused.push(variable.into());
        self
    }

    /// Sets when the memory's work after an answer is done. The default is before the call returns.
    pub fn maintenance(mut self, maintenance: Maintenance) -> Self {
        self.maintenance = maintenance;
        self
    }

    /// Checks the wiring and builds the chain.
    ///
    /// # Errors
    /// [`WiringError`], with every fault that there is.
    pub fn build(self) -> Result<LlmChain, WiringError> {
        let missing = [
            self.prompt.is_none().then_some(WiringFault::NoPrompt),
            self.model.is_none().then_some(WiringFault::NoModel),
        ];
        let faults: Vec<_> = missing.into_iter().flatten().collect();
        let output_key = [self.output_key.unwrap_or(Cow::Borrowed("text"))];
        let Some(prompt) = self.prompt else { return Err(WiringError::new(faults)) };
        let wiring = Wiring {
            slots: prompt.slots(),
            outputs: &output_key,
            memory: self.memory.as_deref(),
            declared: self.inputs.as_deref(),
            allow_unused: &self.allow_unused,
        };
        let names = wiring.check(faults.clone())?;
        let Some(model) = self.model else { return Err(WiringError::new(faults)) };
        let mut observers = self.observers;
        if self.verbose {
            observers.insert(0, Arc::new(Verbose::stdout()));
        }
        let name = self.name.unwrap_or(Cow::Borrowed("LLMChain"));
        let steps = LlmSteps { name, prompt, model, parser: self.parser, output_key };
        let link = self.memory.map(|memory| Link::new(memory, names, self.maintenance));
        Ok(LlmChain::new(steps, link, observers.into()))
    }
}

impl fmt::Debug for LlmChainBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmChainBuilder")
            .field("model", &self.model)
            .field("inputs", &self.inputs)
            .finish_non_exhaustive()
    }
}
