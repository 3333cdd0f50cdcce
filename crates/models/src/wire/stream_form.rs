//! Distinguishes a whole body from a stream of events, independent of the request.

/// Returns the text after the comments and blank lines that some servers send to keep a connection
/// open.
pub(super) fn without_comments(text: &str) -> &str {
    let mut rest = text.trim_start();
    while rest.starts_with(':') {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest.trim_start());
    }
    rest
}

/// Returns whether a body is an event stream.
pub(super) fn is_events(text: &str) -> bool {
    let text = text.trim_start();
    ["data:", "event:", "id:", "retry:", ":"].iter().any(|field| text.starts_with(field))
}
