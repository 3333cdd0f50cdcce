//! Making a conversation's summary go further.

use conversant_core::{
    BoxError, LanguageModel, Messages, Prompt, PromptError, Saved, Slice, Transcript, Version,
    Warning, vars,
};

use crate::{
    asked::Asked,
    literal::Piece::{self, Text, Variable},
    turns,
};

/// The prompt that asks for a summary.
const SUMMARY: &[Piece] = &[
    Text(
        "You keep a running summary of a conversation, so that whoever reads it knows what was said without reading the \
         conversation. Rewrite the summary so that it also covers the new lines. Keep names, numbers, decisions and open questions. \
         Leave out greetings. Answer with the new summary and nothing else.\n\nSummary so far:\n",
    ),
    Variable("summary"),
    Text("\n\nNew lines:\n"),
    Variable("new_lines"),
    Text("\n\nNew summary:"),
];

/// A model that writes summaries.
pub(crate) struct Summariser(Asked);

impl Summariser {
    pub(crate) fn new(model: LanguageModel) -> Self {
        Self(Asked::new(model, SUMMARY))
    }

    pub(crate) fn with_prompt(self, prompt: impl Prompt + 'static) -> Result<Self, PromptError> {
        Ok(Self(self.0.with_prompt(prompt, &["summary", "new_lines"])?))
    }

    /// Returns a summary of what a summary says and of these messages.
    pub(crate) async fn go_on(
        &self,
        summary: &str,
        messages: &Messages,
        transcript: &Transcript,
    ) -> Result<String, BoxError> {
        let variables = vars! { "summary" => summary, "new_lines" => transcript.render(messages) };
        self.0.ask(&variables).await
    }
}

/// How much text is summarised at once, in bytes. More comes only where a conversation was there before its summary, or where
/// the model failed for long.
const AT_ONCE: usize = 64 * 1024;

/// Returns the messages to summarise at once: whole turns from the front, as many as have no more text than that, and at least one.
pub(crate) fn at_once(messages: &Messages) -> Messages {
    let mut bytes = 0_usize;
    let fits = messages.iter().take_while(|message| {
        bytes = bytes.saturating_add(message.text().len());
        bytes <= AT_ONCE
    });
    let fits = fits.count();
    if fits == messages.len() {
        return messages.clone();
    }
    let starts = turns::starts(messages);
    let last = starts.iter().rev().find(|&&start| (1..=fits).contains(&start));
    let end = last.or_else(|| starts.iter().find(|&&start| start > 0)).copied();
    messages.slice(..end.unwrap_or(messages.len()))
}

/// Tells whether what was read does not know of a summary that was written: another writer was there, or the history has lost it.
/// Going on would ask the model the same again.
pub(crate) fn is_behind(rest: &Slice, written: Option<Version>) -> bool {
    written.is_some_and(|written| Version::new(rest.version.epoch, rest.start()) < written)
}

/// Says that a summary could not be written, which costs nothing.
pub(crate) fn not_written(error: BoxError) -> Saved {
    let what = "the conversation's summary was not written; the next turn tries again";
    Saved::default().with_warning(Warning::new(what, Some(error)))
}

/// Gives a memory the setting of a summary's prompt.
macro_rules! summary_settings {
    ($memory:ident) => {
        impl $memory {
            /// Sets the prompt that asks for a summary, over `summary` (the one so far) and `new_lines`.
            ///
            /// # Errors
            /// [`PromptError::MissingVariables`](conversant_core::PromptError::MissingVariables), if it needs something else.
            pub fn with_summary_prompt(
                mut self,
                prompt: impl conversant_core::Prompt + 'static,
            ) -> Result<Self, conversant_core::PromptError> {
                self.summariser = self.summariser.with_prompt(prompt)?;
                Ok(self)
            }
        }
    };
}

pub(crate) use summary_settings;
