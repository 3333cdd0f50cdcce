//! Asking a model for something about a conversation.

use std::sync::Arc;

use conversant_core::{BoxError, CallOptions, LanguageModel, Prompt, PromptError, Variables};

use crate::literal::{Literal, Piece};

/// A model, and the prompt that it is asked with.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) model: LanguageModel,
    prompt: Arc<dyn Prompt>,
}

impl Asked {
    pub(crate) fn new(model: LanguageModel, pieces: &'static [Piece]) -> Self {
        Self { model, prompt: Arc::new(Literal::new(pieces)) }
    }

    /// Asks with another prompt, which can be filled in with what these variables name.
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

    /// Returns the model's answer. An answer of nothing but white space is an error.
    pub(crate) async fn ask(&self, variables: &Variables) -> Result<String, BoxError> {
        let answer = self.answer(variables).await?;
        if answer.trim().is_empty() {
            Err("the model's answer is empty".into())
        } else {
            Ok(answer)
        }
    }

    /// Returns the model's answer, whatever it is.
    pub(crate) async fn answer(&self, variables: &Variables) -> Result<String, BoxError> {
        let prompt = self.prompt.format(variables)?;
        let reply = self.model.generate(prompt, CallOptions::new()).await?;
        Ok(reply.text().into_owned())
    }
}
