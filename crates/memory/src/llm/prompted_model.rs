//! A language model with a prompt template.

use std::{sync::Arc, time::Instant};

use conversant_core::{BoxError, CallOptions, LanguageModel, Prompt, PromptError, Variables};

use super::{
    limits::{shortened, shortened_list},
    static_prompt::{Piece, StaticPrompt},
};

/// A language model and the prompt with which it is called.
#[derive(Clone)]
pub(crate) struct PromptedModel {
    model: LanguageModel,
    prompt: Arc<dyn Prompt>,
}

impl PromptedModel {
    pub(crate) fn new(model: LanguageModel, pieces: &'static [Piece]) -> Self {
        Self { model, prompt: Arc::new(StaticPrompt::new(pieces)) }
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
        deadline: Option<Instant>,
    ) -> Result<String, BoxError> {
        let answer = self.call(variables, deadline).await?;
        if answer.trim().is_empty() {
            return Err("the model's answer is empty".into());
        }
        Ok(shortened(&answer).into_owned())
    }

    /// Returns the model's answer, a list that may be empty. Of an answer with more than 4 MiB,
    /// only the items that are whole within that are returned.
    pub(crate) async fn call_for_list(
        &self,
        separator: &str,
        variables: &Variables,
        deadline: Option<Instant>,
    ) -> Result<String, BoxError> {
        let answer = self.call(variables, deadline).await?;
        Ok(shortened_list(&answer, separator).to_owned())
    }

    /// Returns the model's answer, which may be empty.
    ///
    /// The model enforces the deadline during the call. A call whose deadline has passed is not
    /// started.
    async fn call(
        &self,
        variables: &Variables,
        deadline: Option<Instant>,
    ) -> Result<String, BoxError> {
        let mut options = CallOptions::new();
        if let Some(deadline) = deadline {
            if deadline <= Instant::now() {
                return Err("the deadline has passed".into());
            }
            options = options.with_deadline(deadline);
        }
        let prompt = self.prompt.format(variables)?;
        let reply = self.model.generate(prompt, options).await?;
        Ok(reply.text().into_owned())
    }
}
