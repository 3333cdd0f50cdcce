//! Ever more complete values of an answer, as it arrives.

use std::{
    borrow::Cow,
    fmt,
    future::poll_fn,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use conversant_core::{Delta, ParseError};
use futures_core::Stream;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::{
    error::ChainError,
    outcome::Outcome,
    parser::{from_output, partial_json_in},
    stream::ChainStream,
};

/// The size up to which an answer is parsed again with each piece: 4 KiB. A longer one is parsed
/// again when it has grown by a 64th, so that the whole time stays linear in its length.
const PARSE_EACH_PIECE: usize = 4 * 1024;

/// The values of an answer of a type as it arrives piece by piece, each more complete than the one
/// before. The last is the whole answer, after its turn is saved.
///
/// An item is what a cut-off answer would be after its brackets are closed, where that fits the
/// type. With `#[serde(default)]` on its fields, a type has items from the start;
/// [`serde_json::Value`] has them always. LangChain 0.1.20
/// `langchain_core/output_parsers/json.py::JsonOutputParser.parse_result` with `partial`.
///
/// The stream ends as a [`ChainStream`] does: with an error, if the whole answer does not fit the
/// type. Dropping it saves nothing.
///
/// # Examples
///
/// ```
/// use conversant_chains::LlmChain;
/// use conversant_core::vars;
/// use conversant_prompts::PromptTemplate;
/// use conversant_testkit::{ScriptedChat, ScriptedReply};
///
/// #[derive(Debug, PartialEq, schemars::JsonSchema, serde::Deserialize)]
/// #[serde(default)]
/// struct Recipe {
///     name: String,
///     steps: Vec<String>,
/// }
/// # impl Default for Recipe {
/// #     fn default() -> Self { Self { name: String::new(), steps: Vec::new() } }
/// # }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pieces = [r#"{"name": "So"#, r#"up", "steps": ["#, r#""Boil."]}"#];
/// let chain = LlmChain::builder()
///     .prompt(PromptTemplate::from_template("A recipe for {dish}.")?)
///     .model(ScriptedChat::new([ScriptedReply::pieces(pieces)]))
///     .build()?;
///
/// let mut recipes = chain.stream_as::<Recipe>(vars! { "dish" => "soup" }).await?;
/// let mut seen = Vec::new();
/// while let Some(recipe) = recipes.next().await {
///     let Recipe { name, steps } = recipe?;
///     seen.push((name, steps.len()));
/// }
/// assert_eq!(seen, [("So".into(), 0), ("Soup".into(), 0), ("Soup".into(), 1)]);
/// # Ok(())
/// # }
/// ```
pub struct ValueStream<T> {
    stream: ChainStream,
    /// The branch whose text is the answer, if the chain has branches: its first output.
    output: Cow<'static, str>,
    /// The text of the answer so far.
    text: String,
    /// The length at which the text was parsed last.
    parsed_at: usize,
    last: Option<Json>,
    of: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned + JsonSchema> ValueStream<T> {
    pub(crate) const fn new(stream: ChainStream, output: Cow<'static, str>) -> Self {
        Self { stream, output, text: String::new(), parsed_at: 0, last: None, of: PhantomData }
    }

    /// Returns the next value, or `None` after the end.
    pub async fn next(&mut self) -> Option<Result<T, ChainError>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Returns the result of the call, after the last value.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.stream.outcome()
    }

    /// Returns the stream of pieces, to [save](ChainStream::save_partial) what was received.
    #[must_use]
    pub fn into_inner(self) -> ChainStream {
        self.stream
    }

    /// Returns the value of the text so far, if it is a new one.
    fn partial(&mut self) -> Option<T> {
        let grown = self.text.len() - self.parsed_at;
        if self.text.len() > PARSE_EACH_PIECE && grown < self.text.len() / 64 {
            return None;
        }
        self.parsed_at = self.text.len();
        let value = partial_json_in(&self.text)?;
        let typed = T::deserialize(&value).ok();
        self.replace(value).then_some(typed)?
    }

    /// Replaces the last value, and returns whether they differ.
    fn replace(&mut self, value: Json) -> bool {
        let is_new = self.last.as_ref() != Some(&value);
        self.last = Some(value);
        is_new
    }

    /// Returns the value of the whole answer, unless it was returned already.
    fn whole(&mut self) -> Option<Result<T, ChainError>> {
        let output = self.stream.outcome()?.output().cloned();
        let value = output.as_ref().and_then(|output| serde_json::to_value(output).ok());
        let is_new = value.is_none_or(|value| self.replace(value));
        let typed = from_output(output.as_ref());
        match typed {
            Ok(_) if !is_new => None,
            typed => Some(typed.map_err(|error: ParseError| ChainError::unparsed(error, None))),
        }
    }
}

impl<T: DeserializeOwned + JsonSchema> Stream for ValueStream<T> {
    type Item = Result<T, ChainError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let piece = match ready!(Pin::new(&mut this.stream).poll_next(context)) {
                Some(Ok(Delta::Branch(branch))) if *branch.branch == *this.output => branch.delta,
                Some(Ok(Delta::Done(_))) => match this.whole() {
                    Some(item) => return Poll::Ready(Some(item)),
                    None => continue,
                },
                // The text of another output than the first.
                Some(Ok(Delta::Text(_))) if this.stream.partial().is_empty() => continue,
                Some(Ok(piece)) => piece,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            let item = match piece {
                Delta::Text(piece) => {
                    this.text.push_str(&piece);
                    this.partial().map(Ok)
                }
                // Text before a tool's result is not the answer.
                Delta::ToolResult(_) => {
                    this.text.clear();
                    this.parsed_at = 0;
                    None
                }
                _ => None,
            };
            if item.is_some() {
                return Poll::Ready(item);
            }
        }
    }
}

impl<T> fmt::Debug for ValueStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ValueStream").field(&self.stream).finish()
    }
}
