//! Extends the summary of a conversation.

use conversant_core::{
    BoxError, LanguageModel, MaintainContext, Messages, Prompt, PromptError, RequestPurpose, Saved,
    Transcript, Warning, vars,
};

use super::{
    limits::{MAX_TEXT, shortened_messages},
    prompted_model::PromptedModel,
    static_prompt::Piece::{self, Text, Variable},
};

/// The prompt that requests a summary.
const SUMMARY: &[Piece] = &[
    Text(
        "You keep a running summary of a conversation, so that whoever reads it knows what was said \
         without reading the conversation. Rewrite the summary so that it also covers the new lines. \
         Keep names, numbers, decisions and open questions. Leave out greetings. Answer with the new \
         summary and nothing else.\n\nSummary so far:\n",
    ),
    Variable("summary"),
    Text("\n\nNew lines:\n"),
    Variable("new_lines"),
    Text("\n\nNew summary:"),
];

/// A model that writes summaries.
#[derive(Clone)]
pub(crate) struct Summarizer(PromptedModel);

impl Summarizer {
    pub(crate) fn new(model: LanguageModel) -> Self {
        Self(PromptedModel::new(model, SUMMARY, RequestPurpose::Summary))
    }

    pub(crate) fn with_prompt(self, prompt: impl Prompt + 'static) -> Result<Self, PromptError> {
        Ok(Self(self.0.with_prompt(prompt, &["summary", "new_lines"])?))
    }

    /// Returns a summary that covers the previous summary and these messages. Of a turn with more
    /// than [`MAX_TEXT`] bytes, the longest texts are cut.
    pub(crate) async fn extend(
        &self,
        summary: &str,
        messages: &Messages,
        transcript: &Transcript,
        context: MaintainContext<'_>,
    ) -> Result<String, BoxError> {
        let lines = transcript.render(&shortened_messages(messages));
        let variables = vars! { "summary" => summary, "new_lines" => lines };
        self.0.call_for_text(&variables, context).await
    }
}

/// Returns the number of messages for the next call: whole turns from the front with at most
/// [`MAX_TEXT`] bytes, and at least one. There is more text only where a conversation is older than
/// its summary, or where the model failed for many turns.
pub(crate) fn count_for_call(
    messages: &Messages,
    boundaries: impl FnOnce(&Messages) -> Vec<usize>,
) -> usize {
    let mut bytes = 0_usize;
    let fits = messages.iter().take_while(|message| {
        bytes = bytes.saturating_add(message.text().len());
        bytes <= MAX_TEXT
    });
    let fits = fits.count();
    if fits == messages.len() {
        return fits;
    }
    let boundaries = boundaries(messages);
    let last = boundaries.iter().rev().find(|&&boundary| (1..=fits).contains(&boundary));
    let end = last.or_else(|| boundaries.iter().find(|&&boundary| boundary > 0)).copied();
    end.unwrap_or(messages.len())
}

/// Returns the result of maintenance whose summary failed.
pub(crate) fn not_summarized(error: BoxError) -> Saved {
    let what = "cannot summarise the conversation; the next turn tries again";
    Saved::default().with_warning(Warning::new(what, Some(error)))
}

/// Implements the setting of the summary's prompt for a memory with the field `summarizer`.
macro_rules! summary_settings {
    ($memory:ident) => {
        impl $memory {
            /// Sets the prompt that asks for a summary, with the variables `summary` (the previous
            /// one) and `new_lines`.
            ///
            /// # Errors
            /// [`PromptError::MissingVariables`](conversant_core::PromptError::MissingVariables) if
            /// the prompt needs other variables.
            pub fn with_summary_prompt(
                mut self,
                prompt: impl conversant_core::Prompt + 'static,
            ) -> Result<Self, conversant_core::PromptError> {
                self.summarizer = self.summarizer.with_prompt(prompt)?;
                Ok(self)
            }
        }
    };
}

pub(crate) use summary_settings;
