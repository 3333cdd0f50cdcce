//! The answer of a composition in pieces, and then whole.

use std::{
    borrow::Cow,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    vec,
};

use conversant_core::{Delta, Messages, ModelError, Reply, ReplyStream};
use futures_core::Stream;

use crate::{answer::Answer, error::ChainError, resumed::after_exchange};

/// The answer of a chain that contains other chains: the pieces of its last step or of its
/// branches, and then the whole [`Answer`]. [`Streaming::map`](crate::Streaming::map) creates it.
///
/// Dropping it drops the step's stream, which closes the model's connection.
pub struct AnswerStream {
    source: Box<dyn AnswerSource>,
}

/// An item of an [`AnswerStream`].
pub(crate) enum AnswerItem {
    /// A piece, never [`Delta::Done`].
    Piece(Delta),
    /// The end: the last model's reply, and the answer.
    Done(Box<Reply>, Box<Answer>),
}

/// A source of pieces that ends with an answer or an error.
pub(crate) trait AnswerSource: Send {
    /// Polls the next item. It is not called again after the end.
    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Result<AnswerItem, ChainError>>;

    /// Returns the text of the first output that has been received so far.
    fn partial(&self) -> &str;

    /// Returns whether the answer is complete, so that the items that are left need no model. The
    /// turn of a step may still be saved between them.
    fn is_complete(&self) -> bool;
}

/// A function of a step's result.
pub(crate) type Map =
    Box<dyn FnOnce(Result<Answer, ChainError>) -> Result<Answer, ChainError> + Send>;

impl AnswerStream {
    pub(crate) fn new(source: impl AnswerSource + 'static) -> Self {
        Self { source: Box::new(source) }
    }

    /// Creates the stream of a model's answer, which `finish` turns into that of the chain.
    pub(crate) fn of_model(
        stream: ReplyStream,
        finish: impl FnOnce(Reply) -> Result<Answer, ChainError> + Send + 'static,
    ) -> Self {
        Self::new(ModelSource { stream, finish: Some(Box::new(finish)) })
    }

    /// Applies a function to the answer or the error at the end.
    pub(crate) fn map(self, map: Map) -> Self {
        Self::new(Mapped { stream: self, map: Some(map) })
    }

    /// Creates the stream of an answer that is whole already, of a chain with these outputs: its
    /// pieces ([`Delta::of`]), without the calls and results that the turn had before the call, and
    /// the end.
    pub(crate) fn whole(answer: Answer, outputs: &[Cow<'static, str>], before: &Messages) -> Self {
        let reply = answer.reply_of(outputs);
        let mut own = reply.clone();
        own.intermediate = after_exchange(&reply.intermediate, before);
        let pieces: Vec<_> = Delta::of(&own).collect();
        let ended = Some((Box::new(reply), Box::new(answer)));
        Self::new(Whole { pieces: pieces.into_iter(), received: String::new(), ended })
    }

    /// Makes the received text unavailable for a partial turn, since it is not the first output.
    #[cfg(feature = "composition")]
    pub(crate) fn without_partial(self) -> Self {
        Self::new(WithoutPartial(self))
    }

    /// Puts items before the others.
    #[cfg(feature = "composition")]
    pub(crate) fn after(self, items: Vec<AnswerItem>) -> Self {
        Self::new(PutBack { items: items.into_iter(), stream: self })
    }
}

impl AnswerSource for AnswerStream {
    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Result<AnswerItem, ChainError>> {
        self.source.poll_item(context)
    }

    fn partial(&self) -> &str {
        self.source.partial()
    }

    fn is_complete(&self) -> bool {
        self.source.is_complete()
    }
}

impl fmt::Debug for AnswerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerStream").finish_non_exhaustive()
    }
}

struct ModelSource {
    stream: ReplyStream,
    /// `None` once it was called.
    finish: Option<Finish>,
}

type Finish = Box<dyn FnOnce(Reply) -> Result<Answer, ChainError> + Send>;

impl AnswerSource for ModelSource {
    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Result<AnswerItem, ChainError>> {
        let piece = ready!(Pin::new(&mut self.stream).poll_next(context));
        // A reply stream ends with `Done` or an error.
        let piece = piece.unwrap_or(Err(ModelError::Cancelled)).map_err(ChainError::Model);
        Poll::Ready(piece.and_then(|piece| match (piece, self.finish.take()) {
            (Delta::Done(reply), Some(finish)) => {
                let answer = finish(Reply::clone(&reply))?;
                Ok(AnswerItem::Done(reply, Box::new(answer)))
            }
            (piece, finish) => {
                self.finish = finish;
                Ok(AnswerItem::Piece(piece))
            }
        }))
    }

    fn partial(&self) -> &str {
        self.stream.partial()
    }

    fn is_complete(&self) -> bool {
        false
    }
}

struct Mapped {
    stream: AnswerStream,
    map: Option<Map>,
}

impl AnswerSource for Mapped {
    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Result<AnswerItem, ChainError>> {
        let (reply, result) = match ready!(self.stream.poll_item(context)) {
            Ok(AnswerItem::Done(reply, answer)) => (Some(reply), Ok(*answer)),
            Err(error) => (None, Err(error)),
            piece => return Poll::Ready(piece),
        };
        let result = match self.map.take() {
            Some(map) => map(result),
            None => result,
        };
        Poll::Ready(result.map(|answer| {
            let reply = reply.unwrap_or_else(|| Box::new(answer.to_reply()));
            AnswerItem::Done(reply, Box::new(answer))
        }))
    }

    fn partial(&self) -> &str {
        self.stream.partial()
    }

    fn is_complete(&self) -> bool {
        self.stream.is_complete()
    }
}

/// A stream whose text is not the chain's first output.
#[cfg(feature = "composition")]
struct WithoutPartial(AnswerStream);

#[cfg(feature = "composition")]
impl AnswerSource for WithoutPartial {
    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Result<AnswerItem, ChainError>> {
        self.0.poll_item(context)
    }

    fn partial(&self) -> &str {
        ""
    }

    fn is_complete(&self) -> bool {
        self.0.is_complete()
    }
}

/// An answer that was there before its first piece.
struct Whole {
    pieces: vec::IntoIter<Delta>,
    received: String,
    /// The reply and the answer, or `None` after the end.
    ended: Option<(Box<Reply>, Box<Answer>)>,
}

impl AnswerSource for Whole {
    fn poll_item(&mut self, _: &mut Context<'_>) -> Poll<Result<AnswerItem, ChainError>> {
        if let Some(piece) = self.pieces.next() {
            if let Delta::Text(text) = &piece {
                self.received.push_str(text);
            }
            return Poll::Ready(Ok(AnswerItem::Piece(piece)));
        }
        Poll::Ready(match self.ended.take() {
            Some((reply, answer)) => Ok(AnswerItem::Done(reply, answer)),
            None => Err(ChainError::Model(ModelError::Cancelled)),
        })
    }

    fn partial(&self) -> &str {
        &self.received
    }

    fn is_complete(&self) -> bool {
        true
    }
}

#[cfg(feature = "composition")]
struct PutBack {
    items: vec::IntoIter<AnswerItem>,
    stream: AnswerStream,
}

#[cfg(feature = "composition")]
impl AnswerSource for PutBack {
    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Result<AnswerItem, ChainError>> {
        match self.items.next() {
            Some(item) => Poll::Ready(Ok(item)),
            None => self.stream.poll_item(context),
        }
    }

    fn partial(&self) -> &str {
        // A first piece that is not returned yet was not received.
        if self.items.as_slice().is_empty() { self.stream.partial() } else { "" }
    }

    fn is_complete(&self) -> bool {
        self.stream.is_complete()
    }
}
