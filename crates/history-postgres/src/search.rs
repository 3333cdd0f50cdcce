//! The texts that are searched.

use conversant_core::Turn;

/// The size of the largest part of a text that is indexed at once, in bytes. The words of a part
/// and their positions have to fit into 1 MiB. Positions end at 16,383, and there a word of several
/// parts, such as `don't`, would not be found.
const MAX_PART: usize = 16 * 1024;

/// Returns a text in the form in which it is searched: in lower case, since the server folds only
/// the letters that its locale has, and without NUL, which PostgreSQL cannot store.
pub(crate) fn search_words(text: &str) -> String {
    text.to_lowercase().replace('\0', " ")
}

/// Returns the text of a turn in the form in which it is searched, in parts.
pub(crate) fn search_texts(turn: &Turn) -> Vec<String> {
    let mut text = String::new();
    for message in turn.messages().iter() {
        text.push_str(&search_words(&message.text()));
        text.push('\n');
    }
    parts(&text)
}

/// Cuts a text into parts between words, or within one that is longer than a part.
fn parts(mut text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    while text.len() > MAX_PART {
        let is_boundary = |&end: &usize| text.is_char_boundary(end);
        let fitting = (0..=MAX_PART).rev().find(is_boundary).unwrap_or_default();
        let (part, _) = text.split_at(fitting);
        let end = part.rfind(char::is_whitespace).filter(|&end| end > 0).unwrap_or(fitting);
        let (part, rest) = text.split_at(end);
        parts.push(part.to_owned());
        text = rest;
    }
    parts.push(text.to_owned());
    parts
}
