//! The rule by which a name is the nearest one: the same file in `conversant-core`, for names that
//! are known when a program runs, and in `conversant-macros`.

/// The longest name that is compared: 200 bytes. Comparing takes time in the square of the length.
const MAX_LENGTH: usize = 200;

/// Finds the nearest candidate: one edit in three characters. Case, dashes, underscores and spaces
/// do not count.
pub(crate) fn find<'c>(
    name: &str,
    candidates: &mut dyn Iterator<Item = &'c str>,
) -> Option<&'c str> {
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
pub(super) fn edits(from: &str, to: &str) -> usize {
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
