//! Answers that arrive piece by piece.

use std::{
    borrow::Cow,
    fmt,
    future::poll_fn,
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;

use super::{
    error::{ModelError, PartialReply},
    reply::Reply,
};
use crate::{message::Message, messages::Messages, tool_call::ShownName};

/// A piece of an answer. The texts of a stream's pieces together are the text of its end.
///
/// `Debug` withholds text.
///
/// # Examples
///
/// ```
/// use conversant_core::Delta;
///
/// /// Returns what a reader of the answer sees of a piece.
/// fn visible(delta: &Delta) -> &str {
///     match delta {
///         Delta::Text(text) | Delta::Refusal(text) => text,
///         _ => "", // reasoning, tool calls, and the end
///     }
/// }
/// assert_eq!(visible(&Delta::Text("Hello".to_owned())), "Hello");
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Delta {
    /// A piece of text, never empty.
    Text(String),
    /// A piece of the model's reasoning, if the server sends it.
    Reasoning(String),
    /// A piece of a refusal.
    Refusal(String),
    /// A piece of a tool call.
    ToolCall(ToolCallDelta),
    /// The result of a tool call, where a tool loop has run the tool.
    ToolResult(Box<ToolResultDelta>),
    /// A piece of a branch, where a chain runs several branches at the same time.
    Branch(Box<BranchDelta>),
    /// The end of the stream, with the whole answer. No pieces follow it.
    Done(Box<Reply>),
}

impl Delta {
    /// Returns a whole answer as pieces, without the end: the calls and results of the rounds of a
    /// tool loop, the reasoning, the text, the calls of the answer, and the results of those that
    /// have run.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Delta, Message, Reply, ToolCall};
    /// use serde_json::json;
    ///
    /// let call = ToolCall::new("time", json!({})).with_id("call_1");
    /// let round = vec![Message::ai("").with_tool_calls([call]), Message::tool("12:00", "call_1")];
    /// let reply = Reply::new(Message::ai("It is noon.")).with_intermediate(round);
    /// let pieces: Vec<_> = Delta::of(&reply).collect();
    /// assert!(matches!(pieces[..], [Delta::ToolCall(_), Delta::ToolResult(_), Delta::Text(_)]));
    /// ```
    pub fn of(reply: &Reply) -> impl Iterator<Item = Self> {
        let rounds = Self::of_exchange(&reply.intermediate);
        let reasoning = reply.reasoning().map(|text| Self::Reasoning(text.into_owned()));
        let text = Some(reply.text()).filter(|text| !text.is_empty());
        let text = text.map(|text| Self::Text(text.into_owned()));
        let calls = ToolCallDelta::of(&reply.message).map(Self::ToolCall);
        let mut results: Vec<_> = ToolResultDelta::of(&reply.call_results).collect();
        if let Some(first) = results.first_mut() {
            first.answer = Some(Arc::new(reply.message.clone()));
        }
        let results = results.into_iter().map(|result| Self::ToolResult(Box::new(result)));
        rounds.chain(reasoning).chain(text).chain(calls).chain(results)
    }

    /// Returns an exchange of a tool loop as pieces: the calls of each round, and their results.
    pub fn of_exchange(exchange: &Messages) -> impl Iterator<Item = Self> {
        ToolResultDelta::of(exchange).flat_map(|result| {
            let calls = result.answer.iter().flat_map(|answer| ToolCallDelta::of(answer));
            let calls: Vec<_> = calls.map(Self::ToolCall).collect();
            calls.into_iter().chain([Self::ToolResult(Box::new(result))])
        })
    }
}

impl From<Reply> for Delta {
    /// Creates the end of a stream.
    fn from(reply: Reply) -> Self {
        Self::Done(Box::new(reply))
    }
}

impl fmt::Debug for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text(<{} bytes>)", text.len()),
            Self::Reasoning(text) => write!(f, "Reasoning(<{} bytes>)", text.len()),
            Self::Refusal(text) => write!(f, "Refusal(<{} bytes>)", text.len()),
            Self::ToolCall(call) => f.debug_tuple("ToolCall").field(call).finish(),
            Self::ToolResult(result) => f.debug_tuple("ToolResult").field(result).finish(),
            Self::Branch(branch) => f.debug_tuple("Branch").field(branch).finish(),
            Self::Done(reply) => f.debug_tuple("Done").field(reply).finish(),
        }
    }
}

/// A piece of the answer of a branch. A branch of branches has pieces whose `delta` is a
/// [`Delta::Branch`] again.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BranchDelta {
    /// The branch's name.
    pub branch: Arc<str>,
    /// The piece. [`Delta::Done`] is the end of the branch.
    pub delta: Delta,
}

impl BranchDelta {
    /// Creates a piece of a branch.
    #[must_use]
    pub fn new(branch: impl Into<Arc<str>>, delta: Delta) -> Self {
        Self { branch: branch.into(), delta }
    }
}

/// A piece of a tool call. The first piece of a call has its name and id, if the server sends an
/// id; the others have more of its arguments, or of its name.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolCallDelta {
    /// The index of the call in the answer, from 0.
    pub index: usize,
    /// The call's id.
    pub id: Option<String>,
    /// The tool's name.
    pub name: Option<String>,
    /// More of the arguments, as JSON text.
    pub arguments: String,
}

impl ToolCallDelta {
    /// Creates an empty piece of the call at an index.
    #[must_use]
    pub const fn new(index: usize) -> Self {
        Self { index, id: None, name: None, arguments: String::new() }
    }

    /// Returns the calls of an answer, each as one piece. Those whose arguments are not valid JSON
    /// are the last.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, ToolCall, ToolCallDelta};
    /// use serde_json::json;
    ///
    /// let call = ToolCall::new("time", json!({"city": "Kyoto"})).with_id("call_1");
    /// let pieces: Vec<_> = ToolCallDelta::of(&Message::ai("").with_tool_calls([call])).collect();
    /// assert_eq!(pieces[0].arguments, r#"{"city":"Kyoto"}"#);
    /// ```
    pub fn of(answer: &Message) -> impl Iterator<Item = Self> {
        let valid = answer.tool_calls().iter().map(|call| {
            let (name, arguments) = (Some(call.name.clone()), call.args.to_string());
            Self { index: 0, id: call.id.clone(), name, arguments }
        });
        let invalid = answer.invalid_tool_calls().iter().map(|call| {
            let arguments = call.args.clone().unwrap_or_default();
            Self { index: 0, id: call.id.clone(), name: call.name.clone(), arguments }
        });
        valid.chain(invalid).enumerate().map(|(index, call)| Self { index, ..call })
    }
}

impl fmt::Debug for ToolCallDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolCallDelta")
            .field("index", &self.index)
            .field("id", &self.id.as_deref().map(ShownName))
            .field("name", &self.name.as_deref().map(ShownName))
            .finish_non_exhaustive()
    }
}

/// The result of a tool call that a tool loop has run: a tool message, to which it dereferences.
///
/// # Examples
///
/// ```
/// use conversant_core::{Message, ToolResultDelta};
///
/// let result = ToolResultDelta::new(Message::tool("12:00", "call_1"));
/// assert_eq!((result.text(), result.tool_call_id()), ("12:00".into(), Some("call_1")));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ToolResultDelta {
    /// The result.
    pub message: Message,
    /// The model's answer whose calls were run, whole, at the first of their results: as the next
    /// request has it, with fields that pieces do not have, such as a signature of the provider.
    pub answer: Option<Arc<Message>>,
}

impl ToolResultDelta {
    /// Creates a result.
    #[must_use]
    pub const fn new(message: Message) -> Self {
        Self { message, answer: None }
    }

    /// Sets the answer whose calls were run.
    #[must_use]
    pub fn with_answer(mut self, answer: impl Into<Arc<Message>>) -> Self {
        self.answer = Some(answer.into());
        self
    }

    /// Returns the results of an exchange of a tool loop, the first of each round with the answer.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, Messages, ToolCall, ToolResultDelta};
    /// use serde_json::json;
    ///
    /// let call = ToolCall::new("time", json!({})).with_id("call_1");
    /// let answer = Message::ai("").with_tool_calls([call]);
    /// let exchange = Messages::from(vec![answer.clone(), Message::tool("12:00", "call_1")]);
    /// let results: Vec<_> = ToolResultDelta::of(&exchange).collect();
    /// let expected = ToolResultDelta::new(Message::tool("12:00", "call_1")).with_answer(answer);
    /// assert_eq!(results, [expected]);
    /// ```
    pub fn of(exchange: &Messages) -> impl Iterator<Item = Self> {
        let mut answer = None;
        exchange.iter_shared().filter_map(move |message| {
            if message.tool_call_id().is_none() {
                answer = Some(Arc::clone(message));
                return None;
            }
            Some(Self { message: Message::clone(message), answer: answer.take() })
        })
    }
}

impl From<Message> for ToolResultDelta {
    fn from(message: Message) -> Self {
        Self::new(message)
    }
}

impl Deref for ToolResultDelta {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

/// An answer that arrives piece by piece and ends with [`Delta::Done`].
///
/// For every model, a stream that ends without `Done` ends with [`ModelError::StreamTruncated`],
/// which holds the text that was received. No items follow `Done` or an error. Dropping the stream
/// drops the model's stream, which closes its connection.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use conversant_core::{Delta, Message, Reply, ReplyStream};
///
/// let mut stream = ReplyStream::whole(Reply::new(Message::ai("Hello!")));
/// let mut text = String::new();
/// while let Some(delta) = stream.next().await {
///     match delta {
///         Ok(Delta::Text(piece)) => text.push_str(&piece),
///         Ok(Delta::Done(reply)) => assert_eq!(reply.text(), text),
///         other => panic!("{other:?}"),
///     }
/// }
/// assert_eq!(text, "Hello!");
/// # }
/// ```
pub struct ReplyStream {
    /// `None` once it has ended.
    inner: Option<Inner>,
    /// The text that was received, for the error of a stream that is cut off.
    partial: String,
    is_whole: bool,
}

type Inner = Pin<Box<dyn Stream<Item = Result<Delta, ModelError>> + Send>>;

impl ReplyStream {
    /// Wraps a stream of pieces.
    #[must_use]
    pub fn new(stream: impl Stream<Item = Result<Delta, ModelError>> + Send + 'static) -> Self {
        Self { inner: Some(Box::pin(stream)), partial: String::new(), is_whole: false }
    }

    /// Creates a stream from pieces that are known already. The last is [`Delta::Done`] or an
    /// error.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), conversant_core::ModelError> {
    /// use conversant_core::{Delta, Message, Reply, ReplyStream};
    ///
    /// let words = ["Hel", "lo"].map(|word| Ok(Delta::Text(word.to_owned())));
    /// let stream = ReplyStream::from_pieces(words.into_iter().chain([Ok(Reply::new(Message::ai("Hello")).into())]));
    /// assert_eq!(stream.into_reply().await?.text(), "Hello");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn from_pieces<I>(pieces: I) -> Self
    where
        I: IntoIterator<Item = Result<Delta, ModelError>>,
        I::IntoIter: Send + Unpin + 'static,
    {
        Self::new(Pieces(pieces.into_iter()))
    }

    /// Creates a stream from a whole answer: its pieces ([`Delta::of`]), of which the text is one,
    /// and the end. Calls that have no id get one, so that a result can name its call.
    #[must_use]
    pub fn whole(mut reply: Reply) -> Self {
        if let Cow::Owned(message) = reply.message.with_call_ids() {
            reply.message = message;
        }
        let pieces: Vec<_> = Delta::of(&reply).collect();
        let pieces = pieces.into_iter().chain([reply.into()]).map(Ok);
        Self { is_whole: true, ..Self::from_pieces(pieces) }
    }

    /// Returns whether the answer was whole before its first piece was read
    /// ([`whole`](Self::whole)): reading it waits for nothing and starts nothing.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Wraps the stream, which stays whole if it is.
    pub(crate) fn map_stream<S>(self, wrap: impl FnOnce(Self) -> S) -> Self
    where
        S: Stream<Item = Result<Delta, ModelError>> + Send + 'static,
    {
        let is_whole = self.is_whole;
        Self { is_whole, ..Self::new(wrap(self)) }
    }

    /// Returns the text that has been received so far. It is not an answer before [`Delta::Done`].
    #[must_use]
    pub fn partial(&self) -> &str {
        &self.partial
    }

    /// Returns the next piece, or `None` after the end.
    pub async fn next(&mut self) -> Option<Result<Delta, ModelError>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Reads to the end and returns the whole answer.
    ///
    /// # Errors
    /// The stream's error, if it fails or is cut off.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, Reply, ReplyStream};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), conversant_core::ModelError> {
    /// let stream = ReplyStream::whole(Reply::new(Message::ai("Hello!")));
    /// assert_eq!(stream.into_reply().await?.text(), "Hello!");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn into_reply(mut self) -> Result<Reply, ModelError> {
        loop {
            match self.next().await {
                Some(Ok(Delta::Done(reply))) => return Ok(*reply),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Err(ModelError::truncated(PartialReply::default())),
            }
        }
    }
}

impl Stream for ReplyStream {
    type Item = Result<Delta, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let item = match ready!(inner.as_mut().poll_next(context)) {
            Some(item) => item,
            None => Err(ModelError::truncated(PartialReply::new(self.partial.clone()))),
        };
        match &item {
            Ok(Delta::Text(text)) => self.partial.push_str(text),
            Ok(Delta::Done(_)) | Err(_) => self.inner = None,
            Ok(_) => {}
        }
        Poll::Ready(Some(item))
    }
}

impl fmt::Debug for ReplyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyStream").field("ended", &self.inner.is_none()).finish_non_exhaustive()
    }
}

/// Pieces that are known already.
struct Pieces<I>(I);

impl<I: Iterator<Item = Result<Delta, ModelError>> + Unpin> Stream for Pieces<I> {
    type Item = Result<Delta, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next())
    }
}
