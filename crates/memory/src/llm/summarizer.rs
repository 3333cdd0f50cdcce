//! Extends the summary of a conversation.

use conversant_core::{
    BoxError, LanguageModel, MaintainContext, Messages, Prompt, PromptError, RequestPurpose,
    Transcript, Warning, vars,
};

use super::{
    attempts::Attempts,
    limits::{count_fitting, shortened_messages},
    prompted_model::{PromptedModel, beginning_of},
    static_prompt::Piece::{self, Text, Variable},
};
use crate::{conversation::turn_boundaries::turns, trim::truncate::MARK};

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

    /// Extends a summary to the next of the messages that it does not cover: whole turns with at
    /// most 64 KiB, and at least one, whose longest texts are cut. Returns the summary
    /// and the number of messages that it covers now, or `None` if they have to be tried again.
    ///
    /// A summary that the model's limit of tokens has cut off is asked for again. If it was cut off
    /// again, its beginning is kept, with a mark, so that the summary does not end there for good.
    ///
    /// There is more text only where a conversation is older than its summary, or where the model
    /// failed for many turns.
    pub(crate) async fn extend(
        &self,
        summary: String,
        uncovered: &Messages,
        attempts: &mut Attempts,
        transcript: &Transcript,
        context: MaintainContext<'_>,
    ) -> Result<Option<(String, usize)>, BoxError> {
        let turns = turns(uncovered);
        let (new, tried) = attempts.next_messages(&turns, count_fitting(uncovered, |_| true));
        let new_messages = shortened_messages(&uncovered.slice(new.clone()), attempts.bytes());
        let variables = vars! {
            "summary" => summary.as_str(),
            "new_lines" => transcript.render(&new_messages),
        };
        let extended = match self.0.call_for_text(&variables, context).await {
            Ok(extended) => attempts.succeeded().then_some(extended),
            Err(error) => match beginning_of(&error) {
                Some(beginning) => {
                    attempts.cut_off(error, turns.len())?.then(|| with_mark(beginning))
                }
                None => attempts.failed(error, tried, turns.len())?.then(|| with_gap(summary)),
            },
        };
        Ok(extended.map(|extended| (extended, new.end)))
    }
}

/// Returns a summary whose end is missing.
fn with_mark(summary: String) -> String {
    if summary.ends_with(MARK) { summary } else { summary + MARK }
}

/// Returns a summary that covers messages which it does not contain.
fn with_gap(summary: String) -> String {
    if summary.ends_with(MARK) {
        return summary;
    }
    let gap = if summary.is_empty() { "" } else { "\n" };
    summary + gap + MARK
}

/// Returns the warning of maintenance whose summary failed.
pub(crate) fn not_summarized(error: BoxError) -> Warning {
    Warning::new("cannot summarise the conversation; the next turn tries again", Some(error))
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
