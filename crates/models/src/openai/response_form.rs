//! The form of a response to a request for a stream: some servers answer whole.

/// The size limit of what is read before a body's form is known: 64 KiB.
const MAX_PREFIX_BYTES: usize = 64 << 10;

/// The form of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseForm {
    Events,
    /// Events as lines of JSON. A body that is not labelled so is read whole if it begins with
    /// JSON.
    JsonLines,
    Whole,
}

impl ResponseForm {
    /// Returns the form that a content type names.
    pub(super) fn of_content_type(content_type: Option<String>) -> Option<Self> {
        let content_type = content_type?.to_ascii_lowercase();
        if content_type.starts_with("text/event-stream") {
            Some(Self::Events)
        } else if ["ndjson", "jsonl", "json-seq", "stream+json"]
            .iter()
            .any(|it| content_type.contains(it))
        {
            Some(Self::JsonLines)
        } else {
            let is_whole = content_type.contains("json") || content_type.contains("html");
            is_whole.then_some(Self::Whole)
        }
    }

    /// Returns the form of a body with this prefix, unless it takes more to know. The prefix wins
    /// over the content type. Blank lines and comments may precede either form.
    pub(super) fn of_prefix(prefix: &[u8], content_type: Option<Self>) -> Option<Self> {
        const BOM: &[u8] = b"\xef\xbb\xbf";
        const GZIP: &[u8] = b"\x1f\x8b";
        let may_begin = |mark: &[u8]| prefix.len() < mark.len() && mark.starts_with(prefix);
        if may_begin(BOM) || may_begin(GZIP) {
            return None;
        }
        let mut rest = prefix.strip_prefix(BOM).unwrap_or(prefix).trim_ascii_start();
        while rest.first() == Some(&b':') {
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            rest = end.and_then(|end| rest.get(end..)).unwrap_or_default().trim_ascii_start();
        }
        let fields = [&b"data"[..], b"event", b"id", b"retry", b"error"];
        let is_field = || fields.iter().any(|field| rest.starts_with(field));
        let may_be_field = || fields.iter().any(|field| field.starts_with(rest));
        let labelled = || content_type.unwrap_or(Self::Events);
        match rest.first() {
            Some(b'{' | b'[') if content_type == Some(Self::JsonLines) => content_type,
            Some(b'{' | b'[' | b'<') => Some(Self::Whole),
            Some(_) if is_field() => Some(Self::Events),
            Some(_) if may_be_field() => None,
            Some(_) => Some(labelled()),
            None => (prefix.len() > MAX_PREFIX_BYTES).then(labelled),
        }
    }
}
