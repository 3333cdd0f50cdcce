//! Limits on the text that a memory sends to its model and takes from it.
//!
//! What a memory derives from a conversation is part of every later prompt, so its size must depend
//! neither on one message nor on one answer.

use std::borrow::Cow;

#[cfg(feature = "entities")]
use conversant_core::Role;
#[cfg(any(feature = "entities", feature = "summaries"))]
use conversant_core::{Message, Messages};

use crate::trim::truncate::MARK;
#[cfg(any(feature = "entities", feature = "summaries"))]
use crate::trim::{sizes::total, truncate::cut_longest};

/// The most text of a conversation in one call, and of an answer that is text: 64 KiB.
pub(crate) const MAX_TEXT: usize = 64 * 1024;

/// The most text of an answer that is a list, and of all that is derived from a session: 4 MiB,
/// which every store takes in a note ([`Note::MAX_BYTES`](conversant_core::Note::MAX_BYTES)).
#[cfg(feature = "entities")]
pub(crate) const MAX_LIST: usize = 4 * 1024 * 1024;

/// The most messages of a conversation in one call, if the call needs only some of them.
#[cfg(feature = "entities")]
const MAX_MESSAGES: usize = 1024;

/// Returns the number of messages from the front of which those that are sent have at most
/// [`MAX_TEXT`] bytes.
#[cfg(any(feature = "entities", feature = "summaries"))]
pub(crate) fn count_fitting(messages: &Messages, is_sent: impl Fn(&Message) -> bool) -> usize {
    let mut bytes = 0_usize;
    let fits = messages.iter().take_while(|message| {
        if is_sent(message) {
            bytes = bytes.saturating_add(message.text().len());
        }
        bytes <= MAX_TEXT
    });
    fits.count()
}

/// Returns the number of messages from the front whose human ones fit into one call.
#[cfg(feature = "entities")]
pub(crate) fn count_fitting_questions(messages: &Messages) -> usize {
    let is_question = |message: &Message| *message.role() == Role::Human;
    count_fitting(messages, is_question).min(MAX_MESSAGES)
}

/// Returns messages whose longest texts are cut, such that all have at most `max` bytes, usually
/// [`MAX_TEXT`]. Messages that are too many for it are returned whole.
#[cfg(any(feature = "entities", feature = "summaries"))]
pub(crate) fn shortened_messages(messages: &Messages, max: usize) -> Messages {
    let size = |message: &Message| message.text().len();
    let cut = match total(messages.iter().map(size)) {
        bytes if bytes <= max => None,
        _ => cut_longest(messages, max, size),
    };
    cut.unwrap_or_else(|| messages.clone())
}

/// Returns a text whose end is cut off and marked after `max` bytes, usually [`MAX_TEXT`].
pub(crate) fn shortened(text: &str, max: usize) -> Cow<'_, str> {
    cut(text, max).map_or(Cow::Borrowed(text), |kept| Cow::Owned(format!("{kept}{MARK}")))
}

/// Returns the items of a list that are whole within [`MAX_LIST`] bytes.
#[cfg(feature = "entities")]
pub(crate) fn shortened_list<'t>(text: &'t str, separator: &str) -> &'t str {
    let Some(kept) = cut(text, MAX_LIST) else { return text };
    kept.rsplit_once(separator).map_or("", |(whole, _)| whole)
}

/// Returns the characters of a text within a number of bytes, if there are more.
fn cut(text: &str, max: usize) -> Option<&str> {
    if text.len() <= max {
        return None;
    }
    (0..=max).rev().find_map(|end| text.get(..end))
}
