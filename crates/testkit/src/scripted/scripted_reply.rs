//! One reply of a scripted model: its text or error, and how it is delivered.

use std::fmt;

use conversant_core::{CallOptions, FinishReason, Message, ModelError, Reply};

use crate::{gate::Gate, stop_sequences};

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

/// The end of a reply.
pub(super) enum End {
    Done(Box<Reply>),
    Error(ModelError),
    /// The stream ends before the answer is complete.
    Cut,
    Panic(String),
}

impl ScriptedReply {
    /// Returns a reply of this text, which is streamed as one piece, with [`FinishReason::Stop`].
    pub fn text(text: impl Into<String>) -> Self {
        Self::pieces([text.into()])
    }

    /// Returns a reply of these pieces together. When streamed, each piece is one delta. Empty
    /// pieces are left out, since a model must not send them.
    pub fn pieces<P: Into<String>>(pieces: impl IntoIterator<Item = P>) -> Self {
        let pieces: Vec<String> = pieces.into_iter().map(Into::into).collect();
        let reply = Reply::new(Message::ai(pieces.concat())).with_finish_reason(FinishReason::Stop);
        Self { pieces, ..Self::ending(End::Done(Box::new(reply))) }.without_empty_pieces()
    }

    /// Returns a reply that never arrives.
    pub fn hang() -> Self {
        Self::text("").held_by(&Gate::new())
    }

    /// Returns a reply that panics with this message, as a model with a bug would.
    pub fn panic(message: impl Into<String>) -> Self {
        Self::ending(End::Panic(message.into()))
    }

    /// Sets the error with which the reply ends after its pieces. A whole answer fails with it.
    pub fn then_error(mut self, error: ModelError) -> Self {
        self.end = End::Error(error);
        self
    }

    /// Cuts the reply off after its pieces, which is [`ModelError::StreamTruncated`].
    pub fn cut_off(mut self) -> Self {
        self.end = End::Cut;
        self
    }

    /// Makes the reply wait at `gate`.
    pub fn held_by(self, gate: &Gate) -> Self {
        self.held_after(0, gate)
    }

    /// Makes a streamed reply wait at `gate` after `pieces` pieces. A whole answer waits as with
    /// [`held_by`](Self::held_by).
    pub fn held_after(mut self, pieces: usize, gate: &Gate) -> Self {
        self.hold = Some((pieces, gate.clone()));
        self
    }

    /// Keeps the reply within the options of a call, as models do: it is a timeout if the deadline
    /// has passed, and ends before the first stop sequence.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{CallOptions, ChatRequest};
    /// use conversant_testkit::{ScriptedChat, ScriptedReply};
    ///
    /// let model = ScriptedChat::with_handler(|request: &ChatRequest| {
    ///     ScriptedReply::text("Yes.\nHuman: And now?").within(&request.options)
    /// });
    /// # let _ = model;
    /// ```
    pub fn within(mut self, options: &CallOptions) -> Self {
        if let Err(error) = options.check_deadline() {
            return error.into();
        }
        if stop_sequences::cut(&mut self.pieces, &options.stop)
            && let End::Done(reply) = &mut self.end
        {
            reply.message = Message::ai(self.pieces.concat());
        }
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
