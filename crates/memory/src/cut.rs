//! A turn that is too large for the prompt, cut so that it shows.

use std::sync::Arc;

use conversant_core::{Message, Messages};

use crate::budget::total;

/// What stands where text was cut off.
const MARK: &str = "[…]";

/// What becomes of a newest turn that alone exceeds the budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Oversized {
    /// Loading fails with [`MemoryError::OverBudget`](conversant_core::MemoryError::OverBudget), before any model is called.
    #[default]
    Refuse,
    /// Its longest texts are cut at their ends, with `[…]` as the mark. If that is not enough (tool calls, images), loading fails.
    Cut,
}

/// Cuts the longest texts of a turn so that it fits into a budget, if it can be made to.
pub(crate) fn to_fit(
    turn: &Messages,
    budget: usize,
    size: impl Fn(&Message) -> usize,
) -> Option<Messages> {
    let longest = turn.iter().map(|message| message.text().chars().count()).max()?;
    let at = |keep: usize| {
        let cut: Messages = turn.iter_shared().map(|message| shorten(message, keep)).collect();
        (total(cut.iter().map(&size)) <= budget).then_some(cut)
    };
    let mut best = at(0)?;
    let (mut fits, mut exceeds) = (0, longest);
    while exceeds - fits > 1 {
        let keep = fits + (exceeds - fits) / 2;
        match at(keep) {
            Some(cut) => (fits, best) = (keep, cut),
            None => exceeds = keep,
        }
    }
    Some(best)
}

/// Cuts a message's text after a number of characters.
fn shorten(message: &Arc<Message>, keep: usize) -> Arc<Message> {
    let Some(text) = message.content().as_text() else { return Arc::clone(message) };
    match text.char_indices().nth(keep).and_then(|(end, _)| text.get(..end)) {
        Some(kept) => Arc::new(Message::clone(message).with_content(format!("{kept}{MARK}"))),
        None => Arc::clone(message),
    }
}
