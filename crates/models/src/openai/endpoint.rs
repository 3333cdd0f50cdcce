//! The endpoint of an adapter.

use conversant_core::ModelError;

use crate::wire::Answer;

/// An endpoint: its path, and the decoder of its whole answers. A value and not a type, so that the
/// code of a call is compiled once.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The path below the base URL.
    pub(crate) path: &'static str,
    /// Whether the server and the model are noted on messages, so that what they bring goes back
    /// only there.
    pub(crate) notes_origin: bool,
    /// Decodes a whole answer.
    pub(crate) decode: fn(&[u8]) -> Result<Answer, ModelError>,
}
