//! A language model with a prompt template.

use std::sync::Arc;

use conversant_core::{
    BoxError, LanguageModel, MaintainContext, ModelError, PartialReply, Prompt, PromptError, Reply,
    RequestPurpose, Variables, clock::Instant, prompt_inputs, without_reasoning,
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

    /// Returns the model's answer. A blank answer is an error, and one that was cut off. Of an
    /// answer with more than 64 KiB, the rest is cut off and marked.
    pub(crate) async fn call_for_text(
        &self,
        variables: &Variables,
        context: MaintainContext<'_>,
    ) -> Result<String, BoxError> {
        text_of(&whole(self.call(variables, context).await?)?)
    }

    /// Returns the model's answer, which may be cut off. A blank answer is an error.
    #[cfg(feature = "summaries")]
    pub(crate) async fn call_for_beginning(
        &self,
        variables: &Variables,
        context: MaintainContext<'_>,
    ) -> Result<String, BoxError> {
        text_of(&self.call(variables, context).await?)
    }

    /// Returns the model's answer, a list that may be empty. One that was cut off is an error. Of
    /// an answer with more than 4 MiB, only the items that are whole within that are returned.
    #[cfg(feature = "entities")]
    pub(crate) async fn call_for_list(
        &self,
        separator: &str,
        variables: &Variables,
        context: MaintainContext<'_>,
    ) -> Result<String, BoxError> {
        let reply = whole(self.call(variables, context).await?)?;
        Ok(shortened_list(without_reasoning(&reply.text()), separator).to_owned())
    }

    /// Returns the model's reply, which may be empty.
    ///
    /// The model enforces the deadline during the call. A call whose deadline has passed is not
    /// started.
    async fn call(
        &self,
        variables: &Variables,
        context: MaintainContext<'_>,
    ) -> Result<Reply, BoxError> {
        if context.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err("the deadline has passed".into());
        }
        let options = context.model_options(self.purpose);
        let inputs = prompt_inputs(self.prompt.slots(), variables);
        let prompt = self.prompt.format(&inputs)?;
        Ok(self.model.generate(prompt, options).await?)
    }
}

/// Returns a reply that a limit or a filter has not cut off: a part would be kept as the whole, and
/// what it lacks would never be asked for again.
fn whole(reply: Reply) -> Result<Reply, BoxError> {
    match reply.finish_reason {
        Some(finish_reason) if finish_reason.is_cut_off() => {
            let partial = PartialReply::new(reply.message.text().into_owned());
            Err(ModelError::Incomplete { finish_reason, partial }.into())
        }
        _ => Ok(reply),
    }
}

/// Returns the text of a reply.
fn text_of(reply: &Reply) -> Result<String, BoxError> {
    let empty = || "cannot use the model's answer: it is empty".into();
    usable(&reply.text()).ok_or_else(empty)
}

/// Returns the beginning of an answer that the model's limit of tokens has cut off, if the error
/// has it.
#[cfg(feature = "summaries")]
pub(crate) fn beginning_of(error: &BoxError) -> Option<String> {
    match error.downcast_ref()? {
        ModelError::Incomplete { finish_reason, partial } if finish_reason.is_token_limit() => {
            usable(partial.text.as_str())
        }
        _ => None,
    }
}

/// Returns a text without the reasoning at its start, which would be stored, and sent with each
/// later request. Returns `None` if nothing is left.
fn usable(text: &str) -> Option<String> {
    let text = without_reasoning(text);
    (!text.trim().is_empty()).then(|| shortened(text, MAX_TEXT).into_owned())
}
