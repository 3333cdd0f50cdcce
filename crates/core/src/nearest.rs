//! The nearest known name to one that is not known.

/// The longest name that is compared: 200 bytes. Comparing takes time in the square of the length.
const MAX_LENGTH: usize = 200;

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
    find(name, &mut candidates.into_iter())
}

/// Finds the nearest candidate, compiled once for all kinds of iterators.
fn find<'c>(name: &str, candidates: &mut dyn Iterator<Item = &'c str>) -> Option<&'c str> {
    if name.len() > MAX_LENGTH {
        return None;
    }
    let fold = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let wanted = fold(name);
    candidates
        .filter(|candidate| candidate.len() <= MAX_LENGTH)
        .map(|candidate| (edits(&wanted, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| {
            distance * 3 <= name.chars().count().max(candidate.chars().count())
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Counts the edits that make one text of another: a character added, removed or replaced, or two
/// neighbours swapped.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<_> = to.chars().collect();
    let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
    // For each beginning of `to`: the edits from the last character but one, and from the last, of
    // what was read of `from`.
    let (mut before, mut row) = (Vec::new(), Vec::from_iter(0..=to.len()));
    let mut previous = (None, None);
    for (read, a) in from.chars().enumerate() {
        let mut next = vec![read + 1];
        for (index, &b) in to.iter().enumerate() {
            let replaced = at(&row, index) + usize::from(a != b);
            let mut least = replaced.min(at(&row, index + 1) + 1).min(at(&next, index) + 1);
            if previous == (Some(b), Some(a)) {
                least = least.min(at(&before, index.wrapping_sub(1)) + 1);
            }
            next.push(least);
            previous.1 = Some(b);
        }
        before = std::mem::replace(&mut row, next);
        previous = (Some(a), None);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::edits;

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
