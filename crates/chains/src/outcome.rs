//! What a call of a chain comes to.

use std::borrow::Cow;

use conversant_core::{Content, Reply, TurnId, Value, Variables};

/// What a call of a chain comes to: its inputs, the memory's variables and the outputs in one map, as LangChain's `invoke` gives
/// them, and the model's reply beside it.
///
/// `Debug` withholds what was said.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome {
    /// The inputs, then the memory's variables, then the outputs.
    pub variables: Variables,
    /// The model's reply, if one model gave the answer.
    pub reply: Option<Reply>,
    /// The turn's id.
    pub turn_id: TurnId,
    pub(crate) output_key: Cow<'static, str>,
}

impl Outcome {
    /// Returns the output: the answer's text, or what the parser made of it.
    #[must_use]
    pub fn output(&self) -> Option<&Value> {
        self.variables.get(&self.output_key)
    }

    /// Returns the output as text.
    #[must_use]
    pub fn text(&self) -> String {
        self.output().map(|value| value.to_text().into_owned()).unwrap_or_default()
    }

    /// Returns what [`text`](Self::text) does. Where that is the reply's own text, it is moved and not copied.
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
