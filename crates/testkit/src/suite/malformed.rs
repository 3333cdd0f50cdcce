//! Texts that are not stored messages, to check what errors quote.

/// The word that is in each of [`MALFORMED_MESSAGES`], and that no error may contain.
pub const MALFORMED_SECRET: &str = "Sekretwort";

/// Texts that are not messages in a stored form, or have odd fields, which a store may read. Each
/// has [`MALFORMED_SECRET`] where a user's words could be. Errors end in logs, so a store that
/// cannot read such a text names its place and quotes none of it.
///
/// # Examples
///
/// ```
/// use conversant_core::{Message, Report};
/// use conversant_testkit::suite::{MALFORMED_MESSAGES, MALFORMED_SECRET};
///
/// for text in MALFORMED_MESSAGES {
///     if let Err(error) = Message::from_stored_json(text, "row 7") {
///         assert!(!Report::new(&error).to_string().contains(MALFORMED_SECRET), "{text}");
///     }
/// }
/// ```
pub const MALFORMED_MESSAGES: &[&str] = &[
    "Sekretwort",
    r#""my word is Sekretwort""#,
    r#"["Sekretwort"]"#,
    r#"{"Sekretwort":1}"#,
    r#"{"type":["Sekretwort"],"data":{"content":"Sekretwort"}}"#,
    r#"{"type":"human"} Sekretwort"#,
    r#"{"type":"human","data":"Sekretwort"}"#,
    r#"{"type":"human","data":["Sekretwort"]}"#,
    r#"{"type":"human","data":{"content":{"Sekretwort":1}}}"#,
    r#"{"type":"human","data":{"content":["Sekretwort",7]}}"#,
    r#"{"type":"human","data":{"content":[{"type":7,"text":"Sekretwort"}]}}"#,
    r#"{"type":"human","data":{"content":"Sekretwort"#,
    r#"{"type":"human","data":{"content":"Sekretwort"},}"#,
    r#"{"type":"human","data":{"content":"Sekretwort \ud800"}}"#,
    r#"{"type":"ai","data":{"content":true,"name":"Sekretwort"}}"#,
    r#"{"type":"ai","data":{"content":"","tool_calls":"Sekretwort"}}"#,
    r#"{"type":"ai","data":{"content":"","tool_calls":[{"name":7,"args":"Sekretwort"}]}}"#,
    r#"{"type":"ai","data":{"content":"","additional_kwargs":"Sekretwort","id":{}}}"#,
];
