//! What the tests share.

use conversant_core::{
    LoadContext, Loaded, Memory, Message, Messages, SessionId, TokenCounter, Turn, TurnId,
    Variables,
};

pub(crate) fn session(id: &str) -> SessionId {
    SessionId::new(id).unwrap()
}

/// A turn that is known by its number: `q1` and `a1`.
pub(crate) fn turn(number: u128) -> Turn {
    Turn::exchange(format!("q{number}"), format!("a{number}")).with_id(TurnId::from_u128(number))
}

pub(crate) async fn load(memory: &(impl Memory + ?Sized)) -> Loaded {
    memory.load(LoadContext::new(&Variables::new())).await.unwrap()
}

/// Loads a memory of one variable and shows it: text as it is, messages as their transcript.
pub(crate) async fn shown(memory: &(impl Memory + ?Sized)) -> String {
    let loaded = load(memory).await;
    let (_, value) = loaded.variables.iter().next().unwrap();
    value.to_text().into_owned()
}

/// Makes messages of lines like `human: hi`.
pub(crate) fn messages(lines: &str) -> Messages {
    lines
        .lines()
        .map(|line| {
            let (role, text) = line.trim().split_once(": ").unwrap();
            Message::new(conversant_core::Role::from_name(role), text)
        })
        .collect()
}

/// Counts the pieces of a message's line between white space.
#[derive(Clone, Copy)]
pub(crate) struct Whitespace;

impl TokenCounter for Whitespace {
    fn count_text(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}
