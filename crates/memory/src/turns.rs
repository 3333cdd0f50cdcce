//! Where the turns of a conversation begin, told from its messages.

use conversant_core::{Message, Messages, Role};

/// Returns the indices at which a part of a conversation may begin, in order: at a question (and the system messages before
/// it), if no tool's result after it answers a call before it.
pub(crate) fn starts(messages: &Messages) -> Vec<usize> {
    let mut starts: Vec<_> = starts_backwards(messages).collect();
    starts.reverse();
    starts
}

/// Iterates over what [`starts`] returns, from the last.
pub(crate) fn starts_backwards(messages: &Messages) -> impl Iterator<Item = usize> {
    let mut waiting = Waiting::default();
    let mut backwards = messages.iter().rev().peekable();
    let mut index = messages.len();
    std::iter::from_fn(move || {
        while let Some(message) = backwards.next() {
            index -= 1;
            waiting.note(message);
            let before = backwards.peek();
            let follows_system = before.is_some_and(|before| *before.role() == Role::System);
            if opens(message.role()) && !follows_system && waiting.is_over() {
                return Some(index);
            }
        }
        None
    })
}

/// Returns how many system messages a conversation opens with.
pub(crate) fn opening(messages: &Messages) -> usize {
    messages.iter().take_while(|message| *message.role() == Role::System).count()
}

/// Tells whether a turn may open with this role. A role of another name is a participant, unless the name is another for one of ours.
fn opens(role: &Role) -> bool {
    match role {
        Role::Chat(name) => {
            let known = Role::from_name(&name.to_lowercase());
            matches!(known, Role::Chat(_) | Role::Human | Role::System)
        }
        role => matches!(role, Role::Human | Role::System),
    }
}

/// Results, seen on the way back, whose calls are still to come.
#[derive(Default)]
struct Waiting<'m> {
    ids: Vec<&'m str>,
    /// Whether there is a result that names no call: it answers the AI message before it.
    unnamed: bool,
}

impl<'m> Waiting<'m> {
    fn note(&mut self, message: &'m Message) {
        match message.role() {
            Role::Tool => match message.tool_call_id() {
                Some(id) => self.ids.push(id),
                None => self.unnamed = true,
            },
            Role::Function => self.unnamed = true,
            Role::Ai => {
                self.unnamed = false;
                self.ids.retain(|id| !calls(message, id));
            }
            _ => {}
        }
    }

    fn is_over(&self) -> bool {
        self.ids.is_empty() && !self.unnamed
    }
}

/// Tells whether a message asks for the call with this id. Messages that older versions stored have calls in the provider's form only.
fn calls(message: &Message, id: &str) -> bool {
    let as_sent =
        message.extra().get("additional_kwargs").and_then(|kwargs| kwargs.get("tool_calls"));
    message.tool_calls().iter().any(|call| call.id.as_deref() == Some(id))
        || message.invalid_tool_calls().iter().any(|call| call.id.as_deref() == Some(id))
        || as_sent
            .and_then(|calls| calls.as_array())
            .is_some_and(|calls| calls.iter().any(|call| call["id"] == id))
}
