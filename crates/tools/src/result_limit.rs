//! The limit on the size of a tool's result.

use conversant_core::Content;

/// Returns a result within a number of bytes: whole, or the start of its text with a note. The
/// error is a text for the model.
pub(crate) fn limited(content: Content, max: usize) -> Result<Content, String> {
    let size = size_of(&content);
    if size <= max {
        return Ok(content);
    }
    match content {
        Content::Text(text) => Ok(Content::Text(limited_text(text, max))),
        _ => Err(format!(
            "the result has {size} bytes, and the limit is {max}; ask for a smaller part of it"
        )),
    }
}

/// Returns a text within a number of bytes: whole, or its start with a note.
pub(crate) fn limited_text(mut text: String, max: usize) -> String {
    let size = text.len();
    if size <= max {
        return text;
    }
    let end = (0..=max).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
    text.truncate(end);
    text.push_str(&format!(
        "\n[the result is cut off here: it has {size} bytes, and the limit is {max}; ask for a \
         smaller part of it]"
    ));
    // The rest of a large buffer is not kept with the conversation.
    text.shrink_to_fit();
    text
}

fn size_of(content: &Content) -> usize {
    match content {
        Content::Text(text) => text.len(),
        // A part without a JSON form cannot be sent either.
        parts => serde_json::to_string(parts).map_or(usize::MAX, |json| json.len()),
    }
}
