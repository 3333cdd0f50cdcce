//! One reply of a scripted model: its text or error, and how it is delivered.

use std::fmt;

use conversant_core::{FinishReason, Message, ModelError, Reply};

use crate::gate::Gate;

/// The reply of a [`Scripted`](super::Scripted) model to one call.
///
/// A string, a [`Reply`] and a [`ModelError`] convert into one.
///
/// # Examples
///
/// ```
/// use conversant_core::{Message, ModelError, Reply, ToolCall};
/// use conversant_testkit::{Gate, ScriptedReply, ScriptedChat};
///
/// let gate = Gate::new();
/// let call = ToolCall::new("weather", "{}").with_id("call_1");
/// let model = ScriptedChat::new([
///     ScriptedReply::text("plain words"),
///     ScriptedReply::pieces(["Hel", "lo"]).held_after(1, &gate),
///     ScriptedReply::pieces(["Hel"]).cut_off(),
///     ScriptedReply::pieces(["Hel"]).then_error(ModelError::Cancelled),
///     Reply::new(Message::ai("").with_tool_calls([call])).into(),
///     ModelError::config("no key").into(),
/// ]);
/// # let _ = model;
/// ```
#[must_use]
pub struct ScriptedReply {
    /// The pieces in which the text is streamed.
    pub(super) pieces: Vec<String>,
    pub(super) end: End,
    pub(super) hold: Option<(usize, Gate)>,
}

/// How a line ends.
pub(super) enum End {
    Done(Box<Reply>),
    Error(ModelError),
    /// The stream ends without its end.
    Cut,
    Panic(String),
}

impl ScriptedReply {
    /// Says `text`, which is streamed as one piece, and ends with [`FinishReason::Stop`].
    pub fn text(text: impl Into<String>) -> Self {
        Self::pieces([text.into()])
    }

    /// Says what `pieces` make when put together; streamed, each is one delta. Empty pieces are
    /// left out, as no model may send them.
    pub fn pieces<P: Into<String>>(pieces: impl IntoIterator<Item = P>) -> Self {
        let pieces: Vec<String> = pieces.into_iter().map(Into::into).collect();
        let reply = Reply::new(Message::ai(pieces.concat())).with_finish_reason(FinishReason::Stop);
        Self { pieces, ..Self::ending(End::Done(Box::new(reply))) }.without_empty_pieces()
    }

    /// Answers nothing until it is dropped.
    pub fn hang() -> Self {
        Self::text("").held_by(&Gate::new())
    }

    /// Panics with this message, as a model with a bug would.
    pub fn panic(message: impl Into<String>) -> Self {
        Self::ending(End::Panic(message.into()))
    }

    /// Fails with `error` after the pieces; a whole answer fails with it.
    pub fn then_error(mut self, error: ModelError) -> Self {
        self.end = End::Error(error);
        self
    }

    /// Ends without the end after the pieces, which is [`ModelError::StreamTruncated`].
    pub fn cut_off(mut self) -> Self {
        self.end = End::Cut;
        self
    }

    /// Holds the answer back until `gate` lets it through.
    pub fn held_by(self, gate: &Gate) -> Self {
        self.held_after(0, gate)
    }

    /// Holds a streamed answer back after `pieces` pieces, until `gate` lets it through. A whole
    /// answer is held as by [`held_by`](Self::held_by).
    pub fn held_after(mut self, pieces: usize, gate: &Gate) -> Self {
        self.hold = Some((pieces, gate.clone()));
        self
    }

    fn ending(end: End) -> Self {
        Self { pieces: Vec::new(), end, hold: None }
    }

    fn without_empty_pieces(mut self) -> Self {
        self.pieces.retain(|piece| !piece.is_empty());
        self
    }
}

impl From<&str> for ScriptedReply {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for ScriptedReply {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Reply> for ScriptedReply {
    fn from(reply: Reply) -> Self {
        let pieces = vec![reply.text().into_owned()];
        Self { pieces, ..Self::ending(End::Done(Box::new(reply))) }.without_empty_pieces()
    }
}

impl From<ModelError> for ScriptedReply {
    fn from(error: ModelError) -> Self {
        Self::ending(End::Error(error))
    }
}

impl fmt::Debug for ScriptedReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match &self.end {
            End::Done(_) => "done",
            End::Error(_) => "error",
            End::Cut => "cut off",
            End::Panic(_) => "panic",
        };
        f.debug_struct("ScriptedReply")
            .field("pieces", &self.pieces.len())
            .field("end", &end)
            .finish_non_exhaustive()
    }
}
