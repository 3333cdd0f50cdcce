//! The error of a stored message.

use crate::shortened::shortened;

/// A stored message that cannot be decoded.
///
/// Stored messages are input like any other: the type chooses from a closed list, and nothing in
/// them runs code or reads the environment.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoredMessageError {
    /// The value is not an object with a `type` and a `data` object.
    #[error("invalid stored message: expected an object with a `type` and a `data` object")]
    Shape,
    /// The message's type is unknown.
    #[error("unknown type `{}` of a stored message", shortened(name))]
    UnknownType {
        /// The type.
        name: String,
    },
    /// A required field is missing.
    #[error("invalid stored message of type `{message_type}`: missing `{field}`")]
    MissingField {
        /// The message's type.
        message_type: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A field cannot be decoded.
    #[error("cannot decode field `{field}` of a stored message of type `{message_type}`: {reason}")]
    Field {
        /// The message's type.
        message_type: &'static str,
        /// The field.
        field: &'static str,
        /// The reason.
        reason: String,
    },
}

crate::debug_as_report!(StoredMessageError);
