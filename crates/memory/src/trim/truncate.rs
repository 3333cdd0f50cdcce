//! Truncation of a turn that exceeds a token budget.

use std::sync::Arc;

use conversant_core::{Content, Message, Messages, Part, Role};

use super::sizes::total;

/// The mark in place of text that was cut off.
pub(crate) const MARK: &str = "[…]";

/// The treatment of a newest turn that alone exceeds the budget. The turn stays whole in the
/// history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Oversized {
    /// The turn is truncated in the view, and the conversation continues (the default):
    ///
    /// 1. Its longest texts are cut at the end. `[…]` marks the place.
    /// 2. If that is not enough, only its question and its answer are shown, cut in the same way.
    ///    Tool calls and their results are left out, and `[…]` replaces images and other parts.
    /// 3. If even that is not enough, the turn is not shown.
    #[default]
    Truncate,
    /// Loading fails with [`MemoryError::OverBudget`](conversant_core::MemoryError::OverBudget)
    /// before a model is called.
    Refuse,
}

/// Truncates a turn to a token budget by the rules of [`Oversized::Truncate`].
pub(crate) fn truncate(
    turn: &Messages,
    budget: usize,
    size: impl Fn(&Message) -> usize,
) -> Messages {
    cut_longest(turn, budget, &size)
        .or_else(|| cut_longest(&question_and_answer(turn), budget, &size))
        .unwrap_or_default()
}

/// Cuts the longest texts of messages such that they fit into a budget, if that is possible.
pub(crate) fn cut_longest(
    messages: &Messages,
    budget: usize,
    size: impl Fn(&Message) -> usize,
) -> Option<Messages> {
    let longest = messages.iter().map(|message| message.text().chars().count()).max()?;
    let at = |keep: usize| {
        let cut: Messages = messages.iter_shared().map(|message| cut(message, keep)).collect();
        (total(cut.iter().map(&size)) <= budget).then_some(cut)
    };
    // The length is doubled first, so that the cost depends on what is kept and not on a text of
    // megabytes.
    let (mut fits, mut exceeds) = (0, budget.max(16));
    let mut best = at(0);
    loop {
        match at(exceeds.min(longest)) {
            whole @ Some(_) if exceeds >= longest => return whole,
            Some(cut) => {
                (fits, best) = (exceeds, Some(cut));
                exceeds = exceeds.saturating_mul(2);
            }
            None => break,
        }
    }
    best.as_ref()?;
    exceeds = exceeds.min(longest);
    while exceeds - fits > 1 {
        let keep = fits + (exceeds - fits) / 2;
        match at(keep) {
            Some(cut) => (fits, best) = (keep, Some(cut)),
            None => exceeds = keep,
        }
    }
    best
}

/// Reduces a turn to its first question and its last answer, as text.
fn question_and_answer(turn: &Messages) -> Messages {
    let is_answer =
        |message: &&Message| *message.role() == Role::Ai && message.call_ids().next().is_none();
    let question = turn.iter().find(|message| *message.role() == Role::Human);
    let answer = turn.iter().rev().find(is_answer);
    let as_text = |message: &Message| {
        let text = match message.content() {
            Content::Text(text) => text.clone(),
            _ => format!("{}{MARK}", texts(message.content())),
        };
        Message::new(message.role().clone(), text)
    };
    question.into_iter().chain(answer).map(as_text).collect()
}

/// Returns the text among the parts of a message's content.
fn texts(content: &Content) -> String {
    content.parts().iter().filter_map(Part::as_text).collect()
}

/// Cuts a message's text after a number of characters.
fn cut(message: &Arc<Message>, keep: usize) -> Arc<Message> {
    let content = match message.content() {
        Content::Text(text) => cut_text(text, keep).map(Content::Text),
        Content::Parts(parts) => cut_parts(parts, keep).map(Content::Parts),
        _ => None,
    };
    match content {
        Some(content) => Arc::new(Message::clone(message).with_content(content)),
        None => Arc::clone(message),
    }
}

fn cut_text(text: &str, keep: usize) -> Option<String> {
    let (end, _) = text.char_indices().nth(keep)?;
    text.get(..end).map(|kept| format!("{kept}{MARK}"))
}

/// Cuts the texts among parts. They share the number of characters.
fn cut_parts(parts: &[Part], keep: usize) -> Option<Vec<Part>> {
    let mut left = keep;
    let mut is_cut = false;
    let cut = parts.iter().filter_map(|part| {
        let Some(text) = part.as_text() else { return Some(part.clone()) };
        if is_cut {
            return None;
        }
        let shortened = cut_text(text, left);
        left = left.saturating_sub(text.chars().count());
        is_cut = shortened.is_some();
        Some(shortened.map_or_else(|| part.clone(), Part::text))
    });
    let cut: Vec<_> = cut.collect();
    is_cut.then_some(cut)
}
