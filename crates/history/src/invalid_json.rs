//! Errors for stored JSON that cannot be decoded.

use conversant_core::HistoryError;
use serde_json::error::Category;

/// Returns the error for stored JSON that cannot be decoded. `what` is the stored item.
///
/// It names the fault and its place and quotes none of the text, since that can be a user's. The
/// errors of `serde_json` quote values of a wrong type.
///
/// # Examples
///
/// ```
/// use conversant_history::invalid_json;
///
/// let error = serde_json::from_str::<u64>(r#""a secret""#).unwrap_err();
/// assert_eq!(
///     invalid_json("note `summary`", &error).to_string(),
///     "cannot use the history: cannot decode note `summary`: unexpected value at line 1 column 10",
/// );
/// ```
#[must_use]
pub fn invalid_json(what: &str, error: &serde_json::Error) -> HistoryError {
    HistoryError::Corrupt { what: json_fault(what, error), source: None }
}

/// Returns the text of [`invalid_json`]'s error, for errors of other stores.
#[must_use]
pub fn json_fault(what: &str, error: &serde_json::Error) -> String {
    let fault = match error.classify() {
        Category::Data => "unexpected value",
        Category::Eof => "unexpected end",
        Category::Syntax | Category::Io => "invalid JSON",
    };
    let (line, column) = (error.line(), error.column());
    format!("cannot decode {what}: {fault} at line {line} column {column}")
}
