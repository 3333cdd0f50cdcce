//! The nearest known name to one that is not known.

/// Returns the candidate that a name was probably meant to be, if one is near enough: one edit in three characters.
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
    let fold = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let wanted = fold(name);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| {
            distance * 3 <= name.chars().count().max(candidate.chars().count())
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
