//! The endpoint of an adapter, and its decoders.

use bytes::Bytes;
use conversant_core::{Delta, ModelError, PartialReply};

use crate::wire::{Answer, StreamDecoder};

/// The endpoint of an adapter: its path, and the decoders of its answers.
pub(crate) trait Endpoint: Send + Sync + 'static {
    /// The path below the base URL.
    const PATH: &'static str;
    /// Whether the server and the model are noted on messages, so that what they bring goes back
    /// only there.
    const NOTES_ORIGIN: bool;
    /// The decoder of streamed answers.
    type Decoder: AnswerDecoder;

    /// Decodes a whole answer.
    fn decode(body: &[u8]) -> Result<Answer, ModelError>;

    /// Creates the decoder of a streamed answer with this number of choices.
    fn decoder(choices: usize, max_response_bytes: usize) -> Self::Decoder;
}

/// A decoder of streamed answers.
pub(crate) trait AnswerDecoder: Send + Unpin + 'static {
    /// Takes the next bytes.
    fn feed(&mut self, chunk: Bytes);
    /// Reads one event, and returns whether there was one.
    fn read_event(&mut self) -> Result<bool, ModelError>;
    /// Returns the next piece, or `None` if more bytes are needed.
    fn next_delta(&mut self) -> Result<Option<Delta>, ModelError>;
    /// Returns whether an event was received.
    fn has_begun(&self) -> bool;
    /// Returns whether the answer is whole, so that the stream may end here.
    fn is_whole(&self) -> bool;
    /// Returns whether the answer is whole even if the connection then fails.
    fn is_certain(&self) -> bool;
    /// Returns whether the stream has announced its end.
    fn is_done(&self) -> bool;
    /// Returns whether anything but comments was received since the last call.
    fn take_progress(&mut self) -> bool;
    /// Returns the part of the answer that was received.
    fn partial(&self) -> PartialReply;
    /// Returns the answer, at the end of the stream.
    fn into_answer(self) -> Result<Answer, ModelError>;
}

impl AnswerDecoder for StreamDecoder {
    fn feed(&mut self, chunk: Bytes) {
        Self::feed(self, chunk);
    }

    fn read_event(&mut self) -> Result<bool, ModelError> {
        Self::read_event(self)
    }

    fn next_delta(&mut self) -> Result<Option<Delta>, ModelError> {
        Self::next_delta(self)
    }

    fn has_begun(&self) -> bool {
        Self::has_begun(self)
    }

    fn is_whole(&self) -> bool {
        Self::is_whole(self)
    }

    fn is_certain(&self) -> bool {
        Self::is_certain(self)
    }

    fn is_done(&self) -> bool {
        Self::is_done(self)
    }

    fn take_progress(&mut self) -> bool {
        Self::take_progress(self)
    }

    fn partial(&self) -> PartialReply {
        Self::partial(self)
    }

    fn into_answer(self) -> Result<Answer, ModelError> {
        Self::into_answer(self)
    }
}
