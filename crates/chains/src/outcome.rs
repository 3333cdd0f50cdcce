//! The result of a chain call.

use std::borrow::Cow;

use conversant_core::{CallRecord, Content, Messages, Reply, TurnId, Value, Variables};

use crate::{error::ChainError, pending::PendingTurn};

/// The result of a chain call: inputs, memory variables and outputs in one map, as LangChain's
/// `invoke` returns them, and the model's reply.
///
/// `Debug` withholds message text.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome {
    /// The inputs, then the memory's variables, then the outputs.
    pub variables: Variables,
    /// The model's reply, if the first output is the answer of one model.
    pub reply: Option<Reply>,
    /// The turn's id.
    pub turn_id: TurnId,
    /// The answers that the parser refused before the one that it accepted, in order. The turn does
    /// not contain them.
    pub refused: Vec<Reply>,
    /// The turn, if the answer calls tools. It is not stored; continue it with `resume`.
    pub pending: Option<PendingTurn>,
    /// The usage, the cost and the times of the call, if the chain has observers, prices, or stores
    /// records.
    pub record: Option<Box<CallRecord>>,
    pub(crate) output_key: Cow<'static, str>,
    /// The messages of the turn after the user's, if the chain made them.
    pub(crate) messages: Option<Messages>,
}

impl Outcome {
    /// Returns the first output: the answer's text, or the parser's value.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_chains::{JsonParser, LlmChain};
    /// use conversant_core::{Value, vars};
    /// use conversant_prompts::PromptTemplate;
    /// use conversant_testkit::ScriptedChat;
    /// use serde_json::json;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let chain = LlmChain::builder()
    ///     .prompt(PromptTemplate::from_template("Is {number} prime? Answer with JSON.")?)
    ///     .model(ScriptedChat::new([r#"{"prime": true}"#]))
    ///     .parser(JsonParser)
    ///     .build()?;
    /// let outcome = chain.invoke(vars! { "number" => 7 }).await?;
    /// assert_eq!(outcome.output(), Some(&Value::from(json!({"prime": true}))));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn output(&self) -> Option<&Value> {
        self.variables.get(&self.output_key)
    }

    /// Returns the first output as text.
    #[must_use]
    pub fn text(&self) -> String {
        self.output().map(|value| value.to_text().into_owned()).unwrap_or_default()
    }

    /// Returns the output as text, or an error if the answer calls tools.
    pub(crate) fn into_answer(mut self) -> Result<String, ChainError> {
        match self.pending.take() {
            Some(pending) => Err(ChainError::ToolCalls(Box::new(pending))),
            None => Ok(self.into_text()),
        }
    }

    /// Like [`text`](Self::text), but moves the reply's text instead of copying it.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_chains::LlmChain;
    /// use conversant_core::vars;
    /// use conversant_prompts::PromptTemplate;
    /// use conversant_testkit::ScriptedCompletion;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let prompt = PromptTemplate::from_template("Say {word}.")?;
    /// let chain = LlmChain::builder().prompt(prompt).model(ScriptedCompletion::new(["Hi"])).build()?;
    /// let outcome = chain.invoke(vars! { "word" => "hi" }).await?;
    /// assert_eq!(outcome.into_text(), "Hi");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn into_text(self) -> String {
        let said = self.reply.map(|reply| reply.message.into_content());
        match (self.variables.get(&self.output_key), said) {
            (Some(Value::Text(text)), Some(Content::Text(said))) if said == **text => said,
            (output, _) => output.map(|value| value.to_text().into_owned()).unwrap_or_default(),
        }
    }
}
