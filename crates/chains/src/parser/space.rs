//! Whitespace as Python defines it.

/// Returns whether Python's `str.strip` and `\s` treat a character as whitespace: Unicode's
/// whitespace, and the four separators of ASCII.
pub(crate) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}
