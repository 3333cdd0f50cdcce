//! The endpoint of an adapter, and its decoders.

use conversant_core::ModelError;

use crate::wire::{Answer, AnswerDecoder, StreamedAnswer};

/// The endpoint of an adapter: its path, and the decoders of its answers.
pub(crate) trait Endpoint: Send + Sync + 'static {
    /// The path below the base URL.
    const PATH: &'static str;
    /// Whether the server and the model are noted on messages, so that what they bring goes back
    /// only there.
    const NOTES_ORIGIN: bool;
    /// A streamed answer.
    type Streamed: StreamedAnswer;

    /// Decodes a whole answer.
    fn decode(body: &[u8]) -> Result<Answer, ModelError>;

    /// Creates the decoder of a streamed answer with this number of choices.
    fn decoder(choices: usize, max_response_bytes: usize) -> AnswerDecoder<Self::Streamed>;
}
