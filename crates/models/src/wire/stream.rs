//! Decodes a streamed answer, from bytes to pieces and the whole answer.

use std::collections::VecDeque;

use bytes::Bytes;
use conversant_core::{Delta, ModelError, PartialReply, Reply};

use super::{
    accumulator::{Accumulator, DONE},
    answer::Answer,
    choice_accumulator::Ending,
    sse::SseDecoder,
};

/// The default limit of an answer, in bytes of text, reasoning and arguments: 32 MiB.
pub(super) const DEFAULT_MAX_ANSWER: usize = 32 * 1024 * 1024;

/// The maximum size of an event, in bytes: 4 MiB.
const MAX_EVENT: usize = 4 * 1024 * 1024;

/// Returns the limit of an event, for a limit of the answer: eight times that, from 64 KiB to 4
/// MiB. JSON may write a byte in six, and there is more in an event than text.
pub(super) fn event_limit(answer: usize) -> usize {
    answer.saturating_mul(8).clamp(64 * 1024, MAX_EVENT)
}

/// Decodes the streamed answer of the chat or the completion endpoint.
///
/// A stream is whole if it ended with `[DONE]`, or if every choice had a finish reason; some
/// servers leave `[DONE]` out. Any other stream was cut off, which is an error.
///
/// # Examples
///
/// ```
/// use conversant_core::Delta;
/// use conversant_models::wire::StreamDecoder;
///
/// let mut decoder = StreamDecoder::new();
/// decoder.feed("data: {\"choices\": [{\"delta\": {\"content\": \"Hel\"}}]}\n\n".into());
/// assert_eq!(decoder.next_delta()?, Some(Delta::Text("Hel".into())));
/// decoder.feed("data: {\"choices\": [{\"delta\": {\"content\": \"lo\"}}]}\n\ndata: [DONE]\n\n".into());
/// assert_eq!(decoder.next_delta()?, Some(Delta::Text("lo".into())));
/// assert_eq!(decoder.next_delta()?, None);
/// assert_eq!(decoder.finish()?.text(), "Hello");
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamDecoder {
    sse: SseDecoder,
    answer: Accumulator,
    pieces: VecDeque<Delta>,
    has_begun: bool,
    is_done: bool,
}

impl Default for StreamDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl StreamDecoder {
    /// Creates a decoder of one choice, with a limit of 32 MiB for the answer.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(1, DEFAULT_MAX_ANSWER)
    }

    /// Creates a decoder for the requested number of choices, with a limit for the answer in bytes.
    /// An event has at most eight times that, and at most 4 MiB.
    #[must_use]
    pub fn with_limits(choices: usize, answer: usize) -> Self {
        let event = event_limit(answer);
        Self {
            sse: SseDecoder::with_limits(event, event),
            answer: Accumulator::new(choices, answer),
            pieces: VecDeque::new(),
            has_begun: false,
            is_done: false,
        }
    }

    /// Takes more bytes. Bytes after `[DONE]` are ignored.
    pub fn feed(&mut self, chunk: Bytes) {
        if !self.is_done {
            self.sse.feed(chunk);
        }
    }

    /// Returns the next piece, or `None` if more bytes are needed. It is never [`Delta::Done`].
    ///
    /// # Errors
    /// [`ModelError`], if the stream reports an error, or can't be decoded.
    pub fn next_delta(&mut self) -> Result<Option<Delta>, ModelError> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Ok(Some(piece));
            }
            if !self.read_event()? {
                return Ok(None);
            }
        }
    }

    /// Reads one event, and returns whether there was one.
    pub(crate) fn read_event(&mut self) -> Result<bool, ModelError> {
        if self.is_done {
            return Ok(false);
        }
        let Some(event) = self.sse.next_event()? else { return Ok(false) };
        self.has_begun |= !event.data.is_empty();
        self.is_done = self.answer.take(event, &mut self.pieces)?;
        Ok(true)
    }

    /// Returns whether the stream has announced its end.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.is_done
    }

    /// Returns whether the answer is whole: whether the stream may end here.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.has_done_marker() || self.answer.ending() != Ending::Open
    }

    /// Returns whether the answer is whole even if the connection then fails.
    pub(crate) fn is_certain(&self) -> bool {
        self.has_done_marker() || self.answer.ending() == Ending::Certain
    }

    /// Returns whether `[DONE]` has come, as an event or as the last, unended line.
    fn has_done_marker(&self) -> bool {
        self.is_done || self.sse.pending_data().is_some_and(|data| data.trim() == DONE)
    }

    /// Returns the answer, at the end of the stream.
    ///
    /// # Errors
    /// - [`ModelError::StreamTruncated`], if the stream was cut off.
    /// - [`ModelError::EmptyAnswer`], if it had no choices.
    pub fn finish(self) -> Result<Reply, ModelError> {
        self.into_answer().map(|answer| answer.reply)
    }

    pub(crate) fn into_answer(self) -> Result<Answer, ModelError> {
        if !self.is_whole() {
            return Err(ModelError::truncated(self.answer.partial()));
        }
        let done_marker_seen = self.has_done_marker();
        self.answer.finish(done_marker_seen)
    }

    /// Returns whether an event was received.
    pub(crate) const fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Returns whether anything but comments was received since the last call.
    pub(crate) fn take_progress(&mut self) -> bool {
        self.sse.take_progress()
    }

    pub(crate) fn partial(&self) -> PartialReply {
        self.answer.partial()
    }
}
