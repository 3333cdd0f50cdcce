//! The decoder of streamed answers of the chat and the completion endpoint.

use super::{
    accumulator::Accumulator,
    answer_decoder::{AnswerDecoder, DEFAULT_MAX_ANSWER, event_limit},
};

/// Decodes the streamed answer of the chat or the completion endpoint.
///
/// The [rules](crate::wire#rules) say when a stream is whole; some servers leave `[DONE]` out. Any
/// other stream was cut off, which is an error.
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
pub type StreamDecoder = AnswerDecoder<Accumulator>;

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
        Self::of(Accumulator::new(choices, answer), event_limit(answer))
    }
}
