//! The nearest known name to one that is not known.

mod search;

/// Returns the candidate that a name was probably meant to be, if one is near enough: one edit in
/// three characters.
///
/// # Examples
///
/// ```
/// use conversant_core::nearest;
///
/// assert_eq!(nearest("chat_histroy", ["chat_history", "human_input"]), Some("chat_history"));
/// assert_eq!(nearest("x", ["chat_history"]), None);
/// ```
#[must_use]
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    search::find(name, &mut candidates.into_iter())
}

/// Returns the hint at the nearest known name, for the text of an error. It is empty if there is no
/// such name.
///
/// # Examples
///
/// ```
/// use conversant_core::{nearest, nearest_hint};
///
/// let hint = nearest_hint(nearest("math", ["maths", "physics"]));
/// assert_eq!(format!("no tool `math`{hint}"), "no tool `math` (nearest: `maths`)");
/// assert_eq!(nearest_hint(None), "");
/// ```
#[must_use]
pub fn nearest_hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (nearest: `{name}`)"))
}

#[cfg(test)]
mod tests {
    use super::search::edits;

    #[test]
    fn edits_are_counted() {
        let table = [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("histroy", "history", 1),
            ("ab", "ba", 1),
            ("abcd", "badc", 2),
            ("größe", "grösse", 2),
        ];
        for (from, to, expected) in table {
            assert_eq!(edits(from, to), expected, "{from} {to}");
            assert_eq!(edits(to, from), expected, "{to} {from}");
        }
    }
}
