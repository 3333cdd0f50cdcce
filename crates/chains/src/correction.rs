//! Corrections of answers that a parser refuses.

use std::fmt;

use conversant_core::{
    CallOptions, LanguageModel, Message, ParseError, PromptValue, Reply, ResponseFormat,
    without_reasoning,
};

/// A way to correct an answer that a chain's parser refuses: a model sees the error and answers
/// again, up to a limit.
///
/// Without a correction, such an answer is an error at once. With several, one follows the other.
///
/// - The turn that is stored has the user's message and the accepted answer, as the model gave it.
///   Refused answers and the requests to correct them are not stored. Tool calls of refused
///   answers and their results are, since the accepted answer relies on them.
/// - No answer is lost: [`Outcome::refused`](crate::Outcome::refused) has the refused ones, and the
///   error, if none is accepted, has all of them.
/// - The call's deadline covers the corrections, and observers receive the prompt and the answer of
///   each.
/// - An answer that was cut off at the token limit is not corrected, since the next one would be
///   cut off as well.
/// - A stream of such a chain has the accepted answer in one piece, since pieces of a refused one
///   cannot be taken back.
///
/// # Examples
///
/// ```
/// use conversant_chains::{Correction, JsonParser, LlmChain};
/// use conversant_core::vars;
/// use conversant_prompts::PromptTemplate;
/// use conversant_testkit::ScriptedChat;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = ScriptedChat::new(["The answer is yes.", r#"{"answer": true}"#]);
/// let chain = LlmChain::builder()
///     .prompt(PromptTemplate::from_template("Is {number} prime? Answer with JSON.")?)
///     .model(model.clone())
///     .parser(JsonParser)
///     .correction(Correction::retry(2))
///     .build()?;
///
/// let outcome = chain.invoke(vars! { "number" => 7 }).await?;
/// assert_eq!(outcome.text(), r#"{"answer":true}"#);
/// assert_eq!(outcome.refused[0].text(), "The answer is yes.");
/// assert_eq!(model.requests().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Correction {
    /// The model that corrects, if it is not the chain's.
    model: Option<LanguageModel>,
    limit: usize,
}

impl Correction {
    /// Asks the chain's model again, with the prompt, its answer, the error and the parser's
    /// instructions, up to `limit` times.
    ///
    /// LangChain 0.1.20 `langchain/output_parsers/retry.py::RetryWithErrorOutputParser`, with a
    /// custom prompt: a chat model sees its answer as a message.
    #[must_use]
    pub const fn retry(limit: usize) -> Self {
        Self { model: None, limit }
    }

    /// Asks another model to correct the form of the answer, up to `limit` times. It sees the
    /// answer without [reasoning](crate::without_reasoning), the error and the parser's
    /// instructions, but not the prompt. It gets the format of the answer only if its server
    /// enforces schemas.
    ///
    /// LangChain 0.1.20 `langchain/output_parsers/fix.py::OutputFixingParser`, with a custom
    /// prompt.
    #[must_use]
    pub fn fix_with(model: impl Into<LanguageModel>, limit: usize) -> Self {
        Self { model: Some(model.into()), limit }
    }

    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the model that corrects, with its request for a refused answer.
    pub(crate) fn request<'c>(
        &'c self,
        own: &'c LanguageModel,
        prompt: &PromptValue,
        options: &CallOptions,
        refused: &Refused<'_>,
    ) -> (&'c LanguageModel, PromptValue, CallOptions) {
        let mut options = options.clone();
        let Some(model) = &self.model else {
            if !refused.reply.intermediate.is_empty() {
                options.lift_forced_choice(own.describe().forces_tools);
            }
            return (own, retry(own, prompt, refused), options);
        };
        // The tools and stop sequences are those of the chain's question.
        options.tools.clear();
        options.tool_choice = None;
        options.stop.clear();
        options.prompt_cache_key = None;
        let Refused { reply, error, instructions, format } = refused;
        let format = options.response_format.take().or_else(|| format.cloned());
        options.response_format = format.filter(|_| model.enforces_schemas());
        let form = match instructions {
            Some(instructions) => format!("The instructions:\n{instructions}\n\n"),
            None => String::new(),
        };
        let text = format!(
            "An answer does not have the form that was asked for. Correct its form, and keep what \
             it says.\n\n{form}The answer:\n{}\n\nThe error:\n{}\n\nAnswer with the corrected \
             answer alone.",
            without_reasoning(&reply.text()),
            error.fault(),
        );
        (model, text.into(), options)
    }
}

/// An answer that was refused, the fault, the parser's instructions, and the format of its type.
pub(crate) struct Refused<'r> {
    pub(crate) reply: &'r Reply,
    pub(crate) error: &'r ParseError,
    pub(crate) instructions: Option<&'r str>,
    pub(crate) format: Option<&'r ResponseFormat>,
}

fn retry(model: &LanguageModel, prompt: &PromptValue, refused: &Refused<'_>) -> PromptValue {
    let Refused { reply, error, instructions, .. } = refused;
    let form = match instructions {
        Some(instructions) => format!("\n{instructions}"),
        None => String::new(),
    };
    let request =
        format!("Your answer cannot be used: {}.{form}\nPlease answer again.", error.fault());
    match model {
        LanguageModel::Completion(_) => {
            let prompt = prompt.clone().into_text();
            format!("{prompt}{}\n\n{request}\n\n", reply.text()).into()
        }
        _ => {
            let mut messages = prompt.clone().into_messages();
            messages.append(&reply.intermediate);
            messages.push(reply.message.clone());
            messages.push(Message::human(request));
            messages.into()
        }
    }
}

impl fmt::Debug for Correction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Correction")
            .field("model", &self.model)
            .field("limit", &self.limit)
            .finish()
    }
}
