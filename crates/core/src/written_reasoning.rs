//! Reasoning that a model writes into its answer's text.

/// Returns an answer without the reasoning at its start: a block `<think>…</think>` or
/// `<thinking>…</thinking>`.
///
/// - Some servers' templates open the block in the prompt, so that the answer begins with reasoning
///   and has the closing tag alone. If it ends its line, the text before it is reasoning too,
///   unless a block was before it.
/// - Reasoning that is not closed is all there is: the answer was cut off in it, and is empty.
/// - Tags after the start are the answer's own.
///
/// A chain calls it before its parser, a sequence before its next step, and a memory for the
/// answers of its own model. The history keeps the answer as the model gave it. Reasoning that a
/// server sends in a field of its own is never in the text; see
/// [`Reply::reasoning`](crate::Reply::reasoning).
///
/// # Examples
///
/// ```
/// use conversant_core::without_reasoning;
///
/// assert_eq!(without_reasoning("<think>2 + 2 …</think>\n\n4"), "4");
/// assert_eq!(without_reasoning("2 + 2 …\n</think>\n4"), "4");
/// assert_eq!(without_reasoning("<think>2 + 2 …"), "");
/// assert_eq!(without_reasoning("The tag <think> is 7 bytes."), "The tag <think> is 7 bytes.");
/// ```
#[must_use]
pub fn without_reasoning(answer: &str) -> &str {
    let mut rest = answer;
    'blocks: loop {
        let trimmed = rest.trim_start_matches(is_space);
        for (opening, closing) in TAGS {
            if let Some(block) = trimmed.strip_prefix(opening) {
                rest = block.split_once(closing).map_or("", |(_, rest)| rest);
                continue 'blocks;
            }
        }
        break;
    }
    if rest.len() < answer.len() {
        return rest.trim_start_matches(is_space);
    }
    let orphan = TAGS.iter().find_map(|(opening, closing)| {
        let (before, after) = rest.split_once(closing)?;
        let ends_line = after.is_empty() || after.starts_with(['\n', '\r']);
        (ends_line && !before.contains(opening)).then_some(after)
    });
    orphan.map_or(answer, |rest| rest.trim_start_matches(is_space))
}

const TAGS: [(&str, &str); 2] = [("<think>", "</think>"), ("<thinking>", "</thinking>")];

/// Returns whether Python's `str.strip` removes a character: Unicode's whitespace, and the four
/// separators of ASCII.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}
