//! The indices at which a view of a conversation may begin, derived from its messages.

#[cfg(any(feature = "entities", feature = "summaries", feature = "vectors"))]
use std::ops::Range;

use conversant_core::{Message, Messages, Role};

/// Returns the indices at which a view may begin, in order. These are the questions, or the system
/// messages before them, after which tool results do not answer an earlier call.
pub(crate) fn boundaries(messages: &Messages) -> Vec<usize> {
    let mut boundaries: Vec<_> = boundaries_backwards(messages).collect();
    boundaries.reverse();
    boundaries
}

/// Returns the turns of a conversation, in order. What comes before the first boundary is one.
#[cfg(any(feature = "entities", feature = "summaries", feature = "vectors"))]
pub(crate) fn turns(messages: &Messages) -> Vec<Range<usize>> {
    let mut starts = boundaries(messages);
    if starts.first() != Some(&0) && !messages.is_empty() {
        starts.insert(0, 0);
    }
    let ends = starts.iter().copied().skip(1).chain([messages.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

/// Iterates over [`boundaries`] from the last to the first.
pub(crate) fn boundaries_backwards(messages: &Messages) -> impl Iterator<Item = usize> {
    let mut unanswered = Unanswered::default();
    let mut backwards = messages.iter().rev().peekable();
    let mut index = messages.len();
    std::iter::from_fn(move || {
        while let Some(message) = backwards.next() {
            index -= 1;
            unanswered.note(message);
            let before = backwards.peek();
            let follows_system = before.is_some_and(|before| *before.role() == Role::System);
            if may_open(message.role()) && !follows_system && unanswered.is_empty() {
                return Some(index);
            }
        }
        None
    })
}

/// Returns the number of system messages at the start of a conversation.
pub(crate) fn count_leading_system(messages: &Messages) -> usize {
    messages.iter().take_while(|message| *message.role() == Role::System).count()
}

/// Returns whether a turn may begin with a message of this role. A role with a custom name is a
/// participant, unless the name is another one for a known role.
fn may_open(role: &Role) -> bool {
    match role {
        Role::Chat(name) => {
            let known = Role::from_name(&name.to_lowercase());
            matches!(known, Role::Chat(_) | Role::Human | Role::System)
        }
        role => matches!(role, Role::Human | Role::System),
    }
}

/// Tool results, seen from the back, whose calls have not been seen yet.
#[derive(Default)]
struct Unanswered<'m> {
    ids: Vec<&'m str>,
    /// Whether there is a result without a call id. It answers the AI message before it.
    unnamed: bool,
}

impl<'m> Unanswered<'m> {
    fn note(&mut self, message: &'m Message) {
        match message.role() {
            Role::Tool => match message.tool_call_id() {
                Some(id) => self.ids.push(id),
                None => self.unnamed = true,
            },
            Role::Function => self.unnamed = true,
            Role::Ai => {
                self.unnamed = false;
                self.ids.retain(|id| !message.call_ids().any(|call| call == Some(*id)));
            }
            _ => {}
        }
    }

    const fn is_empty(&self) -> bool {
        self.ids.is_empty() && !self.unnamed
    }
}
