//! A language model with a prompt template.

use std::sync::Arc;

use conversant_core::{
    BoxError, LanguageModel, MaintainContext, Prompt, PromptError, RequestPurpose, Variables,
    clock::Instant, prompt_inputs, without_reasoning,
};

#[cfg(feature = "entities")]
use super::limits::shortened_list;
use super::{
    limits::{MAX_TEXT, shortened},
    static_prompt::{Piece, StaticPrompt},
};

/// A language model and the prompt with which it is called.
#[derive(Clone)]
pub(crate) struct PromptedModel {
    model: LanguageModel,
    prompt: Arc<dyn Prompt>,
    purpose: RequestPurpose,
}

impl PromptedModel {
    pub(crate) fn new(
        model: LanguageModel,
        pieces: &'static [Piece],
        purpose: RequestPurpose,
    ) -> Self {
        Self { model, prompt: Arc::new(StaticPrompt::new(pieces)), purpose }
    }

    /// Replaces the prompt. Its variables must be among `names`.
    pub(crate) fn with_prompt(
        mut self,
        prompt: impl Prompt + 'static,
        names: &[&'static str],
    ) -> Result<Self, PromptError> {
        let given = names.iter().map(|&name| (name, "")).collect();
        PromptError::check_missing(prompt.slots(), &given)?;
        self.prompt = Arc::new(prompt);
        Ok(self)
    }

    /// Returns the model's answer. A blank answer is an error. Of an answer with more than
    /// 64 KiB, the rest is cut off and marked.
    pub(crate) async fn call_for_text(
        &self,
        variables: &Variables,
        context: MaintainContext<'_>,
    ) -> Result<String, BoxError> {
        let answer = self.call(variables, context).await?;
        if answer.trim().is_empty() {
            return Err("cannot use the model's answer: it is empty".into());
        }
        Ok(shortened(&answer, MAX_TEXT).into_owned())
    }

    /// Returns the model's answer, a list that may be empty. Of an answer with more than 4 MiB,
    /// only the items that are whole within that are returned.
    #[cfg(feature = "entities")]
    pub(crate) async fn call_for_list(
        &self,
        separator: &str,
        variables: &Variables,
        context: MaintainContext<'_>,
    ) -> Result<String, BoxError> {
        let answer = self.call(variables, context).await?;
        Ok(shortened_list(&answer, separator).to_owned())
    }

    /// Returns the model's answer, which may be empty, without the reasoning at its start: it would
    /// be stored, and sent with each later request.
    ///
    /// The model enforces the deadline during the call. A call whose deadline has passed is not
    /// started.
    async fn call(
        &self,
        variables: &Variables,
        context: MaintainContext<'_>,
    ) -> Result<String, BoxError> {
        if context.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err("the deadline has passed".into());
        }
        let options = context.model_options(self.purpose);
        let inputs = prompt_inputs(self.prompt.slots(), variables);
        let prompt = self.prompt.format(&inputs)?;
        let reply = self.model.generate(prompt, options).await?;
        Ok(without_reasoning(&reply.text()).to_owned())
    }
}
