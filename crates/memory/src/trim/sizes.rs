//! Sums of the sizes of messages, in tokens.

/// Returns the sum of sizes, or `usize::MAX` if it overflows.
pub(crate) fn total(sizes: impl IntoIterator<Item = usize>) -> usize {
    sizes.into_iter().fold(0, usize::saturating_add)
}

/// Returns the first index from which on the sum of the sizes does not exceed a budget.
pub(crate) fn fitting(sizes: &[usize], budget: usize) -> usize {
    let mut left = budget;
    let fit = sizes.iter().rev().take_while(|&&size| {
        let rest = left.checked_sub(size);
        rest.inspect(|&rest| left = rest).is_some()
    });
    sizes.len() - fit.count()
}
